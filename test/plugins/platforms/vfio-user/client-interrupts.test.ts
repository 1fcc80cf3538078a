// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import { Status } from '../../../../core/ring/layout.ts';
import type { Request } from '../../../../core/ring/request.ts';
import { ClientInterrupts } from '../../../../plugins/platforms/vfio-user/client-interrupts.ts';
import { Interrupt, Refusal, SetFlag } from '../../../../plugins/platforms/vfio-user/messages.ts';

const { intx, msi, msix } = Interrupt;
const EVENTFDS = SetFlag.eventfd | SetFlag.trigger;
const NONE = new Uint8Array(0);

const make = (answers: { msi?: number; msix?: number } = {}) => {
  const closed: number[] = [];
  const signalled: number[] = [];
  const asked: string[] = [];
  const vectors = (request: Request): string =>
    Array.from({ length: request.count }, (_, i) => request.entry(i)).join(',');
  const interrupts = new ClientInterrupts({
    limits: [1, 4, 300, 1, 1],
    device: {
      enableMsi: () => {
        asked.push('msi on');
        return answers.msi ?? Status.success;
      },
      disableMsi: () => {
        asked.push('msi off');
        return Status.success;
      },
      enableMsix: (request) => {
        asked.push(`msix on ${vectors(request)}`);
        return answers.msix ?? Status.success;
      },
      disableMsix: () => {
        asked.push('msix off');
        return Status.success;
      },
    },
    isEventfd: (fd) => fd < 1000,
    signal: (fd) => {
      signalled.push(fd);
      return fd !== 666;
    },
    close: (fd) => closed.push(fd),
  });
  return { interrupts, closed, signalled, asked };
};

describe('interrupts of a client', () => {
  it('switches MSI-X by the vectors it asks for, as a guest of Xen would', () => {
    const { interrupts, asked, signalled, closed } = make();
    expect(interrupts.set(EVENTFDS, msix, 0, 2, NONE, [10, 11])).toBe(0);
    expect(interrupts.set(EVENTFDS, msix, 4, 1, NONE, [14])).toBe(0);
    expect(asked).toEqual(['msix on 0,1', 'msix off', 'msix on 0,1,4']);
    expect(interrupts.raise(msix, 4)).toBe('raised');
    expect(interrupts.raise(msix, 3)).toBe('not wanted');
    expect(interrupts.raise(msix, 300)).toBe('no such vector');
    expect(signalled).toEqual([14]);
    // Another descriptor for the same vector changes nothing in the device.
    expect(interrupts.set(EVENTFDS, msix, 4, 1, NONE, [15])).toBe(0);
    expect(asked).toHaveLength(3);
    expect(closed).toEqual([14]);
  });

  it('lets a vector go that comes without a descriptor, and all of them when it is switched off', () => {
    const { interrupts, asked, closed } = make();
    interrupts.set(EVENTFDS, msix, 0, 2, NONE, [10, 11]);
    expect(interrupts.set(EVENTFDS, msix, 1, 1, NONE, [])).toBe(0);
    expect(interrupts.wanted(msix)).toBe(1);
    expect(interrupts.set(SetFlag.none | SetFlag.trigger, msix, 0, 0, NONE, [])).toBe(0);
    expect(asked.slice(1)).toEqual(['msix off', 'msix on 0', 'msix off']);
    expect(closed).toEqual([11, 10]);
    expect(interrupts.descriptors).toBe(0);
  });

  it('has one vector of MSI for all of its messages', () => {
    const { interrupts, asked, signalled } = make();
    interrupts.set(EVENTFDS, msi, 0, 4, NONE, [1, 2, 3, 4]);
    expect(asked).toEqual(['msi on']);
    interrupts.raise(msi, 3);
    interrupts.set(SetFlag.none | SetFlag.trigger, msi, 0, 0, NONE, []);
    expect([asked, signalled]).toEqual([['msi on', 'msi off'], [4]]);
  });

  it('that the policy refuses are refused to the client, with nothing kept of what came', () => {
    const { interrupts, closed } = make({ msi: Status.opFailed, msix: -22 });
    expect(interrupts.set(EVENTFDS, msi, 0, 1, NONE, [1])).toBe(Refusal.noAccess);
    expect(interrupts.set(EVENTFDS, msix, 0, 2, NONE, [2, 3])).toBe(Refusal.invalid);
    expect([closed, interrupts.descriptors]).toEqual([[1, 2, 3], 0]);
  });

  it('a line is raised once until it is unmasked', () => {
    const { interrupts, signalled } = make();
    interrupts.set(EVENTFDS, intx, 0, 1, NONE, [7]);
    expect([interrupts.raise(intx, 0), interrupts.raise(intx, 0)]).toEqual(['raised', 'masked']);
    expect(interrupts.set(SetFlag.none | SetFlag.unmask, intx, 0, 1, NONE, [])).toBe(0);
    expect(interrupts.raise(intx, 0)).toBe('raised');
    interrupts.set(SetFlag.none | SetFlag.unmask, intx, 0, 1, NONE, []);
    interrupts.set(SetFlag.bool | SetFlag.mask, intx, 0, 1, Uint8Array.of(1), []);
    expect([interrupts.raise(intx, 0), signalled]).toEqual(['masked', [7, 7]]);
  });

  it('a client can raise its own', () => {
    const { interrupts, signalled } = make();
    interrupts.set(EVENTFDS, msix, 0, 3, NONE, [1, 2, 3]);
    expect(interrupts.set(SetFlag.bool | SetFlag.trigger, msix, 0, 3, Uint8Array.of(1, 0, 1), [])).toBe(0);
    expect(signalled).toEqual([1, 3]);
  });

  it('says so when its client does not take one', () => {
    const { interrupts } = make();
    interrupts.set(EVENTFDS, msix, 0, 1, NONE, [666]);
    expect(interrupts.raise(msix, 0)).toBe('not taken');
  });

  it.each([
    ['no form', SetFlag.trigger, msix, 0, 1, []],
    ['two forms', SetFlag.none | SetFlag.bool | SetFlag.trigger, msix, 0, 1, []],
    ['two actions', SetFlag.none | SetFlag.trigger | SetFlag.mask, msix, 0, 1, []],
    ['an unknown flag', EVENTFDS | 0x100, msix, 0, 1, [1]],
    ['an unknown index', EVENTFDS, 5, 0, 1, [1]],
    ['a vector too far', EVENTFDS, msix, 300, 1, [1]],
    ['a range that runs over', EVENTFDS, msix, 1, 0xffffffff, [1]],
    ['fewer descriptors than vectors', EVENTFDS, msix, 0, 2, [1]],
    ['more descriptors than vectors', EVENTFDS, msix, 0, 1, [1, 2]],
    ['a descriptor of another kind', EVENTFDS, msix, 0, 1, [1000]],
    ['descriptors with another form', SetFlag.none | SetFlag.trigger, msix, 0, 1, [1]],
    ['bytes that are not there', SetFlag.bool | SetFlag.trigger, msix, 0, 2, []],
    ['a mask of messages', SetFlag.none | SetFlag.mask, msix, 0, 1, []],
    ['a line that is unmasked by a descriptor', SetFlag.eventfd | SetFlag.unmask, intx, 0, 1, [1]],
  ] as const)('refuses %s, and closes what came', (_, flags, index, start, count, fds) => {
    const { interrupts, closed, asked } = make();
    expect(interrupts.set(flags, index, start, count, NONE, [...fds])).toBeGreaterThan(0);
    expect([closed, asked, interrupts.descriptors]).toEqual([fds, [], 0]);
  });

  it('has at most as many vectors of MSI-X as a request has place for', () => {
    const { interrupts, closed } = make();
    const fds = Array.from({ length: 129 }, (_, i) => i);
    expect(interrupts.set(EVENTFDS, msix, 0, 129, NONE, fds)).toBe(Refusal.noSpace);
    expect(closed).toEqual(fds);
  });

  it('closes everything at the end', () => {
    const { interrupts, closed } = make();
    interrupts.set(EVENTFDS, msix, 0, 2, NONE, [1, 2]);
    interrupts.set(EVENTFDS, intx, 0, 1, NONE, [3]);
    interrupts.end();
    expect(closed.sort()).toEqual([1, 2, 3]);
  });
});
