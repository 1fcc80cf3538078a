// SPDX-License-Identifier: MIT

import { Worker as Thread } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { Command, Flag, OP_BYTES, OP_START, Page, Status, Verdict } from '../../../core/ring/layout.ts';
import { Ring } from '../../../core/ring/ring.ts';

/** A front end's own view of a page, written by offset as protocol.md has it. */
const frontEnd = (memory: ArrayBufferLike = new SharedArrayBuffer(Page.bytes)) => {
  const view = new DataView(memory);
  const flags = new Int32Array(memory, 0, 1);
  return {
    memory,
    view,
    flags,
    put(fields: Partial<Record<Exclude<keyof typeof Page, 'bytes' | 'used' | 'msixEntries'>, number>>): void {
      for (const [name, value] of Object.entries(fields)) {
        view.setInt32(Page[name as keyof typeof Page], value, true);
      }
    },
    entry: (i: number, vector: number, entry: number): void => {
      view.setUint16(40 + 4 * i, vector, true);
      view.setUint16(42 + 4 * i, entry, true);
    },
    vector: (i: number): number => view.getUint16(40 + 4 * i, true),
    send: (): void => {
      Atomics.or(flags, 0, Flag.frontActive);
    },
  };
};

describe('the shared page', () => {
  it('has the layout of protocol version 7', () => {
    expect(OP_START).toBe(4);
    expect(OP_BYTES).toBe(548);
    expect(Page.used).toBe(572);
    expect(Page).toMatchObject({
      cmd: 4,
      err: 8,
      domain: 12,
      bus: 16,
      devfn: 20,
      offset: 24,
      size: 28,
      value: 32,
      info: 36,
    });
    expect(Page).toMatchObject({
      msixEntries: 40,
      aerCmd: 552,
      aerErr: 556,
      aerDomain: 560,
      aerBus: 564,
      aerDevfn: 568,
    });
  });

  it('refuses memory that is not a page', () => {
    expect(() => new Ring(new ArrayBuffer(572))).toThrow(/4096/);
  });
});

describe('a snapshot', () => {
  it('holds every member of the request', () => {
    const front = frontEnd();
    front.put({
      cmd: Command.enableMsix,
      domain: -1,
      bus: 2,
      devfn: 0xfffffff8 | 0,
      offset: -4096,
      size: -4,
      value: -2,
    });
    front.entry(0, 0xffff, 7);
    front.entry(127, 1, 9);
    front.send();
    const ring = new Ring(front.memory);
    expect(ring.pending).toBe(true);
    const request = ring.snapshot();
    expect(request.cmd).toBe(Command.enableMsix);
    expect(request.segment).toBe(0xffffffff);
    expect(request.bus).toBe(2);
    expect(request.devfn).toBe(0xfffffff8);
    expect(request.offset).toBe(-4096);
    expect(request.size).toBe(-4);
    expect(request.value).toBe(0xfffffffe);
    expect([request.vector(0), request.entry(0), request.vector(127), request.entry(127)]).toEqual([0xffff, 7, 1, 9]);
  });

  it('is not changed by anything the guest does afterwards (XSA-155, seed 8135cf8b09)', () => {
    const front = frontEnd();
    front.put({ cmd: Command.confRead, devfn: 8, offset: 4, size: 2, value: 3 });
    front.send();
    const ring = new Ring(front.memory);
    const request = ring.snapshot();
    new Uint8Array(front.memory, OP_START, OP_BYTES).fill(0xff);
    expect([request.cmd, request.devfn, request.offset, request.size, request.value, request.count]).toEqual([
      0, 8, 4, 2, 3, 3,
    ]);
  });

  it('does not allocate', () => {
    const ring = new Ring(frontEnd().memory);
    expect(ring.snapshot()).toBe(ring.snapshot());
  });
});

describe('an answer', () => {
  it('writes err and value, clears the flag and leaves everything else', () => {
    const front = frontEnd();
    front.put({ cmd: Command.confRead, domain: 1, bus: 2, devfn: 3, offset: 4, size: 4, value: 5, info: 77 });
    front.entry(0, 11, 22);
    Atomics.or(front.flags, 0, Flag.aerHandler | 0x80);
    front.send();
    const before = new Uint8Array(front.memory).slice();
    const ring = new Ring(front.memory);
    const request = ring.snapshot();
    request.err = Status.invalidOffset;
    request.value = 0xdeadbeef;
    expect(ring.answer()).toBe(true);
    const after = new Uint8Array(front.memory);
    const changed = [...after.keys()].filter((i) => after[i] !== before[i]);
    const allowed = (i: number) => i < 4 || (i >= 8 && i < 12) || (i >= 32 && i < 36);
    expect(changed.filter((i) => !allowed(i))).toEqual([]);
    expect(front.view.getInt32(Page.err, true)).toBe(-2);
    expect(front.view.getUint32(Page.value, true)).toBe(0xdeadbeef);
    expect(front.flags[0]).toBe(Flag.aerHandler | 0x80);
  });

  it.each([1, 2, 128])('copies the %i vectors that were asked for, after value became the result', (count) => {
    const front = frontEnd();
    front.put({ cmd: Command.enableMsix, value: count });
    for (let i = 0; i < 128; i++) front.entry(i, 0xffff, i);
    front.send();
    const ring = new Ring(front.memory);
    const request = ring.snapshot();
    for (let i = 0; i < count; i++) request.setVector(i, 50 + i);
    request.value = 0;
    request.err = Status.success;
    ring.answer();
    for (let i = 0; i < 128; i++) expect(front.vector(i)).toBe(i < count ? 50 + i : 0xffff);
    expect(front.view.getUint16(42, true)).toBe(0);
  });

  it('copies no vector after a failure, nor more than 128 (S-12)', () => {
    const front = frontEnd();
    front.put({ cmd: Command.enableMsix, value: 0xffffffff | 0 });
    front.send();
    const ring = new Ring(front.memory);
    const request = ring.snapshot();
    request.setVector(0, 5);
    request.setVector(4000, 5);
    request.err = -22;
    ring.answer();
    expect(front.vector(0)).toBe(0);
    front.send();
    ring.snapshot().err = 0;
    ring.answer();
    expect(front.view.getInt32(Page.aerCmd, true)).toBe(0);
  });

  it.each([129, 0x7fffffff, 0xffffffff])('leaves what lies behind the list, for %i vectors too', (count) => {
    const front = frontEnd();
    front.put({ cmd: Command.enableMsix, value: count | 0, aerCmd: 0x12345678 });
    front.send();
    const ring = new Ring(front.memory);
    ring.snapshot().err = Status.success;
    ring.answer();
    expect(front.view.getInt32(Page.aerCmd, true)).toBe(0x12345678);
  });

  it('is dropped when the front end has given up (D-P1)', () => {
    const front = frontEnd();
    front.put({ cmd: Command.confRead, value: 9 });
    front.send();
    const ring = new Ring(front.memory);
    ring.snapshot().value = 1;
    Atomics.and(front.flags, 0, ~Flag.frontActive);
    expect(ring.answer()).toBe(false);
    expect(front.view.getInt32(Page.value, true)).toBe(9);
  });

  it('keeps flags that another thread changes at the same time (S-14)', async () => {
    const front = frontEnd();
    const ring = new Ring(front.memory);
    const rounds = 20000;
    const thread = new Thread(
      `const { workerData } = require('node:worker_threads');
       const flags = new Int32Array(workerData.memory, 0, 1);
       let lost = 0;
       for (let i = 0; i < workerData.rounds; i++) {
         Atomics.or(flags, 0, 0x100);
         if ((Atomics.load(flags, 0) & 0x100) === 0) lost++;
         Atomics.and(flags, 0, ~0x100);
         if ((Atomics.load(flags, 0) & 0x100) !== 0) lost++;
       }
       require('node:worker_threads').parentPort.postMessage(lost);`,
      { eval: true, workerData: { memory: front.memory, rounds } },
    );
    const lost = new Promise<number>((resolve) => thread.once('message', resolve));
    let ours = 0;
    const ended = { value: false };
    void lost.then(() => {
      ended.value = true;
    });
    while (!ended.value) {
      for (let i = 0; i < 5000; i++) {
        front.send();
        ring.snapshot();
        if (!ring.answer() || ring.pending) ours++;
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect([await lost, ours]).toEqual([0, 0]);
  });
});

describe('the AER half', () => {
  it('is laid out as the guest expects it, and taken back atomically', () => {
    const front = frontEnd();
    const ring = new Ring(front.memory);
    expect(ring.understandsAer).toBe(false);
    Atomics.or(front.flags, 0, Flag.aerHandler);
    expect(ring.understandsAer).toBe(true);
    ring.requestAer({ command: Command.aerDetected, state: 2, segment: 0, bus: 1, devfn: 8 });
    expect(ring.aerPending).toBe(true);
    const read = (offset: number) => front.view.getInt32(offset, true);
    expect([552, 556, 560, 564, 568].map(read)).toEqual([6, 2, 0, 1, 8]);
    ring.withdrawAer();
    expect(ring.aerPending).toBe(false);
    expect(read(556)).toBe(Verdict.none);
  });

  it.each([
    [1, 1],
    [6, 6],
    [0, 4],
    [7, 4],
    [-1, 4],
  ])('takes verdict %i as %i (D-P5)', (sent, taken) => {
    const front = frontEnd();
    front.view.setInt32(Page.aerErr, sent, true);
    expect(new Ring(front.memory).aerVerdict()).toBe(taken);
  });
});
