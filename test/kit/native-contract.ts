// SPDX-License-Identifier: MIT

import { isPcibackError } from '../../core/errors/index.ts';
import { library, type NativeLoader, type NativePointer } from '../../plugins/kinds/native.ts';
import { type ContractCase, expectEqual, expectFailure, expectThat } from './contract.ts';

const names = ['libc.so.6', 'libc.musl-x86_64.so.1', 'libc.musl-aarch64.so.1'];
const libc = library({
  names,
  package: 'libc6',
  functions: {
    abs: ['int', ['int']],
    getpid: ['int', []],
    close: ['int', ['int']],
    strlen: ['size', ['string']],
    strcmp: ['int', ['string', 'string']],
    /** On a 64-bit Linux `long` is 64 bits wide, and so are `off_t` and `long long`. */
    labs: ['ulong', ['ulong']],
    llabs: ['uint64', ['uint64']],
    lseek: ['uint64', ['int', 'uint64', 'int']],
    strtoull: ['uint64', ['string', 'pointer', 'int']],
    memset: ['pointer', ['buffer', 'int', 'size']],
    memcmp: ['int', ['buffer', 'buffer', 'size']],
    memchr: ['pointer', ['pointer', 'int', 'size']],
    calloc: ['pointer', ['size', 'size']],
    free: ['void', ['pointer']],
    getenv: ['pointer', ['string']],
    htons: ['uint16', ['uint16']],
    htonl: ['uint32', ['uint32']],
  },
});
const copyIn = library({ names, package: 'libc6', functions: { memcpy: ['pointer', ['pointer', 'buffer', 'size']] } });
const copyOut = library({ names, package: 'libc6', functions: { memcpy: ['pointer', ['buffer', 'pointer', 'size']] } });

const EBADF = 9;
const ERANGE = 34;
const ones = 0xffffffffffffffffn;

const allocated = (loader: NativeLoader, size: number): { pointer: NativePointer; free: () => void } => {
  const c = loader.bind(libc);
  const pointer = c.calloc(1n, BigInt(size));
  expectThat(pointer !== null, 'calloc gives memory');
  return { pointer, free: () => c.free(pointer) };
};

/** The obligations of a `NativeLoader`, shown on the C library of any Linux machine. */
export const nativeContract: readonly ContractCase<NativeLoader>[] = [
  {
    name: 'passes and returns ints, negative ones too',
    async run(loader) {
      const c = loader.bind(libc);
      expectEqual(c.abs(-5), 5, 'abs(-5)');
      expectEqual(c.getpid(), process.pid, 'getpid()');
      expectEqual(Math.sign(c.strcmp('a', 'b')), -1, 'sign of strcmp(a, b)');
    },
  },
  {
    name: 'passes and returns unsigned 16 and 32 bit numbers with the highest bit set',
    async run(loader) {
      const c = loader.bind(libc);
      expectEqual(c.htons(0x01f0), 0xf001, 'htons(0x01f0)');
      expectEqual(c.htonl(0x010203f4), 0xf4030201, 'htonl(0x010203f4)');
      expectEqual(c.htonl(0xfffffffe), 0xfeffffff, 'htonl(0xfffffffe)');
    },
  },
  {
    name: 'gives the errno of a failed call, not of the one before',
    async run(loader) {
      const c = loader.bind(libc);
      expectEqual(c.close(-1), -1, 'close(-1)');
      expectEqual(loader.errno(), EBADF, 'errno of close(-1)');
      expectEqual(c.strtoull('99999999999999999999', null, 10), ones, 'strtoull of too large a number');
      expectEqual(loader.errno(), ERANGE, 'errno of strtoull');
      expectEqual(c.close(-1), -1, 'close(-1)');
      expectEqual(loader.errno(), EBADF, 'errno of the second close(-1)');
    },
  },
  {
    name: 'keeps the errno of a failed call while other system calls are made',
    async run(loader) {
      const c = loader.bind(libc);
      c.close(-1);
      await expectFailure(() => process.chdir('/nonexistent/folder'), 'chdir');
      expectEqual(loader.errno(), EBADF, 'errno after another failure in between');
    },
  },
  {
    name: 'passes and returns 64 bits as bigint, small ones too',
    async run(loader) {
      const c = loader.bind(libc);
      expectEqual(c.llabs(5n), 5n, 'llabs(5)');
      expectEqual(c.llabs(0x7fffffffffffffffn), 0x7fffffffffffffffn, 'llabs of the largest');
      expectEqual(c.llabs(0x20000000000001n), 0x20000000000001n, 'llabs of 2^53 + 1');
      expectEqual(c.llabs(ones), 1n, 'llabs of all ones, which is -1');
      expectEqual(c.labs(0x123456789abcdefn), 0x123456789abcdefn, 'labs');
      expectEqual(c.labs(ones), 1n, 'labs of all ones');
      expectEqual(c.strtoull('18446744073709551615', null, 10), ones, 'strtoull of 2^64 - 1');
      expectEqual(c.strtoull('7', null, 10), 7n, 'strtoull(7)');
      expectEqual(c.lseek(-1, 0n, 0), ones, 'lseek(-1), which is -1');
      expectEqual(loader.errno(), EBADF, 'errno of lseek(-1)');
    },
  },
  {
    name: 'passes strings with a NUL behind them, as UTF-8',
    async run(loader) {
      const c = loader.bind(libc);
      expectEqual(c.strlen(''), 0n, 'strlen of nothing');
      expectEqual(c.strlen('pciback'), 7n, 'strlen(pciback)');
      expectEqual(c.strlen('ü'), 2n, 'strlen(ü)');
    },
  },
  {
    name: 'hands a buffer to the callee without a copy',
    async run(loader) {
      const c = loader.bind(libc);
      const bytes = new Uint8Array(16);
      c.memset(bytes.subarray(4, 12), 0xa5, 8n);
      expectEqual([...bytes], [0, 0, 0, 0, 165, 165, 165, 165, 165, 165, 165, 165, 0, 0, 0, 0], 'bytes after memset');
      const numbers = new Int32Array(1);
      c.memset(new Uint8Array(numbers.buffer), 0xff, 4n);
      expectEqual(numbers[0], -1, 'number after memset of its bytes');
      const pooled = Buffer.from('abc');
      expectEqual(c.memcmp(pooled, new Uint8Array([97, 98, 99]), 3n), 0, 'memcmp of a pooled Buffer');
      c.memset(pooled, 0x7a, 2n);
      expectEqual(pooled.toString(), 'zzc', 'pooled Buffer after memset');
    },
  },
  {
    name: 'gives and takes null pointers',
    async run(loader) {
      const c = loader.bind(libc);
      expectEqual(c.getenv('PCIBACK_SURELY_NOT_SET'), null, 'getenv of what is not set');
      expectThat(c.getenv('PATH') !== null, 'getenv(PATH) is not null');
      c.free(null);
      expectEqual(c.strtoull('12', null, 10), 12n, 'strtoull with a null end pointer');
    },
  },
  {
    name: 'takes back the pointers it gave',
    async run(loader) {
      const c = loader.bind(libc);
      const { pointer, free } = allocated(loader, 64);
      loader.bind(copyIn).memcpy(pointer, new Uint8Array([1, 2, 3, 4]), 4n);
      const found = c.memchr(pointer, 3, 64n);
      expectThat(found !== null, 'memchr finds the byte');
      const bytes = new Uint8Array(2);
      loader.bind(copyOut).memcpy(bytes, found, 2n);
      expectEqual([...bytes], [3, 4], 'bytes behind the found pointer');
      expectEqual(c.memchr(pointer, 9, 64n), null, 'memchr of a byte that is not there');
      free();
    },
  },
  {
    name: 'a view is the memory itself, both ways',
    async run(loader) {
      const { pointer, free } = allocated(loader, 4096);
      const view = loader.view(pointer, 4096);
      expectEqual(view.byteLength, 4096, 'length of the view');
      const bytes = new Uint8Array(view);
      expectThat(
        bytes.every((byte) => byte === 0),
        'the view shows the zeros of calloc',
      );
      loader.bind(copyIn).memcpy(pointer, new Uint8Array([9, 8, 7]), 3n);
      expectEqual([...bytes.subarray(0, 4)], [9, 8, 7, 0], 'what C wrote, seen through the view');
      bytes[4095] = 0x5a;
      const whole = new Uint8Array(4096);
      loader.bind(copyOut).memcpy(whole, pointer, 4096n);
      expectEqual(whole[4095], 0x5a, 'what was written through the view, seen by C');
      free();
    },
  },
  {
    name: 'Atomics work on a view',
    async run(loader) {
      const { pointer, free } = allocated(loader, 4096);
      const words = new Int32Array(loader.view(pointer, 4096));
      expectEqual(Atomics.or(words, 1, 5), 0, 'value before the first or');
      expectEqual(Atomics.and(words, 1, ~1), 5, 'value before the and');
      expectEqual(Atomics.load(words, 1), 4, 'value after both');
      free();
    },
  },
  {
    name: 'gives a view of the same memory again',
    async run(loader) {
      const { pointer, free } = allocated(loader, 4096);
      const first = new Uint8Array(loader.view(pointer, 4096));
      const second = new Uint8Array(loader.view(pointer, 4096));
      first[100] = 1;
      second[101] = 2;
      expectEqual([second[100], first[101]], [1, 2], 'bytes through the other view');
      free();
    },
  },
  {
    name: 'tries the names of a library in order',
    async run(loader) {
      const declared = library({ ...libc, names: ['libpciback-none.so.9', ...names] });
      expectEqual(loader.bind(declared).abs(-1), 1, 'abs(-1) of the library found second');
    },
  },
  {
    name: 'names every file it tried when a library is missing',
    async run(loader) {
      const declared = library({
        names: ['libpciback-none.so.9', 'libpciback-none.so'],
        package: 'libnone9',
        functions: { nothing: ['void', []] },
      });
      const error = await expectFailure(() => loader.bind(declared), 'bind');
      expectThat(isPcibackError(error, 'NATIVE_LIBRARY_MISSING'), `NATIVE_LIBRARY_MISSING, got ${error}`);
      for (const word of declared.names) expectThat(error.message.includes(word), `the message names ${word}`);
      expectThat(error.solve.includes('libnone9'), 'the next step names the package');
    },
  },
  {
    name: 'names the library and the function when a function is missing',
    async run(loader) {
      const declared = library({ names, package: 'libc6', functions: { pciback_no_such_function: ['void', []] } });
      const error = await expectFailure(() => loader.bind(declared), 'bind');
      expectThat(isPcibackError(error, 'NATIVE_SYMBOL_MISSING'), `NATIVE_SYMBOL_MISSING, got ${error}`);
      expectThat(error.message.includes('pciback_no_such_function'), 'the message names the function');
    },
  },
  {
    name: 'refuses a wrong number of parameters instead of calling',
    async run(loader) {
      const abs = loader.bind(libc).abs as (...parameters: number[]) => number;
      expectThat((await expectFailure(() => abs(), 'abs()')) instanceof Error, 'an error');
      expectThat((await expectFailure(() => abs(1, 2), 'abs(1, 2)')) instanceof Error, 'an error');
    },
  },
];
