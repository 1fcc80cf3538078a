// SPDX-License-Identifier: MIT
// node --expose-gc provoke-guests.mjs KIND GUESTS SECONDS: prints one line of JSON.
//
// Guests that provoke as fast as they can, an act of one of them in each turn of the event loop, and one more guest that reads
// every five milliseconds: first alone, then beside them. Its reads are measured in processor time of this process.

import { setTimeout as sleep } from 'node:timers/promises';
import { cpuMicroseconds, quantile } from '../measure.mjs';
import { built } from '../package-under-test.mjs';
import { benchDevice, Place, watchedHost } from '../world.mjs';
import { provocations } from './provocations.mjs';

const { Command } = await built('core/ring/layout.js');

const [kind, ...numbers] = process.argv.slice(2);
const [guests, seconds] = numbers.map(Number);
/** Milliseconds between two reads of the guest that behaves. */
const PERIOD = 5;
const turn = () => new Promise((resolve) => setImmediate(resolve));
const memory = () => {
  globalThis.gc();
  globalThis.gc();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
};

let lines = 0;
const say = () => {
  lines += 1;
};
// Debug lines are off, as they are by default.
const log = { debug: () => {}, info: say, warn: say, error: say };

/** With an FLR bit, as its capability for PCI Express has it. */
const express = (image) => image.capability(0x80, 0x10, [0x02, 0, 0, 0, 0, 0x10, ...new Array(54).fill(0)]);
const devices = Array.from({ length: guests + 1 }, (_, index) => benchDevice(index, express));
const host = await watchedHost({ devices, log });
const alive = setInterval(() => {}, 2 ** 30);
const all = await Promise.all(devices.map(({ bdf }) => host.guest([bdf], { driver: 'none' })));
await Promise.all(all.map((guest) => guest.reached(4)));
const [reader, ...hostile] = all;

/** Reads every now and then; microseconds of each. */
const readUntil = async (until) => {
  const took = [];
  for (let due = performance.now(); due < until; due += PERIOD) {
    const wait = due - performance.now();
    if (wait > 1) await sleep(wait - 1);
    while (performance.now() < due) await turn();
    const asked = cpuMicroseconds();
    const read = { cmd: Command.confRead, domain: 0, bus: 0, devfn: 0, offset: Place.shown[0], size: 4 };
    const { err } = await reader.request(read);
    if (err !== 0) throw new Error(`the guest was answered ${err}`);
    took.push(cpuMicroseconds() - asked);
    // One that was late by more than a period skips what it missed.
    if (performance.now() > due + PERIOD) due = performance.now() - PERIOD;
  }
  return took;
};

await readUntil(performance.now() + 300);
const quiet = await readUntil(performance.now() + Math.min(seconds * 500, 10_000));
const before = memory();
const [linesBefore, started] = [lines, performance.now()];
const until = started + seconds * 1000;
let acts = 0;
const busy = new Set();
const doers = hostile.map((guest, index) => {
  const act = provocations[kind](host, guest, (index + 1) & 7);
  let count = 0;
  return () => act(count++);
});
const provoke = async () => {
  for (let next = 0; performance.now() < until; ) {
    // A read beside a batch of them would be charged with all of it: they share the thread with the daemon.
    const who = next++ % doers.length;
    // It waits for what it did last.
    if (!busy.has(who)) {
      busy.add(who);
      acts += 1;
      doers[who]().finally(() => busy.delete(who));
    }
    await turn();
  }
};
const [beside] = await Promise.all([readUntil(until), provoke()]);
const passed = (performance.now() - started) / 1000;
const perSecond = (lines - linesBefore) / passed;
const grown = memory() - before;
clearInterval(alive);
console.log(
  JSON.stringify({
    linesPerSecond: perSecond,
    actsPerSecond: acts / passed,
    grownKiB: grown / 1024,
    quietP50: quantile(quiet, 0.5),
    quietP99: quantile(quiet, 0.99),
    p50: quantile(beside, 0.5),
    p99: quantile(beside, 0.99),
    reads: beside.length,
  }),
);
process.exit(0);
