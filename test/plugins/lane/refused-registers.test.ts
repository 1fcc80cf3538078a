// SPDX-License-Identifier: MIT

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Status } from '../../../core/ring/layout.ts';
import type { Behaviour } from '../../../core/space/behaviour.ts';
import { compileSpace } from '../../../core/space/compile.ts';
import { header, type Register, register } from '../../../core/space/declaration.ts';
import { FakeDevice } from '../../kit/index.ts';
import { silentWall } from '../../kit/silent-wall.ts';
import { type Access, direct, shared, side } from './shared-device.ts';

const MSIX = 0xa2;
const MSI = 0xd2;
const MSIX_OWNER = 'fields/msix: msi-x / message control';
const NOT_BY_CONFIG = 'the interrupt policy does not allow this change by a config write';
const DENIED = Status.accessDenied;

const write = (offset: number, value: number, size: 1 | 2 | 4 = 2): Access => ({ write: true, offset, size, value });

describe('a control word that nobody may change', () => {
  it('is refused without code: a stock driver that binds asks nothing of the control thread', () => {
    const two = shared();
    const statuses = [0xc004, 0x8004, 0x0004].map((value) => two.does(write(MSIX, value))[0]);
    expect(statuses).toEqual([DENIED, DENIED, Status.success]);
    expect(two.handed).toBe(0);
    expect(two.hardware.writes).toEqual([]);
    expect(two.device.calls).toEqual([]);
  });

  it('is recorded with its bits, its owner and its reason, as often as it was tried', () => {
    const [one, two] = [direct(), shared()];
    for (const value of [0xc004, 0x8004, 0xc004, 0xc004]) {
      one.does(write(MSIX, value));
      two.does(write(MSIX, value));
    }
    two.does(write(MSI, 0x0080));
    expect(two.denied.size).toBe(0);
    two.catchUp();
    expect(Object.fromEntries(two.denied)).toEqual({
      [[MSIX, 2, 0xc000, NOT_BY_CONFIG, MSIX_OWNER].join()]: { count: 3, value: 0xc004 },
      [[MSIX, 2, 0x8000, NOT_BY_CONFIG, MSIX_OWNER].join()]: { count: 1, value: 0x8004 },
    });
    expect(two.denied).toEqual(one.denied);
    expect([...two.space.counts.denied.subarray(MSIX, MSIX + 2)]).toEqual([0, 4]);
    expect([...two.space.counts.writes.subarray(MSIX, MSIX + 2)]).toEqual([4, 4]);
  });

  it('is compared with what hardware has now, not with what it had', () => {
    const two = shared();
    two.hardware.put(MSIX, 2, 0x8004);
    expect(two.does(write(MSIX, 0x8004))[0]).toBe(Status.success);
    expect(two.does(write(MSIX, 0x0004))[0]).toBe(DENIED);
    expect(two.does(write(MSIX + 1, 0x80, 1))[0]).toBe(Status.success);
    expect(two.does(write(MSIX + 1, 0x00, 1))[0]).toBe(DENIED);
    expect(two.handed).toBe(0);
  });

  it('refused together with the head of its capability is left to the control thread, which records both', () => {
    const [one, two] = [direct(), shared()];
    for (const value of [0x80040012, 0x00040012, 0x80040011]) {
      const both = write(0xa0, value, 4);
      expect(two.does(both)).toEqual(one.does(both));
    }
    two.catchUp();
    expect(two.handed).toBe(1);
    expect(two.denied).toEqual(one.denied);
    expect([...two.denied.values()].map(({ count }) => count)).toEqual([2, 2]);
  });

  it('is refused by the control thread when there is no room to note it', () => {
    const two = shared();
    // As many as there is room for, in a register that nobody may write.
    for (let bits = 1; bits <= 64; bits++) two.does(write(0x08, 0x02000000 ^ bits, 4));
    expect(two.handed).toBe(0);
    expect(two.does(write(MSIX, 0x8004))[0]).toBe(DENIED);
    expect(two.handed).toBe(1);
    expect(two.denied.size).toBe(65);
  });

  it.each(['asked in vain', 'allowed'] as const)('is a question for the policy where that is %s', (control) => {
    const two = shared(side({ control }));
    expect(two.does(write(MSIX, 0x8004))[0]).toBe(control === 'allowed' ? Status.success : DENIED);
    expect(two.does(write(MSIX, 0x8004))[0]).toBe(control === 'allowed' ? Status.success : DENIED);
    expect(two.handed).toBe(2);
    expect(two.hardware.get(MSIX, 2)).toBe(control === 'allowed' ? 0x8004 : 0x0004);
  });

  it('follows what the device view was made from', () => {
    const two = shared();
    two.device.refusesControlWords = false;
    two.device.controlWordAnswer = () => true;
    two.show();
    expect(two.does(write(MSIX, 0x8004))[0]).toBe(Status.success);
    two.device.refusesControlWords = true;
    two.show();
    expect(two.does(write(MSIX, 0x0004))[0]).toBe(DENIED);
    expect([two.handed, two.hardware.get(MSIX, 2)]).toEqual([1, 0x8004]);
  });

  it('is everybody’s in a permissive table', () => {
    const two = shared();
    two.device.permissive = true;
    two.space.swap(two.compile('permissive', two.space.table));
    two.show();
    expect(two.does(write(MSIX, 0xc004))[0]).toBe(Status.success);
    expect([two.handed, two.hardware.get(MSIX, 2)]).toEqual([1, 0xc004]);
  });
});

describe('a refused register', () => {
  const WHY = 'a test';
  const fixed: Behaviour = {
    described: { kind: 'refused', why: WHY },
    write: (at, value) => {
      const now = at.read();
      if (value === now) return Status.success;
      at.deny(now ^ value, WHY);
      return DENIED;
    },
  };
  const PLACE = 0x40;
  const HELD = 0x5aa5c33c;

  /** What lies below or above it in its dword. */
  const neighbours: Readonly<Record<string, (one: Register) => Register>> = {
    nobody: (one) => one.readOnly(),
    writable: (one) => one.writable(),
    'writable in part': (one) => one.writable(0x0ff0).reserved(),
    'cleared by ones': (one) => one.clearedByOne(0x00ff).readOnly(),
    emulated: (one) => one.emulated(),
    reserved: (one) => one.reserved(),
    shown: (one) => one.shows(0x1234),
    code: (one) => one.calls({ read: (at) => at.read() ^ 0xffff, write: (at, value) => Number(at.write(value)) || 0 }),
  };

  const settingOf = (neighbour: (one: Register) => Register, end: 'low' | 'high') => {
    const [own, other] = end === 'low' ? [PLACE, PLACE + 2] : [PLACE + 2, PLACE];
    const registers = [register(own, 16, 'fixed').calls(fixed), neighbour(register(other, 16, 'neighbour'))];
    return { contributions: [{ owner: 'test', set: header('a set', [0], registers) }] };
  };

  const access = fc
    .record({
      write: fc.boolean(),
      offset: fc.constantFrom(PLACE, PLACE + 1, PLACE + 2, PLACE + 3),
      size: fc.constantFrom<1 | 2 | 4>(1, 2, 4),
      bits: fc.oneof(fc.constant(0), fc.constantFrom(0xffff, 0xffff0000, 0x8000, 0x80000000), fc.nat()),
    })
    .map(({ write, offset, size, bits }): Access => {
      const at = offset & -size;
      return { write, offset: at, size, value: ((HELD ^ bits) >>> ((at & 3) << 3)) >>> 0 };
    });

  it.each(Object.keys(neighbours).flatMap((name) => [[name, 'low'] as const, [name, 'high'] as const]))(
    'beside one of another kind is that of the control thread alone: %s, %s',
    (name, end) => {
      const setting = settingOf(neighbours[name] as (one: Register) => Register, end);
      let lane = 0;
      fc.assert(
        fc.property(fc.array(access, { minLength: 1, maxLength: 20 }), (accesses) => {
          const [one, two] = [direct(side(setting)), shared(side(setting))];
          for (const { hardware } of [one, two]) hardware.put(PLACE, 4, HELD);
          for (const each of accesses) expect([each, two.does(each)]).toEqual([each, one.does(each)]);
          two.catchUp();
          expect(two.hardware.get(PLACE, 4)).toBe(one.hardware.get(PLACE, 4));
          expect(two.denied).toEqual(one.denied);
          for (const counts of ['reads', 'writes', 'denied'] as const) {
            const touched = ({ space }: Pick<typeof one, 'space'>) => [
              ...space.counts[counts].subarray(PLACE, PLACE + 4),
            ];
            expect(touched(two)).toEqual(touched(one));
          }
          lane += accesses.length - two.handed;
        }),
        { numRuns: 40 },
      );
      expect(lane).toBeGreaterThan(50);
    },
  );

  it('is compared with what it has after the rest of the write has reached hardware', () => {
    const setting = settingOf((one) => one.writable(), 'high');
    const both = [direct(side(setting)), shared(side(setting))].map(({ hardware, does }) => {
      hardware.put(PLACE, 4, HELD);
      const put = hardware.writeConfig.bind(hardware);
      hardware.writeConfig = (offset, size, value) => {
        put(offset, size, value);
        if (offset === PLACE) hardware.put(PLACE + 2, 2, 0x1111);
      };
      return [does(write(PLACE, 0x11112222, 4)), does(write(PLACE, HELD, 4)), hardware.get(PLACE, 4)];
    });
    expect(both[1]).toEqual(both[0]);
    expect(both[0]?.[0]).toEqual([Status.success, 0]);
  });

  it('of 32 bits is refused as a whole', () => {
    const set = header('a set', [0], [register(PLACE, 32, 'fixed').calls(fixed)]);
    const setting = { contributions: [{ owner: 'test', set }] };
    const [one, two] = [direct(side(setting)), shared(side(setting))];
    for (const { hardware } of [one, two]) hardware.put(PLACE, 4, HELD);
    for (const each of [write(PLACE, ~HELD >>> 0, 4), write(PLACE + 3, 0, 1), write(PLACE, HELD, 4)]) {
      expect(two.does(each)).toEqual(one.does(each));
    }
    two.catchUp();
    expect([two.handed, two.denied]).toEqual([0, one.denied]);
  });

  it('is left to its behaviour where that shows something else than hardware, or has not all of it', () => {
    const describedAt = (behaviour: Behaviour, mask: number) => {
      const set = header('a set', [0], [register(PLACE, 16, 'fixed').calls(behaviour, mask)]);
      const table = compileSpace(new FakeDevice(side().hardware), [{ owner: 'test', set }], {
        wall: silentWall(),
        unhandled: 'drop',
        skipped: () => undefined,
      });
      return table.described[PLACE >> 2];
    };
    expect(describedAt(fixed, 0xffff)).toMatchObject({ offset: PLACE, behaviour: fixed });
    expect(describedAt(fixed, 0x00ff)).toBeNull();
    expect(describedAt({ ...fixed, read: () => 0 }, 0xffff)).toBeNull();
  });
});
