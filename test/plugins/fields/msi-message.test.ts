// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import { msi } from '../../../plugins/fields/msi.ts';
import plugin, { msiMessage } from '../../../plugins/fields/msi-message.ts';
import { bundledSets } from '../../kit/bundled-sets.ts';
import { capabilityView, placeOf } from '../../kit/capability-view.ts';
import type { ImagePart } from '../../kit/fake-function.ts';

const AT = placeOf('standard');
const WIDE = 0x0080;
const MASKABLE = 0x0100;
const END = 0x18;

/** Every byte behind the control word is its own offset with the top bit set. */
const body = (control: number): readonly ImagePart[] => [
  [0x02, 2, control],
  ...Array.from({ length: END - 4 }, (_, index): ImagePart => [4 + index, 1, 0x80 | (4 + index)]),
];
const view = (control: number, permissive = false) =>
  capabilityView([msi, ...msiMessage], {
    list: 'standard',
    id: 0x05,
    body: body(control),
    prepare: (device) => {
      device.permissive = permissive;
    },
  });

/** First byte of the data word, and first byte behind the message; masking registers, if there are any. */
const layouts = [
  ['32-bit', 0, 0x0a, undefined],
  ['64-bit', WIDE, 0x0e, undefined],
  ['32-bit with masking', MASKABLE, 0x0a, 0x0c],
  ['64-bit with masking', WIDE | MASKABLE, 0x0e, 0x10],
] as const;

describe.each(layouts)('msi message, %s', (_name, control, end, masking) => {
  it('D-C17, S-10: address and data read zero, byte by byte; what lies behind is hardware’s', () => {
    const guest = view(control);
    for (let offset = 4; offset < END; offset++) {
      expect(guest.read(AT + offset, 1), `byte ${offset}`).toBe(offset < end ? 0 : 0x80 | offset);
    }
    expect(guest.read(AT + 4, 4)).toBe(0);
    expect(guest.read(AT, 4) >>> 16).toBe(control);
  });

  it('XSA-128, XSA-129: no write reaches address, data or mask, whatever its width', () => {
    const guest = view(control);
    for (const size of [1, 2, 4] as const) {
      for (let offset = 4; offset < END; offset += size) guest.write(AT + offset, size, 0x0f0f_0f0f);
    }
    expect(guest.hardware.writes).toEqual([]);
    expect(guest.read(AT + 4, 4)).toBe(0);
  });

  it('permissive mode opens nothing of them', () => {
    const guest = view(control, true);
    const last = masking === undefined ? end : masking + 8;
    for (let offset = 4; offset < last; offset += 2) {
      if (offset < end || (masking !== undefined && offset >= masking)) guest.write(AT + offset, 2, 0xffff);
    }
    expect(guest.hardware.writes).toEqual([]);
  });

  it('no set is left out for another', () => {
    expect(view(control).skipped).toEqual([]);
  });
});

describe('msi message', () => {
  it('preset kernel shows the registers as they are', async () => {
    const kernel = (await bundledSets()).filter(
      ({ kind, preset, only }) => kind === 'field' && preset === undefined && only === undefined,
    );
    const guest = capabilityView(
      kernel.map(({ set }) => set),
      { list: 'standard', id: 0x05, body: body(WIDE) },
    );
    expect(guest.read(AT + 4, 4)).toBe(0x8786_8584);
  });

  it('the plugin is a plugin', () => {
    expect(plugin).toMatchObject({ kind: 'plugin', name: 'fields/msi-message', api: '^1.0' });
  });
});
