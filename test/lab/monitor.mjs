// SPDX-License-Identifier: MIT
// What a scenario has to say to the machine it runs on: errors of its devices.

import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** What a scenario may say; the emulator's monitor could also end it, or write files of this machine. */
const ALLOWED = [/^pcie_aer_inject_error [a-z][a-z0-9]* (?:[A-Z][A-Z_]*|0x[0-9a-f]{1,8})$/];
/** Milliseconds between two looks for what is asked. */
const INTERVAL = 100;

/**
 * The way to the emulator: dom0 adds a line to `monitor-asked` in the log folder, and the answer becomes the line of the same number in
 * `monitor-answered`. Over files, because the hypervisor writes into the lines of the console.
 *
 * @param {string} logs folder that dom0 sees too
 * @returns {{ words: string[], close: () => void }} arguments of the emulator; `close` when it has ended
 */
export function openMonitor(logs) {
  // A socket's path may have 108 bytes, a log folder's has more.
  const folder = mkdtempSync(join(tmpdir(), 'pciback-lab-'));
  const path = join(folder, 'qmp');
  const asked = join(logs, 'monitor-asked');
  const answered = join(logs, 'monitor-answered');
  for (const file of [asked, answered]) writeFileSync(file, '');
  let done = 0;
  let busy = false;
  const look = async () => {
    const lines = readFileSync(asked, 'utf8').split('\n').slice(0, -1);
    for (; done < lines.length; done++) {
      const answer = await say(path, lines[done]);
      appendFileSync(answered, `${answer.trim().replaceAll(/\s*\n\s*/g, '; ')}\n`);
    }
  };
  const timer = setInterval(async () => {
    if (busy || !existsSync(path)) return;
    busy = true;
    await look();
    busy = false;
  }, INTERVAL);
  return {
    words: ['-qmp', `unix:${path},server=on,wait=off`],
    close() {
      clearInterval(timer);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Says one line. @returns {Promise<string>} what the emulator says to it; never rejects */
async function say(path, line) {
  if (!ALLOWED.some((allowed) => allowed.test(line))) return `not said: "${line}" is none of what a scenario may say`;
  const run = { execute: 'human-monitor-command', arguments: { 'command-line': line } };
  try {
    return await converse(path, [{ execute: 'qmp_capabilities' }, run]);
  } catch (error) {
    return `not said: ${error.message}`;
  }
}

/** QMP: a greeting, then an answer to each command, one JSON value a line, with events in between. */
function converse(path, commands) {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    const rest = [...commands];
    let text = '';
    const hear = (message) => {
      if (message.event !== undefined) return;
      const next = rest.shift();
      if (message.error === undefined && next !== undefined) socket.write(`${JSON.stringify(next)}\n`);
      else socket.end(() => resolve(message.error?.desc ?? message.return));
    };
    socket.setEncoding('utf8');
    socket.on('error', reject);
    socket.on('close', () => reject(new Error('the emulator hung up')));
    socket.on('data', (data) => {
      text += data;
      const lines = text.split('\n');
      text = lines.pop();
      for (const line of lines) hear(JSON.parse(line));
    });
  });
}
