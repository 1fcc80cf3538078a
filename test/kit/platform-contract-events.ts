// SPDX-License-Identifier: MIT

import { type EventChannel, HostError } from '../../core/platform/index.ts';
import { delay, eventually, expectEqual, expectFailure, expectThat } from './contract.ts';
import type { PlatformCase, PlatformFixture } from './platform-fixture.ts';

interface Counted {
  readonly channel: EventChannel;
  count(): number;
}

/** A bound channel whose first delivery, which a fresh channel may make, is over. */
const bindCounted = async ({ platform, peer, patience }: PlatformFixture, port: number): Promise<Counted> => {
  let count = 0;
  const channel = platform.events.bindInterdomain(peer.domain, port, () => {
    count += 1;
  });
  await delay(patience);
  if (count > 0) channel.unmask();
  await delay(patience);
  const before = count;
  return { channel, count: () => count - before };
};

/** The obligations of `EventChannels`. */
export const eventContract: readonly PlatformCase[] = [
  {
    name: 'events: the listener is never called before the binding has returned',
    async run(fixture) {
      for (let round = 0; round < 5; round++) {
        const port = fixture.peer.offerPort();
        let returned = false;
        let early = false;
        let calls = 0;
        port.notify();
        const channel = fixture.platform.events.bindInterdomain(fixture.peer.domain, port.port, () => {
          calls += 1;
          early ||= !returned;
        });
        port.notify();
        returned = true;
        await eventually(() => calls > 0, 'a delivery');
        expectThat(!early, 'no call before the binding returned');
        channel.close();
        port.close();
      }
    },
  },
  {
    name: 'events: an event is delivered once, and again after unmask and another event',
    async run(fixture) {
      const port = fixture.peer.offerPort();
      const { channel, count } = await bindCounted(fixture, port.port);
      for (const wanted of [1, 2, 3]) {
        port.notify();
        await eventually(() => count() >= wanted, `delivery ${wanted}`);
        await delay(fixture.patience);
        expectEqual(count(), wanted, 'deliveries');
        channel.unmask();
      }
      await delay(fixture.patience);
      expectEqual(count(), 3, 'deliveries in the end');
      channel.close();
      port.close();
    },
  },
  {
    name: 'events: a channel is masked until unmask; what arrives meanwhile is merged into one',
    async run(fixture) {
      const port = fixture.peer.offerPort();
      const { channel, count } = await bindCounted(fixture, port.port);
      port.notify();
      await eventually(() => count() === 1, 'the first delivery');
      for (let round = 0; round < 3; round++) port.notify();
      await delay(fixture.patience);
      expectEqual(count(), 1, 'deliveries while masked');
      channel.unmask();
      await eventually(() => count() === 2, 'the delivery of what arrived meanwhile');
      channel.unmask();
      await delay(fixture.patience);
      expectEqual(count(), 2, 'deliveries after the second unmask');
      channel.close();
      port.close();
    },
  },
  {
    name: 'events: unmasking what is not masked delivers nothing',
    async run(fixture) {
      const port = fixture.peer.offerPort();
      const { channel, count } = await bindCounted(fixture, port.port);
      channel.unmask();
      channel.unmask();
      await delay(fixture.patience);
      expectEqual(count(), 0, 'deliveries');
      channel.close();
      port.close();
    },
  },
  {
    name: 'events: notify reaches the peer',
    async run(fixture) {
      const port = fixture.peer.offerPort();
      const { channel } = await bindCounted(fixture, port.port);
      const before = port.received();
      channel.notify();
      await eventually(() => port.received() > before, 'event at the peer');
      channel.close();
      port.close();
    },
  },
  {
    name: 'events: channels do not disturb each other',
    async run(fixture) {
      const ports = [fixture.peer.offerPort(), fixture.peer.offerPort()] as const;
      const first = await bindCounted(fixture, ports[0].port);
      const second = await bindCounted(fixture, ports[1].port);
      expectThat(first.channel.port !== second.channel.port, 'two local ports');
      ports[0].notify();
      await eventually(() => first.count() === 1, 'delivery of the first');
      ports[1].notify();
      await eventually(() => second.count() === 1, 'delivery of the second while the first is masked');
      expectEqual(first.count(), 1, 'deliveries of the first');
      for (const { channel } of [first, second]) channel.close();
      for (const port of ports) port.close();
    },
  },
  {
    name: 'events: a closed channel delivers nothing; using it again is harmless',
    async run(fixture) {
      const port = fixture.peer.offerPort();
      const { channel, count } = await bindCounted(fixture, port.port);
      port.notify();
      channel.close();
      const before = count();
      await delay(fixture.patience);
      expectEqual(count(), before, 'deliveries after close');
      channel.close();
      channel.unmask();
      port.close();
    },
  },
  {
    name: 'events: a port used again belongs to the new channel alone',
    async run(fixture) {
      for (let round = 0; round < 3; round++) {
        const first = fixture.peer.offerPort();
        const old = await bindCounted(fixture, first.port);
        old.channel.close();
        first.close();
        const second = fixture.peer.offerPort();
        const young = await bindCounted(fixture, second.port);
        // Neither of the two may act on a channel that has the same number now.
        old.channel.close();
        old.channel.unmask();
        second.notify();
        await eventually(() => young.count() === 1, 'delivery to the new channel');
        expectEqual(old.count(), 0, 'deliveries to the old one');
        young.channel.close();
        second.close();
      }
    },
  },
  {
    name: 'events: a port that nobody offered is refused',
    async run({ platform, peer }) {
      const error = await expectFailure(
        () => platform.events.bindInterdomain(peer.domain, 1000, () => undefined),
        'bind',
      );
      expectThat(error instanceof HostError, `HostError, got ${error}`);
    },
  },
];
