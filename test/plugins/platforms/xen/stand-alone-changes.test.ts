// SPDX-License-Identifier: MIT

import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseBdf } from '../../../../core/bdf.ts';
import { type Change, HostChanges, isGuests, isHosts } from '../../../../plugins/platforms/xen/stand-alone-changes.ts';
import { findings } from '../../../../plugins/platforms/xen/stand-alone-left.ts';

const address = parseBdf('0000:03:00.0');
const enabled: Change = { what: 'enabled', command: 0x103 };
const driver: Change = { what: 'driver', was: 'e1000e' };
/** Above 4 GiB: as a number it would be cut (XSA-476). */
const frames: Change = { what: 'frames', domain: 7, first: '0xfedcba9876543', count: '0x10' };

let folder: string;
let changes: HostChanges;
beforeEach(() => {
  folder = join(mkdtempSync(join(tmpdir(), 'pciback-changes-')), 'notes');
  changes = new HostChanges(folder);
});
afterEach(() => rmSync(join(folder, '..'), { recursive: true }));

/** As another process finds it. */
const noted = (): readonly Change[] => new HostChanges(folder).of(address);

describe('what is changed on the host', () => {
  it('is noted before it is done, and by another process found as it was noted', async () => {
    let seen: readonly Change[] = [];
    await changes.make(address, driver, () => undefined);
    await changes.make(address, frames, () => {
      seen = noted();
    });
    expect(seen).toEqual([driver, frames]);
    expect(new HostChanges(folder).addresses).toEqual([address]);
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    expect(readdirSync(folder)).toEqual(['0000:03:00.0']);
  });

  it('is not noted when it was refused', async () => {
    await changes.make(address, driver, () => undefined);
    await expect(changes.make(address, enabled, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(noted()).toEqual([driver]);
  });

  it('is taken back the last first, and forgotten after each', async () => {
    for (const one of [driver, enabled, frames]) await changes.make(address, one, () => undefined);
    const left: number[] = [];
    const what: string[] = [];
    await changes.undo(
      address,
      isHosts,
      (change) => {
        what.push(change.what);
        left.push(noted().length);
      },
      'stop',
    );
    expect([what, left]).toEqual([
      ['enabled', 'driver'],
      [3, 2],
    ]);
    expect(noted()).toEqual([frames]);
    await changes.undo(address, isGuests, () => undefined, 'stop');
    expect(existsSync(join(folder, '0000:03:00.0'))).toBe(false);
    expect(changes.addresses).toEqual([]);
  });

  it.each([
    ['stop', [driver, enabled]],
    ['go on', [enabled]],
  ] as const)('stays noted where it could not be taken back: %s', async (onRefusal, left) => {
    for (const one of [driver, enabled]) await changes.make(address, one, () => undefined);
    const undo = changes.undo(
      address,
      isHosts,
      (change) => {
        if (change.what === 'enabled') throw new Error('refused');
      },
      onRefusal,
    );
    await expect(undo).rejects.toThrow('refused');
    expect(noted()).toEqual(left);
  });

  it.each([
    ['no JSON', 'what?'],
    ['another change', '[{"what":"painted"}]'],
    ['a number that was cut', '[{"what":"frames","domain":1,"first":4275878552,"count":"0x1"}]'],
    ['a domain that there cannot be', '[{"what":"assigned","domain":32753}]'],
  ])('is not guessed at where the note is %s', async (_, text) => {
    await changes.make(address, driver, () => undefined);
    writeFileSync(join(folder, '0000:03:00.0'), text);
    expect(noted).toThrow(expect.objectContaining({ code: 'HOST_NOTE', message: expect.stringContaining(folder) }));
    await expect(changes.make(address, enabled, () => undefined)).rejects.toMatchObject({ code: 'HOST_NOTE' });
    expect(readFileSync(join(folder, '0000:03:00.0'), 'utf8')).toBe(text);
    expect(findings(folder)).toMatchObject([{ verdict: 'warning' }]);
  });

  it('that was left is told by doctor', async () => {
    expect(findings(folder)).toEqual([]);
    for (const one of [driver, enabled, frames]) await changes.make(address, one, () => undefined);
    expect(findings(folder)).toMatchObject([
      {
        what: '0000:03:00.0',
        detail: 'held without a driver; given to domain 7; noted: driver, enabled, frames',
      },
    ]);
  });
});
