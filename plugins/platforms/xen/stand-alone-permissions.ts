// SPDX-License-Identifier: MIT

import { type Bdf, formatBdf } from '../../../core/bdf.ts';
import { Errno, HostError } from '../../../core/platform/index.ts';
import type { NativeLoader, NativePointer } from '../../kinds/native.ts';
import { libxenctrlToolstack } from './libraries.ts';
import { checked, controlHandle } from './native-call.ts';

export type Permission = 'allow' | 'forbid';

/**
 * What a toolstack asks the hypervisor for when a domain gets a function. All calls are synchronous hypercalls that throw
 * `HostError` with the errno of the refusal; what is forbidden or taken away and was never there is no error of theirs.
 */
export interface Permissions {
  ports(domain: number, first: number, count: number, what: Permission): void;
  /** @param first number of a frame of 4 KiB */
  frames(domain: number, first: bigint, count: bigint, what: Permission): void;
  /** Maps a line of the host for the domain, under its own number. */
  mapLine(domain: number, line: number): void;
  unmapLine(domain: number, line: number): void;
  line(domain: number, line: number, what: Permission): void;
  /** By the IOMMU, with all that it translates. */
  assign(domain: number, address: Bdf, how: 'strict' | 'relaxed'): void;
  deassign(domain: number, address: Bdf): void;
  /** Whether the IOMMU could give the function to the domain. */
  testAssign(domain: number, address: Bdf): void;
  close(): void;
}

/** Nobody's domain: a function that is its, by the IOMMU, reaches no memory (XSA-302). Source: Xen public header xen.h. */
export const DOMID_IO = 0x7ff1;

/** Flag of an assignment: memory that firmware has reserved for the function may lie elsewhere in the domain. */
const RELAXED = 1;

/** Calls that no IOMMU answers: by the release of Xen. */
export const isWithoutIommu = (error: unknown): error is HostError =>
  error instanceof HostError && (error.errno === Errno.ENOSYS || error.errno === Errno.EOPNOTSUPP);

const { ESRCH, ENODEV, EINVAL, ENOENT, EOPNOTSUPP } = Errno;

/** Over libxenctrl, whose calls belong to one release of Xen. @throws PcibackError `NATIVE_LIBRARY_MISSING`, `NATIVE_SYMBOL_MISSING` */
export const createPermissions = (native: NativeLoader, controlNames: readonly string[]): Permissions => {
  const control = native.bind(libxenctrlToolstack(controlNames));
  const pirq = new Int32Array(1);
  const pirqBytes = new Uint8Array(pirq.buffer);
  const { open, close } = controlHandle(native, control);
  /** @param gone errors that say: it went with its domain, or was never there */
  const ask = (
    call: string,
    detail: string,
    work: (xc: NativePointer) => number,
    gone: readonly number[] = [],
  ): void => {
    const xc = open(call);
    try {
      checked(native, call, work(xc), detail);
    } catch (error) {
      if (!(error instanceof HostError) || !gone.includes(error.errno)) throw error;
    }
  };
  const assignment = (domain: number, address: Bdf): string => `domain ${domain}, ${formatBdf(address)}`;
  return {
    ports: (domain, first, count, what) =>
      ask(
        'xc_domain_ioport_permission',
        `domain ${domain}, ports 0x${first.toString(16)}, ${count} of them`,
        (xc) => control.xc_domain_ioport_permission(xc, domain, first, count, what === 'allow' ? 1 : 0),
        what === 'allow' ? [] : [ESRCH],
      ),
    frames: (domain, first, count, what) =>
      ask(
        'xc_domain_iomem_permission',
        `domain ${domain}, frames 0x${first.toString(16)}, ${count} of them`,
        (xc) => control.xc_domain_iomem_permission(xc, domain, first, count, what === 'allow' ? 1 : 0),
        what === 'allow' ? [] : [ESRCH],
      ),
    mapLine(domain, line) {
      const call = 'xc_physdev_map_pirq';
      pirq[0] = line;
      const detail = `domain ${domain}, line ${line}`;
      ask(call, detail, (xc) => control.xc_physdev_map_pirq(xc, domain, line, pirqBytes));
      if (pirq[0] === line) return;
      control.xc_physdev_unmap_pirq(open(call), domain, pirq[0] as number);
      throw new HostError(call, Errno.EEXIST, `${detail}: it became PIRQ ${pirq[0]}`);
    },
    unmapLine: (domain, line) =>
      ask(
        'xc_physdev_unmap_pirq',
        `domain ${domain}, PIRQ ${line}`,
        (xc) => control.xc_physdev_unmap_pirq(xc, domain, line),
        [ESRCH, EINVAL, ENOENT],
      ),
    line: (domain, line, what) =>
      ask(
        'xc_domain_irq_permission',
        `domain ${domain}, PIRQ ${line}`,
        (xc) => control.xc_domain_irq_permission(xc, domain, line, what === 'allow'),
        what === 'allow' ? [] : [ESRCH, EINVAL, ENOENT],
      ),
    assign: (domain, address, how) =>
      ask('xc_assign_device', assignment(domain, address), (xc) =>
        control.xc_assign_device(xc, domain, address, how === 'relaxed' ? RELAXED : 0),
      ),
    deassign: (domain, address) =>
      ask('xc_deassign_device', assignment(domain, address), (xc) => control.xc_deassign_device(xc, domain, address), [
        ESRCH,
        ENODEV,
        EOPNOTSUPP,
      ]),
    testAssign: (domain, address) =>
      ask('xc_test_assign_device', assignment(domain, address), (xc) =>
        control.xc_test_assign_device(xc, domain, address),
      ),
    close,
  };
};
