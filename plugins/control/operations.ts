// SPDX-License-Identifier: MIT

import { z } from 'zod';
import { formatBdf } from '../../core/bdf.ts';
import type { FenceReason } from '../../core/facts.ts';
import type { Engine } from '../../core/pciback.ts';
import type { Unhandled } from '../../core/space/table.ts';
import type { Assignment } from '../../core/stub/index.ts';
import { type AnswererReport, reportingAnswerer } from '../kinds/answerer.ts';
import { type OperationsOf, operation, type PartReport } from '../kinds/part.ts';

export interface DeviceStatus {
  readonly bdf: string;
  readonly vendor: number;
  readonly device: number;
  /** Domain that has it. */
  readonly guest?: number;
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

export interface StatusReport {
  readonly pid: number;
  readonly platform: string;
  readonly guests: readonly {
    readonly domain: number;
    readonly name: string;
    readonly state: string;
    readonly devices: readonly string[];
    readonly requests: Readonly<Record<string, number>>;
    readonly denied: { readonly total: number; readonly unrecorded: number };
  }[];
  readonly devices: readonly DeviceStatus[];
  readonly parts: readonly PartReport[];
  /** The answering thread, where there is one. */
  readonly lane?: AnswererReport;
}

const lineRefusedOf = (assignment: Assignment | undefined): Pick<DeviceStatus, 'lineRefused'> => {
  const refused = assignment?.interrupts.line?.refused;
  return refused === undefined ? {} : { lineRefused: refused };
};

/** What a running pciback serves. */
export const statusOf = (engine: Engine, parts: readonly PartReport[]): StatusReport => {
  const { platform, stub } = engine;
  const answerer = reportingAnswerer(platform);
  return {
    pid: process.pid,
    platform: platform.name,
    ...(answerer === undefined ? {} : { lane: answerer.report() }),
    parts,
    guests: engine.guests().map(({ domain, name, state, devices, requests, denied }) => ({
      domain,
      name,
      state,
      devices: devices.map((device) => formatBdf(device.bdf)),
      requests,
      denied,
    })),
    devices: stub.devices.map(({ bdf, identity, operations: { allowInterruptControl }, assignment, quarantine }) => ({
      bdf: formatBdf(bdf),
      vendor: identity.vendor,
      device: identity.device,
      ...(assignment === undefined
        ? {}
        : {
            guest: assignment.tenant.domain,
            unhandled: assignment.rules.unhandled,
            interrupts: assignment.rules.policy.name,
            ...(allowInterruptControl ? { allowInterruptControl: true as const } : {}),
            ...(assignment.fenced === undefined ? {} : { fenced: assignment.fenced }),
          }),
      ...(quarantine === undefined ? {} : { quarantine }),
      ...lineRefusedOf(assignment),
    })),
  };
};

export const operations = {
  status: operation({
    about: 'What is served: guests, devices and parts.',
    asks: z.strictObject({}),
    answer: (_asked, { engine, parts }): StatusReport => statusOf(engine, parts()),
  }),
};

export type ControlOperations = OperationsOf<typeof operations>;
