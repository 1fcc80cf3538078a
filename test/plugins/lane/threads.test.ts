// SPDX-License-Identifier: MIT

import { setTimeout as pause } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { expect, it } from 'vitest';
import { sourceModule } from '../../kit/threads/source-module.ts';
import { ThreadGuest } from '../../kit/threads/thread-guest.ts';
import type { GuestReport } from './guest-thread.ts';
import { policies, threadWorld } from './thread-world.ts';

const TURNS = 2000;
/** Three threads that wake each other; on a host that is busy with others that takes its time. */
const LONG = { timeout: 180_000 };

/** As long as it takes: the test's own limit ends it. */
const until = async (holds: () => boolean): Promise<void> => {
  while (!holds()) await pause(1);
};

it.each(['adaptive', 'never'] as const)(
  'a guest, a lane and a control thread, each on its own: %s',
  LONG,
  async (watch) => {
    const world = threadWorld(policies[watch]);
    const { counts, connection, device, dispatcher, lane, space } = world;
    const workerData = { page: world.page, events: world.events.memory, port: world.port, turns: TURNS };
    const guest = new Worker(sourceModule(new URL('./guest-thread.ts', import.meta.url)), { workerData });
    // Meanwhile the view is shown again and again, as hot loads do.
    const shows = setInterval(world.show, 2);
    const report = await new Promise<GuestReport>((resolve, reject) => {
      guest.on('message', resolve).on('error', reject);
    });
    clearInterval(shows);
    expect(report.wrong).toEqual([]);

    // What needs code came here, each once. Of the rest only what the guest asked after an event with nothing to do.
    expect(report.needingCode).toBeGreaterThan(TURNS / 14);
    expect(counts.dispatched).toBeGreaterThanOrEqual(report.needingCode);
    expect(counts.delivered).toBeGreaterThanOrEqual(counts.dispatched);
    const switches = Array.from({ length: report.needingCode }, (_, i) => `setBusMaster ${i % 2 === 0 ? 'on' : 'off'}`);
    expect(device.calls).toEqual(switches);
    const { conf_read: reads, conf_write: writes } = dispatcher.requests();
    expect([reads, writes]).toEqual([report.reads, report.writes]);
    expect(dispatcher.statuses().success).toBe(
      report.reads + report.writes - (dispatcher.statuses().dev_not_found ?? 0),
    );
    // What the lane leaves undone when it sleeps: at most once each time the control thread gives the seat back.
    expect(counts.unmasked).toBeLessThanOrEqual(counts.caughtUp + counts.shown);

    await connection.close();
    await lane.close();
    expect(lane.report().guests).toBe(0);
    // Every refused write is recorded by now, with its value, and as often as it was made.
    const refused = new Map<number, number>();
    for (const value of report.refused) refused.set(value, (refused.get(value) ?? 0) + 1);
    expect(refused.size).toBe(3);
    expect(world.denied).toEqual(refused);
    // They differed from the id in the lowest byte.
    expect([...space.counts.denied.subarray(0, 6)]).toEqual([report.refused.length, 0, 0, 0, 0, 0]);
  },
);

const first: readonly (readonly [string, Parameters<ThreadGuest['send']>])[] = [
  ['needs code', [1, 0, 4, 2, 0x0104]],
  ['needs none', [0, 0, 0, 4]],
];
it.each(first)('a guest that asked before the lane rehearsed, something that %s', LONG, async (_, request) => {
  // The lane takes the rings of its rehearsal with the events: as if all that come before the answer were among them.
  let rings = false;
  const world = threadWorld(policies.adaptive, (events) => {
    if (rings) events.ring();
  });
  const guest = new ThreadGuest(world.page, world.events, world.port, 'spinning');
  guest.send(...request);
  await until(() => guest.answered);
  expect(guest.take()).toBe(0);
  // The control thread stands in until the lane is ready.
  expect(world.counts.dispatched).toBe(1);
  // The event came during the rehearsal. Its delivery ends all the same, or no other would follow.
  rings = true;
  world.events.ring();
  await until(() => !world.events.isMasked(world.port));

  await world.lane.ready;
  guest.send(0, 0, 0, 4);
  await until(() => guest.answered);
  expect([guest.take(), guest.value]).toEqual([0, 0x10d38086]);
  guest.send(1, 0, 4, 2, 0x0100);
  await until(() => guest.answered);
  guest.send(0, 0, 4, 2);
  await until(() => guest.answered);
  expect([guest.take(), guest.value]).toEqual([0, 0x0100]);
  await world.connection.close();
  await world.lane.close();
});
