// SPDX-License-Identifier: MIT
// Clients that do not behave. killed: connects, asks and is gone, as one that was killed; stalled: asks without reading, and
// leaves half a message; rubbish: messages with nothing right but their length, and none with that.

import { once } from 'node:events';
import { createConnection } from 'node:net';

const [what, path, amount] = process.argv.slice(2);
const count = Number(amount);
let seed = 20260101;
const random = (limit) => {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
  return (seed >>> 8) % limit;
};

/** Resolves at the first of these events; an error comes as a close. */
const first = (socket, ...names) =>
  new Promise((resolve) => {
    for (const name of names) socket.once(name, resolve);
  });

const open = async () => {
  const socket = createConnection(path);
  socket.on('error', () => socket.destroy());
  await first(socket, 'connect', 'close');
  return socket;
};

const message = (command, body) => {
  const bytes = Buffer.alloc(16 + body.length);
  bytes.writeUInt16LE(random(65536), 0);
  bytes.writeUInt16LE(command, 2);
  bytes.writeUInt32LE(bytes.length, 4);
  bytes.set(body, 16);
  return bytes;
};
const version = () => message(1, Buffer.alloc(4));
const rubbish = () => {
  const body = Buffer.alloc(random(64));
  for (let i = 0; i < body.length; i++) body[i] = random(4) === 0 ? random(256) : random(8);
  const bytes = message(random(20), body);
  // One in many has a length that ends the connection.
  if (random(2000) === 0) bytes.writeUInt32LE(random(0xffffffff), 4);
  return bytes;
};

const killed = async () => {
  for (let i = 0; i < count; i++) {
    const socket = await open();
    socket.write(
      Buffer.concat([version(), message(9, Buffer.alloc(16)), message(9, Buffer.alloc(16)).subarray(0, 20)]),
    );
    await new Promise((resolve) => setTimeout(resolve, 5));
    socket.destroy();
  }
};

const stalled = async () => {
  const socket = await open();
  socket.pause();
  const big = Buffer.alloc(16);
  big.writeUInt32LE(0x4000, 12);
  socket.write(version());
  for (let i = 0; i < 5000; i++) socket.write(message(9, big));
  socket.write(message(9, big).subarray(0, 9));
  await new Promise((resolve) => setTimeout(resolve, 50 * count));
  socket.destroy();
};

const noise = async () => {
  for (let sent = 0; sent < count; ) {
    const socket = await open();
    socket.resume();
    socket.write(version());
    while (sent < count && !socket.destroyed) {
      const some = Math.min(100, count - sent);
      const flowed = socket.write(Buffer.concat(Array.from({ length: some }, rubbish)));
      sent += some;
      if (!flowed && !socket.destroyed) await first(socket, 'drain', 'close');
    }
    socket.destroy();
  }
};

process.send('ready');
await once(process, 'message');
await { killed, stalled, rubbish: noise }[what]();
process.exit(0);
