// SPDX-License-Identifier: MIT

import { beforeEach, describe, expect, it } from 'vitest';
import { type FromLoop, LineLoop, type ToLoop } from '../../../../plugins/platforms/xen/line-loop.ts';

const BELL = 3;
const UIO = 10;
const CONFIG = 11;
const MASTER = 0x0004;
const INTX_DISABLE = 0x0400;
const DECODE = 0x0003;
/** SERR, which shares a byte with INTX_DISABLE. */
const SERR = 0x0100;
/** In the status register: it asks for service. */
const ASKS = 0x0008_0000;
const SILENT = 0xffff_ffff;

let command: number | undefined;
let count: number | undefined;
let ready: number[];
let waits: (readonly [readonly number[], number])[];
let writes: string[];
let closed: number[];
let told: FromLoop[];
let inbox: ToLoop[];
let open: Int32Array;
let now: number;
let loop: LineLoop;

beforeEach(() => {
  command = DECODE | MASTER | SERR | INTX_DISABLE;
  count = 7;
  now = 1000;
  [ready, waits, writes, closed, told, inbox] = [[], [], [], [], [], []];
  open = new Int32Array([1]);
  loop = new LineLoop(
    {
      wait(files, ms) {
        waits.push([files, ms]);
        return ready.splice(0);
      },
      read: (file) => (file === UIO ? count : 1),
      command: () => command,
      now: () => now,
      write(_config, offset, value) {
        writes.push(`${offset}=0x${value.toString(16)}`);
        const shift = (offset - 4) * 8;
        command = ((command ?? 0) & ~(0xff << shift)) | (value << shift);
      },
      close(file) {
        closed.push(file);
        // As the driver does when its file is closed.
        if (file === UIO && command !== undefined) command &= ~MASTER;
      },
    },
    BELL,
    () => inbox.shift(),
    (message) => void told.push(message),
  );
});

const tell = (...messages: ToLoop[]): boolean => {
  inbox.push(...messages);
  ready = [0];
  return loop.turn();
};
const hear = (): boolean => tell({ what: 'hear', slot: 0, uio: UIO, config: CONFIG, open });
/** One comes, and a millisecond passes. */
const interrupt = (): boolean => {
  ready = [1];
  loop.turn();
  now += 1;
  return loop.turn();
};

const counts = (): number[] => told.flatMap((one) => (one.what === 'interrupts' ? [one.count] : []));

describe('an interrupt of a shared line', () => {
  it('is told, and the function may raise its line again; nothing else of its command register is written', () => {
    hear();
    expect(interrupt()).toBe(true);
    expect(writes).toEqual(['5=0x1']);
    expect(command).toBe(DECODE | MASTER | SERR);
    expect(told).toContainEqual({ what: 'interrupts', slot: 0, count: 1 });
    expect(told).toContainEqual({ what: 'master', slot: 0, on: true });
  });

  it('counts those that came together, across the end of the numbers', () => {
    count = 0x7fffffff;
    hear();
    interrupt();
    count = -0x7fffffff;
    now += 100;
    interrupt();
    expect(counts()).toEqual([1, 2]);
  });

  it('is told with others, ten times a second at most', () => {
    hear();
    for (let more = 0; more < 200; more++) {
      count = (count ?? 0) + 1;
      interrupt();
    }
    loop.turn();
    expect(counts()).toEqual([1, 100]);
    now += 100;
    loop.turn();
    expect(counts()).toEqual([1, 100, 99]);
  });

  it('of a function that is kept from its line is told, and leaves INTX_DISABLE set', () => {
    hear();
    Atomics.store(open, 0, 0);
    interrupt();
    loop.turn();
    expect(writes).toEqual([]);
    expect(told).toContainEqual({ what: 'interrupts', slot: 0, count: 1 });
  });

  it('is looked after once more soon, because another thread may have written INTX_DISABLE back, and then seldom', () => {
    hear();
    interrupt();
    command = DECODE | MASTER | INTX_DISABLE;
    loop.turn();
    expect(command).toBe(DECODE | MASTER);
    loop.turn();
    expect(waits.slice(1).map(([, ms]) => ms)).toEqual([1000, 1, 20, 1000]);
  });

  it('that is not served yet leaves INTX_DISABLE set, until it is served', () => {
    hear();
    command = DECODE | MASTER | INTX_DISABLE | ASKS;
    interrupt();
    loop.turn();
    now += 0.9;
    loop.turn();
    expect(writes).toEqual([]);
    command = DECODE | MASTER | INTX_DISABLE;
    loop.turn();
    expect(command).toBe(DECODE | MASTER);
    loop.turn();
    expect(waits.slice(1).map(([, ms]) => ms)).toEqual([1000, 1, 1, 1, 1, 20]);
  });

  it('that nobody serves comes again after 2 ms, and not more often', () => {
    hear();
    command = DECODE | MASTER | INTX_DISABLE | ASKS;
    interrupt();
    now += 1;
    loop.turn();
    expect(command).toBe(DECODE | MASTER | ASKS);
    command |= INTX_DISABLE;
    interrupt();
    loop.turn();
    expect(writes).toHaveLength(1);
  });

  it('lets a function go on a thousand times a second at most, and tells of MASTER once a second at most', () => {
    hear();
    loop.turn();
    writes.length = 0;
    command = DECODE | MASTER | INTX_DISABLE;
    ready = [1];
    loop.turn();
    expect(writes).toEqual([]);
    loop.turn();
    expect(writes).toEqual(['5=0x0']);
    for (let switched = 0; switched < 100; switched++) {
      command = (command ?? 0) ^ MASTER;
      interrupt();
    }
    expect(told.filter(({ what }) => what === 'master')).toHaveLength(1);
    command = DECODE;
    now += 1000;
    loop.turn();
    expect(told.at(-1)).toEqual({ what: 'master', slot: 0, on: false });
  });

  it('that set INTX_DISABLE before anybody heard is let go on when that is asked for', () => {
    hear();
    tell({ what: 'look', slot: 0 }, { what: 'look', slot: 9 });
    expect(command).toBe(DECODE | MASTER | SERR);
  });

  it('of a device that is gone, or does not answer, is waited for no more, and nothing is written', () => {
    hear();
    command = SILENT;
    interrupt();
    expect(writes).toEqual([]);
    command = undefined;
    interrupt();
    count = undefined;
    interrupt();
    loop.turn();
    expect(waits.at(-1)?.[0]).toEqual([BELL]);
  });
});

describe('a function that is not heard any more', () => {
  it('has its files closed, and keeps MASTER where its guest goes on', () => {
    hear();
    tell({ what: 'drop', slot: 0, keepMaster: true }, { what: 'drop', slot: 0, keepMaster: true });
    expect(closed).toEqual([UIO, CONFIG]);
    expect(command).toBe(DECODE | MASTER | SERR | INTX_DISABLE);
  });

  it('loses MASTER where its guest does not, and is kept from its line: perhaps nothing has reset it', () => {
    hear();
    interrupt();
    tell({ what: 'drop', slot: 0, keepMaster: false });
    expect(command).toBe(DECODE | SERR | INTX_DISABLE);
  });

  it('is not written to when it does not answer', () => {
    hear();
    command = SILENT;
    tell({ what: 'drop', slot: 0, keepMaster: false });
    expect(writes).toEqual([]);
    expect(closed).toEqual([UIO, CONFIG]);
  });

  it('is one of all of them at the end', () => {
    hear();
    expect(tell({ what: 'end' })).toBe(false);
    expect(closed).toEqual([UIO, CONFIG]);
    expect(((command ?? 0) & MASTER) !== 0).toBe(true);
  });
});
