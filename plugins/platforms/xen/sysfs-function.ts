// SPDX-License-Identifier: MIT

import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { lstat, stat } from 'node:fs/promises';
import { type Bdf, formatBdf } from '../../../core/bdf.ts';
import {
  Errno,
  errnoName,
  HostError,
  type PciFunction,
  type PciIdentity,
  type PciResource,
  type ResetOutcome,
} from '../../../core/platform/index.ts';
import { isSilent } from '../../../core/space/capabilities.ts';
import { fail } from '../../errors.ts';
import { usableLine } from '../../host-facts.ts';
import { type ConfigPage, type ConfigPages, configLoads, NOT_ANSWERED } from './config-pages.ts';
import {
  addressOf,
  functionFolder,
  HANDLER_DRIVER,
  hostError,
  linkName,
  readNumber,
  readText,
  type WriteAttribute,
} from './sysfs-files.ts';

/** BARs 0..5 and the ROM: the first lines of `resource`; what follows are bridge windows or BARs of virtual functions. */
const RESOURCES = 7;
const none: PciResource = { start: 0n, size: 0n, flags: 0 };

/** Reads the text of a `resource` file: one line `start end flags` in hexadecimal, end inclusive. */
export const parseResources = (text: string): PciResource[] => {
  const lines = text.split('\n').slice(0, RESOURCES);
  return Array.from({ length: RESOURCES }, (_, index) => {
    const match = /^(0x[0-9a-f]+) (0x[0-9a-f]+) (0x[0-9a-f]+)$/i.exec(lines[index]?.trim() ?? '');
    if (match === null) return none;
    const [start, end, flags] = match.slice(1).map(BigInt);
    if (start === undefined || end === undefined || flags === undefined || flags === 0n || end < start) return none;
    return { start, size: end - start + 1n, flags: Number(flags & 0xffffffffn) };
  });
};

/** A function that this process holds, over its files in sysfs. */
export interface SysfsFunction extends PciFunction {
  /** The driver that holds it, and which binding of it that is; missing: none does. */
  readonly holder: string | undefined;
  /**
   * Whether the driver that held it when it was opened has held it without a break; reads its addresses and its line again.
   *
   * @throws HostError
   */
  lookAgain(): Promise<boolean>;
  /** Ends the access to config space. Every later access throws `HostError` ENODEV. */
  close(): void;
}

/** Config space over its file and, for reads, its page. */
interface Config extends Pick<SysfsFunction, 'configFile' | 'readConfig' | 'writeConfig' | 'close'> {
  /** From now on reads go to the page; the file has the first `length` bytes too. The page is unmapped by `close`. */
  usePage(page: ConfigPage, length: number): void;
  /** Does something during which only the file may be read, because the kernel makes those reads wait. */
  withoutPage<T>(work: () => Promise<T>): Promise<T>;
}

/** @throws PcibackError `NO_PRIVILEGE`; HostError */
const openFile = (path: string): number => {
  try {
    return openSync(path, 'r+');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EACCES' || code === 'EPERM') fail('NO_PRIVILEGE', { what: `config space ${path}`, why: code }, error);
    throw hostError(`open of ${path}`, error);
  }
};

/**
 * Config space over one open file: each access is one system call of exactly its size, which sysfs makes one bus access. With
 * a page a read is a load from it; only when nobody answers the kernel is asked, which knows whether the function is
 * being reset or sleeps behind its bridge.
 */
const configOver = (file: number): Config => {
  const buffer = Buffer.alloc(4);
  let page: ConfigPage | undefined;
  let load: ReturnType<typeof configLoads> | undefined;
  /** Pieces of work that are under way without the page. */
  let avoided = 0;
  let fd: number | undefined = file;
  const access = (call: string, offset: number, transfer: (fd: number) => number, size: number): void => {
    if (fd === undefined) throw new HostError(call, Errno.ENODEV, 'the function was released');
    let done: number;
    try {
      done = transfer(fd);
    } catch (error) {
      throw hostError(call, error);
    }
    if (done !== size) throw new HostError(call, Errno.EIO, `${done} of ${size} bytes at 0x${offset.toString(16)}`);
  };
  return {
    configFile: file,
    readConfig(offset, size) {
      if (load !== undefined && avoided === 0) {
        const value = load(offset, size);
        if (value !== NOT_ANSWERED) return value;
      }
      access('read of config space', offset, (file) => readSync(file, buffer, 0, size, offset), size);
      return buffer.readUIntLE(0, size);
    },
    writeConfig(offset, size, value) {
      buffer.writeUInt32LE(value >>> 0, 0);
      access('write of config space', offset, (file) => writeSync(file, buffer, 0, size, offset), size);
    },
    usePage(mapped, length) {
      page = mapped;
      load = configLoads(mapped.memory, length);
    },
    async withoutPage(work) {
      avoided += 1;
      try {
        return await work();
      } finally {
        avoided -= 1;
      }
    },
    close() {
      load = undefined;
      page?.unmap();
      page = undefined;
      if (fd !== undefined) closeSync(fd);
      fd = undefined;
    },
  };
};

const methodsOf = async (folder: string): Promise<readonly string[]> =>
  (await readText(`${folder}/reset_method`))?.split(' ').filter((name) => name !== '') ?? [];

const resetThrough = async (
  folder: string,
  write: WriteAttribute,
  without: readonly string[],
): Promise<ResetOutcome> => {
  const methods = await methodsOf(folder);
  const left = methods.filter((name) => !without.includes(name));
  const isNarrowed = left.length < methods.length;
  if (isNarrowed && left.length === 0) {
    return { ok: false, reason: 'unsupported', detail: `every method of the host is left out: ${methods.join(', ')}` };
  }
  // The kernel tries them in this order and does not tell which one worked.
  const method = left[0] ?? 'chosen by the kernel';
  try {
    await stat(`${folder}/reset`);
    if (isNarrowed) await write(`${folder}/reset_method`, left.join(' '));
    try {
      await write(`${folder}/reset`, '1');
    } finally {
      if (isNarrowed) await write(`${folder}/reset_method`, methods.join(' '));
    }
    return { ok: true, method };
  } catch (error) {
    const failure = hostError('reset', error);
    if (failure.errno === Errno.ENOENT || failure.errno === Errno.ENOTTY) {
      return { ok: false, reason: 'unsupported', detail: 'the host knows no way to reset this function alone' };
    }
    return { ok: false, reason: 'failed', detail: `${method}: ${errnoName(failure.errno)}` };
  }
};

const readIdentity = async (folder: string, address: Bdf, headerType: number): Promise<PciIdentity> => {
  const number = (name: string): Promise<number> => readNumber(`${folder}/${name}`);
  const [vendor, device, subsystemVendor, subsystemDevice, code, revision, config, parent] = await Promise.all([
    number('vendor'),
    number('device'),
    number('subsystem_vendor'),
    number('subsystem_device'),
    number('class'),
    number('revision'),
    stat(`${folder}/config`),
    linkName(`${folder}/physfn`),
  ]);
  const physicalFunction = parent === undefined ? undefined : addressOf(parent);
  return {
    bdf: address,
    vendor,
    device,
    subsystemVendor,
    subsystemDevice,
    class: code,
    revision,
    headerType,
    configSize: config.size > 256 ? 4096 : 256,
    virtualFunction: physicalFunction !== undefined,
    ...(physicalFunction === undefined ? {} : { physicalFunction }),
  };
};

/** Told of a reset that was done, and by which of the host's methods. Never throws. */
export type TellReset = (address: Bdf, method: string) => void;

/** What the host may change while it holds the function. @throws HostError */
const readPlaces = async (folder: string): Promise<Pick<PciFunction, 'resources' | 'line'>> => ({
  resources: parseResources((await readText(`${folder}/resource`)) ?? ''),
  line: usableLine(await readNumber(`${folder}/irq`)),
});

/** Tells one binding of a driver from the next: each makes a link of its own. One that only claims interrupts holds nothing. */
const holderOf = async (folder: string): Promise<string | undefined> => {
  const driver = await linkName(`${folder}/driver`);
  if (driver === undefined || driver === HANDLER_DRIVER) return undefined;
  try {
    return `${driver} ${(await lstat(`${folder}/driver`)).ino}`;
  } catch (error) {
    throw hostError('look at the driver', error);
  }
};

/** Config reads of the physical function of a virtual one: MEMORY decode of both is there (newer hosts: §6). */
const physicalOver = (sysfs: string, address: Bdf): Pick<Config, 'readConfig' | 'close'> => {
  const path = `${functionFolder(sysfs, address)}/config`;
  try {
    return configOver(openSync(path, 'r'));
  } catch (error) {
    throw hostError(`open of ${path}`, error);
  }
};

/**
 * Opens a function that some driver already keeps from the host.
 *
 * @param sysfs root of sysfs
 * @param write what writes its attributes
 * @param pages where its page comes from; reads go through the file if not given
 * @param tell called after each reset that was done
 * @throws PcibackError `DEVICE_HEADER`, `NO_PRIVILEGE`; HostError
 */
export const openFunction = async (
  sysfs: string,
  address: Bdf,
  write: WriteAttribute,
  pages?: Pick<ConfigPages, 'map'>,
  tell: TellReset = () => {},
): Promise<SysfsFunction> => {
  const folder = functionFolder(sysfs, address);
  const config = configOver(openFile(`${folder}/config`));
  const { usePage, withoutPage, ...access } = config;
  try {
    if (isSilent(config)) fail('DEVICE_SILENT', { bdf: formatBdf(address) });
    const headerType = config.readConfig(0x0e, 1) & 0x7f;
    if (headerType > 1) fail('DEVICE_HEADER', { bdf: formatBdf(address), headerType });
    const identity = await readIdentity(folder, address, headerType);
    const physical = identity.physicalFunction && physicalOver(sysfs, identity.physicalFunction);
    const holder = await holderOf(folder);
    let { resources, line } = await readPlaces(folder);
    const page = pages?.map(address);
    if (page !== undefined) usePage(page, identity.configSize);
    return {
      ...access,
      ...(page === undefined ? {} : { configPage: page.reference }),
      ...(physical === undefined ? {} : { physical }),
      identity,
      holder,
      get resources() {
        return resources;
      },
      get line() {
        return line;
      },
      async lookAgain() {
        if ((await holderOf(folder)) !== holder) return false;
        try {
          // A function that was removed has a file still, which nobody answers.
          access.readConfig(0, 4);
          ({ resources, line } = await readPlaces(folder));
          return true;
        } catch (error) {
          if (error instanceof HostError && (error.errno === Errno.ENODEV || error.errno === Errno.ENOENT))
            return false;
          throw error;
        }
      },
      resetMethods: () => methodsOf(folder),
      async reset(without = []) {
        const outcome = await withoutPage(() => resetThrough(folder, write, without));
        if (outcome.ok) tell(address, outcome.method);
        return outcome;
      },
      close() {
        access.close();
        physical?.close();
      },
    };
  } catch (error) {
    config.close();
    throw error;
  }
};
