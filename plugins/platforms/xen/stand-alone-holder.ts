// SPDX-License-Identifier: MIT

import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { type Bdf, formatBdf } from '../../../core/bdf.ts';
import { fail } from '../../../core/errors/index.ts';
import { Errno, HostError } from '../../../core/platform/index.ts';
import { isBridgeClass } from '../../bridges.ts';
import { type Holder, STUB_MODULE } from './holders.ts';
import type { LineHandlers } from './line-handlers.ts';
import { type HostChange, type HostChanges, isHosts } from './stand-alone-changes.ts';
import { DOMID_IO, type Permissions } from './stand-alone-permissions.ts';
import { functionFolder, hostError, linkName, readNumber, readText, type WriteAttribute } from './sysfs-files.ts';

/** No driver has this name, so none takes a function that is for it. */
export const NO_DRIVER = 'pciback-no-driver';

const COMMAND = 0x04;

/** What keeping a function from the host works with. */
export interface HolderTerms {
  /** Root of sysfs. */
  readonly sysfs: string;
  readonly write: WriteAttribute;
  readonly changes: HostChanges;
  readonly permissions: Pick<Permissions, 'deassign'>;
  readonly handlers: Pick<LineHandlers, 'unbind'>;
}

/** The command register, through the file; each access is one of 16 bits. */
const command = (folder: string, value?: number): number => {
  const path = `${folder}/config`;
  const word = Buffer.alloc(2);
  try {
    const file = openSync(path, value === undefined ? 'r' : 'r+');
    try {
      if (value === undefined) readSync(file, word, 0, 2, COMMAND);
      else {
        word.writeUInt16LE(value);
        writeSync(file, word, 0, 2, COMMAND);
      }
    } finally {
      closeSync(file);
    }
  } catch (error) {
    throw hostError(`command register in ${path}`, error);
  }
  return word.readUInt16LE();
};

const unless = async (errno: number, work: Promise<void>): Promise<void> => {
  try {
    await work;
  } catch (error) {
    if (!(error instanceof HostError) || error.errno !== errno) throw error;
  }
};

/** For listings. */
export const describe: Holder['describe'] = (driver, code) => ({
  holder: driver ?? 'free',
  seizable: driver !== STUB_MODULE && !isBridgeClass(code),
});

/**
 * Stand-alone: no driver has the function, and none can get it, because it is for one that there is not. That needs nothing to be
 * loaded. What a driver would do for it is done here: it is enabled, so that the kernel settles its line and its resources, and
 * kept awake.
 */
export const noDriverHolder = ({ sysfs, write, changes, permissions, handlers }: HolderTerms): Holder => {
  const takeBack = async (address: Bdf, change: HostChange): Promise<void> => {
    const folder = functionFolder(sysfs, address);
    if (change.what === 'quarantine') {
      permissions.deassign(DOMID_IO, address);
      return;
    }
    // One that was removed meanwhile has nothing to give back, and its files are gone.
    if ((await stat(folder).catch(() => undefined)) === undefined) return;
    switch (change.what) {
      case 'enabled':
        // Nobody has enabled it, as far as the kernel knows, when the process died before it did.
        await unless(Errno.EIO, write(`${folder}/enable`, '0'));
        command(folder, change.command);
        return;
      case 'power':
        return write(`${folder}/power/control`, change.was);
      case 'override':
        return write(`${folder}/driver_override`, change.was === '' ? '\n' : change.was);
      case 'driver':
        if ((await linkName(`${folder}/driver`)) !== undefined) return;
        // Its module may have been unloaded.
        return unless(Errno.ENOENT, write(`${sysfs}/bus/pci/drivers/${change.was}/bind`, formatBdf(address)));
    }
  };

  const keep = async (address: Bdf, driver: string | undefined): Promise<void> => {
    const folder = functionFolder(sysfs, address);
    const noted = new Set(changes.of(address).map(({ what }) => what));
    // A process before this one has given it to a guest, with a handler on its line; both go on.
    if (noted.has('handler')) return;
    const step = async (change: HostChange, act: () => unknown): Promise<void> => {
      // What a process before this one has noted is how it was; the change itself may be missing.
      if (noted.has(change.what)) await act();
      else await changes.make(address, change, act);
    };
    if (driver !== undefined)
      await step({ what: 'driver', was: driver }, () => write(`${folder}/driver/unbind`, formatBdf(address)));
    const override = (await readText(`${folder}/driver_override`)) ?? '';
    if (override !== NO_DRIVER) {
      const was = override === '(null)' ? '' : override;
      await step({ what: 'override', was }, () => write(`${folder}/driver_override`, NO_DRIVER));
    }
    const power = await readText(`${folder}/power/control`);
    if (power !== undefined && power !== 'on')
      await step({ what: 'power', was: power }, () => write(`${folder}/power/control`, 'on'));
    if (noted.has('enabled') && (await readNumber(`${folder}/enable`)) > 0) return;
    await step({ what: 'enabled', command: command(folder) }, () => write(`${folder}/enable`, '1'));
  };

  return {
    describe,
    async take(address) {
      const bdf = formatBdf(address);
      const driver = await linkName(`${functionFolder(sysfs, address)}/driver`);
      if (driver === STUB_MODULE)
        fail('DEVICE_NOT_SEIZABLE', {
          bdf,
          holder: 'the kernel module xen-pciback',
          next: `Take it back first: xl pci-assignable-remove ${bdf}; or use mode drop-in.`,
        });
      const undo = async (): Promise<void> => {
        await handlers.unbind(address);
        await changes.undo(address, isHosts, (change) => takeBack(address, change), 'stop');
      };
      try {
        await keep(address, driver);
      } catch (error) {
        await undo();
        throw error;
      }
      return undo;
    },
  };
};
