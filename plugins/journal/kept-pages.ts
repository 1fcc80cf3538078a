// SPDX-License-Identifier: MIT

import { closeSync, constants, fstatSync, openSync } from 'node:fs';
import { HostError, type KeptMemory } from '../../core/platform/index.ts';
import { type Bound, library, type NativeLoader } from '../kinds/native.ts';
import { libcNames } from '../libc.ts';

const PAGE_BYTES = 4096;
/** Pages that are added at a time. */
const CHUNK_PAGES = 256;
const CHUNK_BYTES = CHUNK_PAGES * PAGE_BYTES;
/** PROT_READ | PROT_WRITE, and MAP_SHARED. */
const READ_WRITE = 3;
const SHARED = 1;
/** What mmap answers when it fails, as both loaders may have it. */
const FAILED: readonly bigint[] = [-1n, 0xffff_ffff_ffff_ffffn];

const libc = library({
  names: libcNames,
  package: 'libc6',
  functions: {
    /** address, length, protection, flags, file, offset. */
    mmap: ['pointer', ['pointer', 'size', 'int', 'int', 'int', 'ulong']],
    /** file, offset, length; the errno is the result. */
    posix_fallocate: ['int', ['int', 'ulong', 'ulong']],
  },
});

const pagesOf = (bytes: number): number => Math.ceil(bytes / PAGE_BYTES);

/**
 * Memory in a mapped file: what is stored there outlives the process, and costs no system call. Pages are given out and
 * used again; what was mapped stays mapped until the process ends, because a thread may still look at it.
 */
export class KeptPages {
  readonly #native: NativeLoader;
  readonly #calls: Bound<(typeof libc)['functions']>;
  readonly #file: number;
  /** Addresses of the chunks. */
  readonly #chunks: bigint[] = [];
  /** Of each page whether it is given out. */
  #taken = new Uint8Array(0);

  /**
   * @param left what an earlier process had and is still wanted: where it lies, and how many bytes
   * @throws HostError, PcibackError `NATIVE_LIBRARY_MISSING`; Error when the file cannot be opened
   */
  constructor(native: NativeLoader, path: string, left: readonly { readonly at: number; readonly bytes: number }[]) {
    this.#native = native;
    this.#calls = native.bind(libc);
    const start = left.length === 0 ? constants.O_TRUNC : 0;
    this.#file = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW | start, 0o600);
    try {
      const chunks = Math.floor(fstatSync(this.#file).size / CHUNK_BYTES);
      for (let chunk = 0; chunk < chunks; chunk++) this.#map(chunk);
    } catch (error) {
      closeSync(this.#file);
      throw error;
    }
    for (const { at, bytes } of left) this.#taken.fill(1, at / PAGE_BYTES, at / PAGE_BYTES + pagesOf(bytes));
  }

  /** Pages that are given out. */
  get pages(): number {
    return this.#taken.reduce((sum, one) => sum + one, 0);
  }

  /** @throws HostError when the host has no memory */
  allocate(bytes: number): KeptMemory {
    const pages = pagesOf(bytes);
    if (pages > CHUNK_PAGES) throw new HostError('allocate', 12, `${bytes} bytes of state`);
    let first = this.#findFree(pages);
    if (first < 0) {
      this.#grow();
      first = this.#findFree(pages);
    }
    this.#taken.fill(1, first, first + pages);
    const memory = this.#view(first * PAGE_BYTES, bytes);
    new Uint8Array(memory.memory).fill(0);
    return memory;
  }

  /** What an earlier process was given; `undefined`: there is no such place. */
  find(at: number, bytes: number): KeptMemory | undefined {
    const [first, pages] = [at / PAGE_BYTES, pagesOf(bytes)];
    const isInside = Number.isInteger(first) && first >= 0 && first + pages <= this.#taken.length;
    if (!isInside || (first % CHUNK_PAGES) + pages > CHUNK_PAGES) return undefined;
    this.#taken.fill(1, first, first + pages);
    return this.#view(at, bytes);
  }

  free({ at, memory }: KeptMemory): void {
    if (at >= 0) this.#taken.fill(0, at / PAGE_BYTES, at / PAGE_BYTES + pagesOf(memory.byteLength));
  }

  close(): void {
    closeSync(this.#file);
  }

  /** The first of so many free pages of one chunk; -1: there are none. */
  #findFree(pages: number): number {
    for (let chunk = 0; chunk < this.#chunks.length; chunk++) {
      const end = (chunk + 1) * CHUNK_PAGES;
      let run = 0;
      for (let page = chunk * CHUNK_PAGES; page < end; page++) {
        run = this.#taken[page] === 0 ? run + 1 : 0;
        if (run === pages) return page + 1 - pages;
      }
    }
    return -1;
  }

  #grow(): void {
    const chunk = this.#chunks.length;
    // Reserved, so that a store never meets a file system that is full: that would end the process.
    const errno = this.#calls.posix_fallocate(this.#file, BigInt(chunk * CHUNK_BYTES), BigInt(CHUNK_BYTES));
    if (errno !== 0) throw new HostError('posix_fallocate', errno, 'memory of the journal');
    this.#map(chunk);
  }

  #map(chunk: number): void {
    const offset = BigInt(chunk * CHUNK_BYTES);
    const pointer = this.#calls.mmap(null, BigInt(CHUNK_BYTES), READ_WRITE, SHARED, this.#file, offset);
    const address = pointer === null ? -1n : this.#native.address(pointer);
    if (FAILED.includes(address)) throw new HostError('mmap', this.#native.errno(), 'memory of the journal');
    this.#chunks.push(address);
    const taken = new Uint8Array(this.#chunks.length * CHUNK_PAGES);
    taken.set(this.#taken);
    this.#taken = taken;
  }

  #view(at: number, bytes: number): KeptMemory {
    const address = (this.#chunks[Math.floor(at / CHUNK_BYTES)] as bigint) + BigInt(at % CHUNK_BYTES);
    return { memory: this.#native.view(this.#native.pointer(address), bytes), at, reference: address };
  }
}
