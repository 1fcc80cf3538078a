// SPDX-License-Identifier: MIT

import { isPcibackError } from '../../../core/errors/index.ts';
import type { DomainControl } from '../../../core/platform/index.ts';
import type { NativeLoader } from '../../kinds/native.ts';
import { libxenctrlDomains } from './libraries.ts';
import { checked, controlHandle } from './native-call.ts';

/** Guests as a whole; can be given up. */
export interface XenDomains extends DomainControl {
  close(): void;
}

/** SHUTDOWN_crash. Source: Xen public header sched.h. */
const SHUTDOWN_CRASH = 3;

/**
 * Pausing and ending of guests over libxenctrl. These calls belong to one release of Xen: a library that lacks them
 * leaves a platform that cannot do it.
 */
export const createDomains = (native: NativeLoader, controlNames: readonly string[]): XenDomains => {
  let control: ReturnType<typeof bind>;
  try {
    control = bind(native, controlNames);
  } catch (error) {
    if (!isPcibackError(error, 'NATIVE_SYMBOL_MISSING')) throw error;
    return { close: () => undefined };
  }
  const { open, close } = controlHandle(native, control);
  return {
    pause(domain) {
      const call = 'xc_domain_pause';
      checked(native, call, control.xc_domain_pause(open(call), domain), `domain ${domain}`);
    },
    // As after a crash of its kernel: the toolstack does what `on_crash` in the guest's configuration says.
    destroy(domain) {
      const call = 'xc_domain_shutdown';
      checked(native, call, control.xc_domain_shutdown(open(call), domain, SHUTDOWN_CRASH), `domain ${domain}`);
    },
    close,
  };
};

const bind = (native: NativeLoader, names: readonly string[]) => native.bind(libxenctrlDomains(names));
