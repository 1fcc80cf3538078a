// SPDX-License-Identifier: MIT

import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import type { PartContext } from '../../../plugins/kinds/part.ts';
import { createLoader } from '../../../plugins/native/koffi/index.ts';
import { intervalOf, startNotifying } from '../../../plugins/supervisor/notify-run.ts';
import { openNotifier } from '../../../plugins/supervisor/notify-socket.ts';
import type { SupervisorOffers } from '../../../plugins/supervisor-offers.ts';
import { recordingLog } from '../../kit/embedded-host.ts';
import { build, start } from '../commands/built.ts';
import { makePlaces, rc } from '../commands/places.ts';
import { receiveAt } from './datagrams.ts';

vi.setConfig({ testTimeout: 60_000 });
const place = makePlaces();
const native = await createLoader();

describe('the notification socket', () => {
  it.each(['path', 'abstract'])('takes messages at a name that is %s', (kind) => {
    const name = kind === 'path' ? join(place(), 'notify') : `@pciback-test-${process.pid}`;
    const receiver = receiveAt(native, name);
    const notifier = openNotifier(native, name);
    expect(notifier.tell('READY=1', 'STATUS=2 guests')).toBeUndefined();
    expect(notifier.tell('WATCHDOG=1')).toBeUndefined();
    expect(receiver.messages).toEqual(['READY=1\nSTATUS=2 guests', 'WATCHDOG=1']);
    notifier.close();
    receiver.close();
  });

  it('is opened again when the supervisor has another one at its place, and says when there is none', () => {
    const name = join(place(), 'notify');
    const first = receiveAt(native, name);
    const notifier = openNotifier(native, name);
    first.close();
    rmSync(name);
    const second = receiveAt(native, name);
    expect(notifier.tell('WATCHDOG=1')).toBeUndefined();
    expect(second.messages).toEqual(['WATCHDOG=1']);
    second.close();
    expect(notifier.tell('WATCHDOG=1')).toMatch(/ECONNREFUSED|errno 111/);
    notifier.close();
  });

  it('does not wait for a supervisor that does not read', () => {
    const name = join(place(), 'notify');
    const receiver = receiveAt(native, name);
    const notifier = openNotifier(native, name);
    let refused: string | undefined;
    for (let sent = 0; sent < 100_000 && refused === undefined; sent++) refused = notifier.tell('WATCHDOG=1');
    expect(refused).toMatch(/EAGAIN/);
    notifier.close();
    receiver.close();
  });

  it.each(['', 'relative', `/${'x'.repeat(108)}`])('refuses the name "%s"', (name) => {
    expect(() => openNotifier(native, name)).toThrow(/expected a path/);
  });

  it('refuses a name at which nobody listens', () => {
    expect(() => openNotifier(native, join(place(), 'nobody'))).toThrow(/^connect: ENOENT/);
  });
});

describe('the time between two signs of life', () => {
  it.each([
    [{}, undefined],
    [{ WATCHDOG_USEC: '30000000' }, 10_000],
    [{ WATCHDOG_USEC: '30000000', WATCHDOG_PID: '7' }, 10_000],
    [{ WATCHDOG_USEC: '30000000', WATCHDOG_PID: '8' }, undefined],
    [{ WATCHDOG_USEC: '0' }, undefined],
    [{ WATCHDOG_USEC: 'soon' }, undefined],
  ])('of %j is %j ms', (environment, expected) => {
    expect(intervalOf(environment, 7)).toBe(expected);
  });
});

/** A context with an answering thread that runs, or does not. */
const contextWith = (runs: () => boolean) => {
  const { log, lines } = recordingLog();
  let wakes = 0;
  const answerer = {
    report: () => ({ wakes, found: 0, inVain: 0, watchedMs: 0 }),
    wake: () => {
      if (runs()) wakes++;
    },
  };
  const engine = {
    platform: { answerer },
    plugins: { registries: { natives: { names: ['koffi'], get: () => createLoader } } },
    guests: () => [{}, {}],
    ledger: () => ({ assigned: 1 }),
    stub: { devices: [{}, {}, {}] },
  };
  return { context: { engine, log, part: () => undefined } as unknown as PartContext, lines };
};

describe('signs of life', () => {
  it('stop when the answering thread stops, and come again when it runs again', async () => {
    const name = join(place(), 'notify');
    const receiver = receiveAt(native, name);
    let runs = true;
    const { context, lines } = contextWith(() => runs);
    const part = await startNotifying(context, name, { WATCHDOG_USEC: '60000' });
    const status = 'STATUS=2 guests, 1 of 3 devices given to them';
    expect(receiver.messages).toEqual([`READY=1\nMAINPID=${process.pid}\n${status}\nWATCHDOG=1`]);
    await receiver.received('WATCHDOG=1', 3);
    runs = false;
    await receiver.received('STATUS=the thread that answers guests does not run', 2);
    const signs = () => receiver.messages.filter((one) => one.startsWith('WATCHDOG=1')).length;
    const before = signs();
    await receiver.received('STATUS=the thread that answers guests does not run', 5);
    expect(signs()).toBe(before);
    expect(lines.map(({ level, facts }) => [level, facts.code])).toEqual([['error', 'GUESTS_UNHEARD']]);
    runs = true;
    await receiver.received('WATCHDOG=1', before + 2);
    await part.stop?.();
    expect(receiver.messages.at(-1)).toBe('STOPPING=1\nSTATUS=guests are asked to let go');
    receiver.close();
  });

  it.each([
    ['none', 'STOPPING=1\nSTATUS=guests are asked to let go'],
    ['starting', 'STOPPING=1\nSTATUS=guests are asked to let go'],
    ['leaving', 'STATUS=process 77 goes on with the guests'],
    ['refused', 'STOPPING=1\nSTATUS=guests are asked to let go'],
  ])('end, with a hand-over that is "%s", with what becomes of the guests', async (state, expected) => {
    const name = join(place(), 'notify');
    const receiver = receiveAt(native, name);
    const { context } = contextWith(() => true);
    const handOver = { state: { state, pid: 77 } };
    const part = await startNotifying({ ...context, part: () => handOver }, name, {});
    await part.stop?.();
    expect(receiver.messages.at(-1)).toBe(expected);
    receiver.close();
  });

  it('say when the configuration is read again', async () => {
    const name = join(place(), 'notify');
    const receiver = receiveAt(native, name);
    const part = await startNotifying(contextWith(() => true).context, name, {});
    const offers = part.offers as SupervisorOffers;
    await expect(offers.reloading(() => Promise.reject(new Error('refused')))).rejects.toThrow('refused');
    expect(receiver.messages[1]).toMatch(/^RELOADING=1\nMONOTONIC_USEC=\d+$/);
    expect(receiver.messages[2]).toBe('READY=1');
    await part.stop?.();
    receiver.close();
  });
});

describe('a supervisor that does not read for a while', () => {
  /** Its socket is full, as after signs of life that nobody took. */
  const full = () => {
    const name = join(place(), 'notify');
    const receiver = receiveAt(native, name);
    let taken = 0;
    // Where net.unix.max_dgram_qlen is large, each sender's own limit comes first.
    for (let before = -1; before !== taken; ) {
      before = taken;
      const other = openNotifier(native, name);
      while (other.tell('STATUS=earlier') === undefined) taken++;
      other.close();
    }
    return { name, receiver, taken };
  };

  it('hears who serves, once and before all else, as soon as it reads', async () => {
    const { name, receiver, taken } = full();
    const { context, lines } = contextWith(() => true);
    const part = await startNotifying(context, name, { WATCHDOG_USEC: '60000' });
    await pause(300);
    expect(lines.map(({ message }) => message)).toEqual(['the supervisor cannot be told']);
    await receiver.received(`MAINPID=${process.pid}`);
    await receiver.received('WATCHDOG=1', 3);
    const heard = receiver.messages.slice(taken);
    expect(heard[0]).toMatch(/^READY=1\n/);
    expect(heard.filter((one) => one.includes('MAINPID')).length).toBe(1);
    await part.stop?.();
    receiver.close();
  });

  it('hears of a reload and of its end in this order', async () => {
    const { name, receiver, taken } = full();
    const part = await startNotifying(contextWith(() => true).context, name, {});
    await (part.offers as SupervisorOffers).reloading(() => Promise.resolve());
    await receiver.received(`MAINPID=${process.pid}`);
    await receiver.received('READY=1', 2);
    const firsts = receiver.messages.slice(taken).map((one) => one.split('\n')[0]);
    expect(firsts).toEqual(['READY=1', 'RELOADING=1', 'READY=1']);
    await part.stop?.();
    receiver.close();
  });

  it('is waited for at the end, a second at most', async () => {
    const { name, receiver, taken } = full();
    const [first, second] = [contextWith(() => true), contextWith(() => true)];
    const patient = await startNotifying(first.context, name, {});
    const stopping = patient.stop?.();
    await receiver.received('STOPPING=1');
    await stopping;
    expect(receiver.messages.slice(taken).at(-1)).toBe('STOPPING=1\nSTATUS=guests are asked to let go');
    receiver.close();
    const silent = full();
    const part = await startNotifying(second.context, silent.name, {});
    await part.stop?.();
    expect(silent.receiver.messages.join()).not.toContain('STOPPING=1');
    silent.receiver.close();
  });

  it('is told of the last sixteen things and of who serves, when it has not read for long', async () => {
    const { name, receiver, taken } = full();
    const part = await startNotifying(contextWith(() => true).context, name, {});
    const { reloading } = part.offers as SupervisorOffers;
    for (let i = 0; i < 50; i++) await reloading(() => Promise.resolve());
    await receiver.received(`MAINPID=${process.pid}`);
    await receiver.received('READY=1', 8);
    await pause(300);
    expect(receiver.messages.length - taken).toBe(16);
    await part.stop?.();
    receiver.close();
  });
});

describe('a process with a supervisor', () => {
  beforeAll(build, 180_000);

  it('says that it is ready, that it lives, and that it stops', async () => {
    const home = place(rc({ embedded: { devices: ['samples'] }, control: './control.sock' }));
    const name = join(home, 'notify');
    const receiver = receiveAt(native, name);
    const serving = start(['serve'], home, undefined, { NOTIFY_SOCKET: name, WATCHDOG_USEC: '600000' });
    await receiver.received('READY=1');
    await receiver.received('WATCHDOG=1', 3);
    serving.signal('SIGTERM');
    await receiver.received('STOPPING=1');
    const { status, err } = await serving.end;
    expect({ status, err }).toEqual({ status: 0, err: '' });
    receiver.close();
  });

  it('starts without one, and says nothing to nobody', async () => {
    const home = place(rc({ embedded: { devices: ['samples'] }, control: false }));
    const serving = start(['serve'], home, undefined, { NOTIFY_SOCKET: '' });
    await serving.printed('included guest is up');
    serving.signal('SIGTERM');
    expect((await serving.end).status).toBe(0);
  });
});
