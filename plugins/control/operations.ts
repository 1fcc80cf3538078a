// SPDX-License-Identifier: MIT

import { z } from 'zod';
import { formatBdf, hex } from '../../core/bdf.ts';
import type { FenceReason } from '../../core/facts.ts';
import type { Engine, GuestReport } from '../../core/pciback.ts';
import type { Unhandled } from '../../core/space/table.ts';
import type { Assignment } from '../../core/stub/index.ts';
import { NO_DURATIONS } from '../histogram.ts';
import { type AnswererReport, reportingAnswerer } from '../kinds/answerer.ts';
import { type OperationsOf, operation, type PartReport } from '../kinds/part.ts';
import { type AnswerTimes, answerTimes, MEASURES, type Measures, RATE_SECONDS } from '../measures.ts';
import { className } from '../pci-names.ts';

export interface DeviceStatus {
  readonly bdf: string;
  /** Four hexadecimal digits each, as lspci -n prints them and as they stand in rc files and quirks. */
  readonly vendor: string;
  readonly device: string;
  /** Six hexadecimal digits. */
  readonly class: string;
  /** The class in words. */
  readonly what: string;
  /** Domain that has it. */
  readonly guest?: number;
  /** Address that it has there. */
  readonly vdev?: string;
  readonly unhandled?: Unhandled;
  /** Name of the interrupt policy in force. */
  readonly interrupts?: string;
  /** The guest may switch interrupts by config writes. */
  readonly allowInterruptControl?: true;
  readonly quarantine?: string;
  /** Why it was cut off from its guest after an error. */
  readonly fenced?: FenceReason;
  /** Why the guest gets no line interrupt of the device. */
  readonly lineRefused?: string;
}

export interface GuestStatus {
  readonly domain: number;
  readonly name: string;
  readonly state: string;
  readonly devices: readonly string[];
  /** By the name of the command. */
  readonly requests: Readonly<Record<string, number>>;
  /** By the name of the status that was answered. */
  readonly results: Readonly<Record<string, number>>;
  readonly denied: { readonly total: number; readonly unrecorded: number };
}

export interface StatusReport {
  readonly pid: number;
  readonly platform: string;
  /** The rc file; missing: there is none, or nobody knows. */
  readonly file?: string;
  readonly uptimeSeconds: number;
  /** Requests a second, over the latest so many seconds. */
  readonly rates: readonly { readonly seconds: number; readonly requests: number }[];
  /** How long requests took since the start. */
  readonly answers: AnswerTimes;
  readonly guests: readonly GuestStatus[];
  readonly devices: readonly DeviceStatus[];
  readonly parts: readonly PartReport[];
  /** The answering thread, where there is one. */
  readonly lane?: AnswererReport;
}

/** Writes that were refused to a guest at one register. */
export interface RefusedStatus {
  readonly guest: number;
  readonly bdf: string;
  readonly offset: number;
  readonly size: number;
  /** Plugin, set and register that own the bits, or the policy for bits without a field. */
  readonly owner: string;
  readonly why: string;
  readonly count: number;
}

export interface WatchReport extends StatusReport {
  /** What is in the records of the guests, in the order of first occurrence. */
  readonly refused: readonly RefusedStatus[];
}

const lineRefusedOf = (assignment: Assignment | undefined): Pick<DeviceStatus, 'lineRefused'> => {
  const refused = assignment?.interrupts.line?.refused;
  return refused === undefined ? {} : { lineRefused: refused };
};

const devicesOf = (engine: Engine, guests: readonly GuestReport[]): DeviceStatus[] => {
  const vdevs = new Map(guests.flatMap(({ devices }) => devices.map(({ bdf, vdev }) => [bdf, formatBdf(vdev)])));
  return engine.stub.devices.map(
    ({ bdf, identity, operations: { allowInterruptControl }, assignment, quarantine }): DeviceStatus => {
      const vdev = vdevs.get(bdf);
      return {
        bdf: formatBdf(bdf),
        vendor: hex(identity.vendor, 4),
        device: hex(identity.device, 4),
        class: hex(identity.class, 6),
        what: className(identity.class),
        ...(assignment === undefined
          ? {}
          : {
              guest: assignment.tenant.domain,
              ...(vdev === undefined ? {} : { vdev }),
              unhandled: assignment.rules.unhandled,
              interrupts: assignment.rules.policy.name,
              ...(allowInterruptControl ? { allowInterruptControl: true as const } : {}),
              ...(assignment.fenced === undefined ? {} : { fenced: assignment.fenced }),
            }),
        ...(quarantine === undefined ? {} : { quarantine }),
        ...lineRefusedOf(assignment),
      };
    },
  );
};

const guestOf = ({ domain, name, state, devices, requests, errors, denied }: GuestReport): GuestStatus => ({
  domain,
  name,
  state,
  devices: devices.map(({ bdf }) => formatBdf(bdf)),
  requests,
  results: errors,
  denied,
});

const refusedOf = ({ domain, denials }: GuestReport): RefusedStatus[] =>
  denials.map(({ bdf, offset, size, owner, why, count }) => {
    return { guest: domain, bdf: formatBdf(bdf), offset, size, owner, why, count };
  });

/** What a running pciback serves. @param measures missing: nothing is measured */
export const statusOf = (
  engine: Engine,
  parts: readonly PartReport[],
  measures?: Measures,
  guests: readonly GuestReport[] = engine.guests(),
): StatusReport => {
  const { platform } = engine;
  const answerer = reportingAnswerer(platform);
  const rates = measures?.rates() ?? [];
  return {
    pid: process.pid,
    platform: platform.name,
    ...(measures?.file === undefined ? {} : { file: measures.file }),
    uptimeSeconds: Math.floor(process.uptime()),
    rates: RATE_SECONDS.map((seconds, index) => ({ seconds, requests: rates[index] ?? 0 })),
    answers: answerTimes(measures?.answers() ?? NO_DURATIONS, platform),
    ...(answerer === undefined ? {} : { lane: answerer.report() }),
    parts,
    guests: guests.map(guestOf),
    devices: devicesOf(engine, guests),
  };
};

const nothing = z.strictObject({});

export const operations = {
  status: operation({
    about: 'What is served: guests, devices and parts, how many requests there are and how long they take.',
    asks: nothing,
    answer: (_asked, { engine, parts, part }): StatusReport =>
      statusOf(engine, parts(), part(MEASURES) as Measures | undefined),
  }),
  watch: operation({
    about: 'The same, with the refused writes of all guests; for whoever asks again and again.',
    asks: nothing,
    answer: (_asked, { engine, part }): WatchReport => {
      const guests = engine.guests();
      const status = statusOf(engine, [], part(MEASURES) as Measures | undefined, guests);
      return { ...status, refused: guests.flatMap(refusedOf) };
    },
  }),
};

export type ControlOperations = OperationsOf<typeof operations>;
