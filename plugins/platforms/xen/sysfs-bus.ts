// SPDX-License-Identifier: MIT

import { readdir, readFile, realpath } from 'node:fs/promises';
import { type Bdf, formatBdf } from '../../../core/bdf.ts';
import { fail } from '../../../core/errors/index.ts';
import { type Logger, silent } from '../../../core/log.ts';
import { Errno, type PciFunction, type PciListing } from '../../../core/platform/index.ts';
import { serialInBytes } from '../../function-facts.ts';
import { beyondXen, isBeyondXen } from '../../host-facts.ts';
import type { BusWithDetails, BusWithHoldings, BusWithUses } from '../../kinds/platform.ts';
import type { ConfigPages } from './config-pages.ts';
import type { Holder } from './holders.ts';
import { hostUses } from './host-use.ts';
import {
  addressOf,
  functionFolder,
  hostError,
  isMissing,
  linkName,
  readNumber,
  readText,
  type WriteAttribute,
} from './sysfs-files.ts';
import { openFunction, parseResources, type SysfsFunction, type TellReset } from './sysfs-function.ts';

/** A bus whose functions can be given up as a whole. */
export interface SysfsBus extends BusWithDetails, BusWithHoldings, BusWithUses {
  /** Ends the access to all functions. They stay held: a guest may still use them, and another process take over. */
  close(): void;
}

interface Held {
  readonly device: SysfsFunction;
  readonly undo: () => Promise<void>;
}

/**
 * The host's PCI functions over sysfs.
 *
 * @param sysfs root of sysfs, `/sys` outside of tests
 * @param holder how functions are kept from the host
 * @param write what writes attributes
 * @param pages where pages of config space come from; config space is read through files only if not given
 * @param settings `log` is told of functions that are left out, `tell` of resets that were done; `proc`: `/proc` outside of tests
 */
export const createSysfsBus = (
  sysfs: string,
  holder: Holder,
  write: WriteAttribute,
  pages?: Pick<ConfigPages, 'map'>,
  {
    log = silent,
    tell,
    proc = '/proc',
  }: { readonly log?: Logger; readonly tell?: TellReset; readonly proc?: string } = {},
): SysfsBus => {
  /** Functions that were told to be left out: the bus is listed often. */
  const told = new Set<string>();
  const devices = `${sysfs}/bus/pci/devices`;
  const held = new Map<Bdf, Held>();
  /** Addresses that are being seized: two calls for one address must not both succeed. */
  const busy = new Set<Bdf>();

  const describe = async (address: Bdf): Promise<PciListing | undefined> => {
    const folder = functionFolder(sysfs, address);
    try {
      const [vendor, device, code, driver] = await Promise.all([
        readNumber(`${folder}/vendor`),
        readNumber(`${folder}/device`),
        readNumber(`${folder}/class`),
        linkName(`${folder}/driver`),
      ]);
      return { bdf: address, vendor, device, class: code, ...holder.describe(driver, code) };
    } catch (error) {
      const failure = hostError(`description of ${formatBdf(address)}`, error);
      // Gone since the folder was listed.
      if (failure.errno === Errno.ENOENT) return undefined;
      throw failure;
    }
  };

  const location = async (address: Bdf): Promise<string> => {
    try {
      return await realpath(functionFolder(sysfs, address));
    } catch (error) {
      return fail('DEVICE_NOT_FOUND', { bdf: formatBdf(address), platform: 'xen' }, error);
    }
  };

  const take = async (address: Bdf): Promise<SysfsFunction> => {
    await location(address);
    const undo = await holder.take(address);
    try {
      const device = await openFunction(sysfs, address, write, pages, tell);
      held.set(address, { device, undo });
      return device;
    } catch (error) {
      await undo();
      throw error;
    }
  };

  return {
    async list() {
      let names: string[];
      try {
        names = await readdir(devices);
      } catch (error) {
        // A host without PCI, such as a virtual machine with paravirtual devices only.
        if (isMissing(error)) return [];
        throw hostError(`list of ${devices}`, error);
      }
      const beyond = names.filter((name) => isBeyondXen(name) && !told.has(name));
      for (const name of beyond) told.add(name);
      if (beyond.length > 0) log.warn({}, beyondXen(beyond.sort()));
      const addresses = names.map(addressOf).filter((address) => address !== undefined);
      const listings = await Promise.all(addresses.sort((a, b) => a - b).map(describe));
      return listings.filter((listing) => listing !== undefined);
    },
    async bridgesAbove(address) {
      const parts = (await location(address)).split('/').slice(0, -1);
      return parts
        .map(addressOf)
        .filter((bridge) => bridge !== undefined)
        .reverse();
    },
    usesOf: (address) => hostUses(address, { sysfs, proc }),
    async detailsOf(address) {
      const folder = await location(address);
      try {
        const [subsystemVendor, subsystemDevice, resource = '', told, config] = await Promise.all([
          readNumber(`${folder}/subsystem_vendor`),
          readNumber(`${folder}/subsystem_device`),
          readText(`${folder}/resource`),
          // Linux 6.18 tells it everybody; what others than root can read of config space has no extended capabilities.
          readText(`${folder}/serial_number`),
          readFile(`${folder}/config`),
        ]);
        const serial = told?.toLowerCase() ?? serialInBytes(config);
        const resources = parseResources(resource);
        return { subsystemVendor, subsystemDevice, resources, ...(serial === undefined ? {} : { serial }) };
      } catch (error) {
        const failure = hostError(`look at ${formatBdf(address)}`, error);
        if (failure.errno === Errno.ENOENT) fail('DEVICE_NOT_FOUND', { bdf: formatBdf(address), platform: 'xen' });
        throw failure;
      }
    },
    async seize(address): Promise<PciFunction> {
      if (held.has(address) || busy.has(address)) {
        fail('DEVICE_NOT_SEIZABLE', {
          bdf: formatBdf(address),
          holder: 'this process',
          next: 'Name the function once only.',
        });
      }
      busy.add(address);
      try {
        return await take(address);
      } finally {
        busy.delete(address);
      }
    },
    async stillHolds(device) {
      const { bdf } = device.identity;
      const entry = held.get(bdf);
      if (entry === undefined || entry.device !== device) return false;
      if (await entry.device.lookAgain()) return true;
      held.delete(bdf);
      entry.device.close();
      return false;
    },
    holdingOf: async (address) => held.get(address)?.device.holder,
    ...(holder.switchesOf === undefined ? {} : { switchesOf: holder.switchesOf }),
    async release(device) {
      const entry = held.get(device.identity.bdf);
      if (entry === undefined || entry.device !== device) {
        fail('DEVICE_NOT_SEIZED', { bdf: formatBdf(device.identity.bdf) });
        return;
      }
      entry.device.close();
      // A step that is refused can be tried again: the function is held until then.
      await entry.undo();
      held.delete(device.identity.bdf);
    },
    close() {
      for (const { device } of held.values()) device.close();
      held.clear();
    },
  };
};
