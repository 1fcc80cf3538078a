// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import { SavedConfig } from '../../../core/stub/saved-config.ts';
import { FakeFunction, type ImagePart } from '../../kit/fake-function.ts';

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

  const capable = (id: number, registers: readonly ImagePart[], identity = {}) =>
    new FakeFunction({
      identity,
      image: [[0x06, 2, 0x0010], [0x34, 1, 0x40], [0x40, 2, id], ...registers],
    });
  /** Offsets that are written when every register reads the opposite of what was saved. */
  const restored = (device: FakeFunction, change: (device: FakeFunction) => void): readonly ImagePart[] => {
    const saved = SavedConfig.of(device);
    change(device);
    device.forget();
    expect(saved.restore(device)).toEqual([]);
    return device.writes;
  };

  it('has no power state and no PME status: those stay as they are, and are not compared', () => {
    const nic = capable(0x01, [[0x44, 2, 0x8103]]);
    nic.clearedByOne[0x45] = 0x80;
    const writes = restored(nic, (device) => device.put(0x44, 2, 0x8000));
    expect(writes).toEqual([[0x44, 2, 0x0100]]);
    expect(nic.get(0x44, 2)).toBe(0x8100);
  });

  it('has the command of PCI-X', () => {
    const nic = capable(0x07, [[0x42, 2, 0x002d]]);
    expect(restored(nic, (device) => device.put(0x42, 2, 0x0010))).toEqual([[0x42, 2, 0x002d]]);
  });

  it('has the controls of virtual channels, as many as there are, without the bit that loads a table', () => {
    const nic = new FakeFunction({
      image: [
        [0x100, 4, 0x0001_0002],
        [0x104, 4, 0x0000_0001],
        [0x10c, 2, 0x0002],
        [0x114, 4, 0x8001_00ff],
        [0x120, 4, 0x8100_0002],
        [0x12c, 4, 0x8700_0004],
      ],
    });
    const writes = restored(nic, (device) => {
      for (const at of [0x10c, 0x114, 0x120, 0x12c]) device.put(at, 4, 0);
    });
    expect(writes).toEqual([
      [0x120, 4, 0x81000002],
      [0x114, 4, 0x800000ff],
      [0x10c, 2, 0x0002],
    ]);
  });

  it('never starts a reset, a link training or a self test, nor clears what a bridge reports', () => {
    const bridge = capable(
      0x10,
      [
        [0x42, 2, 0x0042],
        [0x48, 2, 0xffff],
        [0x50, 2, 0xffff],
        [0x0c, 4, 0x4000_0010],
        [0x1c, 4, 0xf800_e1f1],
        [0x3c, 4, 0x0443_010b],
      ],
      { headerType: 1 },
    );
    const writes = restored(bridge, (device) => {
      for (const [at, size] of [
        [0x48, 2],
        [0x50, 2],
        [0x0c, 4],
        [0x1c, 4],
        [0x3c, 4],
      ] as const)
        device.put(at, size, 0);
    });
    expect(writes).toEqual([
      [0x50, 2, 0xffdf],
      [0x48, 2, 0x7fff],
      [0x3e, 2, 0x0003],
      [0x3c, 2, 0x010b],
      [0x1c, 2, 0xe1f1],
      [0x0c, 2, 0x0010],
    ]);
  });

  it.each([
    [
      'power management',
      256,
      [
        [0x34, 1, 0xfc],
        [0xfc, 2, 0x0001],
      ],
    ],
    [
      'power management, beside extended space',
      4096,
      [
        [0x34, 1, 0xfc],
        [0xfc, 2, 0x0001],
        [0x100, 4, 0x0001_0003],
      ],
    ],
    [
      'PCI Express',
      256,
      [
        [0x34, 1, 0xf8],
        [0xf8, 4, 0x0002_0010],
      ],
    ],
    [
      'AER',
      4096,
      [
        [0x100, 4, 0xff41_0003],
        [0xff4, 4, 0x0001_0001],
      ],
    ],
    [
      'virtual channels',
      4096,
      [
        [0x100, 4, 0xffc1_0003],
        [0xffc, 4, 0x0001_0002],
      ],
    ],
  ] as const)('looks for nothing of %s where there is no room, in %i bytes', (_, configSize, parts) => {
    const device = new FakeFunction({ identity: { configSize }, image: [[0x06, 2, 0x0010], ...parts] });
    const saved = SavedConfig.of(device);
    device.forget();
    expect(saved.restore(device)).toEqual([]);
    expect(device.log.filter(({ offset }) => offset >= 0x100 && offset < 0x108)).toEqual([]);
  });
});
