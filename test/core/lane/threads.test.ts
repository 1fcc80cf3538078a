// SPDX-License-Identifier: MIT

import { Worker } from 'node:worker_threads';
import { expect, it } from 'vitest';
import { Dispatcher } from '../../../core/dispatcher/index.ts';
import { Lane, Refusals } from '../../../core/lane/index.ts';
import type { Platform } from '../../../core/platform/index.ts';
import { compileSpace } from '../../../core/space/compile.ts';
import { ConfigSpace } from '../../../core/space/config-space.ts';
import { Connection } from '../../../core/xenbus/connection.ts';
import { endpointHeader } from '../../../plugins/fields/header.ts';
import { realClock } from '../../../plugins/platforms/embedded/clock.ts';
import { FakeDevice, FakeFunction } from '../../kit/index.ts';
import { SharedEvents } from '../../kit/threads/shared-bell.ts';

const PORT = 3;
const REQUESTS = 5000;

/** A thread that runs a source file: Node 20 itself runs no TypeScript. */
const source = (file: string): URL => {
  const jiti = import.meta.resolve('jiti');
  const path = new URL(file, import.meta.url).pathname;
  const code = `import { createJiti } from ${JSON.stringify(jiti)};
await createJiti(${JSON.stringify(import.meta.url)}).import(${JSON.stringify(path)});`;
  return new URL(`data:text/javascript,${encodeURIComponent(code)}`);
};

it.each(['adaptive', 'never'])('a guest, a lane and a control thread, each on its own: %s', async (watch) => {
  const hardware = new FakeFunction({
    identity: { vendor: 0x8086, device: 0x10d3 },
    image: [
      [0, 4, 0x10d38086],
      [4, 4, 0x00100000],
    ],
  });
  const sink = {
    failed: (offset: number, error: unknown) => {
      throw new Error(`access at ${offset}`, { cause: error });
    },
    denied: () => undefined,
  };
  const table = compileSpace(new FakeDevice(hardware), [{ owner: 'fields/header', set: endpointHeader }], {
    unhandled: 'drop',
    deny: () => undefined,
    skipped: (set, why) => {
      throw new Error(`${set}: ${why}`);
    },
  });
  const space = new ConfigSpace(hardware, table, sink);
  const target = { assignment: { space, interrupts: undefined as never } };
  const dispatcher = new Dispatcher(
    { lookup: (_segment, _bus, devfn) => (devfn === 0 ? target : undefined) },
    (error) => {
      throw error;
    },
  );
  const page = new SharedArrayBuffer(4096);
  const events = new SharedEvents();
  let listener: () => void = () => undefined;
  let unmasked = 0;
  const lane = new Lane({
    module: source('../../kit/threads/lane-thread.ts'),
    own: events.memory,
    policy:
      watch === 'never'
        ? { longest: 0, wakeUps: 1000, shortest: 0, patience: 0 }
        : { longest: 1, wakeUps: 1000, shortest: 0.05, patience: 3 },
    ring: () => events.ring(),
    deliver: () => listener(),
    lost: () => undefined,
    failed: (error) => {
      throw error;
    },
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
            unmasked++;
            channel.unmask();
          },
        };
      },
    },
    lane,
  } as unknown as Platform;
  const refusals = new Refusals();
  const catchUp = (): void => {
    refusals.take((_address, offset, size, value, mask, times) => {
      space.refusedElsewhere(offset, size, value, mask, times);
    });
    space.closeGates();
  };
  const connection = new Connection(platform, 1, { grantReference: 1, eventChannel: 1 }, dispatcher, catchUp);
  connection.show(() => ({
    addresses: Int32Array.of(0),
    devices: [space.deviceView],
    ...dispatcher.counters,
    refusals: refusals.memory,
  }));

  const workerData = { page, events: events.memory, port: PORT, requests: REQUESTS };
  const guest = new Worker(source('./guest-thread.ts'), { workerData });
  // Meanwhile the view is shown again and again, as hot loads do.
  let shown = 0;
  const shows = setInterval(() => {
    shown++;
    connection.show(() => ({
      addresses: Int32Array.of(0),
      devices: [space.deviceView],
      ...dispatcher.counters,
      refusals: refusals.memory,
    }));
  }, 2);
  const wrong = await new Promise<string[]>((resolve, reject) => {
    guest.on('message', resolve).on('error', reject);
  });
  clearInterval(shows);
  expect(wrong).toEqual([]);
  const slow = Math.ceil((REQUESTS * 2) / 11);
  const { conf_read: reads = 0, conf_write: writes = 0 } = dispatcher.requests();
  expect(reads).toBe(REQUESTS);
  expect(Math.abs(writes - slow)).toBeLessThanOrEqual(2);
  // What the lane leaves undone when it sleeps: at most once each time the control thread gives the seat back.
  expect(unmasked).toBeLessThanOrEqual(writes + shown + 2);
  await connection.close();
  await lane.close();
  expect(lane.report().guests).toBe(0);
});
