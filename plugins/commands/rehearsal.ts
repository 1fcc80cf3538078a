// SPDX-License-Identifier: MIT

import type { Config } from '../../core/config/index.ts';
import { describeError } from '../../core/errors/index.ts';
import { Hooks } from '../../core/hooks/index.ts';
import { type Logger, silent } from '../../core/log.ts';
import { Pciback } from '../../core/pciback.ts';
import type { Platform, RehearsalParts } from '../../core/platform/index.ts';
import type { LoadedPlugin } from '../../core/plugin/loader.ts';
import { Registries, type Registry } from '../../core/plugin/registries.ts';
import {
  type DeviceImage,
  type EmbeddedPlatform,
  type IncludedGuest,
  sample,
  XenbusState,
} from '../platforms/embedded/index.ts';
import { accessesOf, play, powerCycle } from './rehearsal-guest.ts';
import { createStage } from './rehearsal-stage.ts';

/** Guests that come and go, one after the other, and how often each does all that guests do. */
const LIVES = 2;
const ROUNDS = 2;
/** Function numbers that a guest asks of each bus. */
const NUMBERS = 4;
/** Milliseconds in which guests that are there already are found. */
const PAUSE = 100;
/** Milliseconds after which a rehearsal that is not over has failed, and in which it has to let go then. */
const PATIENCE = 60_000;
const LETTING_GO = 5000;
/** Why a rehearsal stops that has not failed. */
const ENDED = Symbol('ended');

/** What a rehearsal needs to know of the service. */
export interface RehearsalTerms {
  readonly platform: Platform;
  readonly plugins: { readonly registries: Registries; readonly loaded: readonly LoadedPlugin[] };
  readonly config: Config;
  readonly log: Logger;
  /** Whether there is no guest yet; with one the rehearsal is over. */
  readonly isWanted: () => boolean;
}

/** A rehearsal that is under way. */
export interface Rehearsal {
  /** Resolves when nothing of it is left. Never rejects. */
  readonly over: Promise<RehearsalReport>;
  /** Ends it early. @returns {@link over} */
  end(): Promise<RehearsalReport>;
}

export interface RehearsalReport {
  /** Whether it got to its end. */
  readonly whole: boolean;
  /** Requests that the control thread has answered in it. */
  readonly requests: number;
}

/** What came with the package, as it came: no code of others is run, nor what an rc file has set otherwise. */
const bundledRegistries = ({ registries, loaded }: RehearsalTerms['plugins']): Registries => {
  const ours = new Set(loaded.filter(({ origin }) => origin === 'bundled').map(({ name }) => name));
  const own = new Registries();
  const copy = <Thing>(from: Registry<Thing>, to: Registry<Thing>): void => {
    for (const { name, plugin, thing } of from.owned) if (ours.has(plugin)) to.add(plugin, name, thing);
  };
  copy(registries.fields, own.fields);
  copy(registries.slots, own.slots);
  copy(registries.interrupts, own.interrupts);
  return own;
};

/** The configured choice where it came with the package, else another one that did. */
const chosen = (name: string, { names }: { readonly names: readonly string[] }): string =>
  names.includes(name) ? name : (names[0] ?? name);

/** Resolves when events are heard: a lane is rehearsed itself before it hears any. */
const hearing = async (parts: RehearsalParts, step: Step): Promise<void> => {
  let heard: () => void = () => undefined;
  const event = new Promise<void>((resolve) => {
    heard = resolve;
  });
  const { here, there } = parts.channel(
    () => heard(),
    () => undefined,
  );
  try {
    there.notify();
    await step(event);
  } finally {
    here.close();
    there.close();
  }
};

/** Waits for something, or for the end of the rehearsal, whichever comes first. @throws when it is over */
type Step = <T>(work: T | Promise<T>) => Promise<T>;

class Run {
  readonly #terms: RehearsalTerms;
  readonly #parts: RehearsalParts;
  readonly #stopped: Promise<never>;
  /** Ends it: every {@link Step} rejects with this reason. */
  stop: (why: unknown) => void = () => undefined;
  #guest: IncludedGuest | undefined;

  constructor(terms: RehearsalTerms, parts: RehearsalParts) {
    this.#terms = terms;
    this.#parts = parts;
    this.#stopped = new Promise((_resolve, reject) => {
      this.stop = reject;
    });
    // It may stop while nobody waits.
    this.#stopped.catch(() => undefined);
  }

  readonly #step: Step = (work) => {
    this.#turn();
    return Promise.race([this.#stopped, work]);
  };

  readonly #turn = (): void => {
    if (!this.#terms.isWanted()) this.stop(ENDED);
  };

  async run(): Promise<RehearsalReport> {
    const { platform, log } = this.#terms;
    const { clock } = platform;
    const began = clock.now();
    const cancel = clock.after(PATIENCE, () => this.stop(new Error(`it took longer than ${PATIENCE} ms`)));
    let report: RehearsalReport = { whole: false, requests: 0 };
    try {
      await this.#step(new Promise<void>((resolve) => void clock.after(PAUSE, resolve)));
      await hearing(this.#parts, this.#step);
      report = await this.#play();
      log.debug({ ...report, ms: Math.round(clock.now() - began) }, 'rehearsed');
    } catch (error) {
      if (error !== ENDED) log.warn({ why: describeError(error) }, 'the rehearsal for the first guest failed');
    } finally {
      cancel();
    }
    return report;
  }

  async #play(): Promise<RehearsalReport> {
    const { platform, plugins, config } = this.#terms;
    const registries = bundledRegistries(plugins);
    const devices = [sample('e1000e'), sample('nvme')] as const;
    const stage = createStage({
      real: platform,
      parts: this.#parts,
      devices,
      turn: this.#turn,
      failed: this.stop,
    });
    const pciback = new Pciback({
      platform: stage.platform,
      plugins: { registries, hooks: new Hooks(this.stop) },
      config: {
        ...config,
        slots: chosen(config.slots, registries.slots),
        interrupts: chosen(config.interrupts, registries.interrupts),
        hide: [],
        permissive: [],
        allowInterruptControl: [],
        guests: {},
        errors: { ...config.errors, onFailure: 'fence' },
        shutdownSeconds: 0,
      },
      // What a guest of flesh and blood would have in the log as an error is one of the rehearsal.
      log: { ...silent, error: (facts, message) => this.stop(new Error(`${message}: ${JSON.stringify(facts)}`)) },
    });
    let whole = false;
    try {
      await this.#step(pciback.start());
      for (const { bdf } of devices) await this.#step(pciback.stub.seize(bdf));
      for (let life = 0; life < LIVES; life++) await this.#live(stage.embedded, devices);
      whole = true;
    } catch (error) {
      if (error !== ENDED) throw error;
    } finally {
      this.#guest?.crash();
      try {
        // A request whose end was lost with what was thrown would be waited for for ever.
        const { clock } = stage.platform;
        const patience = new Promise<void>((resolve) => void clock.after(LETTING_GO, resolve));
        await Promise.race([pciback.stop(), patience]);
      } finally {
        await stage.close();
      }
    }
    return { whole, requests: stage.requests };
  }

  /** One guest: it boots with a device and uses it, gets another one, gives that back, and ends. */
  async #live({ toolstack, startGuest }: EmbeddedPlatform, [first, second]: readonly [DeviceImage, DeviceImage]) {
    const step = this.#step;
    const domain = await step(toolstack.create({ name: 'rehearsal', devices: [first.bdf] }));
    const guest = await step(startGuest({ domain, numbers: NUMBERS }));
    this.#guest = guest;
    const { devices } = await step(guest.reached(XenbusState.connected));
    for (const device of devices) {
      for (let round = 0; round < ROUNDS; round++) await step(play(guest, device, accessesOf(device)));
      await step(play(guest, device, powerCycle(device)));
    }
    await step(toolstack.attach(domain, second.bdf));
    await step(guest.reached(XenbusState.connected));
    await step(toolstack.detach(domain, second.bdf));
    await step(guest.stop());
    await step(toolstack.destroy(domain));
  }
}

/**
 * Plays whole lives of a guest that is not there through the control thread: found, served, asked all kinds of things,
 * gone. What the first guest asks for is then not the first time that the engine runs that code, which takes it many times
 * as long. Nothing that belongs to a guest, a host or a plugin from elsewhere has a part in it, and nothing of it is left.
 *
 * @returns `undefined` where the platform has nothing to rehearse with
 */
export const rehearse = (terms: RehearsalTerms): Rehearsal | undefined => {
  const { rehearsal } = terms.platform;
  if (rehearsal === undefined) return undefined;
  const run = new Run(terms, rehearsal);
  const over = run.run();
  return {
    over,
    end: () => {
      run.stop(ENDED);
      return over;
    },
  };
};
