// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import { SavedConfig } from '../../../core/stub/saved-config.ts';
import { FakeFunction } from '../../kit/fake-function.ts';

const COMMAND = 0x04;
const BAR0 = 0x10;
const EXPRESS = 0x50;

const makeNic = () =>
  new FakeFunction({
    identity: { configSize: 256 },
    image: [
      [COMMAND, 2, 0x0007],
      [0x06, 2, 0x0010],
      [BAR0, 4, 0xfe000000],
      [0x14, 4, 0xfd000000],
      [0x34, 1, EXPRESS],
      [EXPRESS, 2, 0x0010],
      [EXPRESS + 2, 2, 0x0002],
      [EXPRESS + 8, 2, 0x2810],
    ],
  });

/** As a reset leaves it. */
const lose = (nic: FakeFunction): void => {
  nic.put(COMMAND, 2, 0);
  for (const bar of [BAR0, 0x14]) nic.put(bar, 4, 0);
  nic.put(EXPRESS + 8, 2, 0);
  nic.forget();
};

describe('the saved configuration', () => {
  it('is written back from high to low, and decode comes on last: by then every address is right', () => {
    const nic = makeNic();
    const saved = SavedConfig.of(nic);
    lose(nic);
    expect(saved.restore(nic)).toEqual([]);
    expect(nic.writes).toEqual([
      [EXPRESS + 8, 2, 0x2810],
      [0x14, 4, 0xfd000000],
      [BAR0, 4, 0xfe000000],
      [COMMAND, 2, 0x0003],
    ]);
  });

  it('keeps bus mastering off, also where it is on', () => {
    const nic = makeNic();
    SavedConfig.of(nic).restore(nic);
    expect(nic.writes).toEqual([[COMMAND, 2, 0x0003]]);
  });

  it('is tried again for a register that needs time, and names one that never takes its value', () => {
    const nic = makeNic();
    const saved = SavedConfig.of(nic);
    lose(nic);
    const write = nic.writeConfig.bind(nic);
    let tries = 0;
    nic.writeConfig = (offset, size, value) => {
      if (offset === BAR0 && ++tries < 5) return;
      if (offset !== 0x14) write(offset, size, value);
    };
    expect(saved.restore(nic)).toEqual(['0x14']);
    expect([nic.get(BAR0, 4), nic.get(COMMAND, 2)]).toEqual([0xfe000000, 0x0003]);
  });

  it('is what was read, whatever becomes of the device', () => {
    const nic = makeNic();
    const saved = SavedConfig.of(nic);
    nic.put(0x34, 1, 0xff);
    nic.put(EXPRESS + 8, 2, 0);
    saved.restore(nic);
    expect([nic.get(0x34, 1), nic.get(EXPRESS + 8, 2)]).toEqual([EXPRESS, 0x2810]);
  });
});
