// SPDX-License-Identifier: MIT

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Dispatcher, Worker } from '../../../core/dispatcher/index.ts';
import { type HookName, hookNames } from '../../../core/hooks/index.ts';
import { RehearsalLane, Seat } from '../../../core/lane/index.ts';
import { type Clock, HostError, type Platform, type RehearsalParts } from '../../../core/platform/index.ts';
import { definePlugin, type InterruptPolicy, type SlotMapper, type Tappable } from '../../../core/plugin/index.ts';
import { Command, Status } from '../../../core/ring/layout.ts';
import { PENDING } from '../../../core/space/behaviour.ts';
import { ConfigSpace } from '../../../core/space/config-space.ts';
import { type RehearsalReport, rehearse } from '../../../plugins/commands/rehearsal.ts';
import { createStage } from '../../../plugins/commands/rehearsal-stage.ts';
import { sample, XenbusState } from '../../../plugins/platforms/embedded/index.ts';
import { type EmbeddedHost, type EmbeddedHostOptions, startEmbeddedHost } from '../../kit/index.ts';
import { rehearsalParts } from '../../kit/rehearsal-parts.ts';

const UNKNOWN_COMMAND = 99;
/** Requests that need code at the least, with a lane and without one. */
const ENOUGH = 300;

/** A host that serves nobody, and what it can be rehearsed with. */
const start = async (options: EmbeddedHostOptions = {}) => {
  const host = await startEmbeddedHost({ devices: [sample('igb')], ...options });
  const { platform, pciback, plugins, config, log, lines } = host;
  const props = rehearsalParts(platform);
  const logged = lines.length;
  return {
    ...host,
    ...props,
    rehearse: (more: Partial<Platform> = {}, isWanted = () => pciback.guests().length === 0) => {
      const rehearsal = rehearse({
        platform: { ...platform, rehearsal: props.parts, ...more },
        plugins,
        config,
        log,
        isWanted,
      });
      if (rehearsal === undefined) throw new Error('there is nothing to rehearse with');
      return rehearsal;
    },
    said: () => lines.slice(logged).map(({ level, message }) => `${level} ${message}`),
    expectNothingLeft: () => {
      expect(props.open).toEqual({ ends: 0, functions: 0 });
      const { mapped, bound, pirqs, assigned, illegal } = platform.hypervisor.ledger();
      expect({ mapped, bound, pirqs, assigned, illegal }).toEqual({
        mapped: [],
        bound: [],
        pirqs: [],
        assigned: [],
        illegal: [],
      });
      expect(pciback.guests()).toEqual([]);
    },
  };
};

/** The platform's clock, with `armed`: timers that neither went off nor were cancelled. */
const counting = ({ now, after }: Clock) => {
  const armed = new Set<object>();
  const clock: Clock = {
    now,
    after(milliseconds, callback) {
      const timer = {};
      armed.add(timer);
      const cancel = after(milliseconds, () => {
        armed.delete(timer);
        callback();
      });
      return () => {
        armed.delete(timer);
        cancel();
      };
    },
  };
  return { clock, armed };
};

/** A clock whose timers go off after `shorter` milliseconds of what they are set to. */
const hurried = (clock: Clock, shorter: (milliseconds: number) => number): Clock => ({
  now: clock.now,
  after: (milliseconds, callback) => clock.after(shorter(milliseconds), callback),
});

const turns = async (count: number): Promise<void> => {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
};

/** A real lane has no part in a rehearsal but to hear events, so that there is one is enough. */
const withLane = { lane: {} as never };

let host: EmbeddedHost | undefined;
const started = async (options?: EmbeddedHostOptions) => {
  const world = await start(options);
  host = world;
  return world;
};
beforeEach(() => {
  host = undefined;
});
afterEach(async () => {
  vi.restoreAllMocks();
  await host?.close();
});

describe.each([
  ['without a lane', {}],
  ['with a lane', withLane],
])('a rehearsal of the control thread, %s', (_how, lane) => {
  it('gets to its end, and leaves nothing behind', async () => {
    const { rehearse, said, made, expectNothingLeft } = await started();
    const report = await rehearse(lane).over;
    expect(report.whole).toBe(true);
    expect(report.requests).toBeGreaterThan(ENOUGH);
    expect(made.functions).toBeGreaterThan(1);
    expect(said()).toEqual(['debug rehearsed']);
    expectNothingLeft();
  });

  it('asks everything that guests ask, and is answered in every way', async () => {
    const commands = new Set<number>();
    const answers = new Set<number>();
    const dispatch = Dispatcher.prototype.dispatch;
    vi.spyOn(Dispatcher.prototype, 'dispatch').mockImplementation(function (this: Dispatcher, request) {
      const done = dispatch.call(this, request);
      commands.add(request.cmd);
      answers.add(done ? request.err : PENDING);
      return done;
    });
    await (await started()).rehearse(lane).over;
    const { confRead, confWrite, enableMsi, disableMsi, enableMsix, disableMsix } = Command;
    expect([...commands]).toEqual(
      expect.arrayContaining([confRead, confWrite, enableMsi, disableMsi, enableMsix, disableMsix, UNKNOWN_COMMAND]),
    );
    const { success, devNotFound, invalidOffset, notImplemented, opFailed } = Status;
    const expected = [success, notImplemented, opFailed, PENDING];
    // With a lane those two are answered there, unless an interrupt is asked for.
    if (lane !== withLane) expected.push(devNotFound, invalidOffset);
    expect([...answers]).toEqual(expect.arrayContaining(expected));
  });

  it('ends early for a guest that arrives, which is served', async () => {
    const { rehearse, guest, made, platform, pciback } = await started();
    const rehearsal = rehearse(lane);
    await vi.waitFor(() => expect(made.functions).toBeGreaterThan(0));
    const real = await guest(platform.pci.models().map(({ bdf }) => bdf));
    const { whole } = await rehearsal.over;
    expect(whole).toBe(false);
    const { devices } = await real.reached(XenbusState.connected);
    expect(devices).toHaveLength(1);
    expect(pciback.guests()).toMatchObject([{ domain: real.domain }]);
  });

  it('ends when it is told to, wherever it is, and leaves nothing behind', async () => {
    const world = await started();
    const { clock, armed } = counting(world.platform.clock);
    for (let later = 1; later < 4000; later *= 3) {
      const rehearsal = world.rehearse({ ...lane, clock });
      await vi.waitFor(() => expect(world.open.functions).toBeGreaterThan(0), { interval: 1 });
      await turns(later);
      const reports: RehearsalReport[] = [await rehearsal.end(), await rehearsal.end(), await rehearsal.over];
      expect(reports[1]).toBe(reports[0]);
      if (later < 100) expect(reports[0]).toMatchObject({ whole: false });
      world.expectNothingLeft();
      // What was under way gets no further.
      await turns(100);
      expect(armed.size).toBe(0);
    }
    expect(world.said().filter((line) => line !== 'debug rehearsed')).toEqual([]);
  });
});

describe('a rehearsal of the control thread', () => {
  it('ends at the next event of its guest when it is not wanted any more', async () => {
    let left = 50;
    const { rehearse } = await started();
    const report = await rehearse({}, () => left-- > 0).over;
    expect(report.whole).toBe(false);
    expect(report.requests).toBeLessThan(50);
  });

  it('does not wait for a request whose end was lost', async () => {
    vi.spyOn(Worker.prototype, 'settled').mockImplementation(() => {
      throw new Error('lost');
    });
    const { rehearse, said, platform, expectNothingLeft } = await started();
    const clock = hurried(platform.clock, (ms) => (ms > 10_000 ? ms : Math.min(ms, 1000)));
    expect(await rehearse({ clock, ...withLane }).over).toMatchObject({ whole: false });
    expect(said()).toEqual(['warn the rehearsal for the first guest failed']);
    expectNothingLeft();
  });

  it('leaves nothing behind of a guest that could not be served', async () => {
    vi.spyOn(RehearsalLane.prototype, 'seat').mockImplementation(() => {
      throw new Error('no seat');
    });
    const { rehearse, made, said, expectNothingLeft } = await started();
    expect(await rehearse(withLane).over).toMatchObject({ whole: false });
    expect(made.channels).toBe(2);
    expect(said()).toEqual(['warn the rehearsal for the first guest failed']);
    expectNothingLeft();
  });

  it('waits until events are heard, but not for ever', async () => {
    const { rehearse, parts, made, said, platform, expectNothingLeft } = await started();
    const channel: RehearsalParts['channel'] = (_here, there) => parts.channel(() => undefined, there);
    const clock = hurried(platform.clock, (ms) => (ms > 10_000 ? 300 : ms));
    const nothing = { whole: false, requests: 0 };
    expect(await rehearse({ clock, rehearsal: { ...parts, channel } }).over).toEqual(nothing);
    expect(made.functions).toBe(0);
    expect(said()).toEqual(['warn the rehearsal for the first guest failed']);
    expectNothingLeft();
  });

  it('arms no timer after its end', async () => {
    const { parts, platform } = await started();
    const { clock, armed } = counting(platform.clock);
    const idle = (): void => undefined;
    const stage = createStage({ real: { ...platform, clock }, parts, devices: [], turn: idle, failed: idle });
    stage.platform.clock.after(1000, idle);
    expect(armed.size).toBe(1);
    await stage.close();
    stage.platform.clock.after(1000, idle);
    expect(armed.size).toBe(0);
  });

  it('looks at the page for the next request only where a lane does that', async () => {
    const policy = { longest: 1, wakeUps: 1, shortest: 0, patience: 0 };
    const wakeMs = vi.fn(() => 1);
    const { rehearse } = await started();
    await rehearse({ watch: { policy, wakeMs } }).over;
    expect(wakeMs).not.toHaveBeenCalled();
    await rehearse({ watch: { policy, wakeMs }, ...withLane }).over;
    expect(wakeMs).toHaveBeenCalled();
  });

  it('does what a lane has left, and gives the seat back in both ways', async () => {
    const left = vi.spyOn(ConfigSpace.prototype, 'refusedElsewhere');
    const caughtUp = vi.spyOn(Seat.prototype, 'catchUp');
    const closed: boolean[] = [];
    const closeGates = ConfigSpace.prototype.closeGates;
    vi.spyOn(ConfigSpace.prototype, 'closeGates').mockImplementation(function (this: ConfigSpace) {
      const some = closeGates.call(this);
      closed.push(some);
      return some;
    });
    await (await started()).rehearse(withLane).over;
    expect(left.mock.calls.length).toBeGreaterThan(10);
    expect(caughtUp.mock.calls.length).toBeGreaterThan(ENOUGH);
    expect(new Set(closed)).toEqual(new Set([true, false]));
  });

  it('runs no code of plugins that did not come with the package', async () => {
    const called: string[] = [];
    const note = (name: string) => () => {
      called.push(name);
      return undefined as never;
    };
    const policy: InterruptPolicy = { allowsControlWord: note('policy'), refusesRequest: note('policy') };
    const mapper = { create: note('mapper') } as SlotMapper;
    const { rehearse, plugins } = await started({
      config: { interrupts: 'spy', slots: 'spy' },
      plugins: [
        definePlugin({
          name: 'spy',
          api: '^1.0',
          apply: (to) => {
            for (const name of hookNames) (to.hooks[name] as Tappable<HookName>).tap(note(name));
            to.interrupts.add('spy', policy);
            to.slots.add('spy', mapper);
          },
        }),
      ],
    });
    expect(plugins.registries.interrupts.get('spy')).toBe(policy);
    expect(await rehearse(withLane).over).toMatchObject({ whole: true });
    expect(called).toEqual([]);
  });

  it('does not begin where there is a guest already', async () => {
    const { rehearse, guest, platform, made } = await started();
    const real = await guest(platform.pci.models().map(({ bdf }) => bdf));
    await real.reached(XenbusState.connected);
    expect(await rehearse().over).toEqual({ whole: false, requests: 0 });
    expect(made).toEqual({ channels: 0, functions: 0 });
  });

  it('is not there where the platform has nothing for it', async () => {
    const { platform, plugins, config, log } = await started();
    expect(rehearse({ platform, plugins, config, log, isWanted: () => true })).toBeUndefined();
  });

  const broken = (parts: RehearsalParts): Record<string, Partial<RehearsalParts>> => ({
    'has no channels': {
      channel: () => {
        throw new HostError('bind', 1);
      },
    },
    'has no functions': {
      function: () => {
        throw new HostError('memfd_create', 1);
      },
    },
    'has functions that fail': {
      function: (facts) => ({
        ...parts.function(facts),
        readConfig: () => {
          throw new HostError('read', 5);
        },
      }),
    },
    'has a channel that breaks': {
      channel: (here, there) => {
        const ends = parts.channel(here, there);
        let left = 10;
        const notify = (): void => {
          if (left-- === 0) throw new HostError('notify', 22);
          ends.here.notify();
        };
        return { ...ends, here: { ...ends.here, notify } };
      },
    },
  });
  it.each([['has no channels'], ['has no functions'], ['has functions that fail'], ['has a channel that breaks']])(
    'is given up with a warning where the platform %s, and nothing else comes of it',
    async (what) => {
      const { rehearse, parts, said, expectNothingLeft } = await started();
      const rehearsal = { ...parts, ...broken(parts)[what] };
      expect(await rehearse({ rehearsal, ...withLane }).over).toMatchObject({ whole: false });
      expect(said()).toEqual(['warn the rehearsal for the first guest failed']);
      expectNothingLeft();
    },
  );
});
