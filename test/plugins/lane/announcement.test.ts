// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import { Announcement } from '../../../plugins/lane/announcement.ts';

/** Gaps that are longer are pauses. */
const LONGEST = 1000;

/** One gap after the other, each of `gap`, all found by looking. @returns when the last was answered */
const burst = (guest: Announcement, from: number, gaps: readonly number[]): number => {
  let now = from;
  for (const gap of gaps) {
    now += gap;
    guest.asked();
    guest.seen(now, 0, LONGEST);
  }
  return now;
};

describe('whether a guest is told of an answer', () => {
  it('is not known to be needless before the guest has asked twice: it is told at once', () => {
    const guest = new Announcement();
    expect(guest.seen(0, 0, LONGEST)).toBe(true);
    expect(guest.isOpen).toBe(false);
    guest.asked();
    expect(guest.seen(10, 0, LONGEST)).toBe(false);
    expect(guest.isOpen).toBe(true);
  });

  it('is told at once as well where the lane had taken the time to be later than it was', () => {
    const guest = new Announcement();
    expect(guest.seen(10, -5, LONGEST)).toBe(true);
    guest.asked();
    guest.seen(20, -5, LONGEST);
    expect([guest.isLate(49), guest.isLate(50)]).toEqual([false, true]);
  });

  it('is not learnt from pauses, not even from the first', () => {
    const guest = new Announcement();
    guest.heard(0);
    expect(guest.seen(LONGEST + 1, 0, LONGEST)).toBe(true);
    guest.asked();
    expect(guest.seen(LONGEST + 11, 0, LONGEST)).toBe(false);
    const last = burst(guest, LONGEST + 11, [10, 10, LONGEST + 1]);
    expect([guest.isLate(last + 29), guest.isLate(last + 30)]).toEqual([false, true]);
  });

  it('begins to be known with the answer to what an event brought', () => {
    const guest = new Announcement();
    guest.heard(0);
    expect(guest.isOpen).toBe(false);
    expect(guest.seen(10, 0, LONGEST)).toBe(false);
  });

  it('is decided when nothing has come for three gaps, not sooner', () => {
    const guest = new Announcement();
    guest.heard(0);
    const last = burst(guest, 0, [10, 10, 10]);
    expect(guest.isLate(last + 29)).toBe(false);
    expect(guest.isLate(last + 30)).toBe(true);
  });

  it('counts the time in which the lane did not look', () => {
    const guest = new Announcement();
    guest.heard(0);
    const last = burst(guest, 0, [10, 10, 10]);
    guest.asked();
    expect(guest.seen(last + 10, 20, LONGEST)).toBe(false);
    expect(guest.isLate(last + 19)).toBe(false);
    expect(guest.isLate(last + 20)).toBe(true);
    guest.asked();
    expect(guest.seen(last + 50, 40, LONGEST)).toBe(true);
    expect(guest.isOpen).toBe(false);
  });

  it('follows a guest that gets slower, and does not take one long gap for a habit', () => {
    const guest = new Announcement();
    guest.heard(0);
    const last = burst(guest, 0, [10, 10, 10, 1000]);
    expect(guest.isLate(last + 40)).toBe(true);
    const later = burst(
      guest,
      last,
      Array.from({ length: 40 }, () => 20),
    );
    expect(guest.isLate(later + 50)).toBe(false);
  });

  it('learns nothing from a guest that was told late, or answered by somebody else', () => {
    const guest = new Announcement();
    guest.heard(0);
    let last = burst(guest, 0, [10, 10, 10]);
    for (let i = 0; i < 20; i++) {
      guest.interrupt();
      last = burst(guest, last, [100]);
    }
    expect(guest.isLate(last + 29)).toBe(false);
    expect(guest.isLate(last + 30)).toBe(true);
  });

  it('is settled by the next request', () => {
    const guest = new Announcement();
    guest.heard(0);
    burst(guest, 0, [10]);
    expect(guest.isOpen).toBe(true);
    guest.asked();
    expect(guest.isOpen).toBe(false);
  });
});
