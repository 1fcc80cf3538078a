// SPDX-License-Identifier: MIT
// pciback's own lane between two threads: the real connection, compiled table and seat, with a guest in this thread.

import { built, urlOf } from '../package-under-test.mjs';
import { percentiles } from './round-trips.mjs';

const { Lane } = await built('plugins/lane/lane.js');
const { Connection } = await built('core/xenbus/connection.js');
const { Dispatcher } = await built('core/dispatcher/index.js');
const { compileSpace } = await built('core/space/compile.js');
const { ConfigSpace } = await built('core/space/config-space.js');
const { endpointHeader } = await built('plugins/fields/header.js');
const { FakeDevice, FakeFunction, createManualClock } = await built('test/kit/index.js');
const { SharedEvents } = await built('test/kit/threads/shared-bell.js');
/** Packages of version 0.1.0 or before have none. */
const wall = await built('core/wall/wall.js').then(
  ({ Wall }) => new Wall({ debug() {}, info() {}, warn() {}, error() {} }),
  () => undefined,
);
const { ThreadGuest } = await built('test/kit/threads/thread-guest.js');

/** A package of version 0.1.0 or before, to compare with: its connection takes its terms one by one. */
const IS_BEFORE_PARTS = Connection.length > 3;

const PORT = 1;
/** Ids, class, a BAR, subsystem: a constant, a kept one, and one with code whose content is kept. */
const registers = [0x00, 0x08, 0x10, 0x2c];
const policies = {
  /** The lane never sleeps while it is measured. */
  spin: { longest: 1000, wakeUps: 1000, shortest: 1000, patience: 0 },
  /** It sleeps after each answer. */
  wait: { longest: 0, wakeUps: 1000, shortest: 0, patience: 0 },
};

const unexpected = (what) => {
  throw new Error(`${what} came to the control thread`);
};

const deviceSpace = () => {
  const hardware = new FakeFunction({ image: [[0, 4, 0x10d38086]] });
  const nothing = () => undefined;
  const table = compileSpace(new FakeDevice(hardware), [{ owner: 'fields/header', set: endpointHeader }], {
    wall,
    unhandled: 'drop',
    deny: nothing,
    skipped: nothing,
  });
  return new ConfigSpace(hardware, table, { failed: unexpected, denied: nothing });
};

/** @param mode 'spin' or 'wait', as round-trips.mjs has them */
export const startLane = async (mode) => {
  const events = new SharedEvents();
  const page = new SharedArrayBuffer(4096);
  const space = deviceSpace();
  const dispatcher = new Dispatcher({ lookup: () => unexpected('a request') }, unexpected);
  const lane = new Lane({
    ...(IS_BEFORE_PARTS
      ? { module: new URL(urlOf('test/kit/threads/lane-thread.js')) }
      : { bell: new URL(urlOf('test/kit/threads/shared-bell.js')) }),
    own: events.memory,
    policy: policies[mode],
    ring: () => events.ring(),
    deliver: () => unexpected('an event'),
    lost: () => unexpected('a loss'),
    failed: unexpected,
  });
  await lane.ready;
  const platform = {
    clock: createManualClock(),
    grants: { map: () => ({ memory: page, reference: page, unmap: () => undefined }) },
    events: { bindInterdomain: () => events.channel(PORT) },
    [IS_BEFORE_PARTS ? 'lane' : 'answerer']: lane,
  };
  const refusals = new SharedArrayBuffer(1280);
  const leftWork = (refused) => refused?.(() => unexpected('a refused write'));
  const keys = { grantReference: 1, eventChannel: 1 };
  const connection = IS_BEFORE_PARTS
    ? new Connection(platform, 1, keys, dispatcher, leftWork)
    : new Connection(platform, keys, { domain: 1, dispatcher, leftWork });
  connection.show(() => ({
    addresses: Int32Array.of(0),
    devices: [space.deviceView],
    ...dispatcher.counters,
    refusals,
  }));
  const guest = new ThreadGuest(page, events, PORT, mode === 'spin' ? 'spinning' : 'sleeping');
  const roundTrip = (i) => {
    const err = guest.request(0, 0, registers[i & 3], 4);
    if (err !== 0) throw new Error(`answered ${err}`);
  };
  return {
    measure: (count) => percentiles(count, roundTrip),
    close: async () => {
      await connection.close();
      await lane.close();
    },
  };
};
