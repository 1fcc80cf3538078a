// SPDX-License-Identifier: MIT

import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { parseBdf } from '../../../core/bdf.ts';
import type { Logger } from '../../../core/log.ts';
import { silent } from '../../../core/log.ts';
import { HostError } from '../../../core/platform/index.ts';
import { type Place, systemClock, takeStray, Wall, within } from '../../../core/wall/wall.ts';
import { fail } from '../../../plugins/errors.ts';
import { createManualClock } from '../../kit/manual-clock.ts';

const place: Place = { plugin: 'acme/all', what: 'hook x', device: parseBdf('03:00.0'), guest: 4, offset: 0x40 };

const make = () => {
  const lines: Readonly<Record<string, unknown>>[] = [];
  const log: Logger = { ...silent, error: (facts) => void lines.push(facts as Record<string, unknown>) };
  const clock = createManualClock();
  const wall = new Wall(log);
  wall.useClock(clock);
  return { wall, lines, clock };
};

describe('the wall', () => {
  it('names plugin, what, device, guest and offset, once', () => {
    const { wall, lines } = make();
    const explode = () =>
      wall.run(place, () => {
        throw new Error('no');
      });
    expect(explode).toThrow('plugin acme/all failed in hook x for 0000:03:00.0, domain 4, offset 0x40: no');
    expect(lines).toHaveLength(1);
    // Through two places, an inner and an outer one: it is the inner one's.
    expect(() => wall.run({ plugin: 'other', what: 'y' }, explode)).toThrow('plugin acme/all failed in hook x');
    expect([wall.usage('acme/all').faults, wall.usage('other').faults]).toEqual([2, 0]);
  });

  it.each([undefined, null, 7, 'text', Object.create(null)])('takes anything that is thrown: %s', (thrown) => {
    const { wall } = make();
    expect(() =>
      wall.run(place, () => {
        throw thrown;
      }),
    ).toThrow(expect.objectContaining({ code: 'PLUGIN_FAULT' }));
  });

  it('passes on what a place may refuse with, and nothing else', () => {
    const { wall, lines } = make();
    const full = () =>
      wall.run({ ...place, refusals: ['USAGE', 'HOST'] }, () => fail('USAGE', { what: 'x', nearest: '' }));
    expect(full).toThrow(expect.objectContaining({ code: 'USAGE' }));
    const gone = () => {
      throw new HostError('read', 5);
    };
    expect(() => wall.run({ ...place, refusals: ['HOST'] }, gone)).toThrow(HostError);
    expect(lines).toEqual([]);
    expect(() => wall.run(place, gone)).toThrow(expect.objectContaining({ code: 'PLUGIN_FAULT' }));
    expect(() => wall.run(place, () => fail('USAGE', { what: 'x', nearest: '' }))).toThrow(
      expect.objectContaining({ code: 'PLUGIN_FAULT' }),
    );
  });

  it('checks the shape of an answer, also of one that comes later', async () => {
    const { wall } = make();
    const shape = { expected: 'a number', fits: (answer: unknown) => typeof answer === 'number' };
    expect(wall.run(place, () => 5, shape)).toBe(5);
    expect(() => wall.run(place, () => '5', shape)).toThrow('it answers "5", and has to answer a number');
    expect(() => wall.run(place, () => ({}), shape)).toThrow('it answers an object of another shape');
    expect(await wall.wait(place, 10, () => Promise.resolve(5), shape)).toBe(5);
    await expect(wall.wait(place, 10, () => Promise.resolve('5'), shape)).rejects.toThrow('it answers "5"');
  });

  it('refuses a promise where none is waited for, whatever becomes of it', async () => {
    const { wall } = make();
    const work = () => Promise.reject(new Error('no'));
    expect(() => wall.run(place, work)).toThrow('it answers a promise, and has to answer at once');
    expect(() => wall.refuse(place, work(), 'an integer')).toThrow('a promise, and has to answer an integer');
    // Would be an unhandled rejection.
    await new Promise((resolve) => setImmediate(resolve));
    expect(wall.usage('acme/all').faults).toBe(2);
  });

  it('waits until the deadline, on the platform’s clock, and no timer is left', async () => {
    const { wall, clock } = make();
    const late = wall.wait(place, 1000, () => new Promise(() => undefined));
    expect(clock.pending()).toBe(1);
    clock.advance(999);
    expect(wall.usage('acme/all').faults).toBe(0);
    clock.advance(1);
    await expect(late).rejects.toThrow('no answer within 1 s');
    await wall.wait(place, 1000, async () => undefined);
    await wall.wait(place, 1000, () => undefined);
    expect(clock.pending()).toBe(0);
  });

  it('does not look at what comes after the deadline', async () => {
    const { wall, clock } = make();
    let reject = (_error: Error): void => {};
    const late = wall.wait(
      place,
      5,
      () =>
        new Promise<void>((_resolve, end) => {
          reject = end;
        }),
    );
    clock.advance(5);
    await expect(late).rejects.toThrow('no answer');
    // Would be an unhandled rejection.
    reject(new Error('too late'));
    await new Promise((resolve) => setImmediate(resolve));
    expect(wall.usage('acme/all').faults).toBe(1);
  });

  it('tells and goes on', async () => {
    const { wall } = make();
    wall.tell(place, () => {
      throw new Error('no');
    });
    wall.tell(place, () => Promise.reject(new Error('no')));
    wall.tell(place, () => 5);
    await new Promise((resolve) => setImmediate(resolve));
    expect(wall.usage('acme/all').faults).toBe(2);
  });

  it('logs each plugin at a limited rate, and says how many more there were', () => {
    const { wall, lines, clock } = make();
    for (let i = 0; i < 300; i++) wall.tell(place, () => fail('USAGE', { what: 'x', nearest: '' }));
    expect(lines).toHaveLength(10);
    wall.tell({ ...place, plugin: 'other' }, () => fail('USAGE', { what: 'x', nearest: '' }));
    expect(lines).toHaveLength(11);
    clock.advance(5000);
    wall.tell(place, () => fail('USAGE', { what: 'x', nearest: '' }));
    expect(lines.at(-1)).toMatchObject({ plugin: 'acme/all', code: 'PLUGIN_FAULT', more: 290 });
    expect(wall.usage('acme/all').faults).toBe(301);
  });

  it('measures what runs, not what is waited for', async () => {
    const { wall } = make();
    let now = 0;
    const later = vi.spyOn(performance, 'now').mockImplementation(() => now);
    onTestFinished(() => later.mockRestore());
    wall.run(place, () => {
      now += 5;
    });
    wall.useClock({ now: () => now, after: () => () => undefined });
    await wall.wait(place, 1000, async () => {
      now += 1;
      await Promise.resolve();
      now += 40;
    });
    expect(wall.usage('acme/all').ms).toBe(6);
    expect(wall.usage('nobody')).toEqual({ faults: 0, ms: 0 });
  });

  it('knows whose a timer is, and that one is nobody’s', async () => {
    const { wall, lines } = make();
    const found: boolean[] = [];
    const look = () => found.push(takeStray(new Error('late')));
    await new Promise<void>((resolve) => {
      wall.run(place, () => {
        setTimeout(() => {
          look();
          resolve();
        }, 1);
      });
    });
    look();
    expect(found).toEqual([true, false]);
    expect(lines[0]?.why).toMatch(/acme\/all failed in a timer or promise begun in hook x .*: late/);
  });
});

describe('a deadline', () => {
  // Stopped by a signal, suspended with its host, or held up by a plugin: afterwards all timers are due, and the answer comes later.
  it('does not count a time in which this process stood still', async () => {
    const answered = (async () => {
      await new Promise((resolve) => setImmediate(resolve));
      await new Promise((resolve) => setTimeout(resolve, 20));
      return 'reset';
    })();
    const begun = within(systemClock, 1000, answered);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1100);
    expect(await begun).toBe('reset');
  });

  it('is over at its time for work that goes on', async () => {
    const clock = createManualClock();
    const begun = within(clock, 1000, new Promise(() => undefined));
    const failed = expect(begun).rejects.toThrow('no answer within 1 s');
    clock.advance(999);
    expect(clock.pending()).toBe(1);
    clock.advance(1);
    await failed;
    expect(clock.pending()).toBe(0);
  });
});
