// SPDX-License-Identifier: MIT

import { expect } from 'vitest';
import { hex } from '../../core/bdf.ts';
import { silent } from '../../core/log.ts';
import { PluginHost } from '../../core/plugin/loader.ts';
import { matches, type Quirk } from '../../core/quirk/quirk.ts';
import { type CompiledSpace, compileSpace } from '../../core/space/compile.ts';
import { ConfigSpace } from '../../core/space/config-space.ts';
import type { Anchor, FieldSet } from '../../core/space/declaration.ts';
import { bundled } from '../../plugins/bundled.ts';
import { kinds } from '../../plugins/kinds/kinds.ts';
import { loadByName } from '../../plugins/program/resolve.ts';
import { FakeDevice, FakeFunction, type FakeFunctionSettings, type ImagePart } from '../kit/fake-function.ts';
import { ruleOf } from '../kit/guest-view.ts';
import { silentWall } from '../kit/silent-wall.ts';

export const presets = ['kernel', 'full'] as const;
type Preset = (typeof presets)[number];

const fieldsOf = async (preset: Preset): Promise<readonly { readonly owner: string; readonly set: FieldSet }[]> => {
  const host = new PluginHost({ kinds, log: silent });
  for (const [name, plugin] of Object.entries<{ byDefault: boolean; preset?: 'full'; only?: string }>(bundled)) {
    if (!name.startsWith('fields/') || !plugin.byDefault || plugin.only !== undefined) continue;
    if (plugin.preset !== undefined && plugin.preset !== preset) continue;
    await loadByName(host, name, undefined, { asked: 'test', directory: '/', bundled });
  }
  return host.registries.fields.owned.map(({ plugin, thing }) => ({ owner: plugin, set: thing }));
};

/** The bundled fields of both presets. */
const fields: Readonly<Record<Preset, Awaited<ReturnType<typeof fieldsOf>>>> = {
  kernel: await fieldsOf('kernel'),
  full: await fieldsOf('full'),
};

/** A quirk, or several, on a fake device beside the bundled fields, as one guest sees it; permissive is off. */
export interface QuirkView {
  readonly hardware: FakeFunction;
  /** `offset:size=bits why`, hexadecimal, one for each refusal. */
  readonly refused: string[];
  /** Sets that were left out of the table. */
  readonly skipped: string[];
  readonly table: CompiledSpace;
  /** Reads; throws when the status is not success. */
  read(offset: number, size: number): number;
  /** Writes; throws when the status is not success. */
  write(offset: number, size: number, value: number): void;
  /** The same hardware in the hands of the next guest. */
  nextGuest(): QuirkView;
}

const compiled = (hardware: FakeFunction, quirks: readonly Quirk[], preset: Preset): QuirkView => {
  const device = new FakeDevice(hardware);
  const refused: string[] = [];
  const skipped: string[] = [];
  const mine = quirks.filter((quirk) => matches(quirk, hardware.identity));
  const table = compileSpace(
    device,
    [
      ...fields[preset],
      ...mine.flatMap(({ name, sets, surgery }) => [
        ...sets.map((set) => ({ owner: name, set })),
        ...surgery.map((one) => ({ owner: name, surgery: one })),
      ]),
    ],
    {
      wall: silentWall(),
      unhandled: 'drop',
      skipped: (set, why) => skipped.push(`${set}: ${why}`),
    },
  );
  const space = new ConfigSpace(hardware, table, {
    failed: (_offset, error) => {
      throw error;
    },
    denied: ({ offset, size, mask, why }) => {
      const rule = ruleOf(why);
      refused.push(`${hex(offset, 2)}:${size}=${hex(mask >>> 0, 1)}${rule === undefined ? '' : ` ${rule}`}`);
    },
  });
  hardware.forget();
  const succeeded = (status: number, what: string, offset: number): void => {
    if (status !== 0) throw new Error(`${what} at 0x${hex(offset, 2)}: status ${status}`);
  };
  return {
    hardware,
    refused,
    skipped,
    table,
    read: (offset, size) => {
      succeeded(space.read(offset, size), 'read', offset);
      return space.value;
    },
    write: (offset, size, value) => succeeded(space.write(offset, size, value), 'write', offset),
    nextGuest: () => compiled(hardware, quirks, preset),
  };
};

/** Gives a fake device to a guest. The quirks have to match it. */
export const viewWith = (
  quirks: Quirk | readonly Quirk[],
  settings: FakeFunctionSettings,
  preset: Preset = 'full',
): QuirkView => {
  const all: readonly Quirk[] = 'kind' in quirks ? [quirks] : quirks;
  const hardware = new FakeFunction(settings);
  for (const quirk of all) expect(matches(quirk, hardware.identity), `${quirk.name} is for the device`).toBe(true);
  return compiled(hardware, all, preset);
};

/** A device of these ids, for {@link viewWith} and for {@link isFor}. */
export const device = (
  vendor: number,
  id: number,
  more: FakeFunctionSettings['identity'] = {},
): FakeFunctionSettings => ({
  identity: { vendor, device: id, ...more },
});

/** Whether the quirk is for a device of these ids. */
export const isFor = (quirk: Quirk, vendor: number, id: number, more: FakeFunctionSettings['identity'] = {}): boolean =>
  matches(quirk, new FakeFunction(device(vendor, id, more)).identity);

/** Image of a capability list: `[offset, id]`, in order. */
export const capabilityList = (...places: readonly (readonly [offset: number, id: number])[]): ImagePart[] => [
  [0x06, 2, 0x0010],
  [0x34, 1, places[0]?.[0] ?? 0],
  ...places.flatMap(([offset, id], index): ImagePart[] => [
    [offset, 1, id],
    [offset + 1, 1, places[index + 1]?.[0] ?? 0],
  ]),
];

const nameOf = (anchor: Anchor): string => {
  switch (anchor.kind) {
    case 'header':
      return '';
    case 'capability':
      return `cap ${hex(anchor.id, 2)} +`;
    case 'extended':
      return `ext ${hex(anchor.id, 4)} +`;
  }
};

/** Every claim of a quirk, as `offset/width policy mask`: what a test of a quirk states on its own. */
export const claims = (quirk: Quirk): string[] =>
  quirk.sets.flatMap((set) =>
    set.registers.flatMap((register) =>
      register.claims.map(
        (claim) =>
          `${nameOf(set.anchor)}${hex(register.offset, 2)}/${register.width} ${claim.policy} ${hex(claim.mask, register.width / 4)}`,
      ),
    ),
  );
