// SPDX-License-Identifier: MIT

import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ResourceFlag } from '../../core/platform/pci.ts';
import { Status } from '../../core/ring/layout.ts';
import { header, register } from '../../core/space/declaration.ts';
import { Outcome } from '../../core/space/outcome.ts';
import { endpointHeader } from '../../plugins/fields/header.ts';
import { msi } from '../../plugins/fields/msi.ts';
import { msix } from '../../plugins/fields/msix.ts';
import { powerManagement } from '../../plugins/fields/power.ts';
import { vitalProductData } from '../../plugins/fields/vpd.ts';
import { allowsControlWord } from '../../plugins/interrupts/rules.ts';
import { type Behaviour, defineQuirk } from '../../quirks/index.ts';
import { FakeDevice, FakeFunction, type ImagePart } from '../kit/fake-function.ts';
import { type GuestView, guestView, viewOf } from '../kit/guest-view.ts';

const bundled = [endpointHeader, vitalProductData, powerManagement, msi, msix];

const PM = 0x48;
const MSI = 0x50;
const MSIX = 0x70;
const VPD = 0x80;
const EXPRESS = 0xa0;

/** A network card with every capability that has fields, and one that has none; all other bytes are canaries. */
const card = (): FakeDevice => {
  const hardware = new FakeFunction({
    resources: [{ start: 0xfebc0000n, size: 0x20000n, flags: ResourceFlag.memory }],
    line: 11,
  });
  for (let at = 0; at < 4096; at++) hardware.image[at] = (at * 37 + 11) & 0xff;
  for (const [offset, size, value] of [
    [0x04, 2, 0x0000],
    [0x06, 2, 0x0010],
    [0x0f, 1, 0x80],
    [0x10, 4, 0xfebc0000],
    [0x34, 1, PM],
    [PM, 2, (MSI << 8) | 0x01],
    [PM + 4, 2, 0x2008],
    [MSI, 4, (0x0080 << 16) | (MSIX << 8) | 0x05],
    [MSIX, 4, (0x0004 << 16) | (VPD << 8) | 0x11],
    [VPD, 4, (0x0000 << 16) | (EXPRESS << 8) | 0x03],
    [EXPRESS, 2, 0x0010],
  ] satisfies ImagePart[]) {
    hardware.put(offset, size, value);
  }
  return new FakeDevice(hardware);
};

/** What a guest may change of this card without permission, byte by byte: all of it. */
const open: Readonly<Record<number, number>> = {
  4: 0x17, //      MASTER, INVALIDATE; IO and MEMORY by enabling
  5: 0x04, //      INTX_DISABLE by enabling
  12: 0xff, //      cache line size
  15: 0x40, //      BIST start
  77: 0x9e, //      data select, PME_Status
  130: 0xff, //      VPD address
  131: 0x7f,
};

const values = [0x00000000, 0xffffffff, 0xa5a5a5a5, 0x5a5a5a5a, 0x00ff00ff, 0x80000000, 0x00000001];

describe('XSA-128: an access that spans several registers', () => {
  it('changes no byte that no writable field covers, for every offset, size and value', () => {
    const guest = viewOf(card(), bundled);
    const canary = guest.hardware.image.slice();
    for (const size of [1, 2, 4] as const) {
      for (let offset = 0; offset < 4096; offset += size) {
        for (const value of values) {
          guest.hardware.forget();
          guest.write(offset, size, value);
          for (const [at, bytes] of guest.hardware.writes) {
            for (let byte = at; byte < at + bytes; byte++) {
              if (open[byte] === undefined) expect(`${size} at ${offset}: byte ${byte}`).toBe('never written');
            }
          }
        }
      }
    }
    for (const [at, byte] of guest.hardware.image.entries()) {
      const wrong = (byte ^ (canary[at] as number)) & ~(open[at] ?? 0);
      expect(`byte ${at}: ${wrong}`).toBe(`byte ${at}: 0`);
    }
  });

  it('writes the open part of a dword in permissive mode only where no field is (D-C8)', () => {
    const device = card();
    device.permissive = true;
    const guest = viewOf(device, bundled);
    expect(guest.write(0x04, 4, 0xffff0000)).toBe(0);
    expect(guest.hardware.get(0x06, 2)).toBe(0xffff);
    expect(guest.write(0x0c, 4, 0x81112233)).toBe(0);
    //                                latency timer kept, header type written, BIST refused
    expect(guest.hardware.get(0x0d, 1)).toBe((0x0d * 37 + 11) & 0xff);
    expect(guest.hardware.get(0x0c, 1)).toBe(0x33);
    expect(guest.hardware.get(0x0e, 1)).toBe(0x11);
    expect(guest.hardware.get(0x0f, 1)).toBe(0x80);
  });

  it('D-C7: a part that is refused is the answer of the whole', () => {
    const guest = viewOf(card(), bundled);
    expect(guest.write(MSI, 4, 0x00810000)).toBe(Status.accessDenied);
    expect(guest.write(VPD, 4, 0x80000000)).toBe(Status.accessDenied);
  });

  it.each([
    [Status.accessDenied, Status.success, Status.accessDenied],
    [Status.success, Status.accessDenied, Status.accessDenied],
    [Status.opFailed, Status.accessDenied, Status.opFailed],
    [Status.success, Outcome.later, Outcome.later],
    [Outcome.later, Status.success, Outcome.later],
  ])('D-C7: of two registers that answer %i and %i, %i counts, and both are written', (low, high, answer) => {
    const written: number[] = [];
    const answering = (status: number): Behaviour => ({
      write: (_at, value) => {
        written.push(value);
        return status;
      },
    });
    const set = header(
      'two',
      [0],
      [register(0xe0, 16, 'low').calls(answering(low)), register(0xe2, 16, 'high').calls(answering(high))],
    );
    expect(guestView([set]).write(0xe0, 4, 0x22221111)).toBe(answer);
    expect(written).toEqual([0x1111, 0x2222]);
  });
});

/** Control word and bytes of the four layouts of the MSI capability. */
const layouts = [
  ['32 bit', 0x0000, 0x0a],
  ['64 bit', 0x0080, 0x0e],
  ['32 bit, maskable', 0x0100, 0x14],
  ['64 bit, maskable', 0x0180, 0x18],
] as const;

describe.each(layouts)('XSA-129: the MSI capability, %s', (_layout, control, length) => {
  const view = (allowed: boolean): GuestView =>
    guestView(
      bundled,
      {
        image: [
          [0x06, 2, 0x0010],
          [0x34, 1, MSI],
          [MSI, 4, (control << 16) | 0x05],
          [MSI + 4, 4, 0xfee01004],
          [MSI + 8, 4, 0x00004142],
          [MSI + 12, 4, 0x00004243],
          [MSI + 16, 4, 0x00000001],
        ],
      },
      (device) => {
        device.interruptType = 'intx';
        device.controlWordAnswer = (kind, old, next) =>
          allowsControlWord({ kind, current: 'intx', old, next, allowed });
      },
    );

  it('no write changes a byte of it', () => {
    const guest = view(false);
    for (const size of [1, 2, 4] as const) {
      for (let offset = MSI; offset < MSI + length; offset += size) {
        if (offset % size !== 0) continue;
        for (const value of values) guest.write(offset, size, value);
      }
    }
    expect(guest.hardware.writes).toEqual([]);
  });

  it('with allow_interrupt_control only the enable bit', () => {
    const guest = view(true);
    for (const size of [1, 2, 4] as const) {
      for (let offset = MSI; offset < MSI + length; offset += size) {
        for (const value of [...values, control << 16, ((control | 1) << 16) >>> 0, control | 1, 0]) {
          guest.write(offset, size, value);
        }
      }
    }
    const written = guest.hardware.writes;
    expect(written.length).toBeGreaterThan(0);
    for (const [offset, size, value] of written) {
      expect([offset, size, value & ~1]).toEqual([MSI + 2, 2, control]);
    }
  });
});

describe('XSA-131: what has no field', () => {
  /** Bytes in no field of the bundled sets, from the table itself. */
  const unhandled = (guest: GuestView): number[] => {
    const claimed = new Uint8Array(4096);
    for (const { dword, mask } of guest.table.claims) {
      for (let i = 0; i < 4; i++) if (((mask >>> (8 * i)) & 0xff) !== 0) claimed[dword + i] = 1;
    }
    return [...claimed.keys()].filter((at) => claimed[at] === 0);
  };

  it('is not written for a fresh device', () => {
    const guest = viewOf(card(), bundled);
    const bytes = unhandled(guest);
    expect(bytes.length).toBeGreaterThan(4096 - 200);
    for (const at of bytes) expect(guest.write(at, 1, 0xff)).toBe(Status.success);
    expect(guest.hardware.writes).toEqual([]);
    expect(guest.refused.length).toBeGreaterThan(3000);
  });

  it('is written for a permissive device, and dropping fields stay as they are', () => {
    const device = card();
    device.permissive = true;
    const guest = viewOf(device, bundled);
    const bytes = new Set(unhandled(guest));
    const before = guest.hardware.image.slice();
    for (const at of bytes) expect(guest.write(at, 1, at & 0xff)).toBe(Status.success);
    for (const at of bytes) expect(guest.hardware.get(at, 1)).toBe(at & 0xff);
    const kept = [0x00, 0x02, 0x0d, 0x10, 0x3c, 0x3d, PM, PM + 2, PM + 6, PM + 7, MSI, MSIX, VPD, VPD + 4];
    for (const at of kept) {
      guest.write(at, 1, 0xff);
      guest.write(at & ~3, 4, 0);
      expect(`byte ${at}: ${guest.hardware.get(at, 1)}`).toBe(`byte ${at}: ${before[at]}`);
    }
  });
});

describe('rules from reading the code', () => {
  it('S-1: numbers outside of config space reach no hardware', () => {
    const guest = viewOf(card(), bundled);
    const offsets = [-4096, -4, -2, -1, 4096, 4100, 0x7ffffffc, -0x80000000];
    for (const offset of offsets) {
      for (const size of [1, 2, 4]) {
        expect(guest.space.read(offset, size)).toBe(Status.invalidOffset);
        expect(guest.write(offset, size, 0)).toBe(Status.invalidOffset);
      }
    }
    for (const size of [0, 3, 5, 8, -1, 0x7fffffff, -0x80000000]) {
      expect(guest.space.read(0, size)).toBe(Status.invalidOffset);
      expect(guest.write(0, size, 0)).toBe(Status.invalidOffset);
    }
    for (const [offset, size] of [
      [1, 2],
      [2, 4],
      [4095, 2],
    ] as const) {
      expect(guest.space.read(offset, size)).toBe(Status.invalidOffset);
    }
    expect(guest.hardware.log).toEqual([]);
  });

  it('S-3: a result is cut to its size', () => {
    const guest = viewOf(card(), bundled);
    for (let at = 0; at < 256; at++) {
      expect(guest.read(at, 1)).toBeLessThanOrEqual(0xff);
      if (at % 2 === 0) expect(guest.read(at, 2)).toBeLessThanOrEqual(0xffff);
      expect(guest.read(at, 1)).toBe((guest.read(at & ~3, 4) >>> (8 * (at & 3))) & 0xff);
    }
  });

  it('S-18, D-C1: the mask of a quirk is applied', () => {
    const quirk = defineQuirk({
      name: 'lab/one-bit',
      source: 'made up',
      match: [{ vendor: 0x8086 }],
      fields: [register(0xe0, 32, 'one bit').writable(0x00010000)],
    });
    const guest = viewOf(card(), [...bundled, ...quirk.sets]);
    const before = guest.hardware.get(0xe0, 4);
    guest.write(0xe0, 4, 0xffffffff);
    expect(guest.hardware.get(0xe0, 4)).toBe((before | 0x00010000) >>> 0);
    guest.write(0xe0, 4, 0);
    expect(guest.hardware.get(0xe0, 4)).toBe((before & ~0x00010000) >>> 0);
    expect(guest.hardware.writes.every(([offset, size]) => offset === 0xe2 && size === 1)).toBe(true);
  });

  it.each([
    ['command', 0x04, 16],
    ['half of a BAR', 0x12, 16],
    ['the PM control word', PM + 4, 16],
    ['a capability header', MSI, 8],
    ['a register that begins before a field', 0x3a, 32],
  ] as const)('S-18, D-C2: a quirk cannot open %s', (_name, offset, width) => {
    const quirk = defineQuirk({
      name: 'lab/greedy',
      source: 'made up',
      match: [{ vendor: 0x8086 }],
      fields: [register(offset, width, 'greedy').writable()],
    });
    const guest = viewOf(card(), [...bundled, ...quirk.sets]);
    expect(guest.skipped.length).toBe(1);
    expect(guest.skipped[0]).toContain('greedy');
    guest.write(0x10, 4, 0x12345678);
    guest.write(PM + 4, 2, 0x0100);
    guest.write(MSI, 2, 0);
    guest.write(0x3c, 4, 0);
    expect(guest.hardware.get(0x10, 4)).toBe(0xfebc0000);
    expect(guest.hardware.get(PM + 4, 2)).toBe(0x2008);
    expect(guest.hardware.get(MSI, 1)).toBe(0x05);
  });

  it('D-C3: two capabilities over each other do not stop the seizing; one of them is left out', () => {
    const hardware = new FakeFunction({
      image: [
        [0x06, 2, 0x0010],
        [0x34, 1, 0x48],
        [0x48, 4, 0x0000_4c01], //  PM at 0x48 has 8 bytes, its next lies inside
        [0x4c, 4, 0x0000_0005],
      ],
    });
    const guest = viewOf(new FakeDevice(hardware), bundled);
    expect(guest.skipped.length).toBe(1);
    expect(guest.skipped[0]).toContain('power management');
    expect(guest.read(0x48, 1)).toBe(0x01);
  });
});

/** Advisories and rules whose tests need more than a table of registers: where they are, by title. */
const elsewhere = [
  ['XSA-43', 'core/pciback', 'XSA-43: refused interrupt requests are logged at a bounded rate'],
  ['XSA-43', 'plugins/interrupts/device/line-handler', 'says little, however often the guest makes it speak (D-I8)'],
  ['XSA-120', 'plugins/fields/command', 'XSA-120: what a guest cannot do to the command register'],
  ['XSA-120', 'core/stub/stub', 'goes in the order that leaves the guest nothing'],
  ['XSA-120', 'plugins/recovery/fencing', 'loses bus master and interrupts, not decode (XSA-120); its requests fail'],
  ['XSA-155', 'core/ring/ring', 'is not changed by anything the guest does afterwards (XSA-155, seed 8135cf8b09)'],
  ['XSA-155', 'core/xenbus/state-machine', 'a page that changes under the request (seed 8135cf8b09)'],
  [
    'XSA-157',
    'plugins/interrupts/device/interrupt-sequences',
    'XSA-157: interrupt requests and the command register, in any order',
  ],
  ['XSA-157', 'plugins/interrupts/device/line-handler', 'step 6: never while MSI is on (XSA-157)'],
  ['XSA-331', 'core/xenbus/state-machine', 'unmaps only when it has ended, however the front end closes'],
  ['XSA-331', 'core/dispatcher/late-eoi', 'a ring that closes ends the wait and touches the page no more (D-P4)'],
  ['XSA-331', 'plugins/lane/lane', 'after the end of the connection the page is not touched any more'],
  [
    'XSA-332',
    'core/dispatcher/ring-server',
    'an empty event is unmasked at once, the next ones later and later, at most one second',
  ],
  ['XSA-332', 'core/dispatcher/late-eoi', 'ends each delivery once, answers each request and ends each wait'],
  ['XSA-332', 'plugins/lane/lane', 'more of them end in a delay that grows, and only the lane serves no one meanwhile'],
  ['XSA-349', 'core/serial-queue', 'keep at most one look waiting, and never miss the last change'],
  ['XSA-349', 'core/xenbus/state-machine', 'costs two more looks, however many there are while a step runs'],
  ['XSA-360', 'core/stub/stub', 'goes the same way when the guest is dead and unmapping fails (XSA-360)'],
  [
    'XSA-360',
    'core/stub/stub',
    'a device that does not answer is quarantined, its PIRQs are unmapped all the same (XSA-360)',
  ],
  [
    'S-5',
    'plugins/recovery/fencing',
    'is fenced at its deadline, not before, while others are plugged and unplugged (D-I5)',
  ],
  ['S-5', 'core/xenbus/state-machine', 'D-X8: a guest whose request takes its time holds nobody else up'],
  ['S-6', 'plugins/recovery/fencing', 'a guest that never answers (S-5, S-6)'],
  ['S-6', 'plugins/recovery/guest-errors', 'one that is fenced gets its registers back too, and stays cut off'],
] as const;

describe('advisories that are shown beside the code they concern', () => {
  it.each(elsewhere)('%s: %s: "%s"', (_id, stem, title) => {
    const text = readFileSync(new URL(`../${stem}.test.ts`, import.meta.url), 'utf8');
    const found = [...text.matchAll(/\b(?:it|describe)(?:\.each\([^)]*\))?\('((?:[^'\\]|\\.)*)'/g)];
    expect(found.map(([, name]) => name).filter((name) => name?.startsWith(title))).toHaveLength(1);
  });
});
