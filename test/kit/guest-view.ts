// SPDX-License-Identifier: MIT

import { type CompiledSpace, compileSpace, type Unhandled } from '../../core/space/compile.ts';
import { ConfigSpace } from '../../core/space/config-space.ts';
import type { FieldSet } from '../../core/space/declaration.ts';
import { FakeDevice, FakeFunction, type FakeFunctionSettings } from './fake-function.ts';
import { silentWall } from './silent-wall.ts';

/** A refused write, as the config space reports it. */
export interface RefusedWrite {
  readonly offset: number;
  readonly size: number;
  readonly value: number;
  readonly mask: number;
  /** A behaviour's rule; `undefined`: the policy of the bits. */
  readonly why: string | undefined;
}

const policies: readonly string[] = ['no field claims these bits', 'read-only', 'fixed'];

/** The rule of a behaviour; `undefined` for the policy of bits without one. */
export const ruleOf = (why: string): string | undefined => (policies.includes(why) ? undefined : why);

/** A fake function and what one guest sees of it. */
export interface GuestView {
  readonly hardware: FakeFunction;
  readonly device: FakeDevice;
  readonly space: ConfigSpace;
  readonly table: CompiledSpace;
  readonly refused: RefusedWrite[];
  /** What the host or a behaviour threw during an access. */
  readonly failures: unknown[];
  /** Sets that were left out of the table. */
  readonly skipped: string[];
  /** Reads, and throws when the status is not success. */
  read(offset: number, size: number): number;
  /** Writes; returns the status. */
  write(offset: number, size: number, value: number): number;
}

/** Gives `device` to a guest: compiles the sets for it. */
export const viewOf = (device: FakeDevice, sets: readonly FieldSet[]): GuestView => {
  const { hardware } = device;
  const refused: RefusedWrite[] = [];
  const failures: unknown[] = [];
  const skipped: string[] = [];
  const unhandled: Unhandled = device.permissive ? 'permissive' : 'drop';
  const table = compileSpace(
    device,
    sets.map((set) => ({ owner: 'test', set })),
    {
      wall: silentWall(),
      unhandled,
      skipped: (set, why) => skipped.push(`${set}: ${why}`),
    },
  );
  const space = new ConfigSpace(hardware, table, {
    failed: (_offset, error) => failures.push(error),
    denied: ({ offset, size, value, mask, why }) =>
      refused.push({ offset, size, value: value >>> 0, mask: mask >>> 0, why: ruleOf(why) }),
  });
  hardware.forget();
  return {
    hardware,
    device,
    space,
    table,
    refused,
    failures,
    skipped,
    read: (offset, size) => {
      const status = space.read(offset, size);
      if (status !== 0) throw new Error(`read of ${size} bytes at 0x${offset.toString(16)}: status ${status}`);
      return space.value;
    },
    write: (offset, size, value) => space.write(offset, size, value),
  };
};

/** What a guest sees of a fresh fake function. */
export const guestView = (
  sets: readonly FieldSet[],
  settings: FakeFunctionSettings = {},
  prepare: (device: FakeDevice) => void = () => {},
): GuestView => {
  const device = new FakeDevice(new FakeFunction(settings));
  prepare(device);
  return viewOf(device, sets);
};
