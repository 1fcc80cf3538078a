// SPDX-License-Identifier: MIT
// A vendor's first ten minutes: npm run minutes -- [--keep]. From an empty folder, with the packed package and a registry, to a quirk in
// force beside pciback. Prints each step with its seconds; status 1: one failed. --keep leaves the folder.

import { spawn, spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';

const LONGEST = 300_000; // milliseconds of one step
const root = resolve(import.meta.dirname, '../..');
const home = mkdtempSync(join(tmpdir(), 'pciback-minutes-'));
const [vendor, operator, prefix] = ['vendor', 'operator', 'prefix'].map((name) => join(home, name));
const env = { ...process.env, NO_COLOR: '1', PATH: `${join(prefix, 'bin')}:${process.env.PATH}` };
const quiet = ['--no-audit', '--no-fund', '--no-update-notifier'];

const run = (words, cwd, wanted = /(?:)/) => {
  const [file, ...rest] = words;
  const { status, stdout, stderr, error } = spawnSync(file, rest, { cwd, env, encoding: 'utf8', timeout: LONGEST });
  if (error !== undefined) throw error;
  if (status !== 0 || !wanted.test(stdout))
    throw new Error(`${words.join(' ')}: status ${status}, wanted ${wanted}\n${stdout}${stderr}`);
  return stdout;
};

const edit = (file, from, to) => {
  const text = readFileSync(file, 'utf8');
  if (!from.test(text)) throw new Error(`${file} has nothing like ${from}:\n${text}`);
  writeFileSync(file, text.replace(from, to));
};

let before = performance.now();
const began = before;
const done = (what) => {
  const now = performance.now();
  console.log(`${((now - before) / 1000).toFixed(1).padStart(6)} s  ${what}`);
  before = now;
};

const steps = async () => {
  for (const folder of [vendor, operator, prefix]) mkdirSync(folder);
  const [packed] = JSON.parse(run(['npm', 'pack', '--ignore-scripts', '--json', '--pack-destination', home], root));
  const tarball = join(home, packed.filename);
  before = performance.now();
  run(['npm', 'install', '-g', '--prefix', prefix, ...quiet, tarball], home);
  done(`npm install -g ${packed.filename}`);

  const dump = join(vendor, 'nic.txt');
  copyFileSync(join(prefix, 'lib/node_modules/pciback/dist/plugins/new/templates/shared/device.txt'), dump);
  run(['pciback', 'new', 'quirk', 'acme/nic', '--from-dump', 'nic.txt'], vendor, /^next: cd pciback-acme-nic/m);
  done('pciback new quirk acme/nic --from-dump nic.txt');

  const own = join(vendor, 'pciback-acme-nic');
  const [code, test] = [join(own, 'src/index.ts'), join(own, 'test/index.test.ts')];
  // The registry has no pciback yet; later this is `npm install`.
  run(['npm', 'install', '--no-save', ...quiet, tarball], own);
  done('npm install');

  // What the driver does: it changes bit 1 of the last register that nobody has named, behind all capabilities.
  const registers = readFileSync(code, 'utf8').matchAll(/register\((0x[0-9a-f]+), 32.* (0x[0-9a-f]{8})$/gm);
  const [, offset, value] = [...registers].at(-1) ?? [];
  const written = `0x${(Number(value) ^ 2).toString(16)}`;
  writeFileSync(join(vendor, 'driver.txt'), `w ${offset} 4 ${written}\nexpect accepted\n`);
  const words = ['quirk', 'dev', code, '--dump', dump, '--writes', join(vendor, 'driver.txt'), '--watch'];
  const child = spawn('pciback', words, { cwd: vendor, env, stdio: ['ignore', 'pipe', 'inherit'] });
  let out = '';
  child.stdout.on('data', (text) => {
    out += text;
  });
  const printed = async (pattern) => {
    for (const until = performance.now() + LONGEST; !pattern.test(out); await wait(20)) {
      if (performance.now() > until || child.exitCode !== null)
        throw new Error(`pciback ${words.join(' ')}: no ${pattern} in\n${out}`);
    }
  };
  try {
    await printed(/! /);
    done('pciback quirk dev src/index.ts --dump nic.txt --writes driver.txt --watch: says that the write is refused');
    out = '';
    edit(code, new RegExp(`(register\\(${offset}, 32, '[^']*'\\))\\.readOnly`), '$1.writable(0x2).readOnly');
    await printed(/ 0*2 to hardware \(acme\/nic/);
    done('one line of it edited: says that the write goes to hardware');
  } finally {
    child.kill('SIGINT');
  }

  edit(
    test,
    new RegExp(`\\{ read: ${offset}, size: 4, shows: [^}]*\\}`),
    `{ write: ${offset}, size: 4, value: ${written}, outcome: 'accepted' }`,
  );
  run(['npm', 'test'], own, /pass 1/);
  done('one line of the test edited, npm test');
  const file = run(['npm', 'pack', '--ignore-scripts', '--silent'], own).trim();
  done('npm pack');
  run(['npm', 'install', '-g', '--prefix', prefix, ...quiet, join(own, file)], operator);
  done(`npm install -g ${file}`);
  writeFileSync(join(operator, 'pciback.config.yaml'), 'plugins: [pciback-acme-nic]\nfolders: []\n');
  run(['pciback', 'demo', dump], operator, /acme\/nic/);
  done('pciback demo nic.txt, beside an rc file that names it: acme/nic is in force');
};

try {
  await steps();
  console.log(`${((before - began) / 1000).toFixed(1).padStart(6)} s  all of it; lines edited by hand: 2`);
} catch (error) {
  console.error(`failed after ${((performance.now() - before) / 1000).toFixed(1)} s: ${error.message}`);
  process.exitCode = 1;
} finally {
  if (process.argv.includes('--keep')) console.log(home);
  else rmSync(home, { recursive: true });
}
