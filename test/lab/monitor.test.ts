// SPDX-License-Identifier: MIT

import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';

/** The lab's own modules are plain JavaScript; this is the part of them that is used here. */
interface Monitors {
  openMonitor(logs: string): { readonly words: readonly string[]; readonly close: () => void };
}

const { openMonitor }: Monitors = await import(/* @vite-ignore */ join(import.meta.dirname, 'monitor.mjs'));

let logs: string;
let emulator: Server;
let monitor: ReturnType<Monitors['openMonitor']>;
/** Command lines that the emulator was given. */
let given: string[];

/** An emulator's QMP, as far as it is used: a greeting, an event in between, an answer to each command. */
const listen = (path: string): Promise<void> => {
  emulator = createServer((socket) => {
    socket.write('{"QMP": {"version": {}}}\r\n');
    socket.on('data', (data) => {
      const { execute, arguments: words } = JSON.parse(String(data));
      if (execute === 'qmp_capabilities') socket.write('{"return": {}}\r\n{"event": "RESUME"}\r\n');
      else {
        given.push(words['command-line']);
        socket.write(`${JSON.stringify({ return: `OK id: nic0\r\n${given.length}\r\n` })}\r\n`);
      }
    });
  });
  return new Promise((resolve) => emulator.listen(path, resolve));
};
const answers = () => readFileSync(join(logs, 'monitor-answered'), 'utf8').split('\n').slice(0, -1);
const ask = (...lines: string[]) =>
  appendFileSync(join(logs, 'monitor-asked'), lines.map((line) => `${line}\n`).join(''));
const path = () => String(monitor.words[1]).replace(/^unix:(.*),server=on,wait=off$/, '$1');

beforeEach(() => {
  logs = mkdtempSync(join(tmpdir(), 'lab-'));
  given = [];
  monitor = openMonitor(logs);
});
afterEach(() => {
  monitor.close();
  emulator?.close();
  rmSync(logs, { recursive: true });
});
it('errors are injected, each answer stands in the line of its command', async () => {
  await listen(path());
  ask('pcie_aer_inject_error nic0 POISON_TLP', 'pcie_aer_inject_error nic0 0x10');
  await vi.waitFor(() => expect(answers()).toEqual(['OK id: nic0; 1', 'OK id: nic0; 2']));
  expect(given).toEqual(['pcie_aer_inject_error nic0 POISON_TLP', 'pcie_aer_inject_error nic0 0x10']);
});

it('nothing else is said to the emulator', async () => {
  await listen(path());
  const lines = ['quit', 'pcie_aer_inject_error nic0 POISON_TLP; quit', 'pmemsave 0 1 /etc/passwd', ''];
  ask(...lines);
  await vi.waitFor(() => expect(answers()).toHaveLength(lines.length));
  for (const answer of answers()) expect(answer).toMatch(/^not said: /);
  expect(given).toEqual([]);
});

it('an emulator that is not there yet is waited for; its socket goes with it', async () => {
  ask('pcie_aer_inject_error nic0 POISON_TLP');
  await new Promise((resolve) => setTimeout(resolve, 250));
  expect(answers()).toEqual([]);
  await listen(path());
  await vi.waitFor(() => expect(answers()).toHaveLength(1));
  const folder = dirname(path());
  monitor.close();
  expect(existsSync(folder)).toBe(false);
});
