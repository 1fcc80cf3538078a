// SPDX-License-Identifier: MIT

import type { CType, NativeLoader, NativePointer } from '../../kinds/native.ts';
import { type Conversion, importOptional, makeLoader, type RawFunction } from '../loader.ts';

/** The part of koffi 3 that is used; its pointers are bigint, null is null. Source: koffi.dev, "Pointers", "Views". */
interface Koffi {
  load(name: string): { func(name: string, result: string, parameters: readonly string[]): RawFunction };
  view(pointer: unknown, length: number): ArrayBuffer;
  errno(): number;
}

/** Typed arrays are passed to `void *` as the address of their first byte, without a copy. */
const types: Readonly<Record<CType, string>> = {
  void: 'void',
  bool: 'bool',
  int: 'int',
  uint8: 'uint8_t',
  uint16: 'uint16_t',
  uint32: 'uint32_t',
  uint64: 'uint64_t',
  ulong: 'ulong',
  size: 'size_t',
  string: 'str',
  buffer: 'void *',
  pointer: 'void *',
};

const decoder = (type: CType): Conversion | undefined => {
  switch (type) {
    case 'uint64':
    case 'ulong':
    case 'size':
      // koffi gives a number where it fits.
      return (value) => BigInt(value as number | bigint);
    default:
      return undefined;
  }
};

/**
 * The loader over the package `koffi` (prebuilt, about 0.3 µs a call).
 *
 * A buffer of a call is kept alive by koffi for the call only. A view does not keep its memory mapped.
 *
 * @throws PcibackError `NATIVE_UNAVAILABLE` when the package is not installed or does not load.
 */
export const createLoader = async (): Promise<NativeLoader> => {
  const koffi = (await importOptional('koffi', 'koffi')) as Koffi;
  return makeLoader('koffi', import.meta.url, {
    open: (name) => koffi.load(name),
    resolve: (handle, symbol, [result, parameters]) =>
      handle.func(
        symbol,
        types[result],
        parameters.map((type) => types[type]),
      ),
    encoder: () => undefined,
    decoder,
    errno: () => koffi.errno(),
    view: (pointer: NativePointer, length) => koffi.view(pointer, length),
    // A pointer is its address here.
    address: (pointer) => pointer as unknown as bigint,
    pointer: (address) => address as unknown as NativePointer,
  });
};
