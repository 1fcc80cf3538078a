// SPDX-License-Identifier: MIT

import { existsSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { FolderJournal } from '../../../plugins/journal/journal.ts';

const BOOT = 'a start of the host';
/** Changes of this size fill the file after some, and it is begun anew. */
const LONG = 'x'.repeat(64 * 1024);
const MOST = 1000;

let place: string;
let said: string[];
const folder = () => join(place, 'journal');
const open = () => {
  const note = (_facts: unknown, message: string): void => void said.push(message);
  const log = { debug: note, info: note, warn: note, error: note };
  return new FolderJournal({ folder: folder(), boot: BOOT, native: undefined, log: log as never });
};

beforeEach(() => {
  vi.useFakeTimers();
  said = [];
  place = mkdtempSync(join(tmpdir(), 'pciback-journal-'));
  renameSync(mkdtempSync(join(place, 'new-')), folder());
});
afterEach(() => {
  vi.useRealTimers();
  rmSync(place, { recursive: true });
});

/** Changes without an end, as long as they are taken down; there is no room for the file that would follow this one. */
const breakIt = (journal: FolderJournal): void => {
  renameSync(folder(), `${folder()}.gone`);
  for (let count = 0; journal.broken === undefined && count < MOST; count++) {
    journal.devices.merge('0000:01:00.0', { quarantine: LONG });
  }
};

describe('a journal that cannot be kept', () => {
  it('is begun anew with all that is known as soon as it can be', () => {
    const journal = open();
    journal.guests.merge('before', { work: 1 });
    breakIt(journal);
    expect(journal.broken).toContain('ENOENT');
    journal.guests.merge('meanwhile', { work: 2 });
    vi.advanceTimersByTime(5000);
    expect(journal.broken).toContain('ENOENT');
    renameSync(`${folder()}.gone`, folder());
    expect(existsSync(join(folder(), 'journal'))).toBe(true);
    vi.advanceTimersByTime(1000);
    expect(journal.broken).toBeUndefined();
    expect(said).toEqual(['journal not kept: a next process would not continue these guests', 'journal kept again']);
    journal.guests.merge('after', { work: 3 });
    const next = open();
    expect([...next.guests].map(([name, { work }]) => [name, work])).toEqual([
      ['before', 1],
      ['meanwhile', 2],
      ['after', 3],
    ]);
    next.close();
    journal.close();
  });

  it('does not come back after its end', () => {
    const journal = open();
    breakIt(journal);
    renameSync(`${folder()}.gone`, folder());
    journal.close();
    rmSync(join(folder(), 'journal'), { force: true });
    vi.advanceTimersByTime(5000);
    expect(existsSync(join(folder(), 'journal'))).toBe(false);
  });
});
