// SPDX-License-Identifier: MIT

import { HostError } from '../../core/platform/index.ts';
import { expectEqual, expectFailure, expectThat } from './contract.ts';
import type { PlatformCase } from './platform-fixture.ts';

/** The obligations of a `GrantTable`. */
export const grantContract: readonly PlatformCase[] = [
  {
    name: 'grants: a mapped page is the memory of the peer, both ways',
    async run({ platform, peer }) {
      const theirs = peer.grant();
      const page = platform.grants.map(peer.domain, theirs.reference);
      expectEqual(page.memory.byteLength, 4096, 'size of the page');
      const here = new Uint8Array(page.memory);
      const there = new Uint8Array(theirs.memory);
      there[0] = 0x12;
      there[4095] = 0x34;
      expectEqual([here[0], here[4095]], [0x12, 0x34], 'bytes of the peer, seen here');
      here[1] = 0x56;
      here[4094] = 0x78;
      expectEqual([there[1], there[4094]], [0x56, 0x78], 'bytes written here, seen by the peer');
      page.unmap();
      theirs.end();
    },
  },
  {
    name: 'grants: Atomics work across the two sides',
    async run({ platform, peer }) {
      const theirs = peer.grant();
      const page = platform.grants.map(peer.domain, theirs.reference);
      const here = new Int32Array(page.memory);
      const there = new Int32Array(theirs.memory);
      expectEqual(Atomics.or(there, 0, 3), 0, 'flags before the peer set two');
      expectEqual(Atomics.and(here, 0, ~1), 3, 'flags before one was cleared here');
      expectEqual(Atomics.load(there, 0), 2, 'flags as the peer sees them');
      page.unmap();
      theirs.end();
    },
  },
  {
    name: 'grants: two pages are two pages, and giving one back leaves the other',
    async run({ platform, peer }) {
      const theirs = [peer.grant(), peer.grant()] as const;
      const first = platform.grants.map(peer.domain, theirs[0].reference);
      const second = platform.grants.map(peer.domain, theirs[1].reference);
      new Uint8Array(theirs[0].memory)[7] = 1;
      new Uint8Array(theirs[1].memory)[7] = 2;
      expectEqual([new Uint8Array(first.memory)[7], new Uint8Array(second.memory)[7]], [1, 2], 'bytes');
      first.unmap();
      expectEqual(new Uint8Array(second.memory)[7], 2, 'byte of the page that is still mapped');
      second.unmap();
      for (const page of theirs) page.end();
    },
  },
  {
    name: 'grants: a page can be mapped, given back and mapped again',
    async run({ platform, peer }) {
      const theirs = peer.grant();
      for (const value of [1, 2, 3]) {
        const page = platform.grants.map(peer.domain, theirs.reference);
        new Uint8Array(page.memory)[value] = value;
        page.unmap();
      }
      expectEqual([...new Uint8Array(theirs.memory).subarray(0, 4)], [0, 1, 2, 3], 'bytes of the peer');
      theirs.end();
    },
  },
  {
    name: 'grants: giving a page back twice is harmless',
    async run({ platform, peer }) {
      const theirs = peer.grant();
      const page = platform.grants.map(peer.domain, theirs.reference);
      page.unmap();
      page.unmap();
      theirs.end();
    },
  },
  {
    name: 'grants: a reference that the peer never granted is refused',
    async run({ platform, peer }) {
      const error = await expectFailure(() => platform.grants.map(peer.domain, 0x7ff0), 'map');
      expectThat(error instanceof HostError, `HostError, got ${error}`);
    },
  },
];
