// SPDX-License-Identifier: MIT

import { hex } from '../../core/bdf.ts';

export type Size = 1 | 2 | 4;

/** Where an access goes: an offset in config space, or in the first capability of an id. */
export interface Place {
  readonly capability?: { readonly list: 'standard' | 'extended'; readonly id: number };
  readonly offset: number;
}

/** What has to come of an access. */
export type Expectation = { readonly line: number } & (
  | { readonly kind: 'accepted' }
  /** `mask`: exactly these bits were refused; missing: some. */
  | { readonly kind: 'denied'; readonly mask?: number }
  /** A read shows the value; after a write, one that reads it back. */
  | { readonly kind: 'shows'; readonly value: number }
);

/** One access of a driver. */
export interface Step {
  /** In the text, from 1. */
  readonly line: number;
  readonly kind: 'read' | 'write';
  readonly place: Place;
  readonly size: Size;
  /** What is written, unsigned; of a read what it showed in the session that was recorded, if one was. */
  readonly value?: number;
  /** Bits of a write that are changed, the others are written as they are read before; missing: all. */
  readonly mask?: number;
  readonly expects: readonly Expectation[];
}

/** Accesses of a driver to one device, in their order. */
export interface Script {
  readonly form: 'plain' | 'recording' | 'QEMU trace' | 'setpci';
  readonly steps: readonly Step[];
  /** As the text names it: an address, or the emulator's words for it. */
  readonly device?: string;
  /** What limits the picture. */
  readonly notes: readonly string[];
}

/** Says what is wrong with a line. */
export type Refuse = (line: number, why: string) => never;

/** A line that says something, with its number. */
export interface Line {
  readonly line: number;
  readonly text: string;
}

const HEX = /^(?:0x)?([0-9a-f]{1,8})$/i;

/** @returns the number; `undefined` for a text that is none */
export const hexNumber = (text: string | undefined, most: number): number | undefined => {
  const digits = HEX.exec(text ?? '')?.[1];
  const value = digits === undefined ? Number.NaN : Number.parseInt(digits, 16);
  return value <= most ? value : undefined;
};

export const mostOf = (size: Size): number => 2 ** (8 * size) - 1;

const CAPABILITY = /^(e?)cap([0-9a-f]{1,4})\+(?:0x)?([0-9a-f]{1,3})$/i;

/** `e8`, `0xe8`, `CAP09+4`, `ECAP000b+8`; the names of the registers that `setpci` knows are its own. */
export const placeOf = (text: string | undefined): Place | undefined => {
  const inside = CAPABILITY.exec(text ?? '');
  if (inside !== null) {
    const [, extended, id = '', offset = ''] = inside;
    const list = extended === '' ? 'standard' : 'extended';
    return { capability: { list, id: Number.parseInt(id, 16) }, offset: Number.parseInt(offset, 16) };
  }
  const offset = hexNumber(text, 0xfff);
  return offset === undefined ? undefined : { offset };
};

/** Whether an access of this size cannot go there; where a capability begins is known on the device only. */
export const isMisaligned = ({ capability, offset }: Place, size: Size): boolean =>
  capability === undefined && offset % size !== 0;

/** A place in words. */
export const placeText = ({ capability, offset }: Place): string => {
  if (capability === undefined) return `0x${hex(offset, 2)}`;
  const { list, id } = capability;
  return `${list === 'standard' ? `CAP${hex(id, 2)}` : `ECAP${hex(id, 4)}`}+${hex(offset, 1)}`;
};
