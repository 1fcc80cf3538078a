// SPDX-License-Identifier: MIT

import { onTestFinished } from 'vitest';
import { Dispatcher } from '../../../core/dispatcher/index.ts';
import type { Platform, TakeRefused } from '../../../core/platform/index.ts';
import { compileSpace } from '../../../core/space/compile.ts';
import { ConfigSpace } from '../../../core/space/config-space.ts';
import type { Refusal } from '../../../core/space/refusal.ts';
import { Connection } from '../../../core/xenbus/connection.ts';
import { endpointHeader } from '../../../plugins/fields/header.ts';
import type { WatchPolicy } from '../../../plugins/kinds/answerer.ts';
import { Lane } from '../../../plugins/lane/lane.ts';
import { realClock } from '../../../plugins/platforms/embedded/clock.ts';
import { FakeDevice, FakeFunction } from '../../kit/index.ts';
import { silentWall } from '../../kit/silent-wall.ts';
import { SharedEvents } from '../../kit/threads/shared-bell.ts';
import { sourceModule } from '../../kit/threads/source-module.ts';

const PORT = 3;

export const policies: Readonly<Record<'adaptive' | 'never', WatchPolicy>> = {
  adaptive: { longest: 1, wakeUps: 1000, shortest: 0.05, patience: 3 },
  never: { longest: 0, wakeUps: 1000, shortest: 0, patience: 0 },
};

/**
 * A network card behind a lane in a thread of its own, and this thread as the control thread. The guest has its seat when
 * this returns, which is before the lane runs.
 *
 * @param ring ends the lane's sleep
 */
export const threadWorld = (policy: WatchPolicy, ring: (events: SharedEvents) => void = (events) => events.ring()) => {
  const hardware = new FakeFunction({
    identity: { vendor: 0x8086, device: 0x10d3 },
    image: [
      [0, 4, 0x10d38086],
      [4, 4, 0x00100000],
    ],
  });
  const device = new FakeDevice(hardware);
  /** Refused writes of four bytes at offset 0: how often which value. */
  const denied = new Map<number, number>();
  const sink = {
    failed: (offset: number, error: unknown) => {
      throw new Error(`access at ${offset}`, { cause: error });
    },
    denied: ({ offset, size, value, times }: Refusal) => {
      if (offset !== 0 || size !== 4) throw new Error(`${size} bytes at ${offset} were refused`);
      denied.set(value, (denied.get(value) ?? 0) + times);
    },
  };
  const table = compileSpace(device, [{ owner: 'fields/header', set: endpointHeader }], {
    wall: silentWall(),
    unhandled: 'drop',
    skipped: (set, why) => {
      throw new Error(`${set}: ${why}`);
    },
  });
  const space = new ConfigSpace(hardware, table, sink);
  const target = { assignment: { space, interrupts: { follow: () => {} } as never } };
  const counts = { dispatched: 0, delivered: 0, unmasked: 0, caughtUp: 0, shown: 0 };
  const dispatcher = new Dispatcher(
    {
      lookup: (_segment, _bus, devfn) => {
        counts.dispatched++;
        return devfn === 0 ? target : undefined;
      },
    },
    (error) => {
      throw error;
    },
  );
  const page = new SharedArrayBuffer(4096);
  const events = new SharedEvents();
  let listener: () => void = () => undefined;
  const terms = {
    bell: new URL('../../kit/threads/shared-bell.ts', import.meta.url),
    own: events.memory,
    policy,
    ring: () => ring(events),
    deliver: () => {
      counts.delivered++;
      listener();
    },
    lost: () => undefined,
    failed: (error: Error) => {
      throw error;
    },
  };
  const lane = new Lane(terms, sourceModule(new URL('../../../plugins/lane/thread.ts', import.meta.url)));
  onTestFinished(() => {
    lane.halt();
    events.ring();
  });
  const platform = {
    clock: realClock,
    grants: { map: () => ({ memory: page, reference: page, unmap: () => undefined }) },
    events: {
      bindInterdomain: (_domain: number, _port: number, heard: () => void) => {
        listener = heard;
        const channel = events.channel(PORT);
        return {
          ...channel,
          unmask: () => {
            counts.unmasked++;
            channel.unmask();
          },
        };
      },
    },
    answerer: lane,
  } as unknown as Platform;
  const catchUp = (refused: TakeRefused): void => {
    counts.caughtUp++;
    refused((_address, write) => space.refusedElsewhere(write));
    space.closeGates();
  };
  const keys = { grantReference: 1, eventChannel: 1 };
  const connection = new Connection(platform, keys, { domain: 1, dispatcher, leftWork: catchUp });
  const show = (): void => {
    counts.shown++;
    connection.show(() => ({
      addresses: Int32Array.of(0),
      devices: [space.deviceView],
      ...dispatcher.counters,
    }));
  };
  show();
  return { port: PORT, page, events, lane, connection, dispatcher, device, space, denied, counts, show };
};
