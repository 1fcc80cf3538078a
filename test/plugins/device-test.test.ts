// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import { parseBdf } from '../../core/bdf.ts';
import { deviceOption } from '../../plugins/device-option.ts';
import { noDevice, parseDeviceTest } from '../../plugins/device-test.ts';
import { FakeFunction } from '../kit/fake-function.ts';

const nic = { ...new FakeFunction().identity, bdf: parseBdf('03:00.1') };

describe('what names devices in an option', () => {
  it.each([
    ['0000:03:00.1', true],
    ['03:00.*', true],
    ['03:*.*', true],
    ['03:00.0', false],
    ['0001:03:00.1', false],
    ['8086:10d3', true],
    ['8086:10D3', true],
    ['8086:*', true],
    ['8086:10d3:8086:a01f', true],
    ['8086:10d3:8086:0001', false],
    ['8086:10d4', false],
    ['1af4:*', false],
  ])('%s: %s', (text, fits) => {
    expect(parseDeviceTest(text)?.(nic)).toBe(fits);
  });

  it.each(['', '8086', '*:*', '03:00', '8086:', '80867:10d3'])('"%s" is refused', (text) => {
    expect(() => parseDeviceTest(text)).toThrow();
  });

  it.each(['00:1c.0/00.1', '00-1b-21-ff-ff-8d-9e-44'])('"%s" needs to know more than fields do', (text) => {
    expect(parseDeviceTest(text)).toBeUndefined();
    expect(deviceOption('x').safeParse([text]).error?.issues[0]?.message).toMatch(/address or its ids/);
  });

  it('an empty list is no device, one that is wrong says which', () => {
    expect(deviceOption('x').parse([])).toBe(noDevice);
    expect(deviceOption('x').parse(undefined)).toBe(noDevice);
    expect(deviceOption('x').parse(['1af4:*', '03:00.*'])(nic)).toBe(true);
    expect(deviceOption('x').safeParse(['03:00.*', 'nic']).error?.issues[0]?.path).toEqual([1]);
  });
});
