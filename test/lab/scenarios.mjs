// SPDX-License-Identifier: MIT

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A mistake of the person who asked: shown without a stack, exit status 2. */
export class UsageError extends Error {}

/**
 * @typedef {object} Scenario
 * @property {string} name file stem
 * @property {string} path
 * @property {string} summary one line
 * @property {string[]} devices QEMU arguments: the machine's devices to pass through
 * @property {Map<string, string>} disks id of a QEMU drive → its size in MiB
 * @property {Map<string, string[]>} options option name → allowed values, the first is the default
 * @property {boolean} needsBuild false (`# build: no`) when the scenario does not run this project's `dist/`
 * @property {string} xen further words of the hypervisor's command line
 * @property {string} dom0 further words of the command line of dom0's kernel
 * @property {boolean} newerEmulator whether this machine's may be too old for it (`# emulator: newer`)
 * @property {boolean} monitor whether it has things to say to the emulator (`# monitor: yes`)
 * @property {number} seconds time limit of the job in dom0, in emulated seconds
 */

/** Reads the header comments (`# word: value`) of every scenario in `folder`, sorted by name. @returns {Scenario[]} */
export function readScenarios(folder) {
  const files = readdirSync(folder).filter((file) => file.endsWith('.sh'));
  return files.sort().map((file) => readScenario(join(folder, file), file.slice(0, -3)));
}

/**
 * Scenarios that boot others and judge what they left: modules with `summary`, `options` (as in a header) and
 * `run({ options, boot, say })`, which resolves to the number of checks that passed and failed.
 */
export async function readComposites(folder) {
  const files = readdirSync(folder).filter((file) => file.endsWith('.mjs'));
  const modules = files.sort().map(async (file) => {
    const { summary, options, run } = await import(join(folder, file));
    return { name: file.slice(0, -4), summary, options: readOptions(options), run };
  });
  return Promise.all(modules);
}

function readScenario(path, name) {
  const header = new Map();
  for (const line of readFileSync(path, 'utf8').split('\n')) {
    if (!line.startsWith('#')) break;
    const found = /^# (summary|devices|disks|options|seconds|build|xen|dom0|emulator|monitor): ?(.*)$/.exec(line);
    if (found) header.set(found[1], found[2].trim());
  }
  for (const word of ['summary', 'devices', 'options']) {
    if (!header.has(word)) throw new Error(`${path}: the header has no line "# ${word}: …"`);
  }
  return {
    name,
    path,
    summary: header.get('summary'),
    devices: header.get('devices').split(/\s+/).filter(Boolean),
    disks: new Map([...readOptions(header.get('disks') ?? '')].map(([id, [size]]) => [id, size])),
    options: readOptions(header.get('options')),
    needsBuild: header.get('build') !== 'no',
    seconds: Number(header.get('seconds') ?? 300),
    xen: header.get('xen') ?? '',
    dom0: header.get('dom0') ?? '',
    newerEmulator: header.get('emulator') === 'newer',
    monitor: header.get('monitor') === 'yes',
  };
}

/** `slots=vpci|passthrough native=koffi|ffi-napi` */
function readOptions(text) {
  const entries = text.split(/\s+/).filter(Boolean);
  return new Map(entries.map((entry) => [entry.split('=')[0], (entry.split('=')[1] ?? '').split('|')]));
}

/** How many single-character edits lead from `a` to `b`. */
function distance(a, b) {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next[j] = Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1));
    }
    row = next;
  }
  return row[b.length];
}

/** An error that names the thing, the nearest known one and all known ones. */
export function unknown(kind, given, known) {
  const nearest = [...known].sort((a, b) => distance(given, a) - distance(given, b))[0];
  const near = nearest !== undefined && distance(given, nearest) <= Math.max(2, nearest.length / 2);
  const meant = near ? ` Did you mean "${nearest}"?` : '';
  return new UsageError(`unknown ${kind} "${given}".${meant} Known: ${known.join(', ') || 'none'}.`);
}
