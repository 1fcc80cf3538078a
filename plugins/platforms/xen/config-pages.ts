// SPDX-License-Identifier: MIT

import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { type Bdf, formatBdf, hex } from '../../../core/bdf.ts';
import { describeError } from '../../../core/errors/index.ts';
import type { Logger } from '../../../core/log.ts';
import { Errno, HostError } from '../../../core/platform/index.ts';
import type { Bound, NativeLoader, NativePointer } from '../../kinds/native.ts';
import { frameOf, readRanges } from './ecam.ts';
import { libxenforeignmemory } from './libraries.ts';
import { opened } from './native-call.ts';
import { functionFolder } from './sysfs-files.ts';

/** The config space of one function as read-only memory. */
export interface ConfigPage {
  /** Its address in this process, for other threads. */
  readonly reference: bigint;
  /** Exactly 4096 bytes. A store into them ends the process, and so does every access after {@link unmap}. */
  readonly memory: ArrayBuffer;
  /** Gives the page back. Nobody may use it any more, on no thread. Calling it twice is harmless. */
  unmap(): void;
}

/** Pages of config space, all of which can be given up at once. */
export interface ConfigPages {
  /** Maps the page of a function that this process holds. Never fails: without a page there is always its file. */
  map(address: Bdf): ConfigPage | undefined;
  /** Unmaps what is still mapped and closes the handle. */
  close(): void;
}

export interface ConfigPagesOptions {
  readonly sysfsRoot: string;
  readonly log: Logger;
  /** `/proc/iomem` if not given. */
  readonly iomem?: string;
}

/** The owner of what is memory and not RAM. The hypervisor then checks what the calling domain may map. */
const DOMID_IO = 0x7ff1;
const PROT_READ = 1;
const PAGE_BYTES = 4096;
const STANDARD_BYTES = 256;
/** Identity, class, two BARs (no other function has the same), subsystem: nobody changes them but this process. */
const COMPARED = [0x00, 0x08, 0x10, 0x14, 0x2c] as const;
const CLASS = 0x08;
const EXTENDED = 0x100;

/** What {@link configLoads} answers instead of a value. */
export const NOT_ANSWERED = -1;

/**
 * Reads of the first `length` bytes of config space: one load, exactly as wide as the access, and no allocation.
 *
 * `Atomics.load`, because the compiler may leave out or repeat a plain one: for it this is memory like any other.
 *
 * @returns the reads, which answer {@link NOT_ANSWERED} for all ones, because a read that nobody answers gives them, and
 * for what is not in these bytes
 */
export const configLoads = (memory: ArrayBuffer, length: number): ((offset: number, size: 1 | 2 | 4) => number) => {
  const bytes = new Uint8Array(memory, 0, length);
  const halves = new Uint16Array(memory, 0, length >> 1);
  const words = new Int32Array(memory, 0, length >> 2);
  return (offset, size) => {
    if (offset >>> 0 > length - size || (offset & (size - 1)) !== 0) return NOT_ANSWERED;
    if (size === 4) {
      const word = Atomics.load(words, offset >> 2);
      return word === -1 ? NOT_ANSWERED : word >>> 0;
    }
    const value = size === 2 ? Atomics.load(halves, offset >> 1) : Atomics.load(bytes, offset);
    return value === (size === 2 ? 0xffff : 0xff) ? NOT_ANSWERED : value;
  };
};

/**
 * Compares the page with the function's config file: whatever is wrong with the table, the page is this function's.
 *
 * @throws Error at a difference
 */
const compare = (file: string, memory: ArrayBuffer): void => {
  const words = new Int32Array(memory);
  const buffer = Buffer.alloc(4);
  const fd = openSync(file, 'r');
  try {
    const offsets = fstatSync(fd).size > STANDARD_BYTES ? [...COMPARED, EXTENDED] : COMPARED;
    for (const offset of offsets) {
      // The file first: the kernel wakes a function that sleeps.
      if (readSync(fd, buffer, 0, 4, offset) !== 4) throw new Error(`its file ends before 0x${hex(offset, 2)}`);
      const told = buffer.readInt32LE(0);
      const loaded = Atomics.load(words, offset >> 2);
      if (loaded !== told) {
        throw new Error(`at 0x${hex(offset, 2)} its page has ${hex(loaded, 8)} and its file ${hex(told, 8)}`);
      }
      // A virtual function has no identity of its own, but everything that answers has a class.
      if (offset === CLASS && told === -1) throw new Error('it does not answer');
    }
  } finally {
    closeSync(fd);
  }
};

interface Handle {
  readonly library: Bound<(typeof libxenforeignmemory)['functions']>;
  readonly pointer: NativePointer;
}

/**
 * Config space over libxenforeignmemory, which is opened when the first page is wanted.
 *
 * A mapping lives until `unmap` or `close`, never until garbage collection: the page's memory is not owned by its
 * ArrayBuffer. That buffer is not detached: the loader may hand it out again for the next mapping at the same address.
 */
export const createConfigPages = (native: NativeLoader, options: ConfigPagesOptions): ConfigPages => {
  const { sysfsRoot, log, iomem = '/proc/iomem' } = options;
  const mapped = new Set<ConfigPage>();
  let handle: Handle | undefined;
  let closed = false;

  const open = (): Handle => {
    if (handle !== undefined) return handle;
    const library = native.bind(libxenforeignmemory);
    const pointer = opened(native, 'xenforeignmemory_open', library.xenforeignmemory_open(null, 0));
    handle = { library, pointer };
    return handle;
  };

  const attempt = (address: Bdf): ConfigPage => {
    if (closed) throw new HostError('map of config space', Errno.ENODEV, 'the platform is closed');
    const frame = frameOf(readRanges(sysfsRoot, iomem), address);
    const { library, pointer: handlePointer } = open();
    const frames = Buffer.alloc(8);
    frames.writeBigUInt64LE(frame);
    const errors = Buffer.alloc(4);
    const detail = `frame 0x${frame.toString(16)}`;
    const pointer = library.xenforeignmemory_map(handlePointer, DOMID_IO, PROT_READ, 1n, frames, errors);
    if (pointer === null) throw new HostError('xenforeignmemory_map', native.errno(), detail);
    const unmap = (): void => {
      if (library.xenforeignmemory_unmap(handlePointer, pointer, 1n) >= 0) return;
      // Nobody looks at it any more, so what it costs is a page of addresses.
      const { message } = new HostError('xenforeignmemory_unmap', native.errno(), detail);
      log.warn({ bdf: formatBdf(address), error: message }, 'page of config space not unmapped');
    };
    try {
      // The call succeeds also when the hypervisor refused the frame; a load would end the process then.
      const refused = Math.abs(errors.readInt32LE(0));
      if (refused !== 0) throw new HostError('xenforeignmemory_map', refused, detail);
      const memory = native.view(pointer, PAGE_BYTES);
      compare(`${functionFolder(sysfsRoot, address)}/config`, memory);
      const page: ConfigPage = {
        reference: native.address(pointer),
        memory,
        unmap() {
          if (mapped.delete(page)) unmap();
        },
      };
      mapped.add(page);
      return page;
    } catch (error) {
      unmap();
      throw error;
    }
  };

  return {
    map(address) {
      const bdf = formatBdf(address);
      try {
        const page = attempt(address);
        log.debug({ bdf }, 'config space is read from its page');
        return page;
      } catch (error) {
        log.info({ bdf, why: describeError(error) }, 'config space is read through its file');
        return undefined;
      }
    },
    close() {
      if (closed) return;
      closed = true;
      for (const page of [...mapped]) page.unmap();
      if (handle !== undefined) handle.library.xenforeignmemory_close(handle.pointer);
    },
  };
};
