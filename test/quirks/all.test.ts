// SPDX-License-Identifier: MIT

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { hex } from '../../core/bdf.ts';
import { silent } from '../../core/log.ts';
import { PluginHost } from '../../core/plugin/loader.ts';
import type { Quirk } from '../../core/quirk/quirk.ts';
import { bundled } from '../../plugins/bundled.ts';
import { kinds } from '../../plugins/kinds/kinds.ts';
import { findOverlap, refuseOverlap } from '../../plugins/program/overlap.ts';
import { type BundledPlugin, loadByName } from '../../plugins/program/resolve.ts';

const root = resolve(import.meta.dirname, '../..');
const asker = { asked: 'test', directory: '/', bundled };

/** `vendor folder/family` of every quirk file; what several quirks share lies beside the folders. */
const files = readdirSync(join(root, 'quirks'), { recursive: true, encoding: 'utf8' })
  .filter((name) => /^[0-9a-f]{4}-.*\.ts$/.test(name))
  .map((name) => name.slice(0, -'.ts'.length))
  .sort();

/** The name that a quirk file has among the bundled: `14e4-broadcom/tg3` is `broadcom/tg3`. */
const nameOf = (file: string): string => file.replace(/^[0-9a-f]{4}-/, '');

const load = async (): Promise<PluginHost> => {
  const host = new PluginHost({ check: refuseOverlap, kinds, log: silent });
  // What is for one platform alone takes the place of other plugins there.
  for (const [name, { only }] of Object.entries<BundledPlugin>(bundled))
    if (only === undefined) await loadByName(host, name, undefined, asker);
  host.seal();
  return host;
};

const host = await load();
const quirks: readonly Quirk[] = host.registries.quirks.things;

describe('the bundled quirks', () => {
  it('load together with every bundled field, and none overlaps', () => {
    expect(quirks.map((quirk) => quirk.name).sort()).toEqual(files.map(nameOf).sort());
    expect(new Set(quirks.map((quirk) => quirk.name)).size).toBe(quirks.length);
  });

  it('do not overlap either where one names ids and the other a class, which loading cannot compare', () => {
    const pairs = quirks.flatMap((one) =>
      quirks.filter((other) => other.name < one.name).map((other) => [one, other] as const),
    );
    const undecided = pairs.filter(([one, other]) =>
      one.match.some((first) =>
        other.match.some(
          (second) => first.vendor === second.vendor && (first.class === undefined) !== (second.class === undefined),
        ),
      ),
    );
    expect(undecided.length).toBeGreaterThan(0);
    for (const [one, other] of undecided) {
      const owned = (quirk: Quirk) => quirk.sets.map((set) => ({ owner: quirk.name, set }));
      expect(findOverlap(owned(one), owned(other)), `${one.name} and ${other.name}`).toBeUndefined();
    }
  });

  it.each(files)('%s is bundled under its name, has a test, and fewer than 200 lines', (file) => {
    expect(Object.keys(bundled)).toContain(nameOf(file));
    expect(existsSync(join(root, 'test/quirks', `${file}.test.ts`))).toBe(true);
    expect(readFileSync(join(root, 'quirks', `${file}.ts`), 'utf8').split('\n').length).toBeLessThan(200);
  });

  it.each(files)(
    '%s is for devices of the vendor that its folder names, and says where its facts come from',
    (file) => {
      const quirk = quirks.find((one) => one.name === nameOf(file));
      expect(quirk?.match.some((one) => hex(one.vendor, 4) === file.slice(0, 4))).toBe(true);
      expect(quirk?.source.trim().length).toBeGreaterThan(20);
    },
  );

  it('are loaded without being asked for, but for those whose effect outlives a guest', () => {
    const optional = Object.entries(bundled).flatMap(([name, { byDefault }]) =>
      !byDefault && quirks.some((quirk) => quirk.name === name) ? [name] : [],
    );
    expect(optional).toEqual(['broadcom/bcma-sprom', 'renesas/upd72020x-rom']);
  });

  it('cover devices by id, by range and by class', () => {
    const all = quirks.flatMap((quirk) => quirk.match);
    const single = new Set(
      all.flatMap(({ vendor, device }) => (device === undefined ? [] : [`${hex(vendor, 4)}:${hex(device, 4)}`])),
    );
    const ranges = new Set(
      all.flatMap(({ vendor, devices }) =>
        devices === undefined ? [] : [`${hex(vendor, 4)}:${hex(devices.from, 4)}-${hex(devices.to, 4)}`],
      ),
    );
    const classes = all.filter((one) => one.device === undefined && one.devices === undefined);
    console.log(
      `${quirks.length} quirks: ${single.size} device ids, ${ranges.size} ranges of ids, ${classes.length} vendors or classes of them`,
    );
    expect([single.size, ranges.size, classes.length]).toEqual([125, 3, 16]);
  });
});
