// SPDX-License-Identifier: MIT
// node --expose-gc churn-guests.mjs COUNT…: attaches and detaches guests with new domain ids, one after the other, and prints
// after each COUNT of them one line of JSON with what the process holds. Counts go up.

import { readdirSync } from 'node:fs';
import { built } from '../package-under-test.mjs';
import { benchDevice, Place, startHost } from '../world.mjs';

const { Command } = await built('core/ring/layout.js');

const counts = process.argv.slice(2).map(Number);
const devices = [benchDevice(0), benchDevice(8)];
const host = await startHost({ devices });
const { platform, pciback } = host;
const alive = setInterval(() => {}, 2 ** 30);
for (const { bdf } of devices) await pciback.stub.seize(bdf);

/** Nodes of the store below a path. */
const nodes = async (path) => {
  const children = (await platform.xenstore.list(path)) ?? [];
  let sum = 1;
  for (const child of children) sum += await nodes(`${path === '/' ? '' : path}/${child}`);
  return sum;
};

const one = async () => {
  const domain = await platform.toolstack.create({ devices: devices.map(({ bdf }) => bdf) });
  const guest = await platform.startGuest({ domain, driver: 'none' });
  await guest.reached(4);
  const read = { cmd: Command.confRead, domain: 0, bus: 0, devfn: 0, offset: Place.shown[0], size: 4 };
  const refused = { cmd: Command.confWrite, domain: 0, bus: 0, devfn: 0, offset: 0, size: 4, value: 1 };
  for (const request of [read, refused]) await guest.request(request);
  await platform.toolstack.destroy(domain);
  guest.crash();
};

let done = 0;
for (const count of counts) {
  const started = performance.now();
  for (const before = done; done < count; done++) {
    await one();
    // What the kit keeps for its tests is not the daemon's.
    if (done % 100 === 0) {
      host.lines.length = 0;
      platform.hypervisor.trace.length = 0;
    }
    if (done === before && count > counts[0]) await new Promise((resolve) => setImmediate(resolve));
  }
  host.lines.length = 0;
  platform.hypervisor.trace.length = 0;
  for (let i = 0; i < 3; i++) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    globalThis.gc();
  }
  const { heapUsed, external } = process.memoryUsage();
  const { mapped, bound, pirqs, assigned } = pciback.ledger();
  console.log(
    JSON.stringify({
      count,
      seconds: Math.round((performance.now() - started) / 100) / 10,
      heapKiB: heapUsed / 1024,
      externalKiB: external / 1024,
      descriptors: readdirSync('/proc/self/fd').length,
      held: mapped + bound + pirqs + assigned,
      guests: pciback.guests().length,
      nodes: await nodes('/'),
    }),
  );
}
clearInterval(alive);
process.exit(0);
