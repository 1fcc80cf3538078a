// SPDX-License-Identifier: MIT
// The server of the bench of vfio-user: every sample at a socket of its own. Answers its parent about heap and ledger.

import { join, resolve } from 'node:path';

const dist = process.env.PCIBACK_DIST ?? resolve(import.meta.dirname, '../../../dist');
const { startPciback } = await import(join(dist, 'plugins/program/index.js'));
const [folder] = process.argv.slice(2);
const running = await startPciback({
  config: { platform: 'vfio-user', control: false, 'vfio-user': { folder: '.' } },
  directory: folder,
});
process.on('message', (what) => {
  if (what === 'heap') globalThis.gc();
  if (what === 'ledger') process.send({ ledger: running.engine.ledger() });
  else process.send({ heap: process.memoryUsage().heapUsed });
});
process.on('SIGTERM', async () => {
  await running.stop();
  process.exit(0);
});
process.send({ sockets: ['0000:01:00.0', '0000:03:00.0'].map((one) => join(folder, `${one}.sock`)) });
