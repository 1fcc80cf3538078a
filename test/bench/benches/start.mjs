// SPDX-License-Identifier: MIT
// From the spawn of the built command to the first answered request of its included guest, with 20 plugins in the rc
// file. Nothing of pciback is made for this: one of the plugins, the last, takes accesses down, as any recorder may,
// and says on standard error when the first one is answered.

import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { figure, interleave, median } from '../measure.mjs';
import { built, MAIN, PROJECT, urlOf } from '../package-under-test.mjs';

const { sample } = await built('test/kit/index.js');
const { formatBdf } = await built('core/bdf.js');

const PLUGINS = 20;
/** A start is one short process, and processes differ: fewer rounds say little. */
const LEAST_ROUNDS = 15;
/** Milliseconds after which a start that has not answered has failed. */
const PATIENCE = 20_000;
const MARK = 'first request answered: ';

const definition = urlOf('plugins/kinds/index.js');

/** A plugin of the size that plugins have: a hook, and a register of a device that is not there. */
const quirkPlugin = (index) => `import { definePlugin } from ${JSON.stringify(definition)};
import { defineQuirk, register } from ${JSON.stringify(urlOf('quirks/index.js'))};
export default definePlugin({
  name: 'bench-start-${index}',
  api: '^1.0',
  apply: (host) => {
    host.hooks.deniedWrite.tap(() => {});
    host.quirks.add(defineQuirk({
      name: 'bench/start-${index}',
      source: 'made for measuring',
      match: [{ vendor: 0x1b37, device: ${index} }],
      fields: [register(0x80, 32, 'r').writable()],
    }));
  },
});
`;

/** Times in milliseconds since the process began; the first access ends them. */
const witness = `import { writeSync } from 'node:fs';
import { definePlugin } from ${JSON.stringify(definition)};
const loaded = performance.now();
let applied = 0;
let assigned = 0;
export default definePlugin({
  name: 'bench-witness',
  api: '^1.0',
  apply: (host) => {
    applied = performance.now();
    host.hooks.deviceAssigned.tap(() => { assigned ||= performance.now(); });
    let told = false;
    const recorder = {
      access: () => {
        if (told) return;
        told = true;
        const { bootstrapComplete } = performance.nodeTiming;
        const answered = performance.now();
        writeSync(2, ${JSON.stringify(MARK)} + JSON.stringify({ bootstrapComplete, loaded, applied, assigned, answered, cpu: process.cpuUsage() }) + '\\n');
      },
    };
    host.hooks.unhandledWrite.tap(() => ({ recorder }));
  },
});
`;

const dumpOf = (image) => {
  const lines = [`${formatBdf(image.bdf)} Ethernet controller`];
  for (let at = 0; at < image.config.length; at += 16) {
    const bytes = [...image.config.subarray(at, at + 16)].map((byte) => byte.toString(16).padStart(2, '0'));
    lines.push(`${at.toString(16).padStart(2, '0')}: ${bytes.join(' ')}`);
  }
  return `${lines.join('\n')}\n`;
};

/** A folder with an rc file, 20 plugins and one device. */
const makeFolder = () => {
  const folder = mkdtempSync(join(tmpdir(), 'pciback-bench-'));
  mkdirSync(join(folder, 'plugins'));
  const plugins = [];
  for (let index = 0; index < PLUGINS - 1; index++) {
    writeFileSync(join(folder, `plugins/p${index}.mjs`), quirkPlugin(index));
    plugins.push(`./plugins/p${index}.mjs`);
  }
  writeFileSync(join(folder, 'plugins/witness.mjs'), witness);
  plugins.push('./plugins/witness.mjs');
  writeFileSync(join(folder, 'device.txt'), dumpOf(sample('e1000e')));
  const rc = { platform: 'embedded', control: './control.sock', plugins, embedded: { devices: ['./device.txt'] } };
  writeFileSync(join(folder, 'pciback.config.json'), JSON.stringify(rc));
  return folder;
};

/** Milliseconds until the process has said that it answered, and its own account. */
const serve = (folder) =>
  new Promise((resolve, reject) => {
    const started = performance.now();
    const child = spawn(process.execPath, [MAIN, 'serve', '--log-level', 'error'], {
      cwd: folder,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const late = setTimeout(() => child.kill('SIGKILL'), PATIENCE);
    let said = '';
    let took;
    child.stderr.setEncoding('utf8').on('data', (text) => {
      took ??= performance.now() - started;
      said += text;
      if (said.includes(MARK) && said.endsWith('\n')) child.kill('SIGKILL');
    });
    child.on('error', reject);
    child.on('close', () => {
      clearTimeout(late);
      const line = said.split('\n').find((one) => one.startsWith(MARK));
      if (line === undefined) reject(new Error(`the command answered no request:\n${said}`));
      else resolve({ took, own: JSON.parse(line.slice(MARK.length)) });
    });
  });

const TELL = 'process.stdout.write(JSON.stringify(process.cpuUsage()))';

/** Milliseconds of a script from spawn to end, and of processor time. */
const script = (text) =>
  new Promise((resolve, reject) => {
    const started = performance.now();
    const child = spawn(process.execPath, ['-e', text], { cwd: PROJECT, stdio: ['ignore', 'pipe', 'inherit'] });
    let said = '';
    child.stdout.setEncoding('utf8').on('data', (part) => {
      said += part;
    });
    child.on('error', reject);
    child.on('close', (status) => {
      if (status === 0) resolve({ took: performance.now() - started, cpu: milliseconds(JSON.parse(said)) });
      else reject(new Error(`"${text}" ended with ${status}`));
    });
  });

const milliseconds = ({ user, system }) => (user + system) / 1000;

const phases = (accounts) => {
  const part = (of) => median(accounts.map(of)).toFixed(0);
  return [
    `node itself ${part((one) => one.bootstrapComplete)} ms`,
    `imports, rc file and bundled plugins, until the last plugin is read ${part((one) => one.loaded - one.bootstrapComplete)} ms`,
    `plugins in force ${part((one) => one.applied - one.loaded)} ms`,
    `platform, seizing, toolstack and assignment ${part((one) => one.assigned - one.applied)} ms`,
    `guest connects and has its first answer ${part((one) => one.answered - one.assigned)} ms`,
  ].join(', ');
};

export default {
  name: 'start',
  summary: 'from spawn to the first answered request, with 20 plugins',
  run: async ({ rounds }) => {
    const folder = makeFolder();
    try {
      const accounts = [];
      const cpu = { ours: [], bare: [] };
      const times = await interleave(Math.max(rounds, LEAST_ROUNDS), {
        ours: async () => {
          const { took, own } = await serve(folder);
          accounts.push(own);
          cpu.ours.push(milliseconds(own.cpu));
          return took;
        },
        bare: async () => {
          const { took, cpu: used } = await script(TELL);
          cpu.bare.push(used);
          return took;
        },
      });
      const counted = (name) => cpu[name].slice(1);
      return {
        settings: { plugins: PLUGINS },
        figures: [
          figure('spawn to first answer', 'ms', times.get('ours'), { 'node -e 0': times.get('bare') }),
          figure('processor time until the first answer', 'ms', counted('ours'), { 'node -e 0': counted('bare') }),
        ],
        notes: [`Where the time goes: ${phases(accounts.slice(1))}.`],
      };
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
};
