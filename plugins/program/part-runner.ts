// SPDX-License-Identifier: MIT

import { describeError, isPcibackError } from '../../core/errors/index.ts';
import { nearest } from '../../core/errors/nearest.ts';
import type { Logger } from '../../core/log.ts';
import type { Engine, PartPhase, RunningParts } from '../../core/pciback.ts';
import type { Place, Shape } from '../../core/wall/wall.ts';
import { fail, problem } from '../errors.ts';
import type { Config } from '../kinds/config.ts';
import {
  GUESTS,
  type PartContext,
  type PartDefinition,
  type PartReport,
  type RunningOperation,
  type RunningPart,
} from '../kinds/part.ts';
import { readSection, sectionsOf } from '../read-section.ts';

/** What parts are run with. */
export interface PartRunnerTerms {
  readonly engine: Engine;
  readonly config: Config;
  readonly log: Logger;
}

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null;
const runningShape: Shape = { expected: 'an object with what runs', fits: isObject };
const healthShape: Shape = { expected: 'a text', fits: (answer) => typeof answer === 'string' };
const countersShape: Shape = {
  expected: 'numbers with their names',
  fits: (answer) => isObject(answer) && Object.values(answer).every((one) => typeof one === 'number'),
};

/** What a part is asked for; its refusals say what they are themselves. */
const placeOf = ({ plugin, name }: Pick<Entry, 'plugin' | 'name'>, what: string): Place => ({
  plugin,
  what: `${what} of part ${name}`,
  refusals: 'all',
});

/** A part with what became of it. */
interface Entry {
  readonly name: string;
  readonly plugin: string;
  readonly part: PartDefinition;
  /** It needs guests, itself or through a part that it needs. */
  readonly needsGuests: boolean;
  state: PartReport['state'];
  why?: string;
  running?: RunningPart;
  context?: PartContext;
}

/** Readies the parts of a process that stands by: guests wait when it gets its turn. Never throws. */
export const prepareParts = async (plugins: Engine['plugins'], config: Config, log: Logger): Promise<void> => {
  const { registries, hooks } = plugins;
  for (const { name, plugin, thing } of registries.parts.owned) {
    if (thing.prepare === undefined) continue;
    const place = placeOf({ name, plugin }, 'prepare');
    try {
      await hooks.wall.wait(place, config.deadlines.partStart * 1000, () => thing.prepare?.(plugins));
    } catch (error) {
      log.warn({ part: name, why: describeError(error) }, 'standby: part not readied');
    }
  }
};

/** Starts the parts of the loaded plugins in the order of their needs, and stops them in reverse. */
export class PartRunner implements RunningParts {
  readonly #terms: PartRunnerTerms;
  /** In order of starting. */
  readonly #entries: readonly Entry[];

  /**
   * Parts that are loaded later are not started.
   *
   * @throws PcibackError `PART_NEEDS` for a need that is not there and for a circle of needs, `PLUGIN_REGISTRATION` when two
   * parts have the same operation
   */
  constructor(terms: PartRunnerTerms) {
    this.#terms = terms;
    this.#entries = orderOfParts(terms.engine.plugins);
  }

  /**
   * Starts the parts of a phase. One that fails is reported; those that need it are not started.
   *
   * @throws PcibackError what a part that is required fails with
   */
  async start(phase: PartPhase): Promise<void> {
    for (const entry of this.#of(phase)) {
      const missing = entry.part.needs?.find((need) => need !== GUESTS && this.#entry(need)?.state !== 'running');
      const work =
        missing === undefined
          ? this.#start(entry)
          : Promise.reject(new Error(`it needs part "${missing}", which does not run`));
      try {
        await work;
        entry.state = 'running';
      } catch (error) {
        entry.state = 'failed';
        this.#failed(entry, 'start', error);
        if (entry.part.required !== true) continue;
        const isItsOwn = isPcibackError(error) && error.code !== 'PLUGIN_FAULT';
        throw isItsOwn ? error : problem('PART_FAILED', { ...factsOf(entry, error), step: 'start' }, error);
      }
    }
  }

  async #start(entry: Entry): Promise<void> {
    const { hooks } = this.#terms.engine.plugins;
    entry.context = this.#contextOf(entry);
    const { part, context } = entry;
    if (part.start === undefined) return;
    let starting: RunningPart | Promise<RunningPart> | undefined;
    const start = (): typeof starting => {
      starting = part.start?.(context);
      return starting;
    };
    try {
      const deadline = this.#deadline('partStart');
      entry.running = (await hooks.wall.wait(placeOf(entry, 'start'), deadline, start, runningShape)) as RunningPart;
    } catch (error) {
      // It may come up late: nobody would stop it then. A rejection was told already, or comes after the deadline was.
      const stop = (late: RunningPart | undefined): void =>
        hooks.wall.tell(placeOf(entry, 'stop'), () => late?.stop?.());
      void Promise.resolve(starting).then(stop, () => undefined);
      throw error;
    }
  }

  /** Stops the running parts of a phase, the last first. Never throws. */
  async stop(phase: PartPhase): Promise<void> {
    const { hooks } = this.#terms.engine.plugins;
    for (const entry of [...this.#of(phase)].reverse()) {
      if (entry.state !== 'running') continue;
      // From now on its operations are not there any more.
      entry.state = 'stopped';
      try {
        await hooks.wall.wait(placeOf(entry, 'stop'), this.#deadline('partStop'), () => entry.running?.stop?.());
      } catch (error) {
        this.#failed(entry, 'stop', error);
      }
    }
  }

  /** Milliseconds. */
  #deadline(name: 'partStart' | 'partStop' | 'operation'): number {
    return this.#terms.config.deadlines[name] * 1000;
  }

  #of(phase: PartPhase): readonly Entry[] {
    return this.#entries.filter(({ needsGuests }) => needsGuests === (phase === 'with guests'));
  }

  #entry(name: string): Entry | undefined {
    return this.#entries.find((one) => one.name === name);
  }

  #failed(entry: Entry, step: 'start' | 'stop', error: unknown): void {
    entry.why = whyOf(error);
    const { code, message, solve } = problem('PART_FAILED', { ...factsOf(entry, error), step }, error);
    const next = isPcibackError(error) && error.code !== 'PLUGIN_FAULT' ? error.solve : solve;
    this.#terms.log.error({ code, part: entry.name, why: message, solve: next }, 'a part failed');
  }

  #contextOf({ name, part }: Entry): PartContext {
    const { engine, config, log } = this.#terms;
    return {
      options: part.options === undefined ? undefined : readSection(config, part.section ?? name, part.options),
      config,
      directory: sectionsOf(config).directory,
      log: {
        debug: (facts, message) => log.debug({ part: name, ...facts }, message),
        info: (facts, message) => log.info({ part: name, ...facts }, message),
        warn: (facts, message) => log.warn({ part: name, ...facts }, message),
        error: (facts, message) => log.error({ part: name, ...facts }, message),
      },
      engine,
      operations: () => this.operations(),
      parts: () => this.reports(),
      part: (other) => this.offers(other),
    };
  }

  /** The operations of all parts that have not stopped, by name; of one that does not run they say so. */
  operations(): ReadonlyMap<string, RunningOperation> {
    const { hooks } = this.#terms.engine.plugins;
    const all = new Map<string, RunningOperation>();
    for (const entry of this.#entries) {
      const { state, part, plugin, why } = entry;
      if (state === 'stopped') continue;
      for (const [name, { about, asks, answer }] of Object.entries(part.operations ?? {})) {
        const place = placeOf(entry, `operation ${name}`);
        const ask = async (args: Readonly<Record<string, unknown>>): Promise<unknown> => {
          const { context } = entry;
          if (state !== 'running' || context === undefined)
            return fail('PART_NOT_RUNNING', { part: entry.name, plugin, why });
          return hooks.wall.wait(place, this.#deadline('operation'), () => answer(args, context));
        };
        all.set(name, { about, asks, answer: ask });
      }
    }
    return all;
  }

  /** What the running part of this name offers. */
  offers(name: string): unknown {
    const entry = this.#entry(name);
    return entry?.state === 'running' ? entry.running?.offers : undefined;
  }

  /** How every part is doing, in order of starting. */
  reports(): readonly PartReport[] {
    const { wall } = this.#terms.engine.plugins.hooks;
    return this.#entries.map((entry) => {
      const { name, plugin, state, why, running } = entry;
      const report = { name, plugin, state, ...(why === undefined ? {} : { health: why }) };
      if (state !== 'running' || running === undefined) return report;
      try {
        const { health, counters } = running;
        return {
          ...report,
          ...(health && { health: wall.run(placeOf(entry, 'health'), () => running.health?.() ?? '', healthShape) }),
          ...(counters && {
            counters: wall.run(placeOf(entry, 'counters'), () => running.counters?.() ?? {}, countersShape),
          }),
        };
      } catch (error) {
        return { ...report, health: `it cannot say: ${whyOf(error)}` };
      }
    });
  }
}

/** A fault without its place, which is said beside it. */
const whyOf = (error: unknown): string =>
  isPcibackError(error, 'PLUGIN_FAULT') ? String(error.facts.why) : describeError(error);

const factsOf = ({ name, plugin }: Entry, error: unknown) => ({ part: name, plugin, why: whyOf(error) });

/**
 * The parts of the loaded plugins, each after those that it needs; else in order of loading.
 *
 * @throws PcibackError `PART_NEEDS`, `PLUGIN_REGISTRATION`, as a {@link PartRunner} that is made
 */
export const orderOfParts = ({ registries: { parts } }: Pick<Engine['plugins'], 'registries'>): readonly Entry[] => {
  const sorted = new Map<string, Entry>();
  /** @param above the parts that lead here, each needing the next */
  const place = (name: string, above: readonly string[]): Entry => {
    const known = sorted.get(name);
    if (known !== undefined) return known;
    const owned = parts.owned.find((one) => one.name === name);
    if (owned === undefined) {
      const asking = parts.owned.find((one) => one.name === above.at(-1));
      const near = nearest(name, [GUESTS, ...parts.names]);
      const facts = { part: asking?.name ?? '', plugin: asking?.plugin ?? '', nearest: near };
      return fail('PART_NEEDS', { ...facts, why: `there is no part "${name}", which it needs` });
    }
    const { plugin, thing: part } = owned;
    if (above.includes(name)) {
      const circle = [...above.slice(above.indexOf(name)), name].join(' → ');
      return fail('PART_NEEDS', { part: name, plugin, why: `it needs itself: ${circle}`, nearest: undefined });
    }
    const needs = (part.needs ?? []).filter((need) => need !== GUESTS).map((need) => place(need, [...above, name]));
    const needsGuests = part.needs?.includes(GUESTS) === true || needs.some((need) => need.needsGuests);
    const entry: Entry = { name, plugin, part, needsGuests, state: 'waiting' };
    sorted.set(name, entry);
    return entry;
  };
  for (const name of parts.names) place(name, []);
  const owners = new Map<string, string>();
  for (const { plugin, part } of sorted.values()) {
    for (const entry of Object.keys(part.operations ?? {})) {
      const owner = owners.get(entry);
      if (owner !== undefined) fail('PLUGIN_REGISTRATION', { name: plugin, kind: 'operation', entry, owner });
      owners.set(entry, plugin);
    }
  }
  return [...sorted.values()];
};
