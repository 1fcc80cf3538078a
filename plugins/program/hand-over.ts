// SPDX-License-Identifier: MIT

import { type ChildProcess, spawn } from 'node:child_process';
import { setTimeout as pause } from 'node:timers/promises';
import { formatBdf } from '../../core/bdf.ts';
import type { Logger } from '../../core/log.ts';
import type { Engine } from '../../core/pciback.ts';
import { definePlugin, type Plugin } from '../../core/plugin/index.ts';
import type { SeizedDevice } from '../../core/stub/index.ts';
import { systemClock, within } from '../../core/wall/wall.ts';
import { fail } from '../errors.ts';
import type { StandbyWord } from './standby.ts';

/** Milliseconds that a new process gets to be ready, while this one serves. */
const READY_MS = 300_000;
/** Milliseconds that it gets to serve after it was let to, and that resets get to end. */
const PATIENCE_MS = 30_000;
/** Milliseconds for the answer to whoever asked, before the control socket is closed. */
const LAST_ANSWER_MS = 50;
const LOOK_MS = 5;

/** How {@link HandOver.leaving} resolves. */
export const LEAVING = 'hand-over';

/** How far a hand-over is. */
export type HandOverState =
  | { readonly state: 'none' }
  /** The new process reads and opens what it needs. */
  | { readonly state: 'starting'; readonly pid: number }
  /** It is ready; this one lets go as soon as nothing is being done to a device. */
  | { readonly state: 'leaving'; readonly pid: number }
  | { readonly state: 'refused'; readonly why: string };

export interface HandOverTerms {
  /** Name of the platform in the configuration. */
  readonly platform: string;
  readonly log: Logger;
}

/** Whether something is being done to the device: it is given to a guest, reset, or comes back. */
const isWorkedOn = ({ lock, assignment }: SeizedDevice): Promise<boolean> =>
  assignment?.isSettling === true
    ? Promise.resolve(true)
    : Promise.race([lock.idle().then(() => false), pause(LOOK_MS, true)]);

/** What cannot be left to a next process now; `undefined`: nothing. */
const busyWith = async ({ stub }: Engine): Promise<string | undefined> => {
  const works = await Promise.all(
    stub.devices.map(async (device) => ((await isWorkedOn(device)) ? device : undefined)),
  );
  const busy = works.find((device) => device !== undefined);
  return busy === undefined ? undefined : `${formatBdf(busy.bdf)} is being reset, given to a guest or taken from one`;
};

/** The words of this process's own command line, with which the installed version is started to stand by. */
const successorWords = (): string[] => {
  const own = process.argv.slice(1);
  return [...process.execArgv, ...own, ...(own.includes('--standby') ? [] : ['--standby'])];
};

/** A new process of the installed version. */
class Successor {
  readonly pid: number;
  /** Rejects when it refuses or ends before. */
  readonly waiting: Promise<void>;
  readonly serving: Promise<void>;
  /** Resolves when it has ended. */
  readonly ended: Promise<void>;
  readonly #child: ChildProcess;

  constructor() {
    // Signs of life are asked of whoever serves, not of this process alone (sd_watchdog_enabled(3)).
    const { WATCHDOG_PID: _, ...env } = process.env;
    const child = spawn(process.execPath, successorWords(), {
      env,
      detached: true,
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    this.#child = child;
    this.pid = child.pid ?? 0;
    let why = 'it ended without a word';
    const said = (wanted: StandbyWord['standby']): Promise<void> =>
      new Promise((resolve, reject) => {
        child.on('message', (word: StandbyWord) => {
          if (word.standby === 'refused') why = word.why;
          if (word.standby === wanted) resolve();
        });
        child.once('error', reject);
        child.once('exit', (status, signal) => reject(new Error(`${why} (${signal ?? `status ${status}`})`)));
      });
    this.waiting = said('waiting');
    this.serving = said('serving');
    this.ended = new Promise((resolve) => {
      child.once('exit', () => resolve());
      child.once('error', () => resolve());
    });
    // Whoever waits for it hears of it.
    for (const one of [this.waiting, this.serving]) one.catch(() => undefined);
  }

  /** It may outlive this process. */
  letGo(): void {
    this.#child.disconnect?.();
    this.#child.unref();
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }
}

/** Hands the guests of this process over to a new one of the version that is installed now. */
export class HandOver {
  /** Resolves when this process is to let go of its guests, without a word to them. */
  readonly leaving: Promise<typeof LEAVING>;
  readonly #terms: HandOverTerms;
  readonly #leave: () => void;
  #state: HandOverState = { state: 'none' };
  #successor: Successor | undefined;

  constructor(terms: HandOverTerms) {
    this.#terms = terms;
    let leave: () => void = () => undefined;
    this.leaving = new Promise((resolve) => {
      leave = () => resolve(LEAVING);
    });
    this.#leave = leave;
  }

  get state(): HandOverState {
    return this.#state;
  }

  /** @throws PcibackError `UPGRADE_REFUSED` when one is under way, or there can be none */
  begin(engine: Engine): HandOverState {
    const { platform } = this.#terms;
    const { lock } = engine.plugins.registries.platforms.get(platform);
    if (this.#successor !== undefined) fail('UPGRADE_REFUSED', { why: 'it is being upgraded already' });
    if (lock === undefined) fail('UPGRADE_REFUSED', { why: `platform ${platform} lives in this process` });
    const successor = new Successor();
    this.#successor = successor;
    this.#state = { state: 'starting', pid: successor.pid };
    this.#terms.log.info({ pid: successor.pid }, 'upgrade: the installed version is started');
    void this.#prepare(successor, engine);
    return this.#state;
  }

  async #prepare(successor: Successor, engine: Engine): Promise<void> {
    try {
      await within(systemClock, READY_MS, successor.waiting);
      await this.#quiet(successor, engine);
      await pause(LAST_ANSWER_MS);
      // It may have ended since.
      if (this.#successor !== successor) return;
      this.#leave();
    } catch (error) {
      this.#refuse(successor, error instanceof Error ? error.message : String(error));
    }
  }

  async #quiet({ pid }: Successor, engine: Engine): Promise<void> {
    const end = systemClock.now() + PATIENCE_MS;
    for (let busy = await busyWith(engine); busy !== undefined; busy = await busyWith(engine)) {
      if (systemClock.now() > end) throw new Error(busy);
      await pause(LOOK_MS);
    }
    this.#state = { state: 'leaving', pid };
  }

  #refuse(successor: Successor, why: string): void {
    successor.kill();
    this.#successor = undefined;
    this.#state = { state: 'refused', why };
    this.#terms.log.error({ why }, 'upgrade: refused, serving on');
  }

  /** After this process let go. @returns whether the new one serves; otherwise this one has to go on */
  async isTaken(): Promise<boolean> {
    const successor = this.#successor;
    if (successor === undefined) return false;
    try {
      await within(systemClock, PATIENCE_MS, successor.serving);
    } catch (error) {
      this.#refuse(successor, error instanceof Error ? error.message : String(error));
      // Its lock is free then.
      await successor.ended;
      return false;
    }
    successor.letGo();
    return true;
  }

  /** This process ends before the new one serves, which waits for that. */
  letGo(): void {
    this.#successor?.letGo();
  }

  /** This process ends in order: nobody is to take over what it gives back. */
  cancel(): void {
    if (this.#successor !== undefined) this.#refuse(this.#successor, 'the one that serves was stopped');
  }
}

/** Name of the part that offers a {@link HandOver}. */
export const HAND_OVER = 'hand-over';

/** Lets parts hand the guests over, by a part that offers it. @param handOver asked at each use */
export const offerHandOver = (handOver: () => HandOver): Plugin =>
  definePlugin({
    name: 'program/hand-over',
    api: '^1.0',
    apply: (host) => {
      host.parts.add(HAND_OVER, {
        about: 'Hands the guests over to a new process.',
        start: () => ({
          get offers() {
            return handOver();
          },
        }),
      });
    },
  });
