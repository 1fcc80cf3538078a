// SPDX-License-Identifier: MIT
// One guest sends a million events with nothing behind them while another reads config space.
//
// On the embedded platform guests and daemon share a thread, so the storming guest's own work would be taken for the
// daemon's. It is bounded, some notifications per turn of the loop, and beside "nothing else runs" there is a second
// reference in which it does the same work towards a port that nobody is bound to: what is left is the daemon's part.

import { figure, interleave, quantile } from '../measure.mjs';
import { built } from '../package-under-test.mjs';
import { benchDevice, Place, watchedHost } from '../world.mjs';

const { Command } = await built('core/ring/layout.js');

const PER_TURN = 20;

/** Sends `count` events, some per turn of the event loop. */
const storm = (notify, count) => {
  let sent = 0;
  let ended = () => {};
  const end = new Promise((resolve) => {
    ended = resolve;
  });
  const turn = () => {
    for (let i = 0; i < PER_TURN; i++) notify();
    sent += PER_TURN;
    if (sent < count) setImmediate(turn);
    else ended();
  };
  setImmediate(turn);
  return { end, done: () => sent >= count };
};

/** Reads one after the other while `goesOn`; microseconds of each from request to answer. */
const readWhile = async (guest, goesOn) => {
  const took = [];
  while (goesOn()) {
    const offset = Place.shown[took.length & 3];
    const started = performance.now();
    const { err } = await guest.request({ cmd: Command.confRead, domain: 0, bus: 0, devfn: 0, offset, size: 4 });
    took.push((performance.now() - started) * 1000);
    if (err !== 0) throw new Error(`the guest was answered ${err}`);
  }
  return took;
};

export default {
  name: 'storm',
  summary: 'reads of one guest while another sends events without a request',
  run: async ({ quick, rounds }) => {
    const devices = [benchDevice(0), benchDevice(8)];
    const host = await watchedHost({ devices });
    const reader = await host.guest([devices[0].bdf], { driver: 'none' });
    const stormer = await host.guest([devices[1].bdf], { driver: 'none' });
    await Promise.all([reader.reached(4), stormer.reached(4)]);
    // A port that stays unbound: its events end nowhere.
    const unbound = host.platform.hypervisor.domain(stormer.domain).ports.allocUnbound(0, () => {});
    const total = quick ? 200_000 : 1_000_000;
    const count = Math.ceil(total / (rounds + 1) / PER_TURN) * PER_TURN;
    const watched = host.watched(stormer.domain);
    const parts = { quiet: [], beside: [], storm: [] };
    const under = async (name, notify) => {
      const { end, done } = storm(notify, count);
      parts[name].push(await readWhile(reader, () => !done()));
      await end;
      return 0;
    };
    const before = watched();
    let sent = 0;
    await interleave(rounds, {
      quiet: async () => {
        let reads = 0;
        parts.quiet.push(await readWhile(reader, () => reads++ < count / PER_TURN));
        return 0;
      },
      beside: () => under('beside', () => unbound.notify()),
      storm: () => {
        sent += count;
        return under('storm', () => stormer.notify());
      },
    });
    const after = watched();
    const delay = host.lastDelay();
    const stormed = after.deliveries - before.deliveries;
    // The last delivery's unmask may still wait for its delay.
    const owed = after.deliveries - after.unmasks;
    await host.close();
    const of = (name, q) => parts[name].slice(1).map((took) => quantile(took, q));
    const figures = [
      ['p50', 0.5],
      ['p99', 0.99],
    ].map(([label, q]) =>
      figure(`read under the storm, ${label}`, 'µs', of('storm', q), {
        'nothing else runs': of('quiet', q),
        'the same work towards an unbound port': of('beside', q),
      }),
    );
    figures.push(
      figure('deliveries to the daemon', 'count', [stormed], { 'events sent': [sent] }),
      figure(
        'unmasks by the daemon and still owed',
        'count',
        [after.unmasks - before.unmasks + owed - (before.deliveries - before.unmasks)],
        { deliveries: [stormed] },
      ),
      figure('back-off delay at the end', 'ms', [delay], { 'longest delay': [1000] }),
    );
    return {
      settings: { events: sent, perTurn: PER_TURN },
      figures,
      notes: [`Unmasks still owed when the count was taken: ${owed}; at most one, whose delay has not passed.`],
    };
  },
};
