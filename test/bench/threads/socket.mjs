// SPDX-License-Identifier: MIT
// Request and answer over a unix socket between two processes, as a vfio-user client and server have them.

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { percentiles } from './round-trips.mjs';

const REQUEST = 32;
const ANSWER = 36;

/** @returns `measure(count)` and `close()` */
export const startSocket = async () => {
  const folder = mkdtempSync(join(tmpdir(), 'pciback-bench-'));
  const path = join(folder, 'socket');
  const server = spawn(process.execPath, [join(import.meta.dirname, 'socket-server.mjs'), path], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await new Promise((resolve, reject) => {
    server.stdout.once('data', resolve);
    server.once('exit', (status) => reject(new Error(`the server ended with ${status}`)));
  });
  const socket = connect(path);
  await new Promise((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', reject);
  });
  let got = 0;
  let answered = () => {};
  socket.on('data', (data) => {
    got += data.length;
    if (got < ANSWER) return;
    got -= ANSWER;
    answered();
  });
  const request = Buffer.alloc(REQUEST);
  const roundTrip = () =>
    new Promise((resolve) => {
      answered = resolve;
      socket.write(request);
    });
  return {
    measure: (count) => percentiles(count, roundTrip),
    close: async () => {
      socket.destroy();
      server.kill();
      rmSync(folder, { recursive: true, force: true });
    },
  };
};
