// SPDX-License-Identifier: MIT

import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { formatBdf } from '../../../core/bdf.ts';
import { Command, Status } from '../../../core/ring/layout.ts';
import type { SeizedDevice } from '../../../core/stub/index.ts';
import { type IncludedGuest, sample } from '../../../plugins/platforms/embedded/index.ts';
import { type EmbeddedHost, startEmbeddedHost } from '../../kit/embedded-host.ts';
import {
  type Effect,
  effectOf,
  faultNames,
  faults,
  faultyPlaces,
  faultyPlugin,
  hooksLeftOut,
  VICTIM,
} from '../../kit/faults.ts';
import { liveWith } from '../../kit/faulty-life.ts';

const victim = sample('e1000e').bdf;
const bystander = sample('rtl8139').bdf;
const places = faultyPlaces(victim);
const SHORT = 0.03;
/** Of a device's whole life, with a guest that asks for the same again and again. */
const MOST_LINES = 40;

/** What came of one fault in one place. */
interface Cell {
  readonly effect: Effect;
  otherFails: boolean;
  loud: number;
}
const cells: Cell[] = [];
let stopped = 0;

it('there is a place for every hook', () => {
  expect(hooksLeftOut(places)).toEqual([]);
});

describe.each(places)('$place', (place) => {
  const code = faultyPlugin(place);
  let host: EmbeddedHost;
  let other: IncludedGuest;
  /** Log lines before the fault. */
  let before = 0;

  /** Errors and warnings since the fault. */
  const loud = () => host.lines.slice(before).filter(({ level }) => level === 'error' || level === 'warn');

  /** Faults so far, under whatever name. */
  const count = (): number =>
    ['test/faulty', 'test/applied', 'platforms/embedded'].reduce(
      (sum, name) => sum + host.plugins.hooks.wall.usage(name).faults,
      0,
    );

  beforeAll(async () => {
    code.set(undefined);
    host = await startEmbeddedHost({
      devices: [sample('e1000e'), sample('rtl8139')],
      plugins: [code.plugin],
      config: {
        guests: {
          [VICTIM]: {
            ...(place.place.includes('slot mapper') ? { slots: 'faulty' } : {}),
            devices: { [formatBdf(victim)]: { allowInterruptControl: true } },
            interrupts: place.place.includes('interrupt policy') ? 'faulty' : 'open',
          },
        },
        deadlines: Object.fromEntries(
          [
            'apply',
            'deviceSeized',
            'deviceAssigned',
            'deviceReturned',
            'deviceReleased',
            'resetDevice',
            'reset',
            'later',
            'partStart',
            'partStop',
            'operation',
          ].map((name) => [name, SHORT]),
        ),
      },
    });
    other = await host.guest([bystander], { name: 'bystander', driver: 'none' });
    await other.reached(4);
  });
  afterEach(() => code.set(undefined));
  afterAll(async () => {
    // One stop ends everything, whatever happened.
    expect(await host.pciback.stop()).toEqual({ mapped: 0, bound: 0, pirqs: 0, assigned: 0 });
    stopped++;
    await host.close();
  });

  it.each(faultNames)('that %s', async (name) => {
    before = host.lines.length;
    const counted = count();
    const begin = (device?: SeizedDevice): void => {
      code.set(faults[name]);
      if (device !== undefined) place.arm?.(device, code.at);
    };
    let effect: Effect;
    if (place.run === undefined) {
      effect = await liveWith(host, victim, (phase, device) => (phase === place.phase ? begin(device) : undefined));
    } else {
      begin();
      effect = await place.run(host, faults[name]);
    }
    code.set(undefined);
    const cell: Cell = { effect, otherFails: true, loud: loud().length };
    cells.push(cell);
    expect(effect).toBe(effectOf(place, name));
    // What is left of it goes with the fault.
    if (host.pciback.stub.devices.some(({ bdf }) => bdf === victim)) await host.pciback.stub.release(victim);
    // Nothing goes on by itself.
    const after = host.lines.length;
    await new Promise((resolve) => setTimeout(resolve, 10));
    expect(host.lines.slice(after).filter(({ level }) => level === 'error' || level === 'warn')).toEqual([]);
    cell.loud = loud().length;
    // Where nothing comes of it, it is counted all the same, unless it only answers oddly, or the core never asks.
    const isHeard = effect !== 'none' || (/throws|rejects/.test(name) && !place.place.startsWith('find'));
    if (isHeard) expect(count()).toBeGreaterThan(counted);
    // The other guest never notices.
    const id = { domain: 0, bus: 0, devfn: 0, offset: 0, size: 4, cmd: Command.confRead };
    expect(await other.request(id)).toMatchObject({ err: Status.success, value: 0x813910ec });
    cell.otherFails = false;
  });
});

it('no fault anywhere affects another guest, ends the daemon or logs without limit', () => {
  expect(cells).toHaveLength(places.length * faultNames.length);
  expect(cells.filter(({ otherFails }) => otherFails)).toEqual([]);
  expect(cells.filter(({ loud }) => loud >= MOST_LINES)).toEqual([]);
  // Each of them served until it was told to stop.
  expect(stopped).toBe(places.length);
});
