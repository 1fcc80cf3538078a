// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import { parseBdf } from '../../../core/bdf.ts';
import { configSchema } from '../../../plugins/program/schema.ts';

const device = (address: string, vendor: number, id: number) => ({ bdf: parseBdf(address), vendor, device: id });
const devices = [
  device('0000:03:00.0', 0x8086, 0x10d3),
  device('0000:03:00.1', 0x8086, 0x1533),
  device('0000:04:00.0', 0x10ec, 0x10d3),
];

describe('devices that `hide` names', () => {
  it.each([
    ['0000:03:00.0', [0]],
    ['03:00.*', [0, 1]],
    [{ vendor: '8086' }, [0, 1]],
    [{ vendor: '8086', device: '10d3' }, [0]],
    [{ vendor: '0x8086', device: '0x1533' }, [1]],
    [{ vendor: '8086', device: '0000' }, []],
  ])('%j', (pattern, found) => {
    const [one] = configSchema.parse({ hide: [pattern] }).hide;
    expect(devices.flatMap((each, index) => (one?.matches(each) ? [index] : []))).toEqual(found);
  });
});
