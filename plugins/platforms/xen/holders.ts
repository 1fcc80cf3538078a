// SPDX-License-Identifier: MIT

import { type Bdf, formatBdf } from '../../../core/bdf.ts';
import { fail } from '../../../core/errors/index.ts';
import type { HolderSwitches } from '../../kinds/platform.ts';
import { functionFolder, hostError, linkName, readText } from './sysfs-files.ts';

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

/** The kernel module's driver, which holds devices in drop-in mode. */
export const STUB_MODULE = 'pciback';
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
