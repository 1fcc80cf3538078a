// SPDX-License-Identifier: MIT

import { Errno, HostError, type LineInterrupts, type PciFunction } from '../../core/platform/index.ts';
import { expectEqual, expectFailure, expectThat } from './contract.ts';
import type { PlatformCase, PlatformFixture } from './platform-fixture.ts';

/** No platform gives this number to a domain: the hypervisor keeps those from 0x7ff0 on for itself. */
const nobody = 0x7fee;

/** More than any host has lines. */
const noLine = 0xfffe;

/** Runs with the fixture's function seized, where it has a line. */
const withLine = async ({ platform, device }: PlatformFixture, work: (held: PciFunction) => void): Promise<void> => {
  const held = await platform.pci.seize(device);
  try {
    if (held.line !== 0) work(held);
  } finally {
    await platform.pci.release(held);
  }
};

const handled = (): 'handled' => 'handled';

/** The obligations of an `InterruptMapper`, and of `LineInterrupts`, that need no guest. */
export const interruptContract: readonly PlatformCase[] = [
  {
    name: 'interrupts: a mapping for a domain that is not there is refused',
    async run({ platform, device }) {
      const held = await platform.pci.seize(device);
      const error = await expectFailure(() => platform.interrupts.mapMsi(nobody, held), 'map');
      expectThat(error instanceof HostError && error.errno > 0, `HostError with errno, got ${error}`);
      await platform.pci.release(held);
    },
  },
  {
    name: 'interrupts: unmapping for a domain that is gone is no error',
    async run({ platform }) {
      platform.interrupts.unmap(nobody, 55);
    },
  },
  {
    name: 'interrupts: the line is the one of the function',
    async run({ platform, device }) {
      const held = await platform.pci.seize(device);
      expectEqual(platform.interrupts.linePirq(held), held.line, 'PIRQ of the line');
      await platform.pci.release(held);
    },
  },
  {
    name: 'interrupts: a seized function is prepared for MSI-X and set back',
    async run({ platform, device }) {
      const held = await platform.pci.seize(device);
      if (hasMsix(held)) {
        for (let round = 0; round < 2; round++) {
          platform.interrupts.prepareMsix(held);
          platform.interrupts.releaseMsix(held);
        }
      }
      await platform.pci.release(held);
    },
  },
  {
    name: 'interrupts: messages of a function that has none mapped can be written again, whatever it was reset by',
    async run({ platform, device }) {
      const held = await platform.pci.seize(device);
      if (hasMsix(held)) platform.interrupts.restoreMessages?.(held);
      await platform.pci.release(held);
    },
  },
  {
    name: 'lines: a handler can be installed and released, or is refused with EOPNOTSUPP where none can be had',
    run: (fixture) =>
      withLine(fixture, (held) => {
        const { lines } = fixture.platform;
        if (canClaim(lines, held)) {
          for (let round = 0; round < 2; round++) {
            const claim = lines.claim(held, 'pciback-contract', handled);
            claim.release();
            // A second call does nothing.
            claim.release();
          }
          return;
        }
        const error = thrownBy(() => lines.claim(held, 'pciback-contract', handled));
        expectThat(error instanceof HostError && error.errno === Errno.EOPNOTSUPP, `EOPNOTSUPP, got ${error}`);
      }),
  },
  {
    name: 'lines: two handlers go on one line, and each is released alone',
    run: (fixture) =>
      withLine(fixture, (held) => {
        const { lines } = fixture.platform;
        if (!canClaim(lines, held)) return;
        const first = lines.claim(held, 'pciback-contract 1', handled);
        const second = lines.claim(held, 'pciback-contract 2', handled);
        first.release();
        second.release();
      }),
  },
  {
    name: 'lines: a function without a line gets no handler',
    run: (fixture) =>
      withLine(fixture, (held) => {
        const { lines } = fixture.platform;
        const error = thrownBy(() => lines.claim(withoutLine(held), 'pciback-contract', handled));
        expectThat(error instanceof HostError && error.errno > 0, `HostError with errno, got ${error}`);
      }),
  },
  {
    name: 'lines: no two domains share a line that no guest has bound',
    run: (fixture) =>
      withLine(fixture, (held) => {
        const { lines } = fixture.platform;
        const claim = canClaim(lines, held) ? lines.claim(held, 'pciback-contract', handled) : undefined;
        let answer: boolean | unknown;
        try {
          answer = lines.isShared(held.line);
        } catch (error) {
          // A hypervisor need not know a line that nobody has bound.
          expectThat(error instanceof HostError && error.errno > 0, `HostError with errno, got ${error}`);
          answer = false;
        } finally {
          claim?.release();
        }
        expectEqual(answer, false, 'shared');
      }),
  },
  {
    name: 'lines: what is asked about a line that is not there is refused with HostError, or answered with no',
    async run({ platform }) {
      let answer = false;
      const error = thrownBy(() => {
        answer = platform.lines.isShared(noLine);
      });
      expectThat(!answer && (error === undefined || error instanceof HostError), `a no or HostError, got ${error}`);
      expectEqual(platform.lines.hostUsers(noLine).length, 0, 'drivers on it');
    },
  },
  {
    name: 'lines: handlers of pass-through are no users of the host',
    run: (fixture) =>
      withLine(fixture, (held) => {
        const { lines } = fixture.platform;
        const before = lines.hostUsers(held.line);
        const claim = canClaim(lines, held) ? lines.claim(held, 'xen-pciback[contract]', handled) : undefined;
        const during = lines.hostUsers(held.line);
        claim?.release();
        expectEqual(during.join(), before.join(), 'users');
        expectThat(!during.some((name) => name.startsWith('xen-pciback[')), `drivers only, got ${during.join()}`);
      }),
  },
];

/** Whether a handler can be had for the function. */
const canClaim = (lines: LineInterrupts, held: PciFunction): boolean => lines.canClaimFor?.(held) ?? lines.canClaim;

const thrownBy = (work: () => unknown): unknown => {
  try {
    work();
    return undefined;
  } catch (error) {
    return error;
  }
};

/** The same function as a firmware would have it that connected no line. */
const withoutLine = (held: PciFunction): PciFunction => ({
  identity: held.identity,
  resources: held.resources,
  line: 0,
  readConfig: (offset, size) => held.readConfig(offset, size),
  writeConfig: (offset, size, value) => held.writeConfig(offset, size, value),
  reset: () => held.reset(),
});

const hasMsix = (held: { readConfig(offset: number, size: 1 | 2 | 4): number }): boolean => {
  let offset = (held.readConfig(6, 2) & 0x10) === 0 ? 0 : held.readConfig(0x34, 1) & 0xfc;
  for (let hops = 0; hops < 48 && offset >= 0x40; hops++) {
    if (held.readConfig(offset, 1) === 0x11) return true;
    offset = held.readConfig(offset + 1, 1) & 0xfc;
  }
  return false;
};
