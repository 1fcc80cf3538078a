// SPDX-License-Identifier: MIT

import { expect } from 'vitest';
import { ResourceFlag } from '../../../core/platform/index.ts';
import { Page } from '../../../core/ring/layout.ts';
import { Request } from '../../../core/ring/request.ts';
import {
  type CompiledSpace,
  type Contribution,
  compileSpace,
  stateOfTable,
  type Unhandled,
} from '../../../core/space/compile.ts';
import { ConfigSpace } from '../../../core/space/config-space.ts';
import { Outcome } from '../../../core/space/outcome.ts';
import { LaneDevice } from '../../../plugins/lane/lane-device.ts';
import { Refusals } from '../../../plugins/lane/refusals.ts';
import { bundledSets } from '../../kit/bundled-sets.ts';
import { FakeDevice, FakeFunction } from '../../kit/index.ts';
import { silentWall } from '../../kit/silent-wall.ts';

const FILE = 9;
const ADDRESS = 8;
const BARS = [
  { start: 0xf7d00000n, size: 0x20000n, flags: ResourceFlag.memory },
  { start: 0xf7d20000n, size: 0x20000n, flags: ResourceFlag.memory | ResourceFlag.memory64 | 0xc },
  { start: 0n, size: 0n, flags: 0 },
  { start: 0xe000n, size: 0x20n, flags: ResourceFlag.io | 1 },
];

const bundled: readonly Contribution[] = (await bundledSets())
  .filter(({ kind, only }) => kind === 'field' && only === undefined)
  .map(({ owner, set }) => ({ owner, set }));

/** What is said of who may change a control word: nobody, nobody but that is asked each time, or a guest with permission. */
export const controls = ['refused', 'asked in vain', 'allowed'] as const;

/** What is said of INTX_DISABLE: it is the guest's own, so it is but that is asked each time, or it goes to hardware. */
export const intxWords = ['virtual', 'asked in vain', 'hardware', 'refused'] as const;

export interface Setting {
  readonly enabled?: boolean;
  readonly intx?: (typeof intxWords)[number];
  readonly control?: (typeof controls)[number];
  readonly contributions?: readonly Contribution[];
}

/** A promise is kept whatever the answer would be: nobody asks. */
export const saysOfIntx = (device: FakeDevice, intx: (typeof intxWords)[number]): void => {
  device.keepsIntxVirtual = intx === 'virtual';
  device.intxAnswer = () => {
    device.calls.push('decidesIntx');
    return intx === 'asked in vain' ? 'virtual' : intx;
  };
};

/** A network card with its capabilities, and what a guest's accesses to it lead to. */
export const side = ({
  enabled = false,
  intx = 'virtual',
  control = 'refused',
  contributions = bundled,
}: Setting = {}) => {
  const hardware = new FakeFunction({
    resources: BARS,
    image: [
      [0x00, 4, 0x10d38086],
      [0x04, 4, 0x00100103],
      [0x08, 4, 0x02000000],
      [0x0c, 4, 0x00000010],
      [0x10, 4, 0xf7d00000],
      [0x14, 4, 0xf7d2000c],
      [0x1c, 4, 0x0000e001],
      [0x2c, 4, 0xa01f8086],
      [0x34, 1, 0xc8],
      [0x3c, 2, 0x010b],
      [0xc8, 4, 0xc823d001],
      [0xd0, 4, 0x0080e005],
      [0xe0, 4, 0x0001a010],
      [0xe4, 4, 0x10008cc1],
      [0xe8, 4, 0x00002810],
      [0xa0, 4, 0x00040011],
      [0x100, 4, 0x14020001],
    ],
  });
  const device = new FakeDevice(hardware);
  device.enabled = enabled;
  saysOfIntx(device, intx);
  device.refusesControlWords = control === 'refused';
  device.controlWordAnswer = () => control === 'allowed';
  /** How often each refusal came, and with which value last. */
  const denied = new Map<string, { count: number; value: number }>();
  const failed: unknown[] = [];
  const compile = (unhandled: Unhandled, previous: CompiledSpace | undefined): CompiledSpace =>
    compileSpace(device, contributions, {
      wall: silentWall(),
      unhandled,
      skipped: () => undefined,
      ...(previous === undefined ? {} : { previous: stateOfTable(previous) }),
    });
  const space = new ConfigSpace(hardware, compile('drop', undefined), {
    failed: (offset) => failed.push(offset),
    denied: ({ offset, size, value, mask, why, owner, times }) => {
      const key = [offset, size, mask, why, owner].join();
      denied.set(key, { count: (denied.get(key)?.count ?? 0) + times, value: value >>> 0 });
    },
  });
  return { hardware, device, space, compile, denied, failed };
};

export interface Access {
  readonly write: boolean;
  readonly offset: number;
  readonly size: 1 | 2 | 4;
  readonly value: number;
}

/** As the control thread does them all. */
export const direct = (one = side()) => {
  return {
    ...one,
    handed: 0,
    does: ({ write, offset, size, value }: Access): readonly [number, number] => {
      const status = write ? one.space.write(offset, size, value) : one.space.read(offset, size);
      return [status, write ? 0 : one.space.value];
    },
    catchUp: () => undefined,
  };
};

/** How a lane reaches the device. */
export interface Means {
  /** -1: there is none. */
  readonly file?: number;
  /** Maps its config space; missing: the file is all there is. */
  readonly page?: ((hardware: FakeFunction) => ArrayBufferLike) | undefined;
}

/** As a lane does those that it can, and the control thread the rest. */
export const shared = (one = side(), means: Means = {}) => {
  const { file = FILE } = means;
  const refusals = new Refusals();
  const hardware = {
    read: (_file: number, offset: number, size: 1 | 2 | 4) => one.hardware.readConfig(offset, size),
    write: (_file: number, offset: number, size: 1 | 2 | 4, value: number) =>
      one.hardware.writeConfig(offset, size, value),
  };
  const page = means.page?.(one.hardware);
  const look = (): LaneDevice => {
    const view = one.space.deviceView;
    if (view === null) throw new Error('the lane sees nothing');
    return new LaneDevice({ ...view, file }, hardware, page);
  };
  let lane = look();
  const words = new Int32Array(1024);
  const request = new Request();
  const catchUp = (): void => {
    refusals.take((address, write) => {
      expect(address).toBe(ADDRESS);
      one.space.refusedElsewhere(write);
    });
    one.space.closeGates();
  };
  const world = {
    ...one,
    handed: 0,
    catchUp,
    refusals,
    /** The lane is shown the device as it is now. */
    show: (): void => {
      lane = look();
    },
    does: ({ write, offset, size, value }: Access): readonly [number, number] => {
      words[Page.cmd >> 2] = write ? 1 : 0;
      words[Page.offset >> 2] = offset;
      words[Page.size >> 2] = size;
      words[Page.value >> 2] = value;
      request.copy(words);
      const status = lane.access(request, ADDRESS, refusals);
      if (status !== Outcome.needsCode) return [status, write ? 0 : request.value];
      world.handed++;
      catchUp();
      const answer = write ? one.space.write(offset, size, value) : one.space.read(offset, size);
      return [answer, write ? 0 : one.space.value];
    },
  };
  return world;
};

export type Side = ReturnType<typeof side>;

const COMMAND: Access = { write: false, offset: 0x04, size: 2, value: 0 };

/** Both have the same done to them; what is compared after each is what nobody may be able to tell apart. */
export const bothDo = (steps: readonly (Access | ((one: Side) => void))[], setting: Setting = {}) => {
  const [one, two] = [direct(side(setting)), shared(side(setting))];
  for (const step of steps) {
    if (typeof step === 'function') {
      for (const each of [one, two]) step(each);
      two.show();
      continue;
    }
    expect([step, two.does(step)]).toEqual([step, one.does(step)]);
    expect([step, two.does(COMMAND)]).toEqual([step, one.does(COMMAND)]);
    expect(two.hardware.get(COMMAND.offset, 2)).toBe(one.hardware.get(COMMAND.offset, 2));
  }
  two.catchUp();
  expect(two.hardware.image).toEqual(one.hardware.image);
  expect(two.device.enabled).toBe(one.device.enabled);
  expect(two.space.table.words).toEqual(one.space.table.words);
  expect(two.denied).toEqual(one.denied);
  return { one, two };
};
