// SPDX-License-Identifier: MIT
// What a door of pciback answers to the same writes: one quirk file at the embedded ring, at a socket, and under Xen.

import { join } from 'node:path';
import { type Bdf, formatBdf, hex } from '../../core/bdf.ts';
import type { RecordedAccess } from '../../core/space/recorder.ts';
import { keepingRecorder } from '../../plugins/guests/linux/recorder.ts';
import { type DeviceImage, readDump, samples } from '../../plugins/platforms/embedded/index.ts';
import { startPciback } from '../../plugins/program/start.ts';
import { startEmbeddedHost } from './embedded-host.ts';
import { VfioUserClient } from './vfio-user-client.ts';

/** A quirk as a vendor writes it, as one file. */
export const verdictQuirk = {
  name: 'test/three-doors',
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

/** Written to each place, in this order. The guest of the lab has the same ones (test/lab/guest/tests/verdicts). */
export const verdictValues = [0xffffffff, 0, 0x5aa5c33c] as const;
/**
 * Where a door is asked: everything of the first 512 bytes but the header, what an emulator's client looks after itself (MSI-X
 * at 0xa0, MSI at 0xd0), and what moves time (power management at 0xcc, device control at 0xe8).
 */
export const verdictPlaces = Array.from({ length: 0x200 / 4 - 16 }, (_, i) => 0x40 + 4 * i).filter(
  (at) => !(at >= 0xa0 && at < 0xac) && !(at >= 0xd0 && at < 0xe0) && at !== 0xcc && at !== 0xe8,
);

/** What became of one write. */
export interface Verdict {
  readonly offset: number;
  readonly value: number;
  /** Bits that were refused. */
  readonly refused: number;
  /** What is read then. */
  readonly read: number;
}

/**
 * The verdicts of a recorded session: for each place and value the last write and the read right after it. What a guest's
 * kernel did before is not asked about.
 *
 * @throws Error where there is none
 */
export const verdictsOf = (accesses: readonly RecordedAccess[]): readonly Verdict[] => {
  const found = new Map<string, Verdict>();
  for (const [i, { kind, offset, size, value, denied }] of accesses.entries()) {
    const next = accesses[i + 1];
    if (kind !== 'write' || size !== 4 || next?.kind !== 'read' || next.offset !== offset || next.size !== 4) continue;
    found.set(`${offset} ${value}`, { offset, value, refused: denied, read: next.value });
  }
  return verdictPlaces.flatMap((offset) =>
    verdictValues.map((value) => {
      const one = found.get(`${offset} ${value}`);
      if (one === undefined) throw new Error(`0x${hex(offset, 3)}: no write of 0x${hex(value, 8)} that is read back`);
      return one;
    }),
  );
};

export const verdictLine = ({ offset, value, refused, read }: Verdict): string =>
  `0x${hex(offset, 3)} = ${hex(value, 8)}: refused ${hex(refused, 8)}, read ${hex(read, 8)}`;

export interface VerdictTerms {
  /** The device that is asked. */
  readonly bdf: Bdf;
  /** A dump that it stands in; missing: the samples. */
  readonly dump?: string;
  /** File of the quirk. */
  readonly quirk: string;
}

const imagesOf = async ({ dump }: VerdictTerms): Promise<readonly DeviceImage[]> =>
  dump === undefined ? samples() : readDump(dump);

const ask = async (
  write: (offset: number, value: number) => Promise<unknown>,
  read: (offset: number) => Promise<unknown>,
): Promise<void> => {
  for (const offset of verdictPlaces) {
    for (const value of verdictValues) {
      await write(offset, value);
      await read(offset);
    }
  }
};

/** Verdicts of a guest's front end at its ring, on the embedded platform. */
export const verdictsAtRing = async (terms: VerdictTerms): Promise<readonly Verdict[]> => {
  const recorder = keepingRecorder();
  const devices = [...(await imagesOf(terms))];
  const config = { quirks: [terms.quirk] };
  const host = await startEmbeddedHost({ devices, config, plugins: [recorder.plugin] });
  try {
    const guest = await host.guest([terms.bdf], { driver: 'none' });
    await guest.reached(4);
    const at = { devfn: 0, size: 4 } as const;
    await ask(
      (offset, value) => guest.request({ cmd: 1, ...at, offset, value }),
      (offset) => guest.request({ cmd: 0, ...at, offset }),
    );
  } finally {
    await host.close();
  }
  return verdictsOf(recorder.of(terms.bdf));
};

/** Dwords of which a bit is hardware's own: what is read there is not the table's alone to say. */
export const placesOfHardware = async (terms: VerdictTerms): Promise<ReadonlySet<number>> => {
  const host = await startEmbeddedHost({ devices: [...(await imagesOf(terms))], config: { quirks: [terms.quirk] } });
  try {
    await (await host.guest([terms.bdf], { driver: 'none' })).reached(4);
    const device = host.pciback.stub.devices.find((one) => one.bdf === terms.bdf);
    const { space } = device?.assignment ?? {};
    if (space === undefined) throw new Error(`${formatBdf(terms.bdf)} is not assigned`);
    const own = new Set(['writable', 'clearedByOne', 'function', 'readOnly']);
    return new Set(
      verdictPlaces.filter((offset) => space.claimsOf(offset, 0xffffffff).some(({ policy }) => own.has(policy))),
    );
  } finally {
    await host.close();
  }
};

/** Verdicts of a client at its socket, on platform vfio-user. @param home folder for the socket */
export const verdictsAtSocket = async (terms: VerdictTerms, home: string): Promise<readonly Verdict[]> => {
  const recorder = keepingRecorder();
  const socket = join(home, 'verdicts.sock');
  const running = await startPciback({
    config: {
      platform: 'vfio-user',
      control: false,
      quirks: [terms.quirk],
      'vfio-user': { devices: [terms.dump ?? 'samples'], sockets: { [formatBdf(terms.bdf)]: socket } },
    },
    directory: home,
    plugins: [recorder.plugin],
  });
  try {
    const client = await VfioUserClient.connect(socket);
    await ask(
      (offset, value) => client.setConfig(offset, 4, value),
      (offset) => client.config(offset, 4),
    );
    client.end();
  } finally {
    await running.stop();
  }
  return verdictsOf(recorder.of(terms.bdf));
};
