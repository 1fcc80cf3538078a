// SPDX-License-Identifier: MIT

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { isPcibackError } from '../../core/errors/index.ts';
import { capabilityLists } from '../../core/space/capabilities.ts';
import { within } from '../../core/wall/wall.ts';
import { isBridge } from '../../plugins/bridges.ts';
import { capabilityName } from '../../plugins/capability-names.ts';
import { realClock } from '../../plugins/platforms/embedded/clock.ts';
import { identityOf } from '../../plugins/platforms/embedded/device.ts';
import { type DeviceImage, XenbusState } from '../../plugins/platforms/embedded/index.ts';
import { parseDump } from '../../plugins/platforms/embedded/sources.ts';
import { startEmbeddedHost } from '../kit/embedded-host.ts';

/** Folder of images, one function a file in the text form of `lspci -x`. */
const folder = process.env.PCIBACK_DUMPS ?? '';
/** Every so many of them; 1: all. */
const step = Number(process.env.PCIBACK_DUMPS_STEP ?? 1);
const presets = ['kernel', 'full'] as const;

/** Why an image is not served. Every other end is a failure. */
const refusals = {
  bridge: 'a bridge is never exported',
  DEVICE_SILENT: 'it does not answer: all ones',
  DEVICE_HEADER: 'header type 2: a CardBus bridge',
  segment: 'its segment is above ffff',
  'no ids': 'a virtual function whose ids the dump does not tell',
} as const;
type Refusal = keyof typeof refusals;

/** Milliseconds for one guest with one device; it takes some tens. */
const PATIENCE = 15_000;

const filesOf = (root: string): string[] => {
  const inner = existsSync(join(root, 'dev')) ? join(root, 'dev') : root;
  return readdirSync(inner)
    .filter((name) => name.endsWith('.txt'))
    .sort()
    .filter((_, index) => index % step === 0)
    .map((name) => join(inner, name));
};

const imageOf = (file: string): DeviceImage | Refusal => {
  try {
    let isLeftOut = false;
    const [image, ...more] = parseDump(readFileSync(file, 'latin1'), file, () => {
      isLeftOut = true;
    });
    if (isLeftOut) return 'segment';
    if (image === undefined || more.length > 0) throw new Error(`${file}: one function was expected`);
    return image;
  } catch (error) {
    if (isPcibackError(error, 'DUMP_INVALID') && String(error.facts.why).includes('has no ids')) return 'no ids';
    throw error;
  }
};

/** Reads the bytes of an image; beyond them there are zeros. */
const readerOf = ({ config }: DeviceImage) => ({
  identity: { configSize: config.length >= 4096 ? (4096 as const) : (256 as const) },
  readConfig: (offset: number, size: 1 | 2 | 4): number =>
    Array.from({ length: size }, (_, index) => (config[offset + index] ?? 0) * 2 ** (8 * index)).reduce(
      (sum, one) => sum + one,
    ),
});

/** Capabilities in the lists of an image; none where the list at 0x100 is the ids of the function again. */
const capabilitiesOf = (image: DeviceImage): readonly (readonly ['standard' | 'extended', number])[] => {
  const reader = readerOf(image);
  const { standard, extended } = capabilityLists(reader);
  const ids = reader.readConfig(0, 4);
  return [
    ...standard.map(({ id }) => ['standard', id] as const),
    ...extended.filter(({ offset }) => reader.readConfig(offset, 4) !== ids).map(({ id }) => ['extended', id] as const),
  ];
};

/** Gives the function to a guest, which boots with it, uses it and ends. @returns why not, if there is a reason */
const serve = async (
  image: DeviceImage,
  fields: (typeof presets)[number],
  leftOut: string[],
): Promise<Refusal | undefined> => {
  const host = await startEmbeddedHost({ devices: [image], config: { fields } });
  try {
    const { platform, pciback } = host;
    try {
      await pciback.stub.seize(image.bdf);
    } catch (error) {
      if (isPcibackError(error, 'DEVICE_SILENT') || isPcibackError(error, 'DEVICE_HEADER'))
        return error.code as Refusal;
      throw error;
    }
    if (isBridge(identityOf(image))) return 'bridge';
    const guest = await host.guest([image.bdf]);
    const report = await guest.reached(XenbusState.connected);
    expect(report.devices.map(({ vendor, device }) => [vendor, device])).toEqual([[image.vendor, image.device]]);
    for (const { message, facts } of host.lines) {
      if (message === 'field set left out') leftOut.push(`${String(facts.set)}: ${String(facts.why)}`);
    }
    await guest.stop();
    await platform.toolstack.destroy(guest.domain);
    const ledger = await pciback.stop();
    expect(Object.values(ledger).every((held) => held === 0)).toBe(true);
    expect(platform.hypervisor.ledger().illegal).toEqual([]);
    expect(host.lines.filter(({ level }) => level === 'error').map(({ message }) => message)).toEqual([]);
    expect(
      host.lines.filter(({ message }) => message.startsWith('registers did not')).map(({ facts }) => facts),
    ).toEqual([]);
    return undefined;
  } finally {
    await host.close();
  }
};

describe.skipIf(folder === '')('real images of devices (PCIBACK_DUMPS names their folder)', () => {
  it.each(presets)(
    'are each served or refused for a known reason, fields %s',
    { timeout: 1_800_000 },
    async (fields) => {
      const counts: Record<string, number> = {};
      const failures: string[] = [];
      const leftOut: string[] = [];
      const started = performance.now();
      const files = filesOf(folder);
      for (const file of files) {
        let end: string;
        try {
          const image = imageOf(file);
          end =
            typeof image === 'string'
              ? image
              : ((await within(realClock, PATIENCE, serve(image, fields, leftOut))) ?? 'served');
        } catch (error) {
          end = 'failed';
          failures.push(`${file}: ${error instanceof Error ? error.message : String(error)}`);
        }
        counts[end] = (counts[end] ?? 0) + 1;
      }
      const seconds = ((performance.now() - started) / 1000).toFixed(0);
      const told = Object.entries(counts).map(
        ([end, count]) => `${count} ${end in refusals ? `refused (${refusals[end as Refusal]})` : end}`,
      );
      process.stdout.write(`fields ${fields}: ${files.length} images in ${seconds} s: ${told.join(', ')}\n`);
      for (const one of new Set(leftOut)) {
        process.stdout.write(`  left out ${leftOut.filter((each) => each === one).length} times: ${one}\n`);
      }
      expect(failures).toEqual([]);
      expect(files.length).toBeGreaterThan(0);
    },
  );

  it('have no capability without a name', () => {
    const started = performance.now();
    const nameless: string[] = [];
    const names = new Set<string>();
    let count = 0;
    for (const file of filesOf(folder)) {
      const image = imageOf(file);
      for (const [list, id] of typeof image === 'string' ? [] : capabilitiesOf(image)) {
        count++;
        const name = capabilityName(list, id);
        if (name === undefined) nameless.push(`${file}: ${list} 0x${id.toString(16)}`);
        else names.add(name);
      }
    }
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    process.stdout.write(
      `${count} capabilities in ${seconds} s: ${names.size} names, without a name: ${nameless.length}\n`,
    );
    expect(nameless).toEqual([]);
    expect(count).toBeGreaterThan(0);
  });
});
