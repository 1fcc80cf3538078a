// SPDX-License-Identifier: MIT

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Request } from '../../../../core/ring/request.ts';
import { HostOperations } from '../../../../core/stub/index.ts';
import { LineHandler } from '../../../../plugins/interrupts/device/line-handler.ts';
import { Vectors } from '../../../../plugins/interrupts/device/vectors.ts';
import { FakeFunction } from '../../../kit/fake-function.ts';
import { createManualClock } from '../../../kit/manual-clock.ts';

const COMMAND = 0x04;
const MSI = 0x50;
const MSIX = 0x70;
const VECTORS = 4;

/** A device with both kinds, in a host that notes every call that the kernel's layer would stumble over. */
const strictHost = () => {
  const illegal: string[] = [];
  const nic = new FakeFunction({
    line: 19,
    image: [
      [0x06, 2, 0x0010],
      [0x34, 1, MSI],
      [0x3d, 1, 1],
      [MSI, 2, 0x0005 | (MSIX << 8)],
      [MSIX, 1, 0x11],
      [MSIX + 2, 2, VECTORS - 1],
    ],
    resources: [{ start: 0xfe000000n, size: 0x4000n, flags: 0x200 }],
  });
  const mapped = new Map<number, 'msi' | 'msix'>();
  let next = 50;
  let claimed = false;
  const isOn = { msi: () => (nic.get(MSI + 2, 2) & 1) !== 0, msix: () => (nic.get(MSIX + 2, 2) & 0x8000) !== 0 };
  const map = (kind: 'msi' | 'msix'): number => {
    if (isOn.msi() || isOn.msix()) illegal.push(`${kind} mapped while messages are on`);
    if ([...mapped.values()].some((one) => one !== kind || kind === 'msi')) illegal.push(`${kind} mapped twice`);
    if (kind === 'msix' && (nic.get(COMMAND, 2) & 2) === 0) illegal.push('MSI-X without decode');
    mapped.set(next, kind);
    return next++;
  };
  const operations = new HostOperations(nic, createManualClock());
  const line = new LineHandler({
    operations,
    sharedLines: 'refuse',
    lines: {
      canClaim: true,
      claim: () => {
        if (isOn.msi() || isOn.msix()) illegal.push('handler on the vector of a message');
        if (claimed) illegal.push('handler installed twice');
        claimed = true;
        return {
          release: () => {
            if (!claimed) illegal.push('handler freed twice');
            claimed = false;
          },
        };
      },
      isShared: () => true,
      hostUsers: () => [],
    },
    warn: () => undefined,
    refused: () => undefined,
  });
  const vectors = new Vectors({
    domain: 1,
    operations,
    mapper: {
      mapMsi: () => map('msi'),
      mapMsix: () => map('msix'),
      unmap: (_: number, pirq: number) => {
        if (!mapped.delete(pirq)) illegal.push(`${pirq} unmapped twice`);
      },
      linePirq: () => 19,
    } as never,
    refuses: () => undefined,
    warn: () => undefined,
    switched: (state) => (state === 'on' ? line.messagesOn() : line.messagesOff()),
  });
  const send = (work: (request: Request) => number, count: number): number => {
    const request = new Request();
    request.value = count;
    const halves = new Uint16Array(request.bytes.buffer);
    // An element is a vector, then its entry.
    for (let i = 0; i < VECTORS; i++) halves[18 + 2 * i + 1] = i;
    request.sealed();
    return work(request);
  };
  return { illegal, nic, mapped, isOn, operations, line, vectors, send };
};

describe('XSA-157: interrupt requests and the command register, in any order', () => {
  it('lead to no call that the host may not be asked for, and leave nothing mapped', () => {
    const step = fc.constantFrom('msi on', 'msi off', 'msix on', 'msix off', 'command on', 'command off', 'decode off');
    const steps = fc.array(fc.tuple(step, fc.integer({ min: 0, max: VECTORS + 1 })), { minLength: 20, maxLength: 60 });
    let enabled = 0;
    fc.assert(
      fc.property(steps, (sequence) => {
        const { illegal, nic, mapped, isOn, operations, line, vectors, send } = strictHost();
        for (const [what, count] of sequence) {
          if (what === 'msi on' && send((one) => vectors.enableMsi(one), 0) === 0) enabled++;
          if (what === 'msix on' && send((one) => vectors.enableMsix(one), count) === 0) enabled++;
          if (what === 'msi off') send((one) => vectors.disableMsi(one), 0);
          if (what === 'msix off') send((one) => vectors.disableMsix(one), 0);
          if (what === 'command on') operations.enable();
          if (what === 'command off') operations.disable();
          if (what === 'decode off') nic.put(COMMAND, 2, nic.get(COMMAND, 2) & ~2);
          line.follow();
          expect(illegal).toEqual([]);
          expect(isOn.msi() && isOn.msix()).toBe(false);
          expect(mapped.size > 0).toBe(isOn.msi() || isOn.msix());
          expect(vectors.mapped).toBe(mapped.size);
        }
        vectors.teardown();
        line.reset();
        expect([mapped.size, illegal, line.state.on]).toEqual([0, [], false]);
      }),
      { numRuns: 300 },
    );
    // Sequences in which nothing ever comes on would prove nothing.
    expect(enabled).toBeGreaterThan(100);
  });
});
