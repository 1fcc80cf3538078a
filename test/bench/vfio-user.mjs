// SPDX-License-Identifier: MIT
// Config reads over the socket of platform vfio-user, beside a bare echo over a socket in the same run; and what clients that
// do not behave cost the others. The server, each client and the echo are processes of their own.
//
//   node test/bench/vfio-user.mjs [--quick] [--json FILE]

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const HERE = join(import.meta.dirname, 'vfio-user');
const quick = process.argv.includes('--quick');
const jsonFile = process.argv[process.argv.indexOf('--json') + 1];
/** Round trips of one measurement, and messages of rubbish. */
const READS = quick ? 5_000 : 20_000;
const RUBBISH = quick ? 20_000 : 200_000;
const ROUNDS = quick ? 3 : 5;

const say = (...texts) => console.log(texts.join(' '));

/** Starts a process of this bench and waits until it is ready. */
async function start(name, args, execArgv = []) {
  const child = fork(join(HERE, `${name}.mjs`), args, { execArgv, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const [ready] = await once(child, 'message');
  return { child, ready };
}

const ask = async (child, what) => {
  const answer = once(child, 'message');
  child.send(what);
  return (await answer)[0];
};

const header = (command, length) => {
  const bytes = Buffer.alloc(16 + length);
  bytes.writeUInt16LE(1, 0);
  bytes.writeUInt16LE(command, 2);
  bytes.writeUInt32LE(bytes.length, 4);
  return bytes;
};

/** A connection that asks one thing at a time. */
async function connect(path, greet) {
  const socket = createConnection(path);
  await once(socket, 'connect');
  let received = 0;
  let want = 0;
  let done;
  socket.on('data', (data) => {
    received += data.length;
    if (received >= want) done?.();
  });
  const trip = (bytes, length) =>
    new Promise((resolve) => {
      received = 0;
      want = length;
      done = resolve;
      socket.write(bytes);
    });
  if (greet) {
    const hello = header(1, 4);
    socket.write(hello);
    await new Promise((resolve) => socket.once('data', resolve));
    // The text of capabilities may come in a piece of its own.
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return { socket, trip };
}

/** A read of the device's ids: 32 bytes there, 36 back. The echo gets 36 and gives 36. */
const read = header(9, 16);
read.writeUInt32LE(7, 24);
read.writeUInt32LE(4, 28);

/** Microseconds of each round trip, sorted. */
async function times(connection, bytes, length, count) {
  const found = new Float64Array(count);
  for (let i = 0; i < count; i++) {
    const started = performance.now();
    await connection.trip(bytes, length);
    found[i] = 1000 * (performance.now() - started);
  }
  return found.sort();
}

const at = (sorted, share) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
const median = (list) => [...list].sort((a, b) => a - b)[list.length >> 1];
const us = (value) => `${value.toFixed(1)} us`;

async function compared(served, echo) {
  const rounds = { served: [], echo: [] };
  for (let round = 0; round < ROUNDS; round++) {
    // In turn, so that what the machine does meanwhile meets both.
    rounds.echo.push(await times(echo, Buffer.alloc(36), 36, READS));
    rounds.served.push(await times(served, read, 36, READS));
  }
  const of = (list, share) => median(list.map((one) => at(one, share)));
  const figures = {
    echo: { p50: of(rounds.echo, 0.5), p99: of(rounds.echo, 0.99) },
    read: { p50: of(rounds.served, 0.5), p99: of(rounds.served, 0.99) },
  };
  figures.ratio = { p50: figures.read.p50 / figures.echo.p50, p99: figures.read.p99 / figures.echo.p99 };
  return figures;
}

/** Reads of one client while another one that does not behave is at it, at the socket `path`. */
async function meanwhile(served, name, path, amount) {
  const { child } = await start('hostile', [name, path, String(amount)]);
  const ended = once(child, 'exit');
  let over = false;
  void ended.then(() => {
    over = true;
  });
  const found = [];
  child.send('go');
  do found.push(...(await times(served, read, 36, 2_000)));
  while (!over && found.length < 40 * READS);
  child.kill('SIGKILL');
  await ended;
  return Float64Array.from(found).sort();
}

/**
 * What a client that does not behave costs the others: p99 while it is at it, beside that of the quiet before. And beside that
 * while it does the same to the echo: then it takes the machine's processors as it does here, and nothing of the server's time.
 */
async function beside(served, name, path, amount) {
  const figures = (sorted) => ({ p50: at(sorted, 0.5), p99: at(sorted, 0.99), reads: sorted.length });
  const found = { quiet: [], elsewhere: [], during: [] };
  for (let round = 0; round < ROUNDS; round++) {
    found.quiet.push(figures(await times(served, read, 36, READS)));
    found.elsewhere.push(figures(await meanwhile(served, name, echoPath, amount)));
    found.during.push(figures(await meanwhile(served, name, path, amount)));
  }
  const middle = (list) => list.sort((one, other) => one.p99 - other.p99)[list.length >> 1];
  const [quiet, elsewhere, during] = [found.quiet, found.elsewhere, found.during].map(middle);
  return { quiet, elsewhere, during, ratio: during.p99 / quiet.p99, ratioElsewhere: during.p99 / elsewhere.p99 };
}

const folder = mkdtempSync(join(tmpdir(), 'pciback-bench-'));
const echoPath = join(folder, 'echo.sock');
const results = {};
const children = [];
try {
  const server = await start('server', [folder], ['--expose-gc', '--max-semi-space-size=128']);
  const echo = await start('echo', [echoPath]);
  children.push(server.child, echo.child);
  const served = await connect(server.ready.sockets[0], true);
  const bare = await connect(echoPath, false);
  await times(served, read, 36, 5_000);
  await times(bare, Buffer.alloc(36), 36, 5_000);

  results.latency = await compared(served, bare);
  const { echo: e, read: r, ratio } = results.latency;
  say(`bare echo     p50 ${us(e.p50)}, p99 ${us(e.p99)}`);
  say(`config read   p50 ${us(r.p50)}, p99 ${us(r.p99)}`);
  say(`ratio         p50 ${ratio.p50.toFixed(2)}, p99 ${ratio.p99.toFixed(2)}`);

  const before = await ask(server.child, 'heap');
  await times(served, read, 36, 10_000);
  const after = await ask(server.child, 'heap as it is');
  results.bytesPerRead = (after.heap - before.heap) / 10_000;
  say(
    `allocated     ${results.bytesPerRead.toFixed(0)} bytes a read (heap of the server, calls of the C library included)`,
  );

  for (const name of ['killed', 'stalled', 'rubbish']) {
    const amount = name === 'rubbish' ? RUBBISH : quick ? 20 : 100;
    const ledger = (await ask(server.child, 'ledger')).ledger;
    const found = await beside(served, name, server.ready.sockets[1], amount);
    await new Promise((resolve) => setTimeout(resolve, 300));
    const later = (await ask(server.child, 'ledger')).ledger;
    results[name] = {
      ...found,
      ledger: JSON.stringify(later) === JSON.stringify(ledger) ? 'as before' : { ledger, later },
    };
    const { quiet, elsewhere, during } = found;
    say(
      `${name.padEnd(13)} the other's p99 ${us(during.p99)}, ${us(quiet.p99)} quiet: ${found.ratio.toFixed(2)}x;`,
      `${us(elsewhere.p99)} while the echo is asked so: ${found.ratioElsewhere.toFixed(2)}x; ${during.reads} reads;`,
      `ledger ${JSON.stringify(results[name].ledger)}`,
    );
  }
  if (jsonFile !== undefined && process.argv.includes('--json'))
    writeFileSync(jsonFile, `${JSON.stringify(results, undefined, 2)}\n`);
  served.socket.destroy();
  bare.socket.destroy();
} finally {
  for (const child of children) child.kill('SIGTERM');
  await Promise.all(children.map((child) => (child.exitCode === null ? once(child, 'exit') : undefined)));
  rmSync(folder, { recursive: true });
}
