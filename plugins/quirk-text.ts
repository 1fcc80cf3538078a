// SPDX-License-Identifier: MIT

import { type Bdf, formatBdf, hex, parseBdf } from '../core/bdf.ts';
import { fail, isPcibackError } from '../core/errors/index.ts';
import type { DeviceMatch, Quirk } from '../core/quirk/quirk.ts';
import { type FieldSet, header, type Register, register, type Width } from '../core/space/declaration.ts';

/** One register opened by a text, for one function. */
export interface QuirkText {
  readonly bdf: Bdf;
  readonly register: Register;
  /** The register alone, at its absolute offset in either type of header. */
  readonly set: FieldSet;
  /** The text again, in full and in one spelling: `0000:03:00.0-00e8:2:0000ffff`. */
  readonly text: string;
}

const number = '(0x)?([0-9a-fA-F]+)';
const form = new RegExp(`^\\s*([^-]*)-\\s*${number}\\s*:\\s*${number}\\s*:\\s*${number}\\s*$`);

const LAST_OFFSET = 0xfff;
const ALL = 0xffffffff;

/** Digits of a 32-bit number, without the zeros before it. */
const fits32 = (digits: string): boolean => digits.replace(/^0+(?=.)/, '').length <= 8;

/**
 * Parses `[DDDD:]BB:SS.F-REG:SIZE:MASK`, the text that the kernel's back end takes at run time: hexadecimal, every part
 * after the address needed, blanks around it and after each separator. The register is written through where MASK has a
 * one; all other bits of it stay as they are (D-C1).
 *
 * MASK 0 means every bit: a register of which nothing can be written is no quirk, and lists written for tools that made
 * no use of the mask have zeros there. REG need not be a multiple of SIZE.
 *
 * @throws PcibackError `QUIRK_INVALID` naming the text and the part; all of them are EINVAL to a writer.
 */
export const parseQuirkText = (text: string): QuirkText => {
  const shown = text.trim();
  const refuse = (where: string, why: string): never => fail('QUIRK_INVALID', { quirk: `"${shown}"`, where, why });
  const match = form.exec(text);
  if (match === null) return refuse('the text', 'write [DDDD:]BB:SS.F-REG:SIZE:MASK, all hexadecimal');
  const [, addressText = '', , offsetText = '', , sizeText = '', , maskText = ''] = match;
  const address = bdfOf(addressText, refuse);

  const offset = fits32(offsetText) ? Number.parseInt(offsetText, 16) : Number.POSITIVE_INFINITY;
  if (offset > LAST_OFFSET) refuse('REG', `0x${offsetText} is above 0x${hex(LAST_OFFSET, 3)}`);
  const size = fits32(sizeText) ? Number.parseInt(sizeText, 16) : 0;
  if (size !== 1 && size !== 2 && size !== 4) return refuse('SIZE', `${sizeText} is not 1, 2 or 4`);
  if (offset + size > LAST_OFFSET + 1) {
    refuse('REG', `${size} bytes at 0x${hex(offset, 3)} go beyond the end of config space`);
  }
  const full = size === 4 ? ALL : 2 ** (8 * size) - 1;
  const mask = fits32(maskText) ? Number.parseInt(maskText, 16) : Number.POSITIVE_INFINITY;
  if (mask > full) refuse('MASK', `0x${maskText} is wider than ${size} byte${size === 1 ? '' : 's'}`);

  const opened = mask === 0 ? full : mask;
  const name = `0x${hex(offset, 2)}`;
  const declared = register(offset, (8 * size) as Width, name).writable(opened);
  return {
    bdf: address,
    register: declared,
    set: header('run-time register', [0, 1], [declared]),
    text: `${formatBdf(address)}-${hex(offset, 4)}:${size}:${hex(opened, 8)}`,
  };
};

/** The quirk that such a text is. @param match the device at its address */
export const quirkOfText = ({ bdf, set, text }: QuirkText, match: readonly DeviceMatch[]): Quirk => ({
  kind: 'quirk',
  name: `text/${text}`,
  source: 'given as text at run time',
  match,
  sets: [set],
  surgery: [],
  only: [bdf],
});

const bdfOf = (text: string, refuse: (where: string, why: string) => never): Bdf => {
  try {
    return parseBdf(text);
  } catch (error) {
    if (!isPcibackError(error)) throw error;
    return refuse('the address', error.message);
  }
};
