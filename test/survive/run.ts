// SPDX-License-Identifier: MIT

import { setTimeout as pause } from 'node:timers/promises';
import { createClient } from '../../plugins/control/index.ts';
import { createLoader } from '../../plugins/native/koffi/index.ts';
import { SeededRandom } from '../kit/seeded-random.ts';
import type { AskingGuest } from './asking-guest.ts';
import { Killer, type KillMoment } from './killer.ts';
import { type Act, type Outcome, outcomeOf, timesOf } from './report.ts';
import { type Mode, Service } from './service.ts';
import { createWorld, type World } from './world.ts';

export interface RunTerms {
  readonly kills: number;
  readonly seed: number;
  readonly mode: Mode;
  /** What goes on at each kill; missing: chosen at random. */
  readonly during?: Act | undefined;
  /** How many times longer guests wait than they would. */
  readonly stretch: number;
  /** Requests that are answered before the first kill, and after the last. */
  readonly requests: number;
  /** What node is started with, before the words of the command: the file of the command. */
  readonly command: string;
  /** The file of platform `remote`. */
  readonly plugin: string;
  readonly say: (line: string) => void;
}

/** What is ordered of the quirk, one after the other; while it is loaded again it is in force at every moment. */
const nextOrder = { load: 'load again', 'load again': 'unload', unload: 'load' } as const;
type QuirkOrder = keyof typeof nextOrder;

/** One kill in five happens while something other than answering goes on. */
const SPECIAL = 5;
const acts: readonly Act[] = ['attach', 'quirk', 'reset', 'attach'];
/** What a process asks of its host while it does this, at most. */
const longest: Readonly<Record<Act, number>> = { answering: 200, attach: 150, detach: 120, quirk: 40, reset: 30 };
/** Milliseconds after which a guest that gets no answer will get none. */
const PATIENCE_MS = 20_000;
const TURN_MS = 1;

/** One run: guests ask, the process that serves them is killed again and again, and what they see is counted. */
class Run {
  readonly #terms: RunTerms;
  readonly #random: SeededRandom;
  readonly #killer = new Killer();
  readonly #done: Record<Act, number> = { answering: 0, attach: 0, detach: 0, quirk: 0, reset: 0 };
  readonly #waits: number[] = [];
  /** Guests that have not had an answer since the last kill. */
  readonly #unheard = new Map<AskingGuest, 'next' | 'one after'>();
  #killedAt = 0;
  #answers = 0;
  #attached = false;
  #quirk = false;
  #quirkOrder: QuirkOrder = 'load';
  #failure: string | undefined;

  constructor(terms: RunTerms) {
    this.#terms = terms;
    this.#random = new SeededRandom(terms.seed);
  }

  async run(): Promise<Outcome> {
    const { seed, mode, stretch, plugin, command, kills, say } = this.#terms;
    const native = await createLoader();
    const answered = (guest: AskingGuest): void => this.#answered(guest);
    const world = await createWorld({ native, killer: this.#killer, seed, stretch, plugin, answered });
    const service = await Service.start({
      mode,
      socket: world.socket,
      words: [command, 'serve', '--config', world.rcFile],
    });
    let guests: readonly AskingGuest[] = [];
    let status: number | null = null;
    try {
      guests = await world.boot();
      for (const guest of guests) guest.start();
      await this.#answersMore(this.#terms.requests);
      for (let kill = 1; kill <= kills; kill += 1) {
        await this.#killOnce(world, service, guests);
        if (kill % 50 === 0) say(`${kill} kills, ${this.#answers} requests answered`);
      }
      await this.#answersMore(this.#terms.requests);
      await Promise.all(guests.map((guest) => guest.stop()));
      this.#compare(world, guests);
      status = await service.stop();
    } catch (error) {
      this.#failure ??= error instanceof Error ? error.message : String(error);
      for (const line of service.lines.slice(-40)) say(`  ${line}`);
      await service.abandon();
    }
    const { hypervisor } = world.host.platform;
    const outcome = outcomeOf({
      terms: this.#terms,
      guests,
      done: this.#done,
      again: world.again(),
      waits: timesOf(this.#waits),
      ledger: hypervisor.ledger(),
      status,
      failure: this.#failure,
    });
    for (const { guest } of guests) guest.crash();
    await world.host.close();
    return outcome;
  }

  #answered(guest: AskingGuest): void {
    this.#answers += 1;
    const unheard = this.#unheard.get(guest);
    if (unheard === undefined) return;
    if (unheard === 'one after') this.#unheard.set(guest, 'next');
    else {
      this.#unheard.delete(guest);
      this.#waits.push(performance.now() - this.#killedAt);
    }
  }

  async #until(what: string, test: () => boolean): Promise<void> {
    const end = performance.now() + PATIENCE_MS * this.#terms.stretch;
    while (!test()) {
      if (performance.now() > end) throw new Error(`${what}: not within ${PATIENCE_MS / 1000} s`);
      await pause(TURN_MS);
    }
  }

  async #answersMore(count: number): Promise<void> {
    const wanted = this.#answers + count;
    let seen = -1;
    // As long as there is an answer from time to time, there will be enough.
    while (this.#answers < wanted) {
      seen = this.#answers;
      await this.#until('an answer', () => this.#answers > seen);
    }
  }

  async #killOnce(world: World, service: Service, guests: readonly AskingGuest[]): Promise<void> {
    if (this.#terms.mode === 'upgrade') {
      await service.upgrade();
      await this.#answersMore(this.#random.below(500));
      this.#done.answering += 1;
      return;
    }
    const act = this.#choose();
    await this.#answersMore(this.#random.below(200));
    const moment: KillMoment = {
      count: 1 + this.#random.below(longest[act]),
      stage: this.#random.pick(['before', 'after', 'later', 'later']),
      microseconds: this.#random.below(300),
    };
    const killed = new Promise<void>((resolve) => {
      this.#killer.arm(moment, () => {
        service.kill();
        this.#killedAt = performance.now();
        for (const guest of guests) this.#unheard.set(guest, guest.isWaiting ? 'next' : 'one after');
        resolve();
      });
    });
    const changesQuirk = act === 'quirk' && this.#quirkOrder !== 'load again';
    const ended = this.#act(act, world, guests);
    ended.catch(() => undefined);
    await killed;
    await this.#until('an answer for each guest', () => this.#unheard.size === 0);
    await service.ready();
    await this.#sameQuirk(world, changesQuirk);
    await ended;
    if (act === 'quirk') await this.#sameQuirk(world, false);
    this.#done[act] += 1;
  }

  /** What was in force before a kill is in force after it, as the process itself sees it; guests look by themselves. */
  async #sameQuirk({ socket, quirkName }: World, isChanging: boolean): Promise<void> {
    const known = this.#quirk;
    const answer = await createClient(socket).ask('quirk-list', {});
    const { quirks = [] } = (answer ?? {}) as { readonly quirks?: readonly { readonly name: string }[] };
    const isLoaded = quirks.some(({ name }) => name === quirkName);
    // While it is being loaded or unloaded both are right.
    if (isChanging || known !== this.#quirk || isLoaded === known) return;
    throw new Error(
      `the quirk is ${isLoaded ? '' : 'not '}in force after a kill, and was ${known ? '' : 'not '}before`,
    );
  }

  #choose(): Act {
    const { during } = this.#terms;
    if (during === undefined && !this.#random.oneIn(SPECIAL)) return 'answering';
    const act = during ?? this.#random.pick(acts);
    return act === 'attach' && this.#attached ? 'detach' : act;
  }

  async #act(act: Act, world: World, guests: readonly AskingGuest[]): Promise<void> {
    const { toolstack } = world.host.platform;
    const [first, second, , last] = guests;
    if (first === undefined || second === undefined || last === undefined) throw new Error('a guest is missing');
    switch (act) {
      case 'attach':
        await toolstack.attach(last.guest.domain, world.spare);
        this.#attached = true;
        return;
      case 'detach':
        await toolstack.detach(last.guest.domain, world.spare);
        this.#attached = false;
        return;
      case 'quirk':
        return this.#changeQuirk(world, first);
      case 'reset':
        await second.reset();
        return;
      case 'answering':
        return;
    }
  }

  /** Whoever gave the order asks again when the process died before it said that it was done. */
  async #changeQuirk({ socket, quirkFile, quirkName }: World, guest: AskingGuest): Promise<void> {
    const client = createClient(socket);
    const end = performance.now() + PATIENCE_MS;
    const wanted = this.#quirkOrder !== 'unload';
    if (wanted !== this.#quirk) guest.quirk = undefined;
    for (;;) {
      try {
        const answer = wanted
          ? await client.ask('quirk-load', { file: quirkFile })
          : await client.ask('quirk-unload', { name: quirkName });
        if (answer !== undefined) break;
      } catch (error) {
        // Done before the answer was lost.
        if (!wanted && error instanceof Error && 'code' in error && error.code === 'QUIRK_UNKNOWN') break;
        if (performance.now() > end) throw error;
      }
      await pause(TURN_MS);
    }
    this.#quirk = wanted;
    guest.quirk = wanted;
    this.#quirkOrder = nextOrder[this.#quirkOrder];
  }

  /** What the hypervisor has now, and what was done to the devices. */
  #compare({ host }: World, guests: readonly AskingGuest[]): void {
    for (const { extraResets, count, name, guest } of guests) {
      if (extraResets > 0)
        count.twice.push(`${name}: its device was reset ${extraResets} times more than it asked for`);
      const { state } = guest.report();
      if (state !== 4) count.wrong.push(`${name}: its front end is in state ${state}`);
    }
    const { mapped, bound } = host.platform.hypervisor.ledger();
    const pages = mapped.filter(({ by }) => by === 0).length;
    const ports = bound.filter(({ domain }) => domain === 0).length;
    if (pages !== guests.length || ports !== guests.length) {
      this.#failure ??= `${pages} pages are mapped and ${ports} ports bound for ${guests.length} guests`;
    }
  }
}

export const run = (terms: RunTerms): Promise<Outcome> => new Run(terms).run();
