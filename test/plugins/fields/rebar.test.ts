// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import plugin, { resizableBars, resizableVfBars } from '../../../plugins/fields/rebar.ts';
import { capabilityView, observeBits, placeOf } from '../../kit/capability-view.ts';
import type { ImagePart } from '../../kit/fake-function.ts';

const AT = placeOf('extended');

/** `count` BARs, each able to have 256 MiB to 16 GiB, with the size 2^(20 + size). */
const body = (count: number, size: number): readonly ImagePart[] =>
  Array.from({ length: count }, (_, index): readonly ImagePart[] => [
    [4 + 8 * index, 4, 0x0007_f000],
    [8 + 8 * index, 4, (size << 8) | (index === 0 ? count << 5 : 0) | index],
  ]).flat();
const view = (count: number, size: number) =>
  capabilityView(resizableBars, { list: 'extended', id: 0x0015, body: body(count, size) });

describe('resizable BARs', () => {
  it.each([
    [0, 0x0000_0010],
    [8, 0x0000_1000],
    [14, 0x0004_0000],
    [27, 0x8000_0000],
    [28, 0],
  ])('of the possible sizes a guest sees the current one: size %i', (size, shown) => {
    expect(view(1, size).read(AT + 4, 4)).toBe(shown);
  });

  it('follows the host, which may resize between guests', () => {
    const guest = view(1, 8);
    guest.hardware.put(AT + 8, 4, 0x0000_0920);
    expect(guest.read(AT + 4, 4)).toBe(0x0000_2000);
  });

  it('a guest changes no size, whatever the access', () => {
    const guest = view(6, 8);
    for (let offset = 4; offset < 0x34; offset += 4) guest.write(AT + offset, 4, 0x0000_0e00);
    guest.write(AT + 9, 1, 0x0e);
    guest.write(AT + 8, 2, 0x0e20);
    expect(guest.hardware.writes).toEqual([]);
    expect(guest.refused.length).toBe(14);
  });

  it('control is read-only; sizes from 256 TiB on are not shown', () => {
    expect(observeBits(resizableBars, { list: 'extended', id: 0x0015, body: body(1, 8) }, 0x10, 4).hardware).toBe(0);
    const bits = observeBits(resizableBars, { list: 'extended', id: 0x0015, body: body(2, 8) }, 0x10, 4);
    expect(bits).toEqual({ hardware: 0, own: 0, refused: 0xffff_ffff, ignored: 0, differs: 0xffff_0000 });
  });

  it.each([1, 2, 6])('%i pairs are claimed when there are as many', (count) => {
    const guest = view(count, 8);
    const owners = new Set(guest.table.claims.map(({ owner }) => /resizable BAR \d/.exec(owner)?.[0] ?? ''));
    expect([...owners].filter((owner) => owner !== '')).toHaveLength(count);
  });

  it('those of virtual functions are shown as they are and changed by nobody, in permissive mode neither', () => {
    const guest = capabilityView(resizableVfBars, {
      list: 'extended',
      id: 0x0024,
      body: body(2, 8),
      prepare: (device) => (device.permissive = true),
    });
    for (const [offset, size, value] of body(2, 8)) expect(guest.read(AT + offset, size)).toBe(value);
    for (let offset = 4; offset < 0x18; offset += 4) guest.write(AT + offset, 4, 0x0000_0e00);
    expect(guest.hardware.writes).toEqual([[AT + 0x14, 4, 0x0000_0e00]]);
    expect(guest.refused.map(({ offset }) => offset - AT)).toEqual([0x04, 0x08, 0x0c, 0x10]);
  });

  it('the plugin is a plugin', () => {
    expect(plugin).toMatchObject({ kind: 'plugin', name: 'fields/rebar', api: '^1.0' });
  });
});
