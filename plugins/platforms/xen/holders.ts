// SPDX-License-Identifier: MIT

import { stat } from 'node:fs/promises';
import { type Bdf, formatBdf } from '../../../core/bdf.ts';
import { fail } from '../../../core/errors/index.ts';
import { Errno, HostError } from '../../../core/platform/index.ts';
import { isBridgeClass } from '../../bridges.ts';
import type { HolderSwitches } from '../../kinds/platform.ts';
import { functionFolder, hostError, linkName, readText, type WriteAttribute } from './sysfs-files.ts';

/** How a function is kept from the host's drivers. */
export interface Holder {
  /** What {@link PciListing} says of a function with this driver. */
  describe(driver: string | undefined, code: number): { readonly holder: string; readonly seizable: boolean };
  /**
   * Makes sure that the function is held; resolves with what undoes it.
   *
   * @throws PcibackError `DEVICE_NOT_SEIZABLE`; HostError
   */
  take(address: Bdf): Promise<() => Promise<void>>;
  /** What it has switched on for a function. Missing: it has no switches. @throws HostError */
  switchesOf?(address: Bdf): Promise<HolderSwitches>;
}

const STUB_MODULE = 'pciback';
const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );
const nothing = async (): Promise<void> => undefined;

/** Whether an attribute that has an address in each line has this one. */
const lists = async (path: string, address: Bdf): Promise<boolean> => {
  try {
    return (await readText(path))?.split('\n').includes(formatBdf(address)) === true;
  } catch (error) {
    throw hostError(`read of ${path}`, error);
  }
};

/**
 * Drop-in: the kernel module's PCI half holds the functions, because the toolstack looks for them there. It made them
 * assignable, and undoes it; nothing is changed here.
 */
export const kernelStubHolder = (sysfs: string): Holder => ({
  describe: (driver) =>
    driver === STUB_MODULE ? { holder: 'seizable', seizable: true } : { holder: driver ?? 'free', seizable: false },
  async take(address) {
    const bdf = formatBdf(address);
    if ((await linkName(`${sysfs}/bus/pci/drivers/${STUB_MODULE}/${bdf}`)) !== undefined) return nothing;
    const driver = await linkName(`${functionFolder(sysfs, address)}/driver`);
    return fail('DEVICE_NOT_SEIZABLE', {
      bdf,
      holder: driver === undefined ? 'no driver at all' : `driver ${driver}`,
      next: `Make it assignable: xl pci-assignable-add ${bdf}`,
    });
  },
  async switchesOf(address) {
    const driver = `${sysfs}/bus/pci/drivers/${STUB_MODULE}`;
    const names = ['permissive', 'allow_interrupt_control'];
    const [permissive = false, allowInterruptControl = false] = await Promise.all(
      names.map((name) => lists(`${driver}/${name}`, address)),
    );
    return { permissive, allowInterruptControl };
  },
});

/** Stand-alone: `pci-stub` holds the functions. The driver a function had before gets it back. */
export const pciStubHolder = (sysfs: string, write: WriteAttribute): Holder => {
  const stub = 'pci-stub';
  const bus = `${sysfs}/bus/pci`;

  const enable = async (folder: string, value: '0' | '1'): Promise<void> => {
    try {
      await write(`${folder}/enable`, value);
    } catch (error) {
      // To disable what is not enabled is an error for the kernel and none here.
      if (value === '0' && error instanceof HostError && error.errno === Errno.EIO) return;
      throw error;
    }
  };

  const takeFromHost = async (address: Bdf, previous: string | undefined): Promise<() => Promise<void>> => {
    const bdf = formatBdf(address);
    const folder = functionFolder(sysfs, address);
    const undo: (() => Promise<void>)[] = [];
    const undoAll = async (): Promise<void> => {
      // A function that was removed meanwhile has nothing to give back, and its files are gone.
      if (!(await exists(folder))) return;
      for (let step = undo.pop(); step !== undefined; step = undo.pop()) await step();
    };
    try {
      if (previous !== undefined) {
        await write(`${folder}/driver/unbind`, bdf);
        undo.push(() => write(`${bus}/drivers/${previous}/bind`, bdf));
      }
      // Only a function without a driver can be enabled from here, so this comes before the stub is bound.
      await enable(folder, '1');
      undo.push(() => enable(folder, '0'));
      await write(`${folder}/driver_override`, stub);
      undo.push(() => write(`${folder}/driver_override`, '\n'));
      await write(`${bus}/drivers_probe`, bdf);
      const driver = await linkName(`${folder}/driver`);
      if (driver === stub) undo.push(() => write(`${folder}/driver/unbind`, bdf));
      else {
        fail('DEVICE_NOT_SEIZABLE', {
          bdf,
          holder: driver === undefined ? 'no driver: pci-stub did not take it' : `driver ${driver}`,
          next: 'Load the stub driver (modprobe pci-stub) and try again.',
        });
      }
      return undoAll;
    } catch (error) {
      await undoAll();
      throw error;
    }
  };

  return {
    describe(driver, code) {
      if (driver === stub) return { holder: 'seizable', seizable: true };
      return { holder: driver ?? 'free', seizable: driver !== STUB_MODULE && !isBridgeClass(code) };
    },
    async take(address) {
      const bdf = formatBdf(address);
      const driver = await linkName(`${functionFolder(sysfs, address)}/driver`);
      // Held like this when it was found, for example by a process before this one: left like this too.
      if (driver === stub) return nothing;
      if (driver === STUB_MODULE) {
        return fail('DEVICE_NOT_SEIZABLE', {
          bdf,
          holder: 'the kernel module xen-pciback',
          next: `Take it back first: xl pci-assignable-remove ${bdf}; or use mode drop-in.`,
        });
      }
      try {
        await stat(`${bus}/drivers/${stub}`);
      } catch (error) {
        return fail(
          'DEVICE_NOT_SEIZABLE',
          { bdf, holder: driver ?? 'no driver', next: 'Load the stub driver: modprobe pci-stub' },
          error,
        );
      }
      return takeFromHost(address, driver);
    },
  };
};
