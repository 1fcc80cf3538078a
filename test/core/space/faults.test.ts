// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import { Errno, HostError } from '../../../core/platform/index.ts';
import { Status } from '../../../core/ring/layout.ts';
import type { Behaviour } from '../../../core/space/behaviour.ts';
import { compileSpace } from '../../../core/space/compile.ts';
import { ConfigSpace } from '../../../core/space/config-space.ts';
import { type FieldSet, header, type Register, register } from '../../../core/space/declaration.ts';
import { Outcome } from '../../../core/space/outcome.ts';
import type { Refusal } from '../../../core/space/refusal.ts';
import { FakeDevice, FakeFunction } from '../../kit/fake-function.ts';
import { silentWall } from '../../kit/silent-wall.ts';

const PLACE = 0x40;
const NEXT = 0x44;

/** What code of a plugin may do instead of its work. */
const faults: Readonly<Record<string, () => never>> = {
  'throws an Error': () => {
    throw new Error('boom');
  },
  'throws a text': () => {
    throw 'boom';
  },
  'throws undefined': () => {
    throw undefined;
  },
  'answers a promise that rejects': () => Promise.reject(new Error('boom')) as never,
};
/** Answers that are none. */
const nonsense: Readonly<Record<string, () => never>> = {
  'answers NaN': () => Number.NaN as never,
  'answers a text': () => 'yes' as never,
  'answers undefined': () => undefined as never,
  'answers null': () => null as never,
  'answers an object': () => ({}) as never,
};
const all = Object.entries({ ...faults, ...nonsense });

const world = (fields: FieldSet) => {
  const device = new FakeDevice(new FakeFunction({ image: [[NEXT, 4, 0x12345678]] }));
  const failed: unknown[] = [];
  const denied: Refusal[] = [];
  const table = compileSpace(device, [{ owner: 'a/plugin', set: fields }], {
    wall: silentWall(),
    unhandled: 'drop',
    skipped: () => undefined,
  });
  const space = new ConfigSpace(device.hardware, table, {
    failed: (_offset, error) => failed.push(error),
    denied: (refusal) => denied.push({ ...refusal, owner: refusal.owner }),
  });
  return { space, failed, denied };
};

const set = (...registers: Register[]): FieldSet =>
  header('a set', [0], [register(NEXT, 32, 'beside').readOnly(), ...registers]);
const withBehaviour = (behaviour: Behaviour): FieldSet => set(register(PLACE, 32, 'a register').calls(behaviour));

const fault = (what: string) => ({
  code: 'PLUGIN_FAULT',
  facts: { plugin: 'a/plugin', what, place: '0000:03:00.0, offset 0x40' },
});

/** The rest of the device is as it was. */
const expectTheRest = ({ space }: ReturnType<typeof world>): void => {
  expect([space.read(NEXT, 4), space.value]).toEqual([Status.success, 0x12345678]);
};

describe('a behaviour that fails costs the access, and names its plugin', () => {
  it.each(all)('read: %s', (_, read) => {
    const one = world(withBehaviour({ read }));
    expect([one.space.read(PLACE, 4), one.space.value]).toEqual([Status.opFailed, 0]);
    expect(one.failed).toEqual([expect.objectContaining({ code: 'PLUGIN_FAULT' })]);
    expect(one.failed[0]).toMatchObject(fault('read of a set / a register'));
    expectTheRest(one);
  });

  it.each(all)('read of a steady register: %s', (_, read) => {
    const one = world(withBehaviour({ read, steady: true }));
    expect([one.space.read(PLACE, 4), one.space.value]).toEqual([Status.opFailed, 0]);
    expect(one.failed[0]).toMatchObject(fault('read of a set / a register'));
    expectTheRest(one);
  });

  const outcomes: [string, () => never][] = [12345, Outcome.needsCode, -6, 0.5, Number.POSITIVE_INFINITY].map(
    (answer) => [`answers ${answer}`, () => answer as never],
  );
  it.each([...all, ...outcomes])('write: %s', (_, write) => {
    const one = world(withBehaviour({ write }));
    expect(one.space.write(PLACE, 4, 1)).toBe(Status.opFailed);
    expect(one.failed[0]).toMatchObject(fault('write of a set / a register'));
    expectTheRest(one);
  });

  it.each([Status.success, Status.accessDenied, Status.opFailed, Outcome.later])('write: may answer %d', (answer) => {
    const one = world(withBehaviour({ write: () => answer }));
    expect([one.space.write(PLACE, 4, 1), one.failed]).toEqual([answer, []]);
  });

  it.each(Object.entries(faults))('close: %s', (_, close) => {
    const gated = { kind: 'gated', own: 0, open: 1, closing: 2, free: 0, gate: 1, blockers: 0, through: 0, real: 0 };
    const described = gated as NonNullable<Behaviour['described']>;
    const attach: Behaviour['attach'] = ({ words }) => void words.fill(1);
    const one = world(withBehaviour({ words: 3, described, attach, close }));
    expect(one.space.closeGates()).toBe(true);
    expect(one.failed[0]).toMatchObject(fault('close of a set / a register'));
    expect(one.space.closeGates()).toBe(false);
    expectTheRest(one);
  });

  it.each([...Object.entries(faults), ['answers another kind', () => ({ kind: 'inert' }) as never] as const])(
    'describedNow: %s',
    (_, describedNow) => {
      const one = world(withBehaviour({ described: { kind: 'refused', why: 'a test' }, describedNow }));
      expect(one.space.deviceView?.described[PLACE >> 2]).toBeNull();
      expect(one.failed[0]).toMatchObject(fault('describedNow of a set / a register'));
      expectTheRest(one);
    },
  );

  it('what the host refuses is nobody’s fault: it is passed on as it is', () => {
    const refused = new HostError('no answer', Errno.EIO);
    const one = world(
      withBehaviour({
        read: () => {
          throw refused;
        },
      }),
    );
    expect(one.space.read(PLACE, 4)).toBe(Status.opFailed);
    expect(one.failed).toEqual([refused]);
  });
});

describe('what fails while a table is made refuses the device, and names its plugin', () => {
  const thrown = (fields: FieldSet): unknown => {
    try {
      world(fields);
    } catch (error) {
      return error;
    }
    throw new Error('it was taken');
  };

  it.each(Object.entries(faults))('attach: %s', (_, attach) => {
    expect(thrown(withBehaviour({ attach }))).toMatchObject(fault('attach of a set / a register'));
  });
  it.each(all)('when: %s', (_, when) => {
    const error = thrown({ ...header('a set', [0], [register(PLACE, 32, 'a register').readOnly()]), when });
    expect(error).toMatchObject({ code: 'PLUGIN_FAULT', facts: { plugin: 'a/plugin', what: 'when of a set' } });
  });
  it.each(all)('the first value of a register: %s', (_, value) => {
    const what = 'the first value of a set / a register';
    expect(thrown(set(register(PLACE, 32, 'a register').shows(value)))).toMatchObject(fault(what));
    expect(thrown(set(register(PLACE, 32, 'a register').emulated(undefined, value)))).toMatchObject(fault(what));
  });
});

it('a refusal outside of a guest’s write is ignored: in attach, in read, and later', () => {
  let later: (() => void) | undefined;
  const one = world(
    withBehaviour({
      attach: (at) => {
        at.deny(1, 'attach');
        later = () => at.deny(1, 'later');
      },
      read: (at) => {
        at.deny(1, 'read');
        return 0;
      },
      write: (at) => {
        at.deny(0x80000000, 'write');
        return Status.success;
      },
    }),
  );
  one.space.read(PLACE, 4);
  later?.();
  expect(one.denied).toEqual([]);
  one.space.write(PLACE, 4, 0x80000001);
  later?.();
  const owner = 'a/plugin: a set / a register';
  expect(one.denied).toMatchObject([{ offset: PLACE, size: 4, mask: 0x80000000 | 0, why: 'write', owner, times: 1 }]);
});
