// SPDX-License-Identifier: MIT

import { closeSync, openSync } from 'node:fs';
import { HostError } from '../../core/platform/index.ts';
import { library, type NativeLoader } from '../../plugins/kinds/native.ts';

const PAGE_BYTES = 4096n;
/** PROT_READ | PROT_WRITE, and MAP_SHARED. */
const READ_WRITE = 3;
const SHARED = 1;
const FAILED = 0xffff_ffff_ffff_ffffn;
/** AF_UNIX and SOCK_STREAM; bytes of struct sockaddr_un. */
const UNIX = 1;
const STREAM = 1;
const ADDRESS_BYTES = 110;

const libc = library({
  names: ['libc.so.6', 'libc.musl-x86_64.so.1', 'libc.musl-aarch64.so.1'],
  package: 'libc6',
  functions: {
    mmap: ['pointer', ['pointer', 'size', 'int', 'int', 'int', 'uint64']],
    munmap: ['int', ['pointer', 'size']],
    socket: ['int', ['int', 'int', 'int']],
    connect: ['int', ['int', 'buffer', 'int']],
  },
});

/** A file of 4096 bytes as memory, shared with every process that maps it. */
export interface SharedPage {
  readonly memory: ArrayBuffer;
  /** The memory must not be touched afterwards. */
  unmap(): void;
}

/** What one process needs to share memory and to wait inside of a call. */
export interface NativeMemory {
  /** @throws HostError; Error of the file system */
  map(file: string): SharedPage;
  /** Descriptor of a socket whose reads and writes wait. @throws HostError */
  connect(path: string): number;
}

export const createNativeMemory = (native: NativeLoader): NativeMemory => {
  const calls = native.bind(libc);
  return {
    map: (file) => {
      const descriptor = openSync(file, 'r+');
      try {
        const address = calls.mmap(null, PAGE_BYTES, READ_WRITE, SHARED, descriptor, 0n);
        if (address === null || BigInt.asUintN(64, native.address(address)) === FAILED) {
          throw new HostError('mmap', native.errno(), file);
        }
        return {
          memory: native.view(address, Number(PAGE_BYTES)),
          unmap: () => {
            if (calls.munmap(address, PAGE_BYTES) < 0) throw new HostError('munmap', native.errno(), file);
          },
        };
      } finally {
        closeSync(descriptor);
      }
    },
    connect: (path) => {
      const address = Buffer.alloc(ADDRESS_BYTES);
      address.writeUInt16LE(UNIX, 0);
      if (address.write(path, 2) === ADDRESS_BYTES - 2) throw new RangeError(`${path} is too long for a socket`);
      const descriptor = calls.socket(UNIX, STREAM, 0);
      if (descriptor < 0) throw new HostError('socket', native.errno());
      if (calls.connect(descriptor, address, ADDRESS_BYTES) < 0) {
        const error = new HostError('connect', native.errno(), path);
        closeSync(descriptor);
        throw error;
      }
      return descriptor;
    },
  };
};
