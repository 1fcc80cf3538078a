// SPDX-License-Identifier: MIT

import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Bdf } from '../../../core/bdf.ts';
import type { Quirk } from '../../../core/quirk/quirk.ts';
import type { Assignment } from '../../../core/stub/index.ts';
import { learn, quirkJson, quirkSource, replay } from '../../../plugins/observe/learn.ts';
import learning from '../../../plugins/observe/recorder.ts';
import { parseRecording, type Recording } from '../../../plugins/observe/recording.ts';
import { doors } from '../../../plugins/program/doors.ts';
import { resolvePlugin } from '../../../plugins/program/resolve.ts';
import { type EmbeddedHost, startEmbeddedHost } from '../../kit/embedded-host.ts';

let home: string;
let hosts: EmbeddedHost[] = [];
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'pciback-learn-'));
});
afterEach(async () => {
  for (const host of hosts) await host.close();
  hosts = [];
  rmSync(home, { recursive: true });
});

const samples = { e1000e: 0x10d3, tg3: 0x1659 } as const;
type Sample = keyof typeof samples;

/** A host with the fields of the kernel's back end, and without the quirk that is to be learned. */
const start = async (): Promise<EmbeddedHost> => {
  const host = await startEmbeddedHost({ config: { fields: 'kernel' } });
  hosts.push(host);
  host.plugins.unload('broadcom/tg3');
  return host;
};

const bdfOf = async (host: EmbeddedHost, name: Sample): Promise<Bdf> => {
  const found = (await host.platform.pci.list()).find((one) => one.device === samples[name]);
  if (found === undefined) throw new Error(`no sample ${name}`);
  return found.bdf;
};

/** Runs the included guest with its drivers on the device, from boot to its end. */
const session = async (host: EmbeddedHost, name: Sample): Promise<void> => {
  const guest = await host.guest([await bdfOf(host, name)], { name: 'work' });
  await guest.reached(4);
  await guest.stop();
  await host.platform.toolstack.destroy(guest.domain);
  while (host.pciback.guests().length > 0) await new Promise((resolve) => setTimeout(resolve, 5));
};

/** Records such a session. */
const record = async (name: Sample, unhandled?: 'drop' | 'pass'): Promise<Recording> => {
  const host = await start();
  const directory = join(home, `recordings-${hosts.length}`);
  await host.plugins.load(learning, { directory, ...(unhandled === undefined ? {} : { unhandled }) }, 'test');
  await session(host, name);
  const [file = '', ...more] = readdirSync(directory);
  expect(more).toEqual([]);
  return parseRecording(readFileSync(join(directory, file), 'utf8'), file);
};

/** Loads a quirk file as `pciback quirk load` does. */
const quirkOf = async (file: string, text: string): Promise<Quirk> => {
  const path = join(home, file);
  writeFileSync(path, text);
  const { things } = await resolvePlugin(path, { asked: 'test', directory: '/', bundled: {}, doors });
  return things[0] as Quirk;
};

/** The device, given to a guest that does nothing. */
const assign = async (host: EmbeddedHost, name: Sample): Promise<Assignment> => {
  const guest = await host.guest([await bdfOf(host, name)], { driver: 'none' });
  await guest.reached(4);
  const assignment = host.pciback.stub.devices[0]?.assignment;
  if (assignment === undefined) throw new Error('not assigned');
  return assignment;
};

/** Bits per dword that reach hardware. */
const reaching = ({ space }: Assignment): number[] => [...space.table.bits.through].map((bits) => bits >>> 0);

const wantedBits = ({ accesses }: Recording): number[] => {
  const bits = new Array<number>(1024).fill(0);
  for (const { offset, wanted } of accesses) {
    const at = offset >> 2;
    bits[at] = ((bits[at] ?? 0) | (wanted << ((offset & 3) * 8))) >>> 0;
  }
  return bits;
};

describe.each<[Sample, [number, number, number][]]>([
  ['e1000e', [[0x108, 32, 0x00100000]]],
  [
    'tg3',
    [
      [0x68, 32, 0x98],
      [0x78, 32, 0x6800],
      [0x80, 32, 0x12345678],
    ],
  ],
])('a quirk learned from the session of a %s driver', (name, expected) => {
  it('has only registers and bits that the driver changed and was denied', async () => {
    const { registers } = learn(await record(name));
    const found = registers.map(({ offset, width, mask }) => [offset, width, mask]);
    for (const one of expected) expect(found).toContainEqual(one);
    expect(found.length).toBeLessThanOrEqual(expected.length + 2);
  });

  it.each(['nic.json', 'nic.ts'])(
    'as %s it loads; in the same session nothing that was needed is denied',
    async (file) => {
      const recording = await record(name);
      const lesson = learn(recording);
      const text = file.endsWith('.ts') ? quirkSource(recording, lesson) : quirkJson(recording, lesson);
      const host = await start();
      await host.plugins.load(await quirkOf(file, text), undefined, 'test');
      const directory = join(home, 'second');
      await host.plugins.load(learning, { directory }, 'test');
      await session(host, name);
      const again = readdirSync(directory).map((one) =>
        parseRecording(readFileSync(join(directory, one), 'utf8'), one),
      );
      expect(again.map((one) => learn(one).registers)).toEqual([[]]);
    },
  );

  it('replayed, denies nothing it needed and opens no bit beyond', async () => {
    const recording = await record(name);
    const host = await start();
    const assignment = await assign(host, name);
    const before = reaching(assignment);
    // Without the quirk the same needs are refused again: the replay can tell.
    const wanting = recording.accesses.filter((one) => one.wanted !== 0);
    expect(replay(recording, assignment.space).missing).toEqual(wanting);

    const lesson = learn(recording);
    await host.plugins.load(await quirkOf('nic.json', quirkJson(recording, lesson)), undefined, 'test');
    const { missing, statuses } = replay(recording, assignment.space);
    expect(missing).toEqual([]);
    expect(statuses).toHaveLength(recording.accesses.length);

    const opened = reaching(assignment).map((bits, at) => (bits & ~(before[at] ?? 0)) >>> 0);
    expect(opened).toEqual(wantedBits(recording));
    expect(opened.some((bits) => bits !== 0)).toBe(true);
  });

  it('is the same when writes were passed on while it was recorded', async () => {
    const shape = ({ registers }: ReturnType<typeof learn>) =>
      registers.map(({ offset, width, mask }) => [offset, width, mask]);
    expect(shape(learn(await record(name, 'pass')))).toEqual(shape(learn(await record(name, 'drop'))));
  });
});

describe('the evidence', () => {
  it('stands beside each register, and says what no quirk can open', async () => {
    const recording = await record('e1000e');
    const text = quirkSource(recording, learn(recording));
    expect(text).toMatch(
      /\/\/ 0x108: 4-byte write of 0x00100000 changes 0x00100000, refused, 1x\n {4}register\(0x108, 32/,
    );
    expect(text).toMatch(/a field owns the bits:\n.*0x0d: 1-byte write of 0x40/);
    const json = JSON.parse(quirkJson(recording, learn(recording))) as { source: string };
    expect(json.source).toMatch(/guest work.*8086:10d3.*0x108: 4-byte write/);
  });
});
