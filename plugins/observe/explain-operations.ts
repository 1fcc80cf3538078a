// SPDX-License-Identifier: MIT

import { z } from 'zod';
import { type Bdf, formatBdf, hex } from '../../core/bdf.ts';
import type { Engine } from '../../core/pciback.ts';
import type { Denial } from '../../core/space/denials.ts';
import type { Unhandled } from '../../core/space/table.ts';
import type { Tenant } from '../../core/stub/index.ts';
import { assignedAt } from '../assigned.ts';
import { fail } from '../errors.ts';
import { type OperationsOf, operation } from '../kinds/part.ts';
import { baseOf, type QuirkFit, type QuirkMiss, quirksForNone, quirksOf } from '../quirk-fits.ts';
import {
  type ExplainedMap,
  type ExplainedPart,
  type ExplainedRegister,
  type ExplainedSpace,
  explainBytes,
  explainMap,
  explainRegisters,
} from './explain-table.ts';

/** A refused write with its address as text. */
export type DenialReport = Omit<Denial, 'bdf'> & { readonly bdf: string };

/** What a guest can do with config space of one device. */
export interface ExplainReport {
  readonly bdf: string;
  /** Four hexadecimal digits each. */
  readonly vendor: string;
  readonly device: string;
  readonly guest: { readonly domain: number; readonly name: string };
  readonly unhandled: Unhandled;
  readonly interrupts: string;
  readonly allowInterruptControl: boolean;
  /** Bytes of config space that the guest reaches. */
  readonly size: number;
  /** With an offset: its bytes, bit by bit. */
  readonly parts?: readonly ExplainedPart[];
  /** Without one: every register with an owner. */
  readonly registers?: readonly ExplainedRegister[];
  readonly map?: ExplainedMap;
  readonly quirks: {
    /** Those that are for the device. */
    readonly matched: readonly QuirkFit[];
    /** Those that somebody loaded and that are for no seized device. */
    readonly unmatched: readonly QuirkMiss[];
  };
  /** Refused writes to these bytes, or to all. */
  readonly denials: readonly DenialReport[];
}

export interface DenialsReport {
  readonly bdf: string;
  readonly guest: { readonly domain: number; readonly name: string };
  readonly denials: readonly DenialReport[];
  /** Refused writes of the guest in all, and those of them that the record has no place for. */
  readonly total: number;
  readonly unrecorded: number;
}

const address = () => z.string().describe('Address of a device that a guest has.');
const number = () => z.int().min(0).max(0xffff_ffff);

const explainAsks = z.strictObject({
  bdf: address(),
  offset: number().optional().describe('First byte to explain bit by bit; missing: every register with an owner.'),
  size: number().optional().describe('Bytes from there; missing: 1.'),
  map: z.boolean().optional().describe('The whole config space as a map, in place of the registers.'),
});
const denialsAsks = z.strictObject({ bdf: address() });

const NOTHING_YET = 'there is nothing to explain yet';

const guestOf = (engine: Engine, domain: number) => engine.guests().find((one) => one.domain === domain);

/** Of a guest of this host, or of whoever else has the device: then its record is all that there is. */
const denialsOf = (engine: Engine, device: Bdf, tenant: Tenant): DenialReport[] =>
  (guestOf(engine, tenant.domain)?.denials ?? tenant.denials.list())
    .filter((one) => one.bdf === device)
    .map((denial) => ({ ...denial, bdf: formatBdf(denial.bdf) }));

/** @throws PcibackError `BDF_SYNTAX`, `DEVICE_NOT_SEIZED`, `USAGE` */
export const explainDevice = (engine: Engine, asked: z.output<typeof explainAsks>): ExplainReport => {
  const { offset, size = 1, map } = asked;
  const { device, assignment } = assignedAt(engine, asked.bdf, NOTHING_YET);
  const { registries } = engine.plugins;
  const { space, tenant, rules } = assignment;
  const subject: ExplainedSpace = {
    space,
    contributions: rules.contributions,
    unhandled: rules.unhandled,
    isQuirk: (owner) => registries.quirks.names.includes(owner),
    baseOf: (set) => baseOf(set, device),
  };
  const end = space.table.bits.size;
  if (offset !== undefined && (size < 1 || offset + size > end)) {
    const what = `0x${hex(offset, 2)}:${size} is not inside of the ${end} bytes of config space`;
    fail('USAGE', { what, nearest: undefined });
  }
  const denials = denialsOf(engine, device.bdf, tenant).filter(
    (one) => offset === undefined || (one.offset < offset + size && offset < one.offset + one.size),
  );
  return {
    bdf: formatBdf(device.bdf),
    vendor: hex(device.identity.vendor, 4),
    device: hex(device.identity.device, 4),
    guest: { domain: tenant.domain, name: tenant.name },
    unhandled: rules.unhandled,
    interrupts: rules.policy.name,
    allowInterruptControl: device.operations.allowInterruptControl,
    size: end,
    quirks: {
      matched: quirksOf(engine.plugins, device, space),
      unmatched: quirksForNone(
        engine.plugins,
        engine.stub.devices.map(({ identity }) => identity),
      ),
    },
    denials,
    ...(offset === undefined ? {} : { parts: explainBytes(subject, offset, size) }),
    ...(offset === undefined && map !== true ? { registers: explainRegisters(subject) } : {}),
    ...(map === true ? { map: explainMap(subject) } : {}),
  };
};

/** @throws PcibackError `BDF_SYNTAX`, `DEVICE_NOT_SEIZED`, `USAGE` */
export const deniedWrites = (engine: Engine, { bdf }: z.output<typeof denialsAsks>): DenialsReport => {
  const { device, assignment } = assignedAt(engine, bdf, NOTHING_YET);
  const { tenant } = assignment;
  const { domain, name, denials } = tenant;
  return {
    bdf: formatBdf(device.bdf),
    guest: { domain, name },
    denials: denialsOf(engine, device.bdf, tenant),
    ...(guestOf(engine, domain)?.denied ?? { total: denials.total, unrecorded: denials.overflow }),
  };
};

export const operations = {
  explain: operation({
    about: 'Who owns each bit of a device’s config space, and what reads and writes of its guest do.',
    asks: explainAsks,
    answer: (asked, { engine }) => explainDevice(engine, asked),
  }),
  denials: operation({
    about: 'The refused writes of the guest that has a device, to this device.',
    asks: denialsAsks,
    answer: (asked, { engine }) => deniedWrites(engine, asked),
  }),
};

export type ExplainOperations = OperationsOf<typeof operations>;
