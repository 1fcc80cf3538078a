// SPDX-License-Identifier: MIT

import { delay, eventually, expectEqual, expectThat } from './contract.ts';
import { eventContract } from './platform-contract-events.ts';
import { grantContract } from './platform-contract-grants.ts';
import { interruptContract } from './platform-contract-interrupts.ts';
import { pciContract } from './platform-contract-pci.ts';
import { storeContract } from './platform-contract-store.ts';
import type { PlatformCase } from './platform-fixture.ts';

export type { PeerPage, PeerPort, PlatformCase, PlatformFixture, PlatformPeer } from './platform-fixture.ts';

const clockContract: readonly PlatformCase[] = [
  {
    name: 'clock: goes forward and calls back once, unless cancelled',
    async run({ platform: { clock: time } }) {
      const start = time.now();
      let calls = 0;
      const cancelled = time.after(20, () => {
        calls += 100;
      });
      time.after(20, () => {
        calls += 1;
      });
      cancelled();
      await eventually(() => calls > 0, 'the call');
      await delay(60);
      expectEqual(calls, 1, 'calls');
      expectThat(time.now() - start >= 15, `the clock went forward, by ${time.now() - start} ms`);
    },
  },
];

/** The obligations of a `Platform`, the same for every one. */
export const platformContract: readonly PlatformCase[] = [
  ...storeContract,
  ...grantContract,
  ...eventContract,
  ...pciContract,
  ...interruptContract,
  ...clockContract,
];
