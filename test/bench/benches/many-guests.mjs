// SPDX-License-Identifier: MIT
// node --expose-gc many-guests.mjs GUESTS IDLE_SECONDS BUSY_SECONDS: prints one line of JSON.
//
// Memory: heap and buffers after a collection, with all guests up, less the same before the first one. What of it the
// back ends have is what comes free when pciback stops while the guests stay.

import { setTimeout as sleep } from 'node:timers/promises';
import { quantile } from '../measure.mjs';
import { built } from '../package-under-test.mjs';
import { benchDevice, Place, watchedHost } from '../world.mjs';

const { Command } = await built('core/ring/layout.js');

const [guests, idleSeconds, busySeconds] = process.argv.slice(2).map(Number);
/** Milliseconds between two requests of a guest. */
const PERIOD = 10;

const memory = () => {
  globalThis.gc();
  globalThis.gc();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
};

/** Percent of a core that the process uses while `work` runs. */
const load = async (work) => {
  const [cpu, started] = [process.cpuUsage(), performance.now()];
  await work();
  const { user, system } = process.cpuUsage(cpu);
  return (user + system) / 10 / (performance.now() - started);
};

const devices = Array.from({ length: Math.max(1, guests) }, (_, index) => benchDevice(index));
const host = await watchedHost({ devices });
// An idle embedded host has nothing that keeps the process alive.
const alive = setInterval(() => {}, 2 ** 30);
await sleep(200);
const before = memory();
const all = await Promise.all(devices.slice(0, guests).map(({ bdf }) => host.guest([bdf], { driver: 'none' })));
await Promise.all(all.map((guest) => guest.reached(4)));
await sleep(200);
const used = memory() - before;
const idlePercent = await load(() => sleep(idleSeconds * 1000));

const latencies = [];
const served = new Array(guests).fill(0);
const ask = async (index, due) => {
  const offset = Place.shown[index & 3];
  const { err } = await all[index].request({
    cmd: Command.confRead,
    domain: 0,
    bus: 0,
    devfn: index & 7,
    offset,
    size: 4,
  });
  if (err !== 0) throw new Error(`guest ${index} was answered ${err}`);
  latencies.push((performance.now() - due) * 1000);
  served[index] += 1;
};
const busy = async () => {
  const started = performance.now();
  const until = started + busySeconds * 1000;
  // Spread over the period, each due at its own time.
  const due = all.map((_, index) => started + (PERIOD * index) / Math.max(1, guests));
  const asked = [];
  while (performance.now() < until) {
    const now = performance.now();
    for (let index = 0; index < guests; index++) {
      if (due[index] > now) continue;
      asked.push(ask(index, due[index]));
      due[index] += PERIOD;
    }
    const next = Math.min(...due) - performance.now();
    if (next > 1.5) await sleep(1);
    else await new Promise((resolve) => setImmediate(resolve));
  }
  await Promise.all(asked);
};
const spentBefore = host.spent();
const seconds = performance.now();
const busyPercent = guests === 0 ? 0 : await load(busy);
const backendPercent = (100 * (host.spent() - spentBefore)) / (performance.now() - seconds);
latencies.splice(0, Math.min(guests, latencies.length - 1));

const whole = memory();
await host.pciback.stop();
await sleep(50);
const freed = whole - memory();
clearInterval(alive);
const each = Math.max(1, guests) * 1024;
console.log(
  JSON.stringify({
    idlePercent,
    busyPercent,
    backendPercent,
    perGuest: used / each,
    perBackend: freed / each,
    p50: guests === 0 ? 0 : quantile(latencies, 0.5),
    p99: guests === 0 ? 0 : quantile(latencies, 0.99),
    max: guests === 0 ? 0 : quantile(latencies, 1),
    unfairness: guests === 0 ? 1 : Math.max(...served) / Math.min(...served),
  }),
);
process.exit(0);
