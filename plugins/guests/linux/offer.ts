// SPDX-License-Identifier: MIT
// The server's side of a trial: pciback with platform vfio-user in this process, one socket for each device.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Bdf } from '../../../core/bdf.ts';
import { describeError } from '../../../core/errors/index.ts';
import type { Logger } from '../../../core/log.ts';
import type { PciIdentity } from '../../../core/platform/index.ts';
import type { Plugin } from '../../../core/plugin/index.ts';
import { isBridgeClass } from '../../bridges.ts';
import {
  formatBdf,
  type RunningPciback,
  type SampleName,
  sample,
  sampleNames,
  startPciback,
} from '../../program/index.ts';
import { readGiven } from '../../read-text.ts';

/** An address at the begin of a line. */
const HEAD = /^(?:[0-9a-f]{4,8}:)?[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]/gim;
const EXPRESS = 0x10;
/** Flags of a resource that the host does not have in use. */
const DISABLED = 0x10000000;
const BARS = 6;

/** A device that is offered at a socket. */
export interface Offered {
  /** Its ids, `8086:10d3`. */
  readonly name: string;
  readonly bdf: Bdf;
  readonly socket: string;
  readonly identity: PciIdentity;
  readonly express: boolean;
  /** In bytes; 0: there is none. */
  readonly bars: readonly number[];
}

export interface Refused {
  readonly name: string;
  readonly bdf: Bdf;
  readonly why: string;
}

export interface OfferTerms {
  /** Folder for its files and sockets. */
  readonly place: string;
  /** Paths of dumps, or names of samples. */
  readonly devices: readonly string[];
  /** Absolute. */
  readonly quirks?: readonly string[];
  readonly plugins?: readonly Plugin[];
}

/** A pciback that offers devices. */
export interface Offering {
  readonly running: RunningPciback;
  readonly offered: readonly Offered[];
  readonly refused: readonly Refused[];
  /** Warnings and errors that were logged. */
  readonly log: readonly { readonly kind: string; readonly message: string; readonly facts: object }[];
  /** Asks it something, as at its control socket. */
  ask(operation: string, args: Readonly<Record<string, unknown>>): Promise<unknown>;
}

const isSample = (name: string): name is SampleName => (sampleNames as readonly string[]).includes(name);

/** Every function of a dump with an address of its own: dumps of several machines name the same ones. */
const placed = (text: string, nextBus: () => number): string =>
  text.replace(HEAD, () => `0000:${(nextBus() & 0xff).toString(16).padStart(2, '0')}:00.0`);

/** Starts it. @throws PcibackError `FILE_UNREADABLE`, and what it is refused for; nothing runs then */
export const offerDevices = async ({ place, devices, quirks = [], plugins = [] }: OfferTerms): Promise<Offering> => {
  mkdirSync(place, { recursive: true });
  let bus = 1;
  const files: string[] = [];
  for (const name of devices.filter((one) => !isSample(one))) {
    const file = join(place, `dump-${files.length}.txt`);
    const text = await readGiven(name);
    writeFileSync(
      file,
      placed(text, () => bus++),
    );
    files.push(file);
  }
  // Samples have a segment of their own beside dumps.
  const segment = files.length > 0 ? 1 : 0;
  const samples = devices.filter(isSample).map((name) => sample(name, segment).bdf);
  const log: { kind: string; message: string; facts: object }[] = [];
  const keep =
    (kind: string) =>
    (facts: object, message: string): void =>
      void log.push({ kind, message, facts });
  const nothing = (): void => undefined;
  const running = await startPciback({
    directory: place,
    log: { debug: nothing, info: nothing, warn: keep('warn'), error: keep('error') } satisfies Logger,
    plugins,
    config: {
      platform: 'vfio-user',
      control: false,
      quirks: [...quirks],
      'vfio-user': { devices: [...files, ...(samples.length > 0 ? ['samples'] : [])] },
    },
  });
  const ask = async (name: string, args: Readonly<Record<string, unknown>>): Promise<unknown> =>
    running.parts.operations().get(name)?.answer(args);
  const { engine } = running;
  const offered: Offered[] = [];
  const refused: Refused[] = [];
  for (const one of await engine.platform.pci.list()) {
    const { bdf } = one;
    if (!samples.includes(bdf) && (files.length === 0 || bdf >>> 16 !== 0)) continue;
    const name = `${one.vendor.toString(16).padStart(4, '0')}:${one.device.toString(16).padStart(4, '0')}`;
    if (isBridgeClass(one.class)) {
      refused.push({ name, bdf, why: 'a bridge' });
      continue;
    }
    try {
      const { operations, identity } = await engine.stub.seize(bdf);
      if (identity.headerType !== 0) throw new Error(`header type ${identity.headerType}`);
      const socket = join(place, `${offered.length}.sock`);
      await ask('attach', { name, bdf: formatBdf(bdf), socket });
      const express = operations.lists.standard.some(({ id }) => id === EXPRESS);
      const bars = operations.hardware.resources
        .slice(0, BARS)
        .map(({ size, flags }) => ((flags & DISABLED) === 0 ? Number(size) : 0));
      offered.push({ name, bdf, socket, identity, express, bars });
    } catch (error) {
      refused.push({ name, bdf, why: describeError(error) });
    }
  }
  return { running, offered, refused, log, ask };
};
