// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import { capabilityName, namedCapabilities } from '../../plugins/capability-names.ts';

describe('names of capabilities', () => {
  it('every id that is assigned has one, and no two are the same', () => {
    const ids = (list: string): number[] => namedCapabilities.filter((one) => one.list === list).map(({ id }) => id);
    expect(ids('standard')).toEqual(Array.from({ length: 0x16 }, (_, id) => id));
    expect(ids('extended')).toEqual(Array.from({ length: 0x37 }, (_, id) => id));
    expect(new Set(namedCapabilities.map(({ name }) => name)).size).toBe(namedCapabilities.length);
    expect(namedCapabilities.every(({ name }) => /^[a-z0-9]+(-[a-z0-9]+)*$/.test(name))).toBe(true);
  });

  it('the list tells: 0x10 is one thing at 0x34 and another at 0x100', () => {
    expect(capabilityName('standard', 0x10)).toBe('pcie');
    expect(capabilityName('extended', 0x10)).toBe('sr-iov');
    expect(capabilityName('extended', 0x1022)).toBeUndefined();
  });
});
