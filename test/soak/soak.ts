// SPDX-License-Identifier: MIT

import { execFileSync } from 'node:child_process';
import { createLoader } from '../../plugins/native/koffi/index.ts';
import { SeededRandom } from '../kit/seeded-random.ts';
import type { AskingGuest } from '../survive/asking-guest.ts';
import { askingFaults } from './asking-faults.ts';
import { Checks } from './checks.ts';
import { type Fault, pause, type Soak } from './context.ts';
import { hostFaults, replacements } from './host-faults.ts';
import { Keeper } from './keeper.ts';
import { Memory, type Sample } from './memory.ts';
import { memoryChart } from './plot.ts';
import { visitKinds } from './visit-kinds.ts';
import { visit } from './visits.ts';
import { createWorld } from './world.ts';

export interface SoakTerms {
  readonly minutes: number;
  readonly seed: number;
  /** How many times longer guests wait than they would. */
  readonly stretch: number;
  /** The file of the command. */
  readonly command: string;
  /** Files of platform `remote` and of the plugin that misbehaves. */
  readonly plugin: string;
  readonly tester: string;
  readonly say: (line: string) => void;
}

export interface SoakOutcome {
  readonly passed: number;
  readonly failed: number;
  readonly lines: readonly string[];
  readonly samples: readonly Sample[];
  /** They drawn, as SVG. */
  readonly chart: string;
}

/** Parts of a cycle: the process stays, and its memory is looked at; then it is replaced again and again. */
const CYCLE_SECONDS = 600;
const STAYS = 0.8;
/** Part of a stretch that does not count. */
const WARM_UP = 0.25;
const SAMPLE_SECONDS = 5;
const FEWEST_CYCLES = 2;
const MINUTE_MS = 60_000;
/** Wrong answers of one guest that are told. */
const MOST_EXAMPLES = 5;
/** Milliseconds between two faults of one kind of trouble, at most. */
const BREAK_MS = { host: 3000, replacing: 2500, asking: 1500, visits: 400 };
const MIB = 1024 * 1024;

class Run {
  readonly #terms: SoakTerms;
  readonly #checks: Checks;
  readonly #counts = new Map<string, number>();
  #answers = 0;
  #over = false;
  /** Seconds until the first thing that was not as it must be is told with the log: its reader may stand still. */
  #untilTold = 10;

  constructor(terms: SoakTerms) {
    this.#terms = terms;
    this.#checks = new Checks(terms.say);
  }

  async run(): Promise<SoakOutcome> {
    const { seed, stretch, plugin, tester, command, say } = this.#terms;
    const native = await createLoader();
    const world = await createWorld({ native, seed, stretch, plugin, tester });
    const unmount = mountSmall(world.disk, say);
    const words = [command, 'serve', '--config', world.rcFile];
    const keeper = await Keeper.start({ words, socket: world.socket, patience: 30_000 * stretch });
    const memory = new Memory(keeper);
    let asking: readonly AskingGuest[] = [];
    try {
      const answered = (): void => {
        this.#answers += 1;
      };
      asking = await world.boot(answered, () => keeper.watch());
      const [checks, answers] = [this.#checks, () => this.#answers];
      const soak: Soak = { world, keeper, checks, asking, stretch, visited: new Map(), answers };
      for (const guest of asking) guest.start();
      await this.#load(soak, memory, unmount !== undefined);
      await Promise.all(asking.map((guest) => guest.stop()));
      await this.#end(soak);
    } catch (error) {
      this.#checks.that(false, 'the run goes on', error instanceof Error ? error.stack : String(error));
      for (const line of keeper.lines.slice(-200)) say(`  ${line}`);
      keeper.abandon();
    }
    for (const { guest } of asking) guest.crash();
    unmount?.();
    await world.host.close();
    return this.#outcome(asking, memory);
  }

  async #load(soak: Soak, memory: Memory, canFill: boolean): Promise<void> {
    const { seed, minutes } = this.#terms;
    const random = (lane: number): SeededRandom => new SeededRandom(seed * 64 + 32 + lane);
    const end = performance.now() + minutes * MINUTE_MS;
    // An early end is an end in order; the second signal does not wait for it.
    for (const name of ['SIGINT', 'SIGTERM'] as const) {
      process.once(name, () => {
        this.#over = true;
      });
    }
    const [first = 0, second = 0, third = 0, fourth = 0] = soak.world.visitors;
    const lanes = [
      this.#phases(soak, memory, random(0), end, hostFaults(canFill)),
      this.#lane(soak, random(1), BREAK_MS.asking, (one) => one.pick(askingFaults)),
      ...[
        [first, second],
        [third, fourth],
      ].map((devices, index) =>
        this.#lane(soak, random(2 + index), BREAK_MS.visits, (one) => {
          const [kind, bdf] = [one.pick(visitKinds), one.pick(devices) as (typeof soak.world.visitors)[number]];
          return { name: kind.name, run: (on, with_) => visit(on, with_, bdf, kind) };
        }),
      ),
      this.#watch(soak, memory),
    ];
    const over = Promise.all(lanes);
    // One that fails ends the others.
    over.catch(() => {
      this.#over = true;
    });
    await over;
  }

  /** Faults of the host without an end; while the process is to be replaced, that too. */
  async #phases(soak: Soak, memory: Memory, random: SeededRandom, end: number, host: readonly Fault[]): Promise<void> {
    const whole = end - performance.now();
    const cycles = Math.max(FEWEST_CYCLES, Math.round(whole / 1000 / CYCLE_SECONDS));
    try {
      for (let cycle = 0; cycle < cycles && !this.#over; cycle += 1) {
        const from = memory.seconds;
        const length = whole / cycles;
        const start = performance.now();
        await this.#until(soak, random, start + STAYS * length, BREAK_MS.host, () => random.pick(host));
        memory.checkFlat(this.#checks, from, (WARM_UP * length) / 1000);
        await this.#until(soak, random, start + length, BREAK_MS.replacing, () =>
          random.oneIn(4) ? random.pick(host) : random.pick(replacements),
        );
      }
    } finally {
      this.#over = true;
    }
  }

  async #until(soak: Soak, random: SeededRandom, end: number, most: number, choose: () => Fault): Promise<void> {
    while (performance.now() < end && !this.#over) {
      await this.#cause(soak, random, choose());
      await pause(random.below(most));
    }
  }

  async #lane(soak: Soak, random: SeededRandom, most: number, choose: (random: SeededRandom) => Fault): Promise<void> {
    while (!this.#over) {
      await this.#cause(soak, random, choose(random));
      await pause(random.below(most));
    }
  }

  async #cause(soak: Soak, random: SeededRandom, fault: Fault): Promise<void> {
    try {
      await fault.run(soak, random);
    } catch (error) {
      this.#over = true;
      throw new Error(`${fault.name}: ${error instanceof Error ? error.stack : String(error)}`);
    }
    this.#counts.set(fault.name, (this.#counts.get(fault.name) ?? 0) + 1);
  }

  /** Looks at the memory, and says once a minute how far it is. */
  async #watch(soak: Soak, memory: Memory): Promise<void> {
    let minute = 1;
    while (!this.#over) {
      const sample = await memory.sample();
      if (memory.seconds >= minute * 60) {
        this.#terms.say(this.#line(soak, minute, sample));
        minute += 1;
      }
      for (let left = SAMPLE_SECONDS; left > 0 && !this.#over; left -= 1) {
        this.#tellWrong(soak);
        await pause(1000);
      }
    }
  }

  /** The first failed check and the first wrong answer are told with what was said and done before. */
  #tellWrong({ asking, checks, keeper, world }: Soak): void {
    if (this.#untilTold < 0) return;
    if (checks.failed === 0 && asking.every(({ count }) => count.wrong.length + count.twice.length === 0)) return;
    this.#untilTold -= 1;
    if (this.#untilTold > 0) return;
    this.#untilTold = -1;
    const { trace } = world.host.platform.hypervisor;
    for (const line of [...keeper.lines.slice(-100), ...trace.slice(-60)]) this.#terms.say(`  ${line}`);
    for (const { count } of asking)
      for (const line of [...count.wrong, ...count.twice]) this.#terms.say(`wrong: ${line}`);
  }

  #line({ asking }: Soak, minute: number, sample: Sample | undefined): string {
    const faults = [...this.#counts.values()].reduce((sum, one) => sum + one, 0);
    const lost = asking.reduce((sum, { count }) => sum + count.lost, 0);
    const wrong = asking.reduce((sum, { count }) => sum + count.wrong.length + count.twice.length, 0);
    const takes =
      sample === undefined
        ? 'nobody serves at this moment'
        : `process ${sample.pid}: ${(sample.rss / MIB).toFixed(1)} MiB, heap ${(sample.heap / MIB).toFixed(1)} MiB, ${sample.descriptors} descriptors`;
    const { passed, failed } = this.#checks;
    return `minute ${minute}: ${this.#answers} answers, lost ${lost}, wrong ${wrong}; ${faults} faults; ${takes}; ${passed} passed, ${failed} failed`;
  }

  async #end({ world, keeper, asking }: Soak): Promise<void> {
    const checks = this.#checks;
    const { hypervisor } = world.host.platform;
    for (const { name, guest, count, extraResets } of asking) {
      const silent = guest.report().refusals.filter(({ status }) => status === 'no answer').length;
      checks.that(count.lost + silent === 0, `${name} lost no request`, count.lost + silent);
      checks.that(count.wrong.length === 0, `${name} got only right answers`, count.wrong.slice(0, 3));
      checks.that(extraResets === 0, `${name}: its device was reset only when it asked for it`, extraResets);
      checks.that(count.twice.length === 0, `${name}: nothing was done twice`, count.twice.slice(0, 3));
      checks.that(guest.report().state === 4, `${name} is still connected`, guest.report().state);
    }
    const { mapped, bound } = hypervisor.ledger();
    const pages = mapped.filter(({ by }) => by === 0).length;
    checks.that(pages === asking.length, 'a page is mapped for each guest that is there', pages);
    const ports = bound.filter(({ domain }) => domain === 0).length;
    checks.that(ports === asking.length, 'a port is bound for each guest that is there', ports);
    type Rows = { readonly rows: readonly { readonly equal: boolean }[] };
    const { rows } = (await keeper.ask('ledger')) as Rows;
    checks.that(
      rows.every(({ equal }) => equal),
      'the ledger is what the host says',
      rows.filter(({ equal }) => !equal),
    );
    const status = await keeper.stop();
    checks.that(status === 0 || status === 'ended', 'the end has status 0', status);
    const after = hypervisor.ledger();
    const held = [
      ...after.mapped.filter(({ by }) => by === 0),
      ...after.bound.filter(({ domain }) => domain === 0),
      ...after.pirqs.filter(({ kind }) => kind !== 'line'),
    ];
    checks.that(held.length === 0, 'nothing is held at the end', held);
    checks.that(after.illegal.length === 0, 'no call breaks an obligation', after.illegal.slice(0, 3));
    checks.that(keeper.unasked.length === 0, 'no process ended by itself', keeper.unasked.slice(0, 3));
  }

  #outcome(asking: readonly AskingGuest[], memory: Memory): SoakOutcome {
    const { passed, failed, failures } = this.#checks;
    const longest = Math.max(0, ...asking.map(({ count }) => count.longest));
    const late = asking.reduce((sum, { count }) => sum + count.late, 0);
    return {
      passed,
      failed,
      samples: memory.samples,
      chart: memoryChart(memory.samples),
      lines: [
        ...asking.flatMap(({ count }) => [...count.wrong, ...count.twice].slice(0, MOST_EXAMPLES)),
        `seed ${this.#terms.seed}, ${this.#terms.minutes} minutes: ${this.#answers} answers to guests that ask without pause`,
        `faults: ${[...this.#counts].map(([name, count]) => `${name} ${count}`).join(', ')}`,
        `longest answer ${longest.toFixed(0)} ms, longer than 2 s ${late}`,
        ...failures,
        `${passed} passed, ${failed} failed`,
      ],
    };
  }
}

/** A journal on a small file system of its own can be full. @returns undoes it; `undefined`: this host allows none */
const mountSmall = (folder: string, say: (line: string) => void): (() => void) | undefined => {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m,mode=0700', 'tmpfs', folder], { stdio: 'pipe' });
  } catch {
    say('no file system can be mounted here: the journal is never full');
    return undefined;
  }
  return () => void execFileSync('umount', ['-l', folder]);
};

export const run = (terms: SoakTerms): Promise<SoakOutcome> => new Run(terms).run();
