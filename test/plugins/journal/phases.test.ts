// SPDX-License-Identifier: MIT

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Command } from '../../../core/ring/layout.ts';
import { CapabilityId, capabilities } from '../../../core/space/capabilities.ts';
import type { IncludedGuest } from '../../../plugins/platforms/embedded/guest.ts';
import type { GuestRequest } from '../../../plugins/platforms/embedded/guest-ring.ts';
import { sample } from '../../../plugins/platforms/embedded/sources.ts';
import { createRestartableHost, type RestartableHost } from '../../kit/restartable-host.ts';

const nic = sample('e1000e').bdf;
const COMMAND = 0x04;
/** Control word of the power management capability. */
const POWER = 0xcc;
/** Device control of the PCI Express capability, from its start. */
const DEVICE_CONTROL = 0x08;
const RESET = 0x8000;
/** It can be reset by its guest. */
const disk = sample('nvme').bdf;
const DISK_DEVFN = 8;

let host: RestartableHost;
let guest: IncludedGuest;
let fresh: Uint8Array[];

beforeAll(async () => {
  host = createRestartableHost([sample('root-port'), sample('e1000e'), sample('nvme')]);
  await host.start();
  guest = await host.guest([nic, disk], { driver: 'none' });
  await guest.reached(4);
  fresh = [nic, disk].map((one) => host.xen.pci.model(one).snapshot());
});
afterAll(() => host.close());

const write = (offset: number, value: number, size = 2): GuestRequest => ({
  cmd: Command.confWrite,
  offset,
  size,
  value,
});
/** Bytes of config space that are not as they were at first, so that a difference can be read. */
const hardware = () => {
  const at = (index: number, place: number, byte: number): string[] =>
    byte === fresh[index]?.[place] ? [] : [`${index} ${place.toString(16)}: ${byte.toString(16)}`];
  return [nic, disk].flatMap((one, index) =>
    [...host.xen.pci.model(one).snapshot()].flatMap((byte, place) => at(index, place, byte)),
  );
};
const pirqs = () => host.xen.hypervisor.ledger().pirqs.filter(({ kind }) => kind !== 'line');
const resets = () => host.xen.pci.model(disk).counters.resets;

/** A request, what brings the device to where it is asked, and what undoes it. */
interface Step {
  readonly name: string;
  readonly first?: readonly GuestRequest[];
  readonly asked: GuestRequest;
  readonly undo: readonly GuestRequest[];
}

const msi: GuestRequest = { cmd: Command.enableMsi };
const msix: GuestRequest = { cmd: Command.enableMsix, value: 3, entries: [0, 2, 1] };
const express = capabilities({
  readConfig: (offset, size) => Buffer.from(sample('nvme').config).readUIntLE(offset, size),
}).find(({ id }) => id === CapabilityId.pcie);
const reset = { ...write((express?.offset ?? 0) + DEVICE_CONTROL, RESET), devfn: DISK_DEVFN };
/** Coming from D3hot the device loses registers, once. */
const cycle = [write(POWER, 3), write(POWER, 0), write(COMMAND, 0x7)];
const steps: readonly Step[] = [
  { name: 'enable_msi', asked: msi, undo: [{ cmd: Command.disableMsi }] },
  { name: 'disable_msi', first: [msi], asked: { cmd: Command.disableMsi }, undo: [] },
  { name: 'enable_msix', asked: msix, undo: [{ cmd: Command.disableMsix }] },
  { name: 'disable_msix', first: [msix], asked: { cmd: Command.disableMsix }, undo: [] },
  { name: 'the command register', first: [write(COMMAND, 0)], asked: write(COMMAND, 0x7), undo: [] },
  { name: 'D3hot', first: cycle, asked: write(POWER, 3), undo: [write(POWER, 0)] },
  { name: 'D0', first: [...cycle, write(POWER, 3)], asked: write(POWER, 0), undo: [] },
  { name: 'a function-level reset', asked: reset, undo: [] },
];

const all = async (requests: readonly GuestRequest[]): Promise<void> => {
  for (const one of requests) await guest.request(one);
};

describe('a request that is carried out once, wherever pciback is killed', () => {
  it.each(steps)('$name', { timeout: 300_000 }, async ({ first = [], asked, undo }) => {
    const outcome = async () => {
      const answer = await guest.request(asked);
      return { answer, hardware: hardware(), pirqs: pirqs() };
    };
    await all([write(COMMAND, 0x7), ...first]);
    const places: string[] = [];
    host.called = (call, when) => void places.push(`${when} ${call}`);
    const atFirst = resets();
    const whole = await outcome();
    expect(resets() - atFirst).toBe(asked.value === RESET ? 1 : 0);
    host.called = () => undefined;
    await all(undo);
    // Reads change nothing, and what is done between two calls is done before the second.
    const deadly = places.flatMap((place, index) => (/write|reset|interrupts|notify/.test(place) ? [index] : []));
    expect(deadly.length).toBeGreaterThan(0);
    for (const place of deadly) {
      await all([write(COMMAND, 0x7), ...first]);
      const before = resets();
      let count = 0;
      const killed = new Promise<void>((resolve) => {
        host.called = () => {
          if (count++ === place) resolve(host.killInside(guest));
        };
      });
      const pending = outcome();
      await killed;
      host.called = () => undefined;
      await host.start();
      expect({ place: places[place], ...(await pending) }).toEqual({ place: places[place], ...whole });
      expect(resets() - before).toBeLessThanOrEqual(asked.value === RESET ? 2 : 0);
      await all(undo);
    }
    expect(host.lines.filter(({ level }) => level === 'error')).toEqual([]);
  });
});
