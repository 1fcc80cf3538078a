// SPDX-License-Identifier: MIT
// A real guest for a device, in seconds: boots a stock kernel with devices behind sockets, and shows what its driver did.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { buildProject } from '../lab/setup.mjs';
import { boot, guestAddresses, MOST_DEVICES, section, TELL_PLACES } from './boot.mjs';
import { fatesOf } from './fates.mjs';
import { sampleNames, startHost } from './host.mjs';
import { keepingRecorder } from './recorder.mjs';
import { driversFor, SetupError, setUp } from './setup.mjs';

const PROJECT = resolve(import.meta.dirname, '../..');

const HELP = `Usage: npm run guest -- DUMP… [options]

Boots a stock Debian kernel in an emulator, with these devices behind the sockets of platform vfio-user: no Xen, no hardware.
Shows what the kernel found, what its driver wrote and what became of each bit, and the kernel's log.

DUMP is a file made by lspci -xxxx, or the name of a bundled sample.

Options:
  --quirk FILE     a quirk for the devices; several times for several
  --driver MODULE  a module of the kernel, in place of those that it would load by itself; "none" for none
  --script FILE    a shell script that the guest runs when its drivers are there (busybox, lspci, setpci)
  --reads          the reads of config space too, by register
  --seconds N      longest time of the guest (default 120)
  --setup          only fetches what is needed, as root: Debian packages, about 900 MB
  --help           this text

Environment:
  PCIBACK_GUEST    folder of emulator, kernel and file system (default /var/tmp/pciback-guest)`;

const say = (text) => console.log(`guest: ${text}`);
class UsageError extends Error {}

const options = {
  quirk: { type: 'string', multiple: true, default: [] },
  driver: { type: 'string', multiple: true },
  script: { type: 'string' },
  reads: { type: 'boolean', default: false },
  seconds: { type: 'string', default: '120' },
  setup: { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
};

function parse(args) {
  try {
    return parseArgs({ args, options, allowPositionals: true });
  } catch (error) {
    throw new UsageError(error.message);
  }
}

const JOB = `
echo "=== begin lspci"; lspci -nn; echo "=== end lspci"
${TELL_PLACES}
load_modules
sleep 1
echo "=== begin drivers"; lspci -k; echo "=== end drivers"
[ ! -e /script ] || { echo "=== begin script"; sh /script; echo "=== end script"; }
echo "=== begin kernel"; dmesg -r; echo "=== end kernel"
`;

const indented = (text) =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => `  ${line}`)
    .join('\n');

async function main(args) {
  const { values, positionals } = parse(args);
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  const seconds = Number(values.seconds);
  if (!(seconds > 0)) throw new UsageError(`--seconds ${values.seconds} is no time`);
  const machine = setUp(resolve(process.env.PCIBACK_GUEST ?? '/var/tmp/pciback-guest'), say);
  if (values.setup) return 0;
  if (positionals.length === 0) throw new UsageError('no dump and no sample is given');
  buildProject(PROJECT, say);
  const samples = await sampleNames();
  const place = mkdtempSync(join(tmpdir(), 'pciback-guest-'));
  const stop = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(name, () => stop.abort());
  const recorder = await keepingRecorder();
  const devices = positionals.map((one) => (samples.includes(one) ? one : resolve(one)));
  const host = await startHost({ place, devices, quirks: values.quirk, plugins: [recorder.plugin] });
  try {
    for (const { name, address, why } of host.refused) say(`${name} ${address} is not offered: ${why}`);
    if (host.offered.length === 0) throw new UsageError('no device is left that a guest could have');
    if (host.offered.length > MOST_DEVICES) throw new UsageError(`a guest has place for ${MOST_DEVICES} devices`);
    const spaces = followSpaces(host);
    const modules =
      values.driver ??
      driversFor(
        machine,
        host.offered.map((one) => one.identity),
      );
    say(`${host.offered.length} devices, modules ${modules.join(', ') || 'none'}`);
    const files = values.script === undefined ? {} : { script: readFileSync(values.script, 'utf8') };
    const wanted = modules.filter((one) => one !== 'none');
    const ran = await boot(machine, {
      place,
      devices: host.offered,
      modules: wanted,
      job: JOB,
      files,
      seconds,
      signal: stop.signal,
    });
    spaces.end();
    report(ran, host, recorder, spaces.found, values.reads);
    return ran.done ? 0 : 1;
  } finally {
    await host.running.stop();
    rmSync(place, { recursive: true });
  }
}

/** Keeps the config spaces that clients had: what they were is asked when the clients have gone. */
function followSpaces({ engine }) {
  const found = new Map();
  const look = () => {
    for (const { bdf, assignment } of engine.stub.devices) if (assignment !== undefined) found.set(bdf, assignment);
  };
  const timer = setInterval(look, 50);
  return { found, end: () => clearInterval(timer) };
}

function report(ran, host, recorder, assignments, reads) {
  if (!ran.up) {
    console.log(ran.said.trimEnd());
    console.log(ran.console.split('\n').slice(-20).join('\n'));
    say('the guest never came up');
    return;
  }
  const at = guestAddresses(ran.console);
  console.log(`\nwhat the kernel found\n${indented(section(ran.console, 'lspci'))}`);
  console.log(`\ndrivers\n${indented(section(ran.console, 'drivers'))}`);
  for (const [index, device] of host.offered.entries()) {
    const accesses = recorder.of(device.bdf);
    const assignment = assignments.get(device.bdf);
    const count = (kind) => accesses.filter((one) => one.kind === kind).length;
    console.log(
      `\n${device.name}, ${at.get(index) ?? 'not found'} in the guest: ${count('read')} reads, ${count('write')} writes`,
    );
    if (assignment === undefined) continue;
    for (const { text } of fatesOf(accesses, assignment.space)) console.log(`    ${text}`);
    if (reads) console.log(`    reads by register: ${readsOf(accesses)}`);
  }
  const script = section(ran.console, 'script');
  if (script !== '') console.log(`\nscript\n${indented(script)}`);
  console.log(
    `\nkernel log: warnings and worse, and what names the devices\n${indented(kernelLog(section(ran.console, 'kernel'), [...at.values()]) || '(nothing)')}`,
  );
  if (ran.said.trim() !== '') console.log(`\nemulator\n${indented(ran.said)}`);
  for (const { kind, message, facts } of host.log) console.log(`pciback ${kind}: ${message} ${JSON.stringify(facts)}`);
  say(`${ran.seconds.toFixed(1)} s from start to power-off`);
}

/** Lines of a warning or worse, and those that name one of the devices. */
const kernelLog = (text, addresses) =>
  text
    .split('\n')
    .filter((line) => /^<[0-4]>/.test(line) || addresses.some((one) => line.includes(one)))
    .map((line) => line.replace(/^<\d+>/, ''))
    .join('\n');

function readsOf(accesses) {
  const counts = new Map();
  for (const { kind, offset, size } of accesses) {
    if (kind === 'read')
      counts.set(`0x${offset.toString(16)}:${size}`, (counts.get(`0x${offset.toString(16)}:${size}`) ?? 0) + 1);
  }
  return [...counts].map(([place, count]) => `${place} ${count}x`).join(' ');
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof UsageError || error instanceof SetupError)) throw error;
  console.error(`guest: ${error.message}\nTry: npm run guest -- --help`);
  process.exitCode = 2;
}
