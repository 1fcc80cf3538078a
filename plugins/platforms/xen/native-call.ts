// SPDX-License-Identifier: MIT

import { Errno, errnoName, HostError } from '../../../core/platform/index.ts';
import { fail } from '../../errors.ts';
import type { NativeLoader, NativePointer } from '../../kinds/native.ts';

/**
 * The result of a call that answers -1 on failure.
 *
 * @throws HostError with the errno of the failure
 */
export const checked = (native: NativeLoader, call: string, result: number, detail?: string): number => {
  if (result < 0) throw new HostError(call, native.errno(), detail);
  return result;
};

/**
 * The handle that an open call of a Xen library gave.
 *
 * @throws PcibackError `NO_PRIVILEGE`, or `PLATFORM_UNAVAILABLE` for every other reason
 */
export const opened = (native: NativeLoader, call: string, handle: NativePointer | null): NativePointer => {
  if (handle !== null) return handle;
  const errno = native.errno();
  if (errno === Errno.EACCES || errno === Errno.EPERM) {
    return fail('NO_PRIVILEGE', { what: call, why: errnoName(errno) });
  }
  return unavailable(`${call}: ${errnoName(errno)}`);
};

/** The interface of libxenctrl, opened at its first use; not again once it is closed. */
export const controlHandle = (
  native: NativeLoader,
  control: {
    xc_interface_open(log: null, abortLog: null, flags: number): NativePointer | null;
    xc_interface_close(xc: NativePointer): number;
  },
): { open(call: string): NativePointer; close(): void } => {
  let handle: NativePointer | undefined;
  let closed = false;
  return {
    open: (call) => {
      if (closed) throw new HostError(call, Errno.ENODEV, 'the platform is closed');
      handle ??= opened(native, 'xc_interface_open', control.xc_interface_open(null, null, 0));
      return handle;
    },
    close: () => {
      closed = true;
      if (handle !== undefined) checked(native, 'xc_interface_close', control.xc_interface_close(handle));
      handle = undefined;
    },
  };
};

/** There is no Xen here, or a part of it is missing. */
export const unavailable = (missing: string): never =>
  fail('PLATFORM_UNAVAILABLE', {
    platform: 'xen',
    missing,
    next: 'Run it in dom0 of a Xen host, with xenfs mounted and the modules xen-evtchn, xen-gntdev and xen-privcmd loaded (`pciback doctor` checks each); elsewhere use --platform embedded.',
  });
