// SPDX-License-Identifier: MIT

import type { CType, NativeLoader, NativePointer } from '../../kinds/native.ts';
import { type Conversion, importOptional, makeLoader, type RawFunction } from '../loader.ts';

/** The part of ffi-napi that is used. A call is made through the function pointer that the library gives for a name. */
interface FfiNapi {
  readonly DynamicLibrary: {
    new (name: string, mode: number): { get(symbol: string): Buffer };
    readonly FLAGS: { readonly RTLD_NOW: number };
  };
  ForeignFunction(pointer: Buffer, result: unknown, parameters: readonly unknown[]): RawFunction;
  errno(): number;
}

/** The part of ref-napi that is used; its pointers are Buffers whose address is the pointer's value. */
interface RefNapi {
  readonly NULL: Buffer;
  readonly types: { readonly void: unknown };
  refType(type: unknown): unknown;
  isNull(pointer: Buffer): boolean;
  /** In hexadecimal. */
  hexAddress(pointer: Buffer, offset: number): string;
  readPointer(from: Buffer, offset: number, length: number): Buffer;
  reinterpret(pointer: Buffer, length: number, offset: number): Buffer;
}

const names: Readonly<Record<Exclude<CType, 'buffer' | 'pointer'>, string>> = {
  void: 'void',
  bool: 'bool',
  int: 'int',
  uint8: 'uint8',
  uint16: 'uint16',
  uint32: 'uint32',
  uint64: 'uint64',
  ulong: 'ulong',
  size: 'size_t',
  string: 'string',
};

/** A Buffer over the same bytes: ffi-napi takes the address of Buffers only. */
const sameMemory = (bytes: Uint8Array): Buffer =>
  Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/**
 * The loader over `ffi-napi` and `@2060.io/ref-napi` (compiled on installation, about 3.5 µs a call).
 *
 * A buffer of a call is kept alive by its own reference on the stack for the call only. A view does not keep its memory
 * mapped.
 *
 * @throws PcibackError `NATIVE_UNAVAILABLE` when a package is not installed or was not compiled.
 */
export const createLoader = async (): Promise<NativeLoader> => {
  const ref = (await importOptional('ffi-napi', '@2060.io/ref-napi')) as RefNapi;
  const ffi = (await importOptional('ffi-napi', 'ffi-napi')) as FfiNapi;
  const address = ref.refType(ref.types.void);
  const typeOf = (type: CType): unknown => (type === 'buffer' || type === 'pointer' ? address : names[type]);

  const encoder = (type: CType): Conversion | undefined => {
    switch (type) {
      case 'uint64':
      case 'ulong':
      case 'size':
        // Numbers lose bits above 2^53; decimal text does not.
        return String;
      case 'buffer':
        return (value) => sameMemory(value as Uint8Array);
      case 'pointer':
        return (value) => value ?? ref.NULL;
      default:
        return undefined;
    }
  };
  const decoder = (type: CType): Conversion | undefined => {
    switch (type) {
      case 'uint64':
      case 'ulong':
      case 'size':
        return (value) => BigInt(value as number | string);
      case 'pointer':
        return (value) => (ref.isNull(value as Buffer) ? null : value);
      case 'void':
        return () => undefined;
      default:
        return undefined;
    }
  };
  const view = (pointer: NativePointer, length: number): ArrayBuffer => {
    if (length === 0) return new ArrayBuffer(0);
    const memory = ref.reinterpret(pointer as unknown as Buffer, length, 0).buffer;
    // ref-napi hands out one ArrayBuffer per address: a longer one from before is given again.
    if (memory.byteLength !== length) {
      throw new RangeError(`a view of ${memory.byteLength} bytes of this memory exists, ${length} are wanted`);
    }
    return memory as ArrayBuffer;
  };

  return makeLoader('ffi-napi', import.meta.url, {
    open: (name) => new ffi.DynamicLibrary(name, ffi.DynamicLibrary.FLAGS.RTLD_NOW),
    resolve: (handle, symbol, [result, parameters]) =>
      ffi.ForeignFunction(handle.get(symbol), typeOf(result), parameters.map(typeOf)),
    encoder,
    decoder,
    errno: () => ffi.errno(),
    view,
    address: (pointer) => BigInt(`0x${ref.hexAddress(pointer as unknown as Buffer, 0)}`),
    pointer: (address) => {
      const cell = Buffer.alloc(8);
      cell.writeBigUInt64LE(address);
      return ref.readPointer(cell, 0, 0) as unknown as NativePointer;
    },
  });
};
