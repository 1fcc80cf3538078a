// SPDX-License-Identifier: MIT

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bdf } from '../../../../core/bdf.ts';
import {
  type Verdict,
  verdictLine,
  verdictPlaces,
  verdictQuirk,
  verdictsAtRing,
  verdictsAtSocket,
  verdictsOf,
  verdictValues,
} from '../../../kit/verdicts.ts';

let home: string;
let ring: readonly Verdict[];
let socket: readonly Verdict[];

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), 'pciback-two-doors-'));
  const quirk = join(home, 'quirk.json');
  writeFileSync(quirk, JSON.stringify(verdictQuirk));
  const terms = { bdf: bdf(0, 1, 0), quirk };
  ring = await verdictsAtRing(terms);
  socket = await verdictsAtSocket(terms, home);
});
afterAll(() => rmSync(home, { recursive: true }));

describe('one quirk file under two doors', () => {
  it('has the same verdict on each bit, at the ring and at the socket', () => {
    expect(ring.length).toBeGreaterThan(240);
    expect(socket.map(verdictLine)).toEqual(ring.map(verdictLine));
  });

  it('opens what it says, and nothing beside it', () => {
    expect(socket.map(verdictLine).filter((line) => /^0x04[048]/.test(line))).toMatchInlineSnapshot(`
      [
        "0x040 = ffffffff: refused ffffffff, read 00000000",
        "0x040 = 00000000: refused 00000000, read 00000000",
        "0x040 = 5aa5c33c: refused 5aa5c33c, read 00000000",
        "0x044 = ffffffff: refused ffffef00, read 00000000",
        "0x044 = 00000000: refused 00000000, read 00000000",
        "0x044 = 5aa5c33c: refused 5aa5c300, read 00000000",
        "0x048 = ffffffff: refused 0000ff54, read ffff00ab",
        "0x048 = 00000000: refused 000000ab, read 000000ab",
        "0x048 = 5aa5c33c: refused 0000c397, read 5aa500ab",
      ]
    `);
  });
});

describe('the third door', () => {
  it('is asked the same: the guest of the lab writes these values to these places', () => {
    const script = resolve(import.meta.dirname, '../../../lab/guest/tests/verdicts');
    // It asks by setpci, once for each place.
    const asked = execFileSync('bash', ['-c', `setpci() { echo "$*"; }; . "${script}"`], { encoding: 'utf8' })
      .trim()
      .split('\n')
      .filter((line) => line.startsWith('-d'));
    const expected = verdictPlaces.map((at) => {
      const register = `${at.toString(16)}.l`;
      return `-d 8086:10d3 ${verdictValues.map((value) => `${register}=${value.toString(16)} ${register}`).join(' ')}`;
    });
    expect(asked).toEqual(expected);
  });

  it('is judged by the last write of a session that was read back, and by nothing that it lacks', () => {
    const access = { size: 4, status: 0, wanted: 0 } as const;
    const session = verdictPlaces.flatMap((offset) =>
      verdictValues.flatMap((value) => [
        { ...access, kind: 'write' as const, offset, value, denied: value },
        { ...access, kind: 'read' as const, offset, value: 7, denied: 0 },
      ]),
    );
    const before = { ...access, kind: 'write' as const, offset: 0x40, value: 0, denied: 1 };
    expect(verdictsOf([before, ...session])[1]).toEqual({ offset: 0x40, value: 0, refused: 0, read: 7 });
    expect(() => verdictsOf(session.slice(1))).toThrow('0x040: no write of 0xffffffff that is read back');
  });
});
