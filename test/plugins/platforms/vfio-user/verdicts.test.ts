// SPDX-License-Identifier: MIT

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bdf, hex } from '../../../../core/bdf.ts';
import type { Denial } from '../../../../core/space/denials.ts';
import { startPciback } from '../../../../plugins/program/start.ts';
import { startEmbeddedHost } from '../../../kit/embedded-host.ts';
import { VfioUserClient } from '../../../kit/vfio-user-client.ts';

/** A quirk as a vendor writes it, as one file. */
const quirk = {
  name: 'test/two-doors',
  source: 'made up for a test',
  match: [{ vendor: '8086', device: '10d3' }],
  fields: [
    { offset: '0x44', width: 16, name: 'mode', writable: '0x00ff', readOnly: '0x0f00', clearedByOne: '0x1000' },
    {
      offset: '0x48',
      width: 32,
      name: 'mailbox',
      emulated: '0xffff0000',
      initial: '0x12340000',
      shown: '0xff',
      value: '0xab',
    },
  ],
};
const NIC = bdf(0, 1, 0);
const VALUES = [0xffffffff, 0, 0x5aa5c33c] as const;
/** Where a door is asked: everything but what the other door's client looks after itself, and what moves time. */
const places = Array.from({ length: 0x200 / 4 - 16 }, (_, i) => 0x40 + 4 * i).filter(
  (at) => !(at >= 0xa0 && at < 0xac) && !(at >= 0xd0 && at < 0xe0) && at !== 0xcc && at !== 0xe8,
);

interface Answer {
  readonly value: number;
  readonly refused: number;
  readonly read: number;
}
type Verdicts = Map<number, readonly Answer[]>;

/** Writes each value to each place and notes what was refused and what is read then. */
const askAll = async (
  write: (offset: number, value: number) => Promise<unknown>,
  read: (offset: number) => Promise<number>,
  denials: () => readonly Denial[],
): Promise<Verdicts> => {
  const found: Verdicts = new Map();
  for (const at of places) {
    const answers: Answer[] = [];
    for (const value of VALUES) {
      const counts = (): Map<string, number> =>
        new Map(denials().map((one) => [`${one.offset} ${one.mask} ${one.why}`, one.count]));
      const before = counts();
      await write(at, value);
      let refused = 0;
      for (const one of denials()) {
        const key = `${one.offset} ${one.mask} ${one.why}`;
        if (one.offset === at && one.count !== before.get(key)) refused = (refused | one.mask) >>> 0;
      }
      answers.push({ value, refused, read: (await read(at)) >>> 0 });
    }
    found.set(at, answers);
  }
  return found;
};

let home: string;
let ring: Verdicts;
let socket: Verdicts;

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), 'pciback-two-doors-'));
  const file = join(home, 'quirk.json');
  writeFileSync(file, JSON.stringify(quirk));

  const host = await startEmbeddedHost({ config: { quirks: [file] } });
  const guest = await host.guest([NIC], { driver: 'none' });
  await guest.reached(4);
  ring = await askAll(
    (offset, value) => guest.request({ cmd: 1, devfn: 0, offset, size: 4, value }),
    async (offset) => (await guest.request({ cmd: 0, devfn: 0, offset, size: 4 })).value ?? 0,
    () => host.pciback.guests()[0]?.denials ?? [],
  );
  await host.close();

  const running = await startPciback({
    config: {
      platform: 'vfio-user',
      control: false,
      quirks: [file],
      'vfio-user': { sockets: { '01:00.0': 'nic.sock' } },
    },
    directory: home,
  });
  const client = await VfioUserClient.connect(join(home, 'nic.sock'));
  socket = await askAll(
    (offset, value) => client.setConfig(offset, 4, value),
    (offset) => client.config(offset, 4),
    () => running.engine.stub.devices[0]?.assignment?.tenant.denials.list() ?? [],
  );
  client.end();
  await running.stop();
});
afterAll(() => rmSync(home, { recursive: true }));

const lines = (verdicts: Verdicts): string[] =>
  [...verdicts].flatMap(([at, answers]) =>
    answers.map(
      ({ value, refused, read }) =>
        `0x${hex(at, 3)} = ${hex(value, 8)}: refused ${hex(refused, 8)}, read ${hex(read, 8)}`,
    ),
  );

describe('one quirk file under two doors', () => {
  it('has the same verdict on each bit, at the ring and at the socket', () => {
    expect(places.length).toBeGreaterThan(80);
    expect(lines(socket)).toEqual(lines(ring));
  });

  it('opens what it says, and nothing beside it', () => {
    expect(lines(socket).filter((line) => /^0x04[048]/.test(line))).toMatchInlineSnapshot(`
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
