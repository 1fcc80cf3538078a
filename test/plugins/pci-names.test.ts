// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import { capabilityName, className, extendedName } from '../../plugins/pci-names.ts';

const ids = (last: number): number[] => Array.from({ length: last + 1 }, (_, id) => id);

describe('names', () => {
  it('are there for every capability that is assigned, each once', () => {
    const [standard, extended] = [ids(0x15).map(capabilityName), ids(0x36).map(extendedName)];
    for (const names of [standard, extended]) {
      expect(names.filter((name) => name.startsWith('0x'))).toEqual([]);
      expect(new Set(names).size).toBe(names.length);
    }
    expect([capabilityName(0x16), extendedName(0x37)]).toEqual(['0x16', '0x0037']);
  });

  it('stand at their ids', () => {
    const told = { 1: 'AER', 8: 'multi-function virtual channel', 11: 'vendor', 16: 'SR-IOV', 27: 'PASID' };
    for (const [id, name] of Object.entries(told)) expect(extendedName(Number(id))).toBe(name);
    const later = { 31: 'PTM', 35: 'designated vendor', 37: 'data link feature', 46: 'data object exchange' };
    for (const [id, name] of Object.entries(later)) expect(extendedName(Number(id))).toBe(name);
    expect([0x07, 0x0d, 0x12, 0x13, 0x14].map(capabilityName)).toEqual([
      'PCI-X',
      'bridge subsystem',
      'SATA',
      'advanced features',
      'enhanced allocation',
    ]);
  });

  it('of classes are those of their sub-class', () => {
    expect([0x050210, 0x080000, 0x080501, 0x080700, 0x0c0010, 0x130000].map(className)).toEqual([
      'CXL memory device',
      'Interrupt controller',
      'SD host controller',
      'Root complex event collector',
      'FireWire controller',
      'Non-essential instrumentation',
    ]);
    expect([className(0xff0000), className(0x09ff00)]).toEqual(['Unassigned class', 'Class 09ff']);
  });
});
