// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import type { EventChannel } from '../../../core/platform/index.ts';
import { Command } from '../../../core/ring/layout.ts';
import { countOf, Histogram } from '../../../plugins/histogram.ts';
import { MEASURES, type Measures, Rates } from '../../../plugins/measures.ts';
import { sample } from '../../../plugins/platforms/embedded/index.ts';
import { timedEvents } from '../../../plugins/program/measures.ts';
import { startEmbeddedHost } from '../../kit/embedded-host.ts';
import { createManualClock } from '../../kit/manual-clock.ts';

/** A channel whose events and calls a test makes by hand. */
const world = (isAlone: boolean) => {
  const clock = createManualClock();
  const answers = new Histogram();
  const calls: string[] = [];
  let deliver = (): void => undefined;
  const inner: EventChannel = {
    port: 7,
    notify: () => calls.push('notify'),
    unmask: () => calls.push('unmask'),
    awaitsAnswer: (state) => calls.push(`awaits ${state}`),
    close: () => calls.push('close'),
  };
  const events = timedEvents(
    {
      bindInterdomain: (_domain, _port, listener) => {
        deliver = listener;
        return inner;
      },
    },
    { clock, answers, isAlone },
  );
  let work = (): void => undefined;
  const channel = events.bindInterdomain(1, 2, () => work());
  return {
    clock,
    channel,
    calls,
    count: () => countOf(answers.read()),
    sumMs: () => answers.read().sumMs,
    event: (what: () => void) => {
      work = what;
      deliver();
    },
  };
};

describe('times of requests', () => {
  it('go from an event to the notification, and from one of a burst to the next', () => {
    const { clock, channel, event, count, sumMs } = world(true);
    event(() => {
      clock.advance(3);
      channel.notify();
      clock.advance(2);
      channel.notify();
      channel.unmask();
    });
    expect([count(), sumMs()]).toEqual([2, 5]);
  });

  it('an answer that comes later has its whole time', () => {
    const { clock, channel, event, count, sumMs } = world(true);
    event(() => undefined);
    clock.advance(10);
    channel.notify();
    channel.unmask();
    expect([count(), sumMs()]).toEqual([1, 10]);
  });

  it('a notification without a request at work is none: a question of the host, a resumed guest', () => {
    const { clock, channel, event, count, calls } = world(true);
    channel.notify();
    event(() => channel.unmask());
    clock.advance(50);
    channel.notify();
    expect(count()).toBe(0);
    expect(calls).toEqual(['notify', 'unmask', 'notify']);
  });

  it('beside an answering thread a request ends with its answer, whoever unmasks', () => {
    const { clock, channel, event, count } = world(false);
    event(() => channel.notify());
    clock.advance(50);
    channel.notify();
    expect(count()).toBe(1);
    event(() => undefined);
    clock.advance(200_000);
    channel.notify();
    expect(count()).toBe(1);
  });

  it('everything else reaches the channel', () => {
    const { channel, calls } = world(true);
    channel.awaitsAnswer?.('yes');
    channel.close();
    expect(channel.port).toBe(7);
    expect(calls).toEqual(['awaits yes', 'close']);
  });

  it('each request of a guest is counted once', async () => {
    const nic = sample('e1000e');
    const host = await startEmbeddedHost({ devices: [nic] });
    const guest = await host.guest([nic.bdf], { driver: 'none' });
    await guest.reached(4);
    const measures = host.parts.offers(MEASURES) as Measures;
    const answered = () => Object.values(host.pciback.guests()[0]?.requests ?? {}).reduce((all, one) => all + one, 0);
    expect(countOf(measures.answers())).toBe(answered());
    const before = answered();
    const read = { cmd: Command.confRead, domain: 0, bus: 0, devfn: 0, offset: 0, size: 4 };
    for (let i = 0; i < 25; i++) await guest.request(read);
    expect(answered()).toBe(before + 25);
    expect(countOf(measures.answers())).toBe(before + 25);
    expect(measures.answers().sumMs).toBeGreaterThan(0);
    await host.close();
  });
});

describe('rates', () => {
  it('are those of the latest seconds', () => {
    const rates = new Rates(5);
    expect(rates.list()).toEqual([0, 0, 0]);
    rates.look(0);
    expect(rates.list()).toEqual([0, 0, 0]);
    rates.look(50);
    expect(rates.list()).toEqual([10, 10, 10]);
    for (let i = 0; i < 12; i++) rates.look(50);
    expect(rates.list()).toEqual([0, 0, 50 / 65]);
    for (let i = 1; i <= 1000; i++) rates.look(50 + i);
    expect(rates.list()).toEqual([0.2, 0.2, 0.2]);
  });
});
