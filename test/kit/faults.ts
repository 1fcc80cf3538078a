// SPDX-License-Identifier: MIT

import { z } from 'zod';
import type { Bdf } from '../../core/bdf.ts';
import { isPcibackError } from '../../core/errors/index.ts';
import { type HookName, hookNames, Things } from '../../core/hooks/index.ts';
import type { DeviceInterrupts, InterruptPolicy } from '../../core/interrupts.ts';
import { silent } from '../../core/log.ts';
import type { Engine } from '../../core/pciback.ts';
import {
  definePlugin,
  type FieldSet,
  type Host,
  type InterruptDriver,
  type Plugin,
  type Register,
} from '../../core/plugin/index.ts';
import type { SlotMap } from '../../core/slots.ts';
import type { Behaviour } from '../../core/space/behaviour.ts';
import type { SeizedDevice } from '../../core/stub/index.ts';
import { deviceInterrupts } from '../../plugins/interrupts/device/device-interrupts.ts';
import { kinds } from '../../plugins/kinds/kinds.ts';
import type { PartDefinition, RunningPart } from '../../plugins/kinds/part.ts';
import { PartRunner } from '../../plugins/program/part-runner.ts';
import { vpci } from '../../plugins/slots/vpci.ts';
import { defineQuirk, header, register } from '../../quirks/index.ts';
import type { EmbeddedHost } from './embedded-host.ts';

/** What a plugin's code does wrong. */
export const faults = {
  'throws an Error': (): unknown => {
    throw new Error('on purpose');
  },
  'throws a string': (): unknown => {
    throw 'on purpose';
  },
  rejects: (): unknown => Promise.reject(new Error('on purpose')),
  'never settles': (): unknown => new Promise(() => undefined),
  'answers nonsense': (): unknown => Symbol('nonsense'),
} as const;

export type FaultName = keyof typeof faults;
export const faultNames = Object.keys(faults) as readonly FaultName[];

/** What becomes of what asked. */
export const effects = {
  none: 'none',
  'not loaded': 'the plugin is not in force',
  'not seized': 'the function is not seized, it goes back to the host',
  'not given': 'the guest does not get the device',
  'write refused': 'the write changes nothing',
  'request fails': 'the request is answered with an error',
  quarantined: 'the device goes to no other guest',
  'not released': 'the function stays seized',
  'part missing': 'what the part does is missing',
} as const;

export type Effect = keyof typeof effects;

/** When the fault begins. */
export type Phase = 'from the start' | 'once connected' | 'once the guest is gone';

export interface FaultyPlace {
  readonly place: string;
  readonly phase: Phase;
  /** What becomes of a throw, a rejection and no end. */
  readonly effect: Effect;
  /** What becomes of an answer of another shape, where that is something else. */
  readonly nonsense?: Effect;
  /** Registers the code that is at fault: `at` does right while there is no fault. */
  apply?(host: Host, at: <Answer>(right: () => Answer) => Answer): void;
  /** Does it outside of a guest's life; missing: seizing, boot, requests, end, release. */
  run?(host: EmbeddedHost, fault: () => unknown): Promise<Effect>;
  /** For what is no plugin's registration: makes it faulty once the device is with its guest. */
  arm?(device: SeizedDevice, at: <Answer>(right: () => Answer) => Answer): void;
}

export const VICTIM = 'victim';
/** Of the e1000e sample: where no capability lies, MSI control, and the command register. */
export const FREE = 0x60;
export const MSI_CONTROL = 0xd2;
export const COMMAND = 0x04;

/** Under it the guest may do everything. */
const open: InterruptPolicy = {
  allowsControlWord: () => true,
  decidesIntx: () => 'hardware',
  refusesRequest: () => undefined,
};

/** Whether the arguments of a hook are about the victim. */
const isAbout = (args: readonly unknown[], victim: Bdf): boolean =>
  args.some((argument) => {
    const facts = argument as { bdf?: Bdf; name?: string; device?: { bdf: Bdf } };
    return facts.bdf === victim || facts.device?.bdf === victim || facts.name === VICTIM;
  });

const hookPlace = (
  name: HookName,
  victim: Bdf,
  rest: Pick<FaultyPlace, 'phase' | 'effect' | 'nonsense' | 'run'>,
): FaultyPlace => ({
  place: `hook ${name}`,
  ...rest,
  apply: (host, at) => {
    const tap = (...args: unknown[]): unknown => (isAbout(args, victim) ? at(() => undefined) : undefined);
    (host.hooks[name] as { tap(tap: unknown): unknown }).tap(tap);
  },
});

const mapperPlace = (
  method: keyof SlotMap<never> | 'create',
  rest: Pick<FaultyPlace, 'phase' | 'effect' | 'nonsense'>,
) => ({
  place: `${method} of a slot mapper`,
  ...rest,
  apply: (host: Host, at: <Answer>(right: () => Answer) => Answer) => {
    host.slots.add('faulty', {
      create: (domain) => {
        const make = () => vpci.create(domain);
        if (method === 'create') return at(make) as never;
        const map = make() as unknown as Record<string, (...args: unknown[]) => unknown>;
        const right = map[method]?.bind(map);
        map[method] = (...args) => at(() => right?.(...args));
        return map as never;
      },
    });
  },
});

const policyPlace = (method: keyof InterruptPolicy, rest: Pick<FaultyPlace, 'effect' | 'nonsense'>): FaultyPlace => ({
  place: `${method} of an interrupt policy`,
  phase: 'once connected',
  ...rest,
  apply: (host, at) => {
    const right: Partial<Record<string, unknown>> = { ...open };
    host.interrupts.add('faulty', {
      ...open,
      [method]: (question: unknown) =>
        at(() => (right[method] as ((asked: unknown) => unknown) | undefined)?.(question)),
    });
  },
});

const driverPlace = (
  method: keyof DeviceInterrupts | 'making',
  victim: Bdf,
  rest: Pick<FaultyPlace, 'phase' | 'effect' | 'nonsense'>,
): FaultyPlace => ({
  place: `${method} of an interrupt driver`,
  ...rest,
  apply: (host, at) => {
    const driver: InterruptDriver = (terms) => {
      if (terms.device.bdf !== victim) return deviceInterrupts(terms);
      if (method === 'making') return at(() => deviceInterrupts(terms));
      const made = deviceInterrupts(terms) as unknown as Record<string, (...args: unknown[]) => unknown>;
      const right = made[method]?.bind(made);
      made[method] = (...args) => at(() => right?.(...args));
      return made as unknown as DeviceInterrupts;
    };
    host.interruptDrivers.add('faulty', driver, { before: 'device' });
  },
});

/** A quirk of the victim with one register. */
const registerPlace = (
  place: string,
  rest: Pick<FaultyPlace, 'phase' | 'effect' | 'nonsense'>,
  fields: (at: <Answer>(right: () => Answer) => Answer) => readonly (Register | FieldSet)[],
): FaultyPlace => ({
  place,
  ...rest,
  apply: (host, at) => {
    const match = [{ vendor: 0x8086, device: 0x10d3 }];
    host.quirks.add(defineQuirk({ name: 'test/faulty', source: 'a test', match, fields: fields(at) }));
  },
});

const behaviourPlace = (
  method: keyof Behaviour,
  rest: Pick<FaultyPlace, 'phase' | 'effect' | 'nonsense'>,
  more: Partial<Behaviour> = {},
): FaultyPlace =>
  registerPlace(`${method} of a behaviour`, rest, (at) => {
    const right = (): number => 0;
    const behaviour = { read: right, write: right, ...more, [method]: () => at(right) } as Behaviour;
    return [register(FREE, 16, 'faulty').calls(behaviour)];
  });

const OPERATION = 'ask';

/** A part that is started, asked everything and stopped, by a runner of its own behind the host's wall. */
const partPlace = (
  member: keyof RunningPart | 'start' | 'an operation',
  rest: Pick<FaultyPlace, 'effect' | 'nonsense'>,
): FaultyPlace => ({
  place: `${member} of a part`,
  phase: 'from the start',
  ...rest,
  run: async (host, fault) => {
    const asks = z.strictObject({});
    const answer = member === 'an operation' ? fault : () => 1;
    const thing: PartDefinition = {
      about: 'a part of a test',
      operations: { [OPERATION]: { about: 'A question.', asks, answer } },
      start: (member === 'start' ? fault : () => ({ [member]: fault })) as () => RunningPart,
    };
    const parts = new Things<PartDefinition>('parts', kinds.parts);
    parts.add({ name: 'faulty', plugin: 'test/faulty', thing });
    const engine = { plugins: { hooks: host.plugins.hooks, registries: { parts } } } as unknown as Engine;
    const runner = new PartRunner({ engine, config: host.config, log: silent });
    await runner.start('around guests');
    const [report] = runner.reports();
    let effect: Effect = report?.state === 'running' ? 'none' : 'part missing';
    try {
      await runner.operations().get(OPERATION)?.answer({});
    } catch (error) {
      // That of a part that did not start is refused, and the report above has said why.
      const refused = effect === 'part missing' && isPcibackError(error, 'PART_NOT_RUNNING');
      if (!refused && !isPcibackError(error, 'PLUGIN_FAULT')) throw error;
      if (!refused) effect = 'request fails';
    }
    await runner.stop('around guests');
    return effect;
  },
});

/** Every place where the core calls a plugin's code. */
export const faultyPlaces = (victim: Bdf): readonly FaultyPlace[] => [
  {
    place: 'apply',
    phase: 'from the start',
    effect: 'not loaded',
    nonsense: 'none',
    run: async (host, fault) => {
      const plugin = definePlugin({ name: 'test/applied', api: '^1.0', apply: fault as () => void });
      try {
        await host.plugins.load(plugin, undefined, 'test');
        host.plugins.unload('test/applied');
        return 'none';
      } catch (error) {
        if (isPcibackError(error, 'PLUGIN_APPLY')) return 'not loaded';
        throw error;
      }
    },
  },
  hookPlace('deviceSeized', victim, { phase: 'from the start', effect: 'not seized', nonsense: 'none' }),
  hookPlace('unhandledWrite', victim, { phase: 'from the start', effect: 'not given' }),
  hookPlace('interruptLimits', victim, { phase: 'from the start', effect: 'not given' }),
  hookPlace('deviceAssigned', victim, { phase: 'from the start', effect: 'not given', nonsense: 'none' }),
  hookPlace('guestConnected', victim, { phase: 'from the start', effect: 'none' }),
  hookPlace('guestResumed', victim, {
    phase: 'from the start',
    effect: 'none',
    run: async (host) => {
      host.plugins.hooks.call('guestResumed', { domain: 7, name: VICTIM }, []);
      return 'none';
    },
  }),
  hookPlace('interruptControl', victim, { phase: 'once connected', effect: 'request fails' }),
  hookPlace('deniedWrite', victim, { phase: 'once connected', effect: 'none' }),
  hookPlace('deviceFenced', victim, {
    phase: 'from the start',
    effect: 'none',
    run: async (host) => {
      const device = await host.pciback.stub.seize(victim);
      host.plugins.hooks.call('deviceFenced', device, { domain: 7, name: VICTIM }, 'no ring');
      await host.pciback.stub.release(victim);
      return 'none';
    },
  }),
  hookPlace('guestDisconnected', victim, { phase: 'once connected', effect: 'none' }),
  {
    ...hookPlace('resetDevice', victim, { phase: 'from the start', effect: 'not seized' }),
    place: 'hook resetDevice, at seizing',
  },
  {
    ...hookPlace('resetDevice', victim, { phase: 'once connected', effect: 'quarantined' }),
    place: 'hook resetDevice, when the device comes back',
  },
  {
    ...hookPlace('resetDevice', victim, { phase: 'once the guest is gone', effect: 'not released' }),
    place: 'hook resetDevice, at release',
  },
  hookPlace('deviceReturned', victim, { phase: 'once connected', effect: 'quarantined', nonsense: 'none' }),
  hookPlace('deviceReleased', victim, { phase: 'once the guest is gone', effect: 'not released', nonsense: 'none' }),
  mapperPlace('create', { phase: 'from the start', effect: 'not given' }),
  mapperPlace('add', { phase: 'from the start', effect: 'not given' }),
  mapperPlace('roots', { phase: 'from the start', effect: 'not given' }),
  mapperPlace('lookup', { phase: 'once connected', effect: 'request fails' }),
  mapperPlace('find', { phase: 'from the start', effect: 'none' }),
  mapperPlace('remove', { phase: 'once connected', effect: 'none' }),
  {
    place: 'factory of an interrupt policy',
    phase: 'from the start',
    effect: 'not given',
    apply: (host, at) => {
      host.interrupts.add('faulty', () => at(() => open));
    },
  },
  policyPlace('allowsControlWord', { effect: 'write refused' }),
  policyPlace('decidesIntx', { effect: 'request fails' }),
  policyPlace('refusesRequest', { effect: 'request fails' }),
  driverPlace('making', victim, { phase: 'from the start', effect: 'not given' }),
  driverPlace('enableMsi', victim, { phase: 'once connected', effect: 'request fails' }),
  driverPlace('allowsControlWord', victim, { phase: 'once connected', effect: 'write refused' }),
  driverPlace('decidesIntx', victim, { phase: 'once connected', effect: 'request fails' }),
  driverPlace('prepareLine', victim, { phase: 'from the start', effect: 'not given', nonsense: 'none' }),
  driverPlace('follow', victim, { phase: 'from the start', effect: 'none' }),
  driverPlace('teardown', victim, { phase: 'once connected', effect: 'quarantined' }),
  driverPlace('releaseLine', victim, { phase: 'once connected', effect: 'quarantined', nonsense: 'none' }),
  {
    place: 'reset of a platform, when the device comes back',
    phase: 'once connected',
    effect: 'quarantined',
    arm: ({ operations: { hardware } }, at) => {
      const right = hardware.reset.bind(hardware);
      hardware.reset = () => at(right);
    },
  },
  registerPlace('when of a field set', { phase: 'from the start', effect: 'not given' }, (at) => {
    const form = header('faulty', [0], [register(FREE, 16, 'faulty').readOnly()], { when: () => at(() => true) });
    return [form];
  }),
  registerPlace('first value of a register', { phase: 'from the start', effect: 'not given' }, (at) => [
    register(FREE, 16, 'faulty').shows(() => at(() => 0)),
  ]),
  behaviourPlace('attach', { phase: 'from the start', effect: 'not given', nonsense: 'none' }),
  behaviourPlace('read', { phase: 'once connected', effect: 'request fails' }),
  {
    ...behaviourPlace('read', { phase: 'from the start', effect: 'request fails' }, { steady: true }),
    place: 'read of a steady behaviour',
  },
  behaviourPlace('write', { phase: 'once connected', effect: 'request fails' }),
  partPlace('start', { effect: 'part missing' }),
  partPlace('stop', { effect: 'none' }),
  partPlace('health', { effect: 'none' }),
  partPlace('counters', { effect: 'none' }),
  partPlace('an operation', { effect: 'request fails', nonsense: 'none' }),
];

/** Hooks that no place is for. */
export const hooksLeftOut = (places: readonly FaultyPlace[]): readonly HookName[] =>
  hookNames.filter((name) => !places.some(({ place }) => place.split(',')[0] === `hook ${name}`));

/** What a fault comes to in a place. */
export const effectOf = ({ effect, nonsense = effect }: FaultyPlace, fault: FaultName): Effect =>
  fault === 'answers nonsense' ? nonsense : effect;

/** A plugin with the code of one place, and the switch of its fault. */
export const faultyPlugin = (place: FaultyPlace) => {
  let fault: (() => unknown) | undefined;
  const at = <Answer>(right: () => Answer): Answer => (fault === undefined ? right() : (fault() as Answer));
  const plugin: Plugin = definePlugin({
    name: 'test/faulty',
    api: '^1.0',
    apply: (host) => {
      host.interrupts.add('open', open);
      place.apply?.(host, at);
    },
  });
  return {
    plugin,
    at,
    set: (next: (() => unknown) | undefined): void => {
      fault = next;
    },
  };
};
