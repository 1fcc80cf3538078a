// SPDX-License-Identifier: MIT

import { describeError } from '../../core/errors/index.ts';
import { fail } from '../errors.ts';
import type { Bound, CType, LibraryDeclaration, NativeLoader, NativePointer, Signature } from '../kinds/native.ts';

/** A C function as a foreign-function package gives it: parameters and result in the package's own representation. */
export type RawFunction = ((...parameters: unknown[]) => unknown) & {
  /** The same on a thread of the process's pool, with a callback at the end. Missing: the package cannot. */
  readonly async?: (...parameters: unknown[]) => void;
};

export type Conversion = (value: unknown) => unknown;

/** What a foreign-function package has to do; everything that does not differ between packages is in {@link makeLoader}. */
export interface ForeignFunctions<Handle> {
  /** Opens a shared library. Throws, with the linker's words, when it is not there. */
  open(name: string): Handle;
  /** Finds a function. Throws when the library does not have it. */
  resolve(handle: Handle, symbol: string, signature: Signature): RawFunction;
  /** What turns a parameter from the contract's form into the package's; `undefined` when they are the same. */
  encoder(type: CType): Conversion | undefined;
  /** What turns a result from the package's form into the contract's; `undefined` when they are the same. */
  decoder(type: CType): Conversion | undefined;
  /** The thread's `errno`, now. */
  errno(): number;
  /** The memory itself. The caller keeps it mapped for as long as the result is used. */
  view(pointer: NativePointer, length: number): ArrayBuffer;
  address(pointer: NativePointer): bigint;
  pointer(address: bigint): NativePointer;
}

/** C reports failure by a negative number, a null pointer or false; of other results the caller knows. */
const maybeFailed = (type: CType, result: unknown): boolean => {
  switch (type) {
    case 'int':
      return (result as number) < 0;
    case 'bool':
      return result === false;
    case 'pointer':
      return result === null;
    default:
      return true;
  }
};

/** Makes the loader of the contract from the part that a package does. */
export const makeLoader = <Handle>(name: string, module: string, foreign: ForeignFunctions<Handle>): NativeLoader => {
  let lastErrno = 0;

  const wrap = (raw: RawFunction, [result, types]: Signature): RawFunction => {
    const encoders = types.map((type) => foreign.encoder(type));
    const plain = encoders.every((encoder) => encoder === undefined);
    const decoder = foreign.decoder(result);
    const encoded = (parameters: unknown[]): unknown[] =>
      plain ? parameters : parameters.map((value, index) => encoders[index]?.(value) ?? value);
    const now: RawFunction = (...parameters) => {
      if (parameters.length !== types.length) {
        throw new TypeError(`expected ${types.length} parameters, got ${parameters.length}`);
      }
      const answer = raw(...encoded(parameters));
      const decoded = decoder === undefined ? answer : decoder(answer);
      // Read at once: the next system call of this thread, for whatever purpose, overwrites it.
      if (maybeFailed(result, decoded)) lastErrno = foreign.errno();
      return decoded;
    };
    if (raw.async === undefined) return now;
    const later = (...parameters: unknown[]): Promise<unknown> =>
      new Promise((resolve, reject) => {
        raw.async?.(...encoded(parameters), (error: unknown, answer: unknown) => {
          if (error) reject(error);
          else resolve(decoder === undefined ? answer : decoder(answer));
        });
      });
    return Object.assign(now, { later });
  };

  const open = (declaration: LibraryDeclaration): { handle: Handle; file: string } => {
    const reasons: string[] = [];
    for (const file of declaration.names) {
      try {
        return { handle: foreign.open(file), file };
      } catch (error) {
        reasons.push(describeError(error));
      }
    }
    return fail('NATIVE_LIBRARY_MISSING', {
      names: declaration.names,
      package: declaration.package,
      why: [...new Set(reasons)].join('; '),
    });
  };

  return {
    name,
    module,
    bind<Functions extends Record<string, Signature>>(declaration: LibraryDeclaration<Functions>): Bound<Functions> {
      const { handle, file } = open(declaration);
      const bound: Record<string, RawFunction> = {};
      for (const [symbol, signature] of Object.entries<Signature>(declaration.functions)) {
        if (signature[0] === 'string' || signature[0] === 'buffer') {
          throw new TypeError(`${symbol}: ${signature[0]} is a type of parameters only`);
        }
        let raw: RawFunction;
        try {
          raw = foreign.resolve(handle, symbol, signature);
        } catch (error) {
          return fail('NATIVE_SYMBOL_MISSING', { library: file, symbol }, error);
        }
        bound[symbol] = wrap(raw, signature);
      }
      return bound as unknown as Bound<Functions>;
    },
    errno: () => lastErrno,
    view: (pointer, length) => foreign.view(pointer, length),
    address: (pointer) => foreign.address(pointer),
    pointer: (address) => foreign.pointer(address),
  };
};

/**
 * Imports a package that may not be installed.
 *
 * The name is not a literal so that the project compiles where an optional package could not be installed.
 *
 * @throws PcibackError `NATIVE_UNAVAILABLE`
 */
export const importOptional = async (wanted: string, name: string): Promise<unknown> => {
  try {
    const module: { default?: unknown } = await import(name);
    return module.default ?? module;
  } catch (error) {
    return fail('NATIVE_UNAVAILABLE', { wanted, why: describeError(error).split('\n')[0] ?? '' }, error);
  }
};
