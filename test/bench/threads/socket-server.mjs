// SPDX-License-Identifier: MIT
// Answers region reads over a unix socket with messages of the size that vfio-user has: a header of 16 bytes and 16
// bytes of region, offset and count; the answer repeats them, with 4 bytes of data.

import { createServer } from 'node:net';

const REQUEST = 32;
const answer = Buffer.alloc(REQUEST + 4);

const server = createServer((socket) => {
  let got = 0;
  socket.on('data', (data) => {
    got += data.length;
    for (; got >= REQUEST; got -= REQUEST) socket.write(answer);
  });
  socket.on('close', () => process.exit(0));
});
server.listen(process.argv[2], () => process.stdout.write('ready\n'));
