// SPDX-License-Identifier: MIT

/** Names of the C types that the declarations use. `pointer` is any data pointer, `string` a NUL-terminated in-parameter. */
export type CType =
  | 'void'
  | 'bool'
  | 'int'
  | 'uint8'
  | 'uint16'
  | 'uint32'
  | 'uint64'
  | 'ulong'
  | 'size'
  | 'string'
  | 'buffer'
  | 'pointer';

/** An address as the loader represents it. Only the loader that made it can use it. */
export type NativePointer = { readonly __nativePointer: unique symbol };

interface TypeMap {
  void: undefined;
  bool: boolean;
  int: number;
  uint8: number;
  uint16: number;
  uint32: number;
  uint64: bigint;
  ulong: bigint;
  size: bigint;
  string: string;
  /** Memory of this process handed to the callee for the duration of the call: in, out or both. */
  buffer: Uint8Array;
  /** `null` is the null pointer. */
  pointer: NativePointer | null;
}

/** One C function: result type and parameter types. */
export type Signature = readonly [result: CType, parameters: readonly CType[]];

/** A shared library and what is called in it. */
export interface LibraryDeclaration<Functions extends Record<string, Signature> = Record<string, Signature>> {
  /** File names to try, best first, e.g. `libxenevtchn.so.1`. */
  readonly names: readonly string[];
  readonly functions: Functions;
  /** What an operator installs to get it. */
  readonly package: string;
}

type Parameters_<T extends readonly CType[]> = { -readonly [K in keyof T]: TypeMap[T[K]] };

/** `later` calls on a thread of the process's pool: the errno is lost, buffers are the caller's to keep. Missing: cannot be. */
type Call<P extends unknown[], R> = ((...parameters: P) => R) & { readonly later?: (...parameters: P) => Promise<R> };
/** The declaration turned into functions. */
export type Bound<Functions extends Record<string, Signature>> = {
  readonly [Name in keyof Functions]: Call<Parameters_<Functions[Name][1]>, TypeMap[Functions[Name][0]]>;
};

/**
 * A foreign-function loader.
 *
 * Obligations: calls are synchronous on the calling thread; `errno` is the value the last call through this loader left;
 * 64-bit types are bigint both ways; `bool` is C's `_Bool`; a `buffer` is passed without a copy; a null pointer result
 * is `null`; `view` is the memory itself, not a copy.
 */
export interface NativeLoader {
  readonly name: string;
  /** Its module, which exports `createLoader`: another thread makes a loader of its own with it. Missing: none can. */
  readonly module?: string;
  /** @throws PcibackError `NATIVE_LIBRARY_MISSING` with all names tried, `NATIVE_SYMBOL_MISSING`. */
  bind<Functions extends Record<string, Signature>>(library: LibraryDeclaration<Functions>): Bound<Functions>;
  errno(): number;
  view(pointer: NativePointer, length: number): ArrayBuffer;
  /** The address as a number, for another thread; {@link pointer} makes it a pointer of that thread's loader. */
  address(pointer: NativePointer): bigint;
  pointer(address: bigint): NativePointer;
}

/** Keeps the literal types of a declaration. */
export const library = <const Functions extends Record<string, Signature>>(
  declaration: LibraryDeclaration<Functions>,
): LibraryDeclaration<Functions> => declaration;

/** Loads a foreign-function loader. @throws PcibackError `NATIVE_UNAVAILABLE` */
export type NativeFactory = () => Promise<NativeLoader>;
