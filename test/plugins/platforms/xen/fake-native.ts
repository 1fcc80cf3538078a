// SPDX-License-Identifier: MIT

import { problem } from '../../../../plugins/errors.ts';
import type {
  Bound,
  LibraryDeclaration,
  NativeLoader,
  NativePointer,
  Signature,
} from '../../../../plugins/kinds/native.ts';

/** One call that the code under test made, e.g. `xenevtchn_notify 1 7`. */
export type Answer = (...parameters: unknown[]) => unknown;

/** A loader over functions of the test. A function that the test does not give is missing in its library. */
export interface FakeNative extends NativeLoader {
  readonly calls: string[];
  setErrno(errno: number): void;
}

const show = (value: unknown): string => {
  if (value === null) return 'null';
  if (value instanceof Uint8Array) return `<${[...value].join(' ')}>`;
  return typeof value === 'object' ? 'handle' : String(value);
};

/** A pointer; nothing but its identity matters. */
export const fakePointer = (memory = new ArrayBuffer(4096)): NativePointer & { memory: ArrayBuffer } =>
  ({ memory }) as unknown as NativePointer & { memory: ArrayBuffer };

export const createFakeNative = (answers: Record<string, Answer>): FakeNative => {
  const calls: string[] = [];
  let errno = 0;
  return {
    name: 'fake',
    calls,
    setErrno(value) {
      errno = value;
    },
    errno: () => errno,
    address: () => 0x1000n,
    pointer: () => fakePointer(),
    view: (pointer, length) => {
      const { memory } = pointer as unknown as { memory: ArrayBuffer };
      if (memory.byteLength !== length) throw new RangeError(`the memory has ${memory.byteLength} bytes`);
      return memory;
    },
    bind<Functions extends Record<string, Signature>>(declaration: LibraryDeclaration<Functions>): Bound<Functions> {
      const bound: Record<string, Answer> = {};
      for (const symbol of Object.keys(declaration.functions)) {
        const answer = answers[symbol];
        if (answer === undefined) {
          throw problem('NATIVE_SYMBOL_MISSING', { library: declaration.names[0] ?? '', symbol });
        }
        bound[symbol] = (...parameters) => {
          calls.push([symbol, ...parameters.map(show)].join(' '));
          return answer(...parameters);
        };
      }
      return bound as unknown as Bound<Functions>;
    },
  };
};
