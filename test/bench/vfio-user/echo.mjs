// SPDX-License-Identifier: MIT
// The least that a server over a unix socket can do on Node: it gives back what it gets.

import { createServer } from 'node:net';

const [path] = process.argv.slice(2);
createServer((socket) => {
  socket.on('data', (data) => socket.write(data));
  socket.on('error', () => socket.destroy());
}).listen(path, () => process.send('ready'));
process.on('SIGTERM', () => process.exit(0));
