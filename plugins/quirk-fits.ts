// SPDX-License-Identifier: MIT

import { formatBdf, functionOf, hex } from '../core/bdf.ts';
import { isPcibackError } from '../core/errors/index.ts';
import { HostError } from '../core/platform/index.ts';
import type { LoadedPlugin, PluginHost } from '../core/plugin/loader.ts';
import { type DeviceMatch, type Matchable, matches, type Quirk } from '../core/quirk/quirk.ts';
import type { ConfigSpace } from '../core/space/config-space.ts';
import type { FieldSet } from '../core/space/declaration.ts';
import type { SeizedDevice } from '../core/stub/index.ts';
import { booleanShape } from '../core/wall/wall.ts';
import { takenFrom } from './instead.ts';

/** A set of a quirk in one device. */
export interface SetFate {
  readonly set: string;
  /** Why it is not in force; missing: it is. */
  readonly why?: string;
  /** Registers of fields that it stands in place of, as `plugin: set / register`; missing: none. */
  readonly instead?: readonly string[];
  /** `conflict`: another one has its bits there, `absent`: the device is not one for it. */
  readonly kind?: 'conflict' | 'absent';
}

/** A quirk that is for a device. */
export interface QuirkFit {
  readonly name: string;
  /** `bundled`, or where it is from. */
  readonly origin: string;
  readonly sets: readonly SetFate[];
}

/** A quirk that somebody loaded and that is for no device here. */
export interface QuirkMiss {
  readonly name: string;
  readonly origin: string;
  /** Of the device that is nearest, what is other there. */
  readonly why: string;
  /** How far that is, to compare. */
  readonly away: number;
}

const id = (value: number): string => hex(value, 4);

/** What of a match does not agree, in words; the more telling first. */
const differences = (match: DeviceMatch, device: Matchable): readonly string[] => {
  const found: string[] = [];
  const differ = (what: string, is: string, wanted: string): void =>
    void found.push(`its ${what} is ${is}, not ${wanted}`);
  const { devices, revisions } = match;
  if (match.vendor !== device.vendor) differ('vendor', id(device.vendor), id(match.vendor));
  if (match.device !== undefined && match.device !== device.device)
    differ('device', id(device.device), id(match.device));
  if (devices !== undefined && (device.device < devices.from || device.device > devices.to)) {
    differ('device', id(device.device), `${id(devices.from)} to ${id(devices.to)}`);
  }
  for (const [key, what] of [
    ['subsystemVendor', 'subsystem vendor'],
    ['subsystemDevice', 'subsystem'],
  ] as const) {
    const wanted = match[key];
    if (wanted !== undefined && wanted !== device[key]) differ(what, id(device[key]), id(wanted));
  }
  const { class: code } = match;
  if (code !== undefined && ((device.class ^ code.value) & code.mask) !== 0) {
    differ('class', hex(device.class, 6), `${hex(code.value, 6)} under mask ${hex(code.mask, 6)}`);
  }
  if (match.function !== undefined && match.function !== functionOf(device.bdf)) {
    differ('function', String(functionOf(device.bdf)), String(match.function));
  }
  if (revisions !== undefined && (device.revision < revisions.from || device.revision > revisions.to)) {
    differ('revision', hex(device.revision, 2), `${hex(revisions.from, 2)} to ${hex(revisions.to, 2)}`);
  }
  return found;
};

/** How far a match is from a device: another vendor weighs most, then how many ids lie between them. */
const distance = (match: DeviceMatch, device: Matchable): number => {
  const { from, to } = match.devices ?? { from: match.device ?? device.device, to: match.device ?? device.device };
  const away = device.device < from ? from - device.device : device.device > to ? device.device - to : 0;
  return (match.vendor === device.vendor ? 0 : 2 ** 32) + away * 2 ** 8 + differences(match, device).length;
};

/**
 * Why a quirk is not for a device.
 *
 * @returns `undefined`: it is
 */
export const mismatchOf = (quirk: Pick<Quirk, 'match' | 'only'>, device: Matchable): string | undefined => {
  if (matches(quirk, device)) return undefined;
  const nearest = [...quirk.match].sort((one, other) => distance(one, device) - distance(other, device))[0];
  const why = nearest === undefined ? [] : differences(nearest, device);
  if (why.length > 0) return why.join(', ');
  return `it is limited to ${(quirk.only ?? []).map(formatBdf).join(', ')}`;
};

/** Where a set lies in a device; `undefined`: it has no such place. */
export const baseOf = ({ anchor }: FieldSet, { operations, identity }: SeizedDevice): number | undefined => {
  if (anchor.kind === 'header')
    return (anchor.types as readonly number[]).includes(identity.headerType) ? 0 : undefined;
  const { standard, extended } = operations.lists;
  return (anchor.kind === 'capability' ? standard : extended).find((one) => one.id === anchor.id)?.offset;
};

const anchorText = ({ anchor }: FieldSet): string => {
  if (anchor.kind === 'header') return `header type ${anchor.types.join(' or ')}`;
  return anchor.kind === 'capability'
    ? `capability 0x${hex(anchor.id, 2)}`
    : `extended capability 0x${hex(anchor.id, 4)}`;
};

/** Who has the first bit that a set claims in this device; `undefined`: nobody. */
const takenBy = (set: FieldSet, base: number, space: ConfigSpace): string | undefined => {
  for (const register of set.registers) {
    for (const claim of register.claims) {
      for (let byte = 0; byte < register.width / 8; byte++) {
        const bits = (claim.mask >>> (8 * byte)) & 0xff;
        const at = base + register.offset + byte;
        const other = space
          .claimsOf(at, bits)
          .find(({ policy }) => policy !== 'readOnly' || claim.policy !== 'readOnly');
        if (other !== undefined) return `0x${hex(at, 2)} (${register.name}) belongs to ${other.owner}`;
      }
    }
  }
  return undefined;
};

const fateOf = (
  plugins: PluginHost,
  device: SeizedDevice,
  space: ConfigSpace,
  quirk: Quirk,
  set: FieldSet,
): SetFate => {
  const named = `${quirk.name}: ${set.name}`;
  if (space.table.claims.some(({ owner }) => owner.startsWith(`${named} / `))) {
    const fields = plugins.registries.fields.owned.map(({ plugin: owner, thing }) => ({ owner, set: thing }));
    const instead = takenFrom(set, fields, (one) => baseOf(one, device));
    return { set: set.name, ...(instead.length === 0 ? {} : { instead }) };
  }
  const absent = (why: string): SetFate => ({ set: set.name, kind: 'absent', why });
  const { hardware } = device.operations;
  const base = baseOf(set, device);
  if (base === undefined) return absent(`the device has no ${anchorText(set)}`);
  try {
    const place = { plugin: quirk.name, what: `when of ${set.name}`, device: device.bdf, refusals: ['HOST'] };
    const fits =
      set.when === undefined || plugins.hooks.wall.run(place, () => set.when?.(hardware, base), booleanShape);
    if (!fits) return absent('its condition does not hold for this device');
  } catch (error) {
    if (!(error instanceof HostError) && !isPcibackError(error, 'PLUGIN_FAULT')) throw error;
    return absent(error.message);
  }
  const taken = takenBy(set, base, space);
  if (taken !== undefined) return { set: set.name, kind: 'conflict', why: taken };
  return absent(`it has no room there: config space ends at 0x${hex(space.table.bits.size, 3)}`);
};

const originsOf = ({ loaded }: PluginHost): ReadonlyMap<string, string> =>
  new Map(loaded.map(({ name, origin }: LoadedPlugin) => [name, origin]));

/** The quirks that are for a device which a guest has, each with what became of its sets. */
export const quirksOf = (plugins: PluginHost, device: SeizedDevice, space: ConfigSpace): readonly QuirkFit[] => {
  const origins = originsOf(plugins);
  return plugins.registries.quirks.owned
    .filter(({ thing }) => matches(thing, device.identity))
    .map(({ plugin, thing }) => ({
      name: thing.name,
      origin: origins.get(plugin) ?? plugin,
      sets: thing.sets.map((set) => fateOf(plugins, device, space, thing, set)),
    }));
};

/** The quirks that somebody loaded beside the bundled ones and that are for none of these devices. */
export const quirksForNone = (plugins: PluginHost, devices: readonly Matchable[]): readonly QuirkMiss[] => {
  const origins = originsOf(plugins);
  return plugins.registries.quirks.owned.flatMap(({ plugin, thing }): QuirkMiss[] => {
    const origin = origins.get(plugin) ?? plugin;
    if (origin === 'bundled' || devices.some((device) => matches(thing, device))) return [];
    const [nearest] = devices
      .flatMap((device) => thing.match.map((match) => ({ device, away: distance(match, device) })))
      .sort((one, other) => one.away - other.away);
    const why =
      nearest === undefined
        ? 'there is no device'
        : `nearest is ${id(nearest.device.vendor)}:${id(nearest.device.device)} at ${formatBdf(nearest.device.bdf)}: ` +
          `${mismatchOf(thing, nearest.device)}`;
    return [{ name: thing.name, origin, why, away: nearest?.away ?? Number.POSITIVE_INFINITY }];
  });
};

/** One line about a quirk that is for a device. */
export const fitText = ({ name, origin, sets }: QuirkFit): string => {
  const from = origin === 'bundled' ? '' : ` (${origin})`;
  const out = sets.filter(({ kind }) => kind === 'conflict');
  if (out.length > 0) return `${name}${from}, left out: ${out.map(({ set, why }) => `${set}: ${why}`).join('; ')}`;
  const inForce = sets.filter(({ why }) => why === undefined);
  const absent = sets.filter(({ kind }) => kind === 'absent');
  const instead = inForce.flatMap((one) => one.instead ?? []);
  const taken = instead.length === 0 ? '' : `, instead of ${instead.join(', ')}`;
  if (inForce.length > 0 || absent.length === 0) return `${name}${from}${taken}`;
  return `${name}${from}, nothing of it here: ${absent.map(({ set, why }) => `${set}: ${why}`).join('; ')}`;
};

/** One line about a quirk that is for no device here. */
export const missText = ({ name, origin, why }: QuirkMiss): string =>
  `${name} (${origin}) matches nothing here: ${why}`;
