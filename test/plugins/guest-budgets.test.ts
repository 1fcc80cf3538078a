// SPDX-License-Identifier: MIT

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Command } from '../../core/ring/layout.ts';
import { guestBudgets } from '../../plugins/guest-budgets.ts';
import { sample } from '../../plugins/platforms/embedded/sources.ts';
import { type EmbeddedHost, type LogLine, recordingLog, startEmbeddedHost } from '../kit/embedded-host.ts';
import { createManualClock, type ManualClock } from '../kit/manual-clock.ts';
import { until } from '../kit/until.ts';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const count = (lines: readonly LogLine[], level: string): number =>
  lines.filter((line) => line.level === level && line.message !== 'more lines left out').length;
const more = (lines: readonly LogLine[]): number =>
  lines.reduce((sum, { facts }) => sum + (typeof facts.more === 'number' ? facts.more : 0), 0);

describe('the log of a guest', () => {
  it('has a limit for each level, and says how many lines it left out', () => {
    const { log, lines } = recordingLog();
    const clock = createManualClock();
    const { log: mine } = guestBudgets(log, clock).of(7);
    for (let i = 0; i < 1000; i++) {
      mine.info({ i }, 'guest state');
      mine.warn({ i }, 'interrupt request refused');
    }
    expect([count(lines, 'info'), count(lines, 'warn'), more(lines)]).toEqual([200, 10, 0]);
    expect(lines[0]).toEqual({ level: 'info', message: 'guest state', facts: { guest: 7, i: 0 } });
    clock.advance(5000);
    expect(lines.slice(210)).toEqual([
      { level: 'info', message: 'more lines left out', facts: { guest: 7, more: 800 } },
      { level: 'warn', message: 'more lines left out', facts: { guest: 7, more: 990 } },
    ]);
    mine.error({}, 'guest failed');
    expect(lines.at(-1)?.facts).toEqual({ guest: 7 });
    expect(clock.pending()).toBe(0);
  });

  it('says at its end what it left out, and leaves no timer', () => {
    const { log, lines } = recordingLog();
    const clock = createManualClock();
    const budget = guestBudgets(log, clock).of(7);
    for (let i = 0; i < 12; i++) budget.log.warn({}, 'interrupt request refused');
    budget.close();
    expect(more(lines)).toBe(2);
    expect(clock.pending()).toBe(0);
  });

  it('leaves one timer for all guests that are gone, whose last lines are counted together', () => {
    const { log, lines } = recordingLog();
    const clock = createManualClock();
    const budgets = guestBudgets(log, clock);
    for (let domain = 1; domain <= 2000; domain++) {
      const budget = budgets.of(domain);
      budget.close();
      budget.log.info({}, 'released');
    }
    expect(lines).toHaveLength(1000);
    expect(clock.pending()).toBe(1);
    clock.advance(5000);
    expect(lines.slice(1000)).toEqual([
      { level: 'info', message: 'more lines left out of guests that are gone', facts: { more: 1000 } },
    ]);
    expect(clock.pending()).toBe(0);
  });

  it('shares a limit with the logs of all others', () => {
    const { log, lines } = recordingLog();
    const clock = createManualClock();
    const budgets = guestBudgets(log, clock);
    const all = Array.from({ length: 256 }, (_, domain) => budgets.of(domain).log);
    for (let i = 0; i < 300; i++) for (const one of all) one.info({}, 'guest state');
    expect(lines).toHaveLength(1000);
    clock.advance(60_000);
    // 50 lines a second at most, and each of the others was counted under its guest.
    expect(lines.length).toBeLessThanOrEqual(1000 + 60 * 50);
    expect(1000 + more(lines)).toBe(256 * 300);
    expect(clock.pending()).toBe(0);
  });
});

describe('what a guest forces', () => {
  it('is free at first, waits longer and longer, and is free again after a quiet time', async () => {
    const clock = createManualClock();
    const budget = guestBudgets(recordingLog().log, clock).of(7);
    const waits: number[] = [];
    const reset = async (): Promise<void> => {
      const begun = clock.now();
      let done = false;
      const resets = budget.takesReset().then(() => {
        done = true;
      });
      await turn();
      while (!done) {
        clock.advance(1);
        await turn();
      }
      await resets;
      waits.push(clock.now() - begun);
    };
    for (let i = 0; i < 45; i++) await reset();
    expect(waits.slice(0, 32).every((wait) => wait === 0)).toBe(true);
    expect(waits[33]).toBeGreaterThan(0);
    expect(Math.max(...waits)).toBeGreaterThan(900);
    expect(Math.max(...waits)).toBeLessThanOrEqual(1000);
    clock.advance(60_000);
    waits.length = 0;
    for (let i = 0; i < 10; i++) await reset();
    expect(Math.max(...waits)).toBe(0);
  });

  it('counts states of its front end: one that came too soon later, whatever it is by then', () => {
    const clock = createManualClock();
    const budget = guestBudgets(recordingLog().log, clock).of(7);
    let again = 0;
    const takes = (): boolean => budget.takesState(() => void again++);
    for (let i = 0; i < 32; i++) expect(takes()).toBe(true);
    expect([takes(), takes(), clock.pending()]).toEqual([false, false, 1]);
    clock.advance(5000);
    expect(again).toBe(1);
    expect(takes()).toBe(true);
    budget.close();
    expect(clock.pending()).toBe(0);
  });

  it('counts what is as much as several at once', () => {
    const clock = createManualClock();
    const budget = guestBudgets(recordingLog().log, clock).of(7);
    for (let i = 0; i < 8; i++) expect(budget.takesState(() => undefined, 4)).toBe(true);
    expect(budget.takesState(() => undefined, 4)).toBe(false);
    budget.close();
  });

  it('waits longer while many guests force it, but not for a guest that is calm', async () => {
    const clock = createManualClock();
    const budgets = guestBudgets(recordingLog().log, clock);
    const noisy = Array.from({ length: 256 }, (_, domain) => budgets.of(domain));
    let taken = 0;
    for (let i = 0; i < 20; i++) for (const one of noisy) if (one.takesState(() => undefined)) taken++;
    // Six each are free, and some more for all of them.
    expect(taken).toBeGreaterThanOrEqual(256 * 6);
    expect(taken).toBeLessThan(256 * 6 + 100);
    const calm = budgets.of(1000);
    for (let i = 0; i < 6; i++) expect(calm.takesState(() => undefined)).toBe(true);
    for (const one of [...noisy, calm]) one.close();
    expect(clock.pending()).toBe(0);
  });

  it('is looked at twenty times a second at most while a change waits, and at once otherwise', () => {
    const clock = createManualClock();
    const budget = guestBudgets(recordingLog().log, clock).of(7);
    let looks = 0;
    const look = budget.paced(() => void looks++);
    for (let i = 0; i < 32; i++) {
      look();
      budget.takesState(() => undefined);
    }
    expect(looks).toBe(32);
    while (budget.takesState(() => undefined)) clock.advance(0);
    const begun = clock.now();
    for (let i = 0; i < 100; i++) {
      look();
      clock.advance(0.01);
    }
    expect(looks).toBe(32);
    clock.advance(50);
    expect([looks, clock.now() - begun]).toEqual([33, 51]);
    budget.close();
  });
});

let host: EmbeddedHost | undefined;
let clock: ManualClock;
beforeEach(() => {
  clock = createManualClock();
});
afterEach(async () => {
  if (host !== undefined) await play(clock, host.close());
  host = undefined;
});

/** What a guest can do to make its host talk or work, and how often it did. */
const provocations: Readonly<Record<string, (guest: Hostile) => Promise<void>>> = {
  'toggles its state between 4 and 8': async ({ set }) => {
    for (let i = 0; i < 2000; i++) await set(i % 2 === 0 ? '8' : '4');
  },
  'closes and comes back': async ({ set }) => {
    for (let i = 0; i < 600; i++) for (const state of ['6', '1', '3']) await set(state);
  },
  'comes back with another page that is none': async ({ set, key }) => {
    for (let i = 0; i < 600; i++) {
      await key('pci-op-ref', String(4000 + i));
      for (const state of ['6', '1', '3']) await set(state);
    }
  },
  'asks for resets': async ({ write, express }) => {
    for (let i = 0; i < 400; i++) await write(express + 8, 2, 0x8000);
  },
  'changes power states': async ({ write, power }) => {
    for (let i = 0; i < 400; i++) await write(power + 4, 2, i % 2 === 0 ? 3 : 0);
  },
  'writes what it may not': async ({ write }) => {
    for (let i = 0; i < 2000; i++) await write((i * 4) % 256, 4, 0xffff_ffff ^ i);
  },
  'asks for interrupts that its device has not': async ({ send }) => {
    for (let i = 0; i < 2000; i++) await send(Command.enableMsix, 0, 4, 4096);
  },
  'sends commands that do not exist': async ({ send }) => {
    for (let i = 0; i < 2000; i++) await send(100 + i, 0, 4, 0);
  },
};

interface Hostile {
  readonly power: number;
  readonly express: number;
  /** Writes the state of the front end. */
  set(state: string): Promise<void>;
  key(name: string, value: string): Promise<void>;
  write(offset: number, size: number, value: number): Promise<void>;
  send(cmd: number, offset: number, size: number, value: number): Promise<void>;
}

/** Lets time go on until the work ends. */
const play = async (clock: ManualClock, work: Promise<unknown>): Promise<void> => {
  let ended = false;
  void work.finally(() => {
    ended = true;
  });
  while (!ended) {
    for (let i = 0; i < 4; i++) await turn();
    clock.advance(10);
  }
  await work;
};

describe('lines that one guest causes when it', () => {
  it.each(Object.keys(provocations))('%s', { timeout: 60_000 }, async (kind) => {
    const image = sample('igb');
    const world = await startEmbeddedHost({ devices: [image], clock, config: { shutdownSeconds: 0 } });
    host = world;
    const guest = await world.guest([image.bdf], { driver: 'none' });
    await guest.reached(4);
    const front = `/local/domain/${guest.domain}/device/pci/0`;
    const model = world.platform.pci.model(image.bdf);
    const send: Hostile['send'] = async (cmd, offset, size, value) => {
      await guest.request({ cmd, domain: 0, bus: 0, devfn: 0, offset, size, value });
    };
    const hostile: Hostile = {
      power: model.capability(0x01) ?? 0,
      express: model.capability(0x10) ?? 0,
      set: async (state) => {
        await world.platform.xenstore.write(`${front}/state`, state);
        await turn();
      },
      key: (name, value) => world.platform.xenstore.write(`${front}/${name}`, value),
      write: (offset, size, value) => send(Command.confWrite, offset, size, value),
      send,
    };
    const before = world.lines.length;
    const begun = clock.now();
    await play(clock, provocations[kind]?.(hostile) ?? Promise.resolve());
    const seconds = (clock.now() - begun) / 1000;
    const lines = world.lines.slice(before);
    // What is free at once, and what flows in the long run.
    expect(count(lines, 'info')).toBeLessThanOrEqual(200 + 2 * seconds);
    // At level debug each refused write is a line of the trace, which has limits of its own.
    expect(count(lines, 'debug')).toBeLessThanOrEqual(500 + 100 * seconds);
    for (const level of ['warn', 'error']) expect(count(lines, level), level).toBeLessThanOrEqual(10 + 2 * seconds);
    const said = lines.map(({ message }) => message);
    for (const { facts } of lines) expect(facts.guest).toBe(guest.domain);
    process.stdout.write(`${kind}: ${said.length} lines in ${seconds} s, ${more(lines)} more\n`);
    await play(clock, world.pciback.stop());
    if (kind.startsWith('changes') || kind.startsWith('sends')) return;
    expect(said.length).toBeGreaterThan(0);
  });
});

describe('a guest that toggles its state', () => {
  it('is attached and reset about once a second, and is served again when it is quiet', {
    timeout: 60_000,
  }, async () => {
    const image = sample('igb');
    const world = await startEmbeddedHost({ devices: [image], clock, config: { shutdownSeconds: 0 } });
    host = world;
    const guest = await world.guest([image.bdf], { driver: 'none' });
    await guest.reached(4);
    let attached = 0;
    let returned = 0;
    world.plugins.hooks.point('guestConnected').tap('test', {}, () => void attached++);
    world.plugins.hooks.point('deviceReturned').tap('test', {}, () => void returned++);
    const front = `/local/domain/${guest.domain}/device/pci/0/state`;
    const begun = clock.now();
    const toggles = async (): Promise<void> => {
      for (let i = 0; i < 3000; i++) {
        await world.platform.xenstore.write(front, String([6, 1, 3][i % 3]));
        await turn();
      }
    };
    await play(clock, toggles());
    const seconds = (clock.now() - begun) / 1000;
    expect(attached).toBeGreaterThan(5);
    expect(attached).toBeLessThan(16 + seconds);
    expect(returned).toBeLessThan(17 + seconds);
    clock.advance(10_000);
    await until('connected again', async () => {
      clock.advance(10);
      return (await world.platform.xenstore.read(`/local/domain/0/backend/pci/${guest.domain}/0/state`)) === '4';
    });
  });

  it('does not delay the toolstack’s hot plug, nor its end', async () => {
    const [nic, other] = [sample('igb'), sample('e1000e')];
    const world = await startEmbeddedHost({ devices: [nic, other], clock, config: { shutdownSeconds: 0 } });
    host = world;
    const guest = await world.guest([nic.bdf], { driver: 'none' });
    await guest.reached(4);
    await world.pciback.stub.seize(other.bdf);
    for (let i = 0; i < 40; i++) {
      await world.platform.toolstack.attach(guest.domain, other.bdf);
      await guest.reached(4);
      await world.platform.toolstack.detach(guest.domain, other.bdf);
      await guest.reached(4);
    }
    await world.platform.toolstack.destroy(guest.domain);
    expect(clock.now()).toBe(0);
  });
});

describe('errors in the store', () => {
  it('go with their guest, and the folder of its domain with them', async () => {
    const image = sample('igb');
    const world = await startEmbeddedHost({ devices: [image], config: { shutdownSeconds: 0 } });
    host = world;
    await world.pciback.stub.seize(image.bdf);
    const domain = await world.platform.toolstack.create({ devices: [image.bdf] });
    const { xenstore } = world.platform;
    const note = `/local/domain/0/error/backend/pci/${domain}`;
    await xenstore.write(`/local/domain/${domain}/device/pci/0/state`, '3');
    await until('an error', async () => (await xenstore.read(`${note}/0/error`)) !== undefined);
    await xenstore.remove(`/local/domain/0/backend/pci/${domain}`);
    await until('gone', async () => (await xenstore.list(note)) === undefined);
    expect(await xenstore.list('/local/domain/0/error/backend/pci')).toEqual([]);
  });
});

describe('what works for a guest', () => {
  it('has no log but its guest’s at hand', () => {
    const root = join(import.meta.dirname, '../..');
    const files = [
      ...['guest-backend', 'exports', 'connection', 'guest-slots'].map((name) => `core/xenbus/${name}.ts`),
      ...['assignment', 'assigner', 'interrupt-driver', 'host-operations'].map((name) => `core/stub/${name}.ts`),
      ...['core/dispatcher', 'core/space', 'core/ring', 'plugins/interrupts', 'plugins/lane'].flatMap((folder) =>
        readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
          .filter((file) => file.endsWith('.ts'))
          .map((file) => `${folder}/${file}`),
      ),
      'plugins/recovery/fence.ts',
    ];
    expect(files.length).toBeGreaterThan(50);
    const unlimited = files.filter((file) =>
      /core\/log\.ts|\.\.\/log\.ts|\bLogger\b/.test(readFileSync(join(root, file), 'utf8')),
    );
    expect(unlimited).toEqual([]);
  });
});
