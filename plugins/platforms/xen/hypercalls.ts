// SPDX-License-Identifier: MIT

import { type Bdf, busOf, devfnOf, formatBdf, segmentOf } from '../../../core/bdf.ts';
import type { Logger } from '../../../core/log.ts';
import { Errno, HostError, type InterruptMapper, type PciFunction } from '../../../core/platform/index.ts';
import { CapabilityId, capabilities } from '../../../core/space/capabilities.ts';
import type { NativeLoader } from '../../kinds/native.ts';
import { libxencall, libxenctrl } from './libraries.ts';
import { checked, opened } from './native-call.ts';
import type { TellReset } from './sysfs-function.ts';

/** Interrupt hypercalls that can be given up as a whole. */
export interface XenInterrupts extends InterruptMapper {
  /**
   * Whether several domains have bound this domain's PIRQ (PHYSDEVOP_irq_status_query).
   *
   * @throws HostError with the errno of the hypervisor
   */
  isShared(pirq: number): boolean;
  /**
   * Tells the hypervisor that a function was reset, so that what it keeps of it is made anew (PHYSDEVOP_pci_device_reset).
   *
   * @throws HostError with the errno of the hypervisor: ENOSYS before Xen 4.20, EOPNOTSUPP without pass-through
   */
  tellReset(address: Bdf, kind: ResetKind): void;
  close(): void;
}

export interface InterruptOptions {
  /** Names of libxenctrl, best first. */
  readonly controlNames: readonly string[];
  /**
   * Who tells the hypervisor of MSI-X tables. `kernel`: the kernel module that holds the device did when it took it, and
   * takes it back when it lets go; a second call would be refused.
   */
  readonly msixPreparedBy: 'kernel' | 'this-process';
}

/** `physdev_op`, and its commands that no library function makes. Source: Xen public header physdev.h. */
const PHYSDEV_OP = 33;
const IRQ_STATUS_QUERY = 5n;
const RESTORE_MESSAGES = 27n;
const PREPARE_MSIX = 30n;
const RELEASE_MSIX = 31n;

const PCI_DEVICE_RESET = 32n;

/** `flags` of pci_device_reset. */
const resetKinds = { warm: 1, hot: 2, function: 3 } as const;
type ResetKind = keyof typeof resetKinds;

/** What the hypervisor calls a reset by one of the host's methods. */
const kindOf = (method: string): ResetKind =>
  method === 'bus' || method === 'cxl_bus' ? 'hot' : method === 'pm' ? 'warm' : 'function';

/** Tells the hypervisor of each reset, as long as it has a use for that. */
export const resetTeller = (interrupts: Pick<XenInterrupts, 'tellReset'>, log: Logger): TellReset => {
  let isOfUse = true;
  return (address, method) => {
    if (!isOfUse) return;
    try {
      interrupts.tellReset(address, kindOf(method));
    } catch (error) {
      if (!(error instanceof HostError)) throw error;
      isOfUse = error.errno !== Errno.ENOSYS && error.errno !== Errno.EOPNOTSUPP;
      if (isOfUse)
        log.warn({ bdf: formatBdf(address), error: error.message }, 'the hypervisor was not told of a reset');
    }
  };
};

/** `flags` of irq_status_query: bound by several domains (1: needs an EOI). */
const SHARED = 2;

/** Looks in config space itself, because a mistake here costs the whole host. */
export const hasMsix = (device: PciFunction): boolean =>
  capabilities(device).some(({ id }) => id === CapabilityId.msix);

const hasMessages = (device: PciFunction): boolean =>
  capabilities(device).some(({ id }) => id === CapabilityId.msix || id === CapabilityId.msi);

/**
 * Interrupts over libxenctrl and libxencall.
 *
 * @throws PcibackError `NATIVE_LIBRARY_MISSING`, `NO_PRIVILEGE`, `PLATFORM_UNAVAILABLE`
 */
export const createInterrupts = (native: NativeLoader, options: InterruptOptions): XenInterrupts => {
  const control = native.bind(libxenctrl(options.controlNames));
  const calls = native.bind(libxencall);
  const xc = opened(native, 'xc_interface_open', control.xc_interface_open(null, null, 0));
  // The caller closes what this function gave it; until then what was opened is closed here.
  const closeControl = (): void => {
    checked(native, 'xc_interface_close', control.xc_interface_close(xc));
  };
  const openCalls = () => {
    try {
      const handle = opened(native, 'xencall_open', calls.xencall_open(null, 0));
      try {
        const argument = opened(native, 'xencall_alloc_buffer', calls.xencall_alloc_buffer(handle, 8n));
        return { handle, argument, memory: new DataView(native.view(argument, 8)) };
      } catch (error) {
        calls.xencall_close(handle);
        throw error;
      }
    } catch (error) {
      closeControl();
      throw error;
    }
  };
  const { handle, argument, memory } = openCalls();
  const pirq = new Int32Array(1);
  const pirqBytes = new Uint8Array(pirq.buffer);
  let closed = false;
  const checkOpen = (call: string): void => {
    if (closed) throw new HostError(call, Errno.ENODEV, 'the platform is closed');
  };

  const map = (domain: number, device: PciFunction, entry: number, tableBase: bigint): number => {
    const call = 'xc_physdev_map_pirq_msi';
    checkOpen(call);
    const { bdf } = device.identity;
    pirq[0] = -1;
    const segmentBus = (segmentOf(bdf) << 16) | busOf(bdf);
    const result = control.xc_physdev_map_pirq_msi(
      xc,
      domain,
      -1,
      pirqBytes,
      devfnOf(bdf),
      segmentBus,
      entry,
      tableBase,
    );
    checked(native, call, result, `${formatBdf(bdf)}, domain ${domain}, entry ${entry}`);
    return pirq[0];
  };

  const writeAddress = (bdf: Bdf): void => {
    memory.setUint16(0, segmentOf(bdf), true);
    memory.setUint8(2, busOf(bdf));
    memory.setUint8(3, devfnOf(bdf));
  };

  const tellOf = (name: string, command: bigint, bdf: Bdf): void => {
    checkOpen(name);
    writeAddress(bdf);
    checked(native, name, calls.xencall2(handle, PHYSDEV_OP, command, argument), formatBdf(bdf));
  };

  const tellOfTable = (name: string, command: bigint, device: PciFunction): void => {
    if (options.msixPreparedBy === 'kernel') return;
    const { bdf } = device.identity;
    // Without the capability this call is a null pointer access in Xen 4.17 and takes the host down (seen).
    if (!hasMsix(device)) throw new HostError(name, Errno.EINVAL, `${formatBdf(bdf)} has no MSI-X capability`);
    tellOf(name, command, bdf);
  };

  return {
    prepareMsix: (device) => tellOfTable('PHYSDEVOP_prepare_msix', PREPARE_MSIX, device),
    releaseMsix: (device) => tellOfTable('PHYSDEVOP_release_msix', RELEASE_MSIX, device),
    mapMsi: (domain, device) => map(domain, device, 0, 0n),
    mapMsix(domain, device, entry, tableBase) {
      // A base of 0 would be taken for MSI.
      if (tableBase === 0n) throw new HostError('map of an MSI-X vector', Errno.EINVAL, 'no table address');
      return map(domain, device, entry, tableBase);
    },
    restoreMessages(device) {
      const name = 'PHYSDEVOP_restore_msi_ext';
      const { bdf } = device.identity;
      // It reads and writes these registers; what it makes of a function without them is not worth a host.
      if (!hasMessages(device)) throw new HostError(name, Errno.EINVAL, `${formatBdf(bdf)} has no message interrupts`);
      tellOf(name, RESTORE_MESSAGES, bdf);
    },
    unmap(domain, mapped) {
      const call = 'xc_physdev_unmap_pirq';
      checkOpen(call);
      if (control.xc_physdev_unmap_pirq(xc, domain, mapped) >= 0) return;
      const errno = native.errno();
      // The domain is gone, and its mappings with it.
      if (errno !== Errno.ESRCH && errno !== Errno.ENODEV) {
        throw new HostError(call, errno, `domain ${domain}, PIRQ ${mapped}`);
      }
    },
    linePirq: (device) => device.line,
    isShared(asked) {
      const call = 'PHYSDEVOP_irq_status_query';
      checkOpen(call);
      // In: 0: u32 irq; out: 4: u32 flags.
      memory.setUint32(0, asked, true);
      memory.setUint32(4, 0, true);
      checked(native, call, calls.xencall2(handle, PHYSDEV_OP, IRQ_STATUS_QUERY, argument), `PIRQ ${asked}`);
      return (memory.getUint32(4, true) & SHARED) !== 0;
    },
    tellReset(address, kind) {
      const call = 'PHYSDEVOP_pci_device_reset';
      checkOpen(call);
      writeAddress(address);
      memory.setUint32(4, resetKinds[kind], true);
      checked(native, call, calls.xencall2(handle, PHYSDEV_OP, PCI_DEVICE_RESET, argument), formatBdf(address));
    },
    close() {
      if (closed) return;
      closed = true;
      calls.xencall_free_buffer(handle, argument);
      checked(native, 'xencall_close', calls.xencall_close(handle));
      closeControl();
    },
  };
};
