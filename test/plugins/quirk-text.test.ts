// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import { bdf } from '../../core/bdf.ts';
import { isPcibackError } from '../../core/errors/index.ts';
import { parseQuirkText } from '../../plugins/quirk-text.ts';
import { guestView } from '../kit/guest-view.ts';

const refusal = (text: string): string => {
  try {
    parseQuirkText(text);
  } catch (error) {
    if (isPcibackError(error, 'QUIRK_INVALID')) return error.message;
    throw error;
  }
  throw new Error(`"${text}" was accepted`);
};

describe('the kernel’s quirk text', () => {
  it.each([
    ['0000:03:1f.7-e8:2:ffff', bdf(0, 3, 0xff), 0xe8, 16, 0xffff, '0000:03:1f.7-00e8:2:0000ffff'],
    ['03:00.0-0:1:80', bdf(0, 3, 0), 0, 8, 0x80, '0000:03:00.0-0000:1:00000080'],
    ['abcd:03:00.0-ffc:4:FFFFFFFF', bdf(0xabcd, 3, 0), 0xffc, 32, 0xffffffff, 'abcd:03:00.0-0ffc:4:ffffffff'],
    ['03:00.0-fff:1:1', bdf(0, 3, 0), 0xfff, 8, 1, '0000:03:00.0-0fff:1:00000001'],
    ['03:00.0-41:2:00ff', bdf(0, 3, 0), 0x41, 16, 0xff, '0000:03:00.0-0041:2:000000ff'],
    ['0x0:0x3:0x0.0x0-0xE8:0x2:0xf', bdf(0, 3, 0), 0xe8, 16, 0xf, '0000:03:00.0-00e8:2:0000000f'],
    [' \t03:00.0 - e8 : 2 : f \n', bdf(0, 3, 0), 0xe8, 16, 0xf, '0000:03:00.0-00e8:2:0000000f'],
    ['03:00.0-000000000000e8:2:000000000000f', bdf(0, 3, 0), 0xe8, 16, 0xf, '0000:03:00.0-00e8:2:0000000f'],
  ])('%j is one register of one function', (text, address, offset, width, mask, canonical) => {
    const { bdf: parsed, register, set, text: shown } = parseQuirkText(text);
    expect([parsed, register.offset, register.width, shown]).toEqual([address, offset, width, canonical]);
    expect(register.claims).toEqual([{ mask, policy: 'writable' }]);
    expect([set.anchor, set.registers]).toEqual([{ kind: 'header', types: [0, 1] }, [register]]);
    expect(parseQuirkText(shown).text).toBe(canonical);
  });

  it.each([
    ['1', 0xff],
    ['2', 0xffff],
    ['4', 0xffffffff],
  ])('mask 0 stands for every bit of %s bytes', (size, mask) => {
    expect(parseQuirkText(`03:00.0-40:${size}:0`).register.claims[0]?.mask).toBe(mask);
  });

  it('has its mask applied (D-C1)', () => {
    const guest = guestView([parseQuirkText('03:00.0-40:2:0ff0').set], { image: [[0x40, 2, 0x1234]] });
    guest.write(0x40, 2, 0xabcd);
    expect(guest.hardware.writes).toEqual([[0x40, 2, 0x1bc4]]);
    expect(guest.refused.map(({ mask }) => mask)).toEqual([0xb009]);
  });

  it('opens a register that is not aligned to its size', () => {
    const guest = guestView([parseQuirkText('03:00.0-43:4:ffffffff').set]);
    guest.write(0x40, 4, 0xaabbccdd);
    guest.write(0x44, 4, 0x11223344);
    expect([guest.hardware.get(0x40, 4), guest.hardware.get(0x44, 4)]).toEqual([0xaa000000, 0x00223344]);
  });

  it.each([
    ['', 'the text: write [DDDD:]BB:SS.F-REG:SIZE:MASK'],
    ['03:00.0', 'the text'],
    ['03:00.0-', 'the text'],
    ['03:00.0-e8', 'the text'],
    ['03:00.0-e8:2', 'the text'],
    ['03:00.0-e8:2:', 'the text'],
    ['03:00.0-e8:2:ffff:1', 'the text'],
    ['03:00.0-e8:2:ffff x', 'the text'],
    ['03:00.0-g8:2:ffff', 'the text'],
    ['03:00.0--e8:2:ffff', 'the text'],
    ['03:00.0-e8:2:-1', 'the text'],
    ['-e8:2:ffff', 'the address'],
    ['03:00-e8:2:ffff', 'the address'],
    ['03:00.*-e8:2:ffff', 'the address'],
    ['03:20.0-e8:2:ffff', 'the address: "03:20.0": slot 0x20 is above 0x1f'],
    ['03:00.8-e8:2:ffff', 'the address'],
    ['103:00.0-e8:2:ffff', 'the address'],
    ['10000:03:00.0-e8:2:ffff', 'the address'],
    ['03:00.0-1000:1:ff', 'REG: 0x1000 is above 0xfff'],
    ['03:00.0-100000000:1:ff', 'REG: 0x100000000 is above 0xfff'],
    ['03:00.0-fff:2:ffff', 'REG: 2 bytes at 0xfff go beyond'],
    ['03:00.0-ffd:4:1', 'REG: 4 bytes at 0xffd go beyond'],
    ['03:00.0-e8:0:0', 'SIZE: 0 is not 1, 2 or 4'],
    ['03:00.0-e8:3:1', 'SIZE: 3 is not 1, 2 or 4'],
    ['03:00.0-e8:8:1', 'SIZE: 8 is not 1, 2 or 4'],
    ['03:00.0-e8:100000001:1', 'SIZE: 100000001 is not 1, 2 or 4'],
    ['03:00.0-e8:1:100', 'MASK: 0x100 is wider than 1 byte'],
    ['03:00.0-e8:2:10000', 'MASK: 0x10000 is wider than 2 bytes'],
    ['03:00.0-e8:4:100000000', 'MASK: 0x100000000 is wider than 4 bytes'],
  ])('%j is refused: %s', (text, message) => {
    expect(refusal(text)).toContain(`quirk "${text.trim()}": ${message}`);
  });
});
