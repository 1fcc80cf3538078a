// SPDX-License-Identifier: MIT

import { HostError } from '../../core/platform/index.ts';
import { expectEqual, expectFailure, expectThat } from './contract.ts';
import type { PlatformCase } from './platform-fixture.ts';

/** No platform gives this number to a domain: the hypervisor keeps those from 0x7ff0 on for itself. */
const nobody = 0x7fee;

/** The obligations of an `InterruptMapper` that need no guest. */
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
];

const hasMsix = (held: { readConfig(offset: number, size: 1 | 2 | 4): number }): boolean => {
  let offset = (held.readConfig(6, 2) & 0x10) === 0 ? 0 : held.readConfig(0x34, 1) & 0xfc;
  for (let hops = 0; hops < 48 && offset >= 0x40; hops++) {
    if (held.readConfig(offset, 1) === 0x11) return true;
    offset = held.readConfig(offset + 1, 1) & 0xfc;
  }
  return false;
};
