// SPDX-License-Identifier: MIT

import { beforeEach, describe, expect, it } from 'vitest';
import { Dispatcher, type Target, WORK_BYTES } from '../../../core/dispatcher/dispatcher.ts';
import { Command, Flag, Page, Status } from '../../../core/ring/layout.ts';
import { Ring } from '../../../core/ring/ring.ts';
import { Outcome } from '../../../core/space/outcome.ts';

/** Words of a shared page, and the request that a ring makes of them. */
const words = new Int32Array(Page.bytes / 4);
const ring = new Ring(words.buffer);
let trace: string[];
let status: number;
let fenced: string | undefined;
let failures: unknown[];
let dispatcher: Dispatcher;

beforeEach(() => {
  trace = [];
  failures = [];
  status = Status.success;
  fenced = undefined;
  words.fill(0);
  const answer = (name: string) => (): number => {
    trace.push(name);
    if (Number.isNaN(status)) throw new Error('inside');
    return status;
  };
  const space = { bits: 0x77, read: answer('read'), write: answer('write') };
  const interrupts = {
    ...Object.fromEntries(['enableMsi', 'disableMsi', 'enableMsix', 'disableMsix'].map((name) => [name, answer(name)])),
    follow: () => void trace.push('follow'),
  };
  dispatcher = new Dispatcher(
    {
      lookup: (segment, bus, devfn) => {
        trace.push(`lookup ${segment} ${bus} ${devfn}`);
        const assignment = { space, interrupts, fenced };
        return segment === 0 && bus === 0 && devfn === 8 ? ({ assignment } as unknown as Target) : undefined;
      },
    },
    (error) => failures.push(error),
  );
});

/** Sends a request; the status of its answer, or `later`. */
const send = (cmd: number, { segment = 0, bus = 0, devfn = 8 } = {}): number | 'later' => {
  words[Page.cmd >> 2] = cmd;
  words[Page.domain >> 2] = segment;
  words[Page.bus >> 2] = bus;
  words[Page.devfn >> 2] = devfn;
  const request = ring.snapshot();
  return dispatcher.dispatch(request) ? request.err : 'later';
};

describe('the address of a request (S-2)', () => {
  it.each([
    [{ segment: 0x10000 }],
    [{ segment: -1 }],
    [{ bus: 0x100 }],
    [{ bus: -1 }],
    [{ devfn: 0x100 }],
    [{ devfn: 0x108 }],
    [{ devfn: -248 }],
  ])('%j reaches no slot mapper', (address) => {
    expect(send(Command.confRead, address)).toBe(Status.devNotFound);
    expect(trace).toEqual([]);
  });

  it.each([[{ segment: 0xffff }], [{ bus: 0xff }], [{ devfn: 0xff }]])('%j is asked for, and not there', (address) => {
    expect(send(Command.confWrite, address)).toBe(Status.devNotFound);
    expect(trace).toHaveLength(1);
  });
});

describe('a command', () => {
  it.each([
    [Command.confRead, ['read']],
    [Command.confWrite, ['write', 'follow']],
    [Command.enableMsi, ['enableMsi']],
    [Command.disableMsi, ['disableMsi']],
    [Command.enableMsix, ['enableMsix']],
    [Command.disableMsix, ['disableMsix']],
  ])('%i reaches its handler, and its status the guest', (command, calls) => {
    expect(send(command)).toBe(Status.success);
    expect(trace.slice(1)).toEqual(calls);
    status = Status.accessDenied;
    expect(send(command)).toBe(Status.accessDenied);
    expect(trace.at(-1)).toBe(calls[0]);
  });

  it.each([Command.aerDetected, Command.aerResume, Command.aerMmio, Command.aerSlotReset, 10, -1])(
    '%i is none of a guest’s',
    (command) => {
      expect(send(command)).toBe(Status.notImplemented);
      expect(trace).toEqual(['lookup 0 0 8']);
    },
  );

  it('for a device that was cut off fails, whatever it is, and reaches nothing', () => {
    fenced = 'an error was not survived';
    for (let command = 0; command < 12; command++) expect(send(command)).toBe(Status.opFailed);
    expect(trace.filter((line) => line !== 'lookup 0 0 8')).toEqual([]);
  });

  it('that fails inside is told to the guest as failed, and to the host as what it was (S-13)', () => {
    status = Number.NaN;
    expect(send(Command.confRead)).toBe(Status.opFailed);
    expect(failures).toEqual([new Error('inside')]);
  });

  it('whose answer comes later is counted then', () => {
    status = Outcome.later;
    expect(send(Command.confWrite)).toBe('later');
    expect([dispatcher.requests(), dispatcher.statuses()]).toEqual([{ conf_write: 1 }, {}]);
    dispatcher.settle(ring.request, Status.success);
    expect(dispatcher.statuses()).toEqual({ success: 1 });
  });
});

it('counts requests by command and answers by status, what has no name together', () => {
  for (const command of [0, 0, 1, 9, 10, -1]) send(command);
  status = -22;
  send(Command.enableMsix);
  expect(dispatcher.requests()).toEqual({ conf_read: 2, conf_write: 1, enable_msix: 1, aer_slotreset: 1, unknown: 2 });
  expect(dispatcher.statuses()).toEqual({ success: 3, not_implemented: 3, 'other errno': 1 });
});

describe('a write that an earlier process has begun', () => {
  const pending = (): boolean => (Atomics.load(words, Page.flags >> 2) & Flag.frontActive) !== 0;
  /** Its process died in the middle; the next one looks at the page. @param answer of a write that clears nothing */
  const begunThen = (answer: number, fenced?: string): unknown[] => {
    const work = new ArrayBuffer(WORK_BYTES);
    const asked: unknown[] = [];
    const space = {
      write: () => {
        throw 'killed';
      },
      writeAgain: (...args: unknown[]) => {
        asked.push(args);
        return answer;
      },
    };
    const assignment = { space, fenced: undefined as string | undefined };
    const targets = { lookup: () => ({ assignment }) as unknown as Target };
    words[Page.offset >> 2] = 0x110;
    words[Page.size >> 2] = 4;
    words[Page.value >> 2] = 1;
    // What dies answers nothing.
    const made = (): Dispatcher =>
      new Dispatcher(
        targets,
        () => {
          throw new Error('killed');
        },
        work,
      );
    words[Page.cmd >> 2] = Command.confWrite;
    Atomics.or(words, Page.flags >> 2, Flag.frontActive);
    try {
      made().dispatch(ring.snapshot());
    } catch {
      // It is dead.
    }
    words[Page.err >> 2] = 77;
    assignment.fenced = fenced;
    made().resume(ring);
    return asked;
  };

  it('is done again without clearing anything, and answered', () => {
    expect(begunThen(Status.success)).toEqual([[0x110, 4, 1]]);
    expect([pending(), words[Page.err >> 2]]).toEqual([false, Status.success]);
  });

  it('comes again where nothing would be cleared', () => {
    expect(begunThen(Outcome.needsCode)).toHaveLength(1);
    expect([pending(), words[Page.err >> 2]]).toEqual([true, 77]);
  });

  it('comes again where the device was cut off meanwhile', () => {
    expect(begunThen(Status.success, 'why')).toEqual([]);
    expect([pending(), words[Page.err >> 2]]).toEqual([true, 77]);
  });
});

describe('a request that an earlier process has done', () => {
  const pending = (): boolean => (Atomics.load(words, Page.flags >> 2) & Flag.frontActive) !== 0;
  /** Done, and its process died then; the next process looks at the page. */
  const doneThen = (change: () => void): void => {
    const work = new ArrayBuffer(WORK_BYTES);
    const targets = { lookup: () => undefined };
    words[Page.offset >> 2] = 0x40;
    words[Page.size >> 2] = 2;
    const made = (): Dispatcher => new Dispatcher(targets, (error) => failures.push(error), work);
    dispatcher = made();
    expect(send(Command.confWrite)).toBe(Status.devNotFound);
    words[Page.err >> 2] = 77;
    Atomics.or(words, Page.flags >> 2, Flag.frontActive);
    change();
    made().resume(ring);
  };

  it('is answered as it was done', () => {
    doneThen(() => undefined);
    expect([pending(), words[Page.err >> 2]]).toEqual([false, Status.devNotFound]);
  });

  it.each([
    ['cmd', Command.confRead],
    ['devfn', 16],
    ['offset', 0x44],
    ['size', 4],
    ['value', 1],
  ] as const)('but not the next one, which differs in %s: it comes again', (member, value) => {
    doneThen(() => {
      words[Page[member] >> 2] = value;
    });
    expect([pending(), words[Page.err >> 2]]).toEqual([true, 77]);
  });
});
