// SPDX-License-Identifier: MIT

// Shows that a quirk file has the same verdicts under three doors: those of a session that was recorded under Xen, beside those of
// the embedded ring and of the socket for a dump of the same device. Needs no Xen itself:
//   node dist/test/kit/verdicts-main.js --dump nic.txt --quirk quirk.json --recording guest-1-0000-00-04.0.jsonl --out FOLDER
//   node dist/test/kit/verdicts-main.js --print-quirk

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { hex, parseBdf } from '../../core/bdf.ts';
import { parseRecording } from '../../plugins/observe/recording.ts';
import {
  placesOfHardware,
  type Verdict,
  verdictQuirk,
  verdictsAtRing,
  verdictsAtSocket,
  verdictsOf,
} from './verdicts.ts';

const { values } = parseArgs({
  options: {
    dump: { type: 'string', default: '' },
    quirk: { type: 'string', default: '' },
    recording: { type: 'string', default: '' },
    out: { type: 'string', default: '.' },
    'print-quirk': { type: 'boolean', default: false },
  },
});

const check = (text: string, wrong: readonly string[]): boolean => {
  console.log(`${wrong.length === 0 ? 'ok' : 'not ok'} - ${text}`);
  for (const line of wrong) console.log(`#   ${line}`);
  return wrong.length === 0;
};

const place = ({ offset, value }: Verdict): string => `0x${hex(offset, 3)} = ${hex(value, 8)}`;

const compare = async (): Promise<boolean> => {
  const recording = parseRecording(readFileSync(values.recording, 'utf8'), values.recording);
  const terms = {
    bdf: parseBdf(recording.device.bdf),
    dump: resolve(values.dump),
    quirk: resolve(values.quirk),
  };
  const home = mkdtempSync(join(tmpdir(), 'pciback-verdicts-'));
  try {
    const columns = {
      ring: await verdictsAtRing(terms),
      socket: await verdictsAtSocket(terms, home),
      xen: verdictsOf(recording.accesses),
    };
    const hardware = await placesOfHardware(terms);
    const rows = columns.ring.map((ring, i) => ({ ring, socket: columns.socket[i], xen: columns.xen[i] }));
    const words = (one: Verdict | undefined): string =>
      one === undefined ? '' : `${hex(one.refused, 8)} ${hex(one.read, 8)}`;
    const table = [
      '| place and value | ring: refused, read | socket | Xen | read by |',
      '|---|---|---|---|---|',
      ...rows.map(({ ring, socket, xen }) => {
        const by = hardware.has(ring.offset) ? 'hardware' : 'the table';
        return `| ${place(ring)} | ${words(ring)} | ${words(socket)} | ${words(xen)} | ${by} |`;
      }),
    ];
    writeFileSync(join(values.out, 'verdicts.md'), `${table.join('\n')}\n`);
    const differing = (same: (row: (typeof rows)[number]) => boolean): readonly string[] =>
      rows
        .filter((row) => !same(row))
        .map(({ ring, socket, xen }) => `${place(ring)}: ${words(ring)} | ${words(socket)} | ${words(xen)}`);
    const refusals = differing(
      ({ ring, socket, xen }) => ring.refused === socket?.refused && ring.refused === xen?.refused,
    );
    const reads = differing(
      ({ ring, socket, xen }) => hardware.has(ring.offset) || (ring.read === socket?.read && ring.read === xen?.read),
    );
    const mailbox = columns.xen.filter(({ offset }) => offset === 0x48).map((one) => words(one));
    return [
      check(`${rows.length} writes: the same bits are refused at ring, socket and Xen`, refusals),
      check('what is read then is the same, where the table alone says it', reads),
      check(
        'the quirk opened its register under Xen',
        mailbox.join() === '0000ff54 ffff00ab,000000ab 000000ab,0000c397 5aa500ab' ? [] : mailbox,
      ),
    ].every(Boolean);
  } finally {
    rmSync(home, { recursive: true });
  }
};

if (values['print-quirk']) console.log(JSON.stringify(verdictQuirk, undefined, 2));
else process.exitCode = (await compare()) ? 0 : 1;
