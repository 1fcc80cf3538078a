// SPDX-License-Identifier: MIT
// Every dump of a folder under a real PCI core: served, found by a stock kernel, and compared with what the table says.

import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { buildProject } from '../lab/setup.mjs';
import { compare, isAboutTheModel } from './compare.mjs';

const PROJECT = resolve(import.meta.dirname, '../..');
const HELP = `Usage: PCIBACK_DUMPS=FOLDER npm run guest:dumps -- [options]

Boots a stock kernel with sixteen devices at a time and compares its lspci -xxxx with what the table says. Devices that
do not fit together are tried in halves, down to one.

Options:
  --first N    dumps to skip
  --count N    dumps to try; missing: all
  --drivers    loads the kernel's drivers for the devices too
  --each N     devices a boot (default 16)
  --out FILE   everything that was found, as JSON
  --help       this text`;

const options = {
  first: { type: 'string', default: '0' },
  count: { type: 'string' },
  each: { type: 'string', default: '16' },
  drivers: { type: 'boolean', default: false },
  out: { type: 'string' },
};

/**
 * Milliseconds after which a guest that is not up never will be: of several devices, and of one alone. The firmware looks for
 * disks at an IDE controller for a minute, and gives up for good when devices want more addresses than there are.
 */
const UP_MS = 75_000;
const UP_ALONE_MS = 230_000;

const say = (text) => console.log(`dumps: ${text}`);

if (process.argv.some((one) => ['--help', '-h'].includes(one))) {
  console.log(HELP);
  process.exit();
}
buildProject(PROJECT, say);
const built = (name) => import(join(PROJECT, 'dist/plugins/guests/linux', `${name}.js`));
const { boot, guestAddresses, section, TELL_PLACES } = await built('boot');
const { driversFor } = await built('image');
const { guestFolder, setUp } = await built('machine');
const { offerDevices } = await built('offer');

const job = (drivers) => `
${TELL_PLACES}
${drivers ? 'load_modules; sleep 1' : ''}
echo "=== begin config"; lspci -xxxx; echo "=== end config"
echo "=== begin resources"
for d in /sys/bus/pci/devices/*; do echo "device \${d##*/}"; head -6 "$d/resource"; done
echo "=== end resources"
echo "=== begin bound"
for d in /sys/bus/pci/devices/*; do [ ! -e "$d/driver" ] || echo "\${d##*/} $(basename "$(readlink "$d/driver")")"; done
echo "=== end bound"
echo "=== begin kernel"; dmesg -r; echo "=== end kernel"
`;

/** What the table answers now, for every device that a client has. */
function snapshot({ running: { engine }, offered }) {
  const found = new Map();
  for (const { bdf } of offered) {
    const { assignment } = engine.stub.devices.find((one) => one.bdf === bdf) ?? {};
    if (assignment === undefined) continue;
    const { space } = assignment;
    const bytes = new Uint8Array(space.table.bits.size);
    const view = new DataView(bytes.buffer);
    for (let at = 0; at < bytes.length; at += 4) {
      space.read(at, 4);
      view.setInt32(at, space.bits, true);
    }
    found.set(bdf, { bytes, lists: engine.stub.devices.find((one) => one.bdf === bdf).operations.lists });
  }
  return found;
}

/** Config space by address, from `lspci -xxxx`. */
function configsOf(text) {
  const found = new Map();
  let bytes;
  for (const line of text.split('\n')) {
    const head = /^([0-9a-f]{2}:[0-9a-f]{2}\.[0-7]) /.exec(line);
    if (head !== null) {
      bytes = [];
      found.set(`0000:${head[1]}`, bytes);
    }
    const row = /^[0-9a-f]{2,3}:((?: [0-9a-f]{2})+)$/.exec(line);
    if (row !== null)
      bytes?.push(
        ...row[1]
          .trim()
          .split(' ')
          .map((one) => Number.parseInt(one, 16)),
      );
  }
  return found;
}

/** Sizes of BARs by address. */
function sizesOf(text) {
  const found = new Map();
  let sizes;
  for (const line of text.split('\n')) {
    const head = /^device (\S+)$/.exec(line);
    if (head !== null) {
      sizes = [];
      found.set(head[1], sizes);
    }
    const row = /^(0x[0-9a-f]+) (0x[0-9a-f]+) (0x[0-9a-f]+)$/.exec(line);
    if (row === null) continue;
    const [start, end, flags] = row.slice(1).map(BigInt);
    sizes?.push(flags === 0n ? 0 : Number(end - start + 1n));
  }
  return found;
}

/** What of these can be offered at all: a dump that cannot be read would end the start of all of them. */
async function sift(files, refuse) {
  const place = mkdtempSync(join(tmpdir(), 'pciback-dumps-'));
  const kept = [];
  for (const file of files) {
    try {
      const trial = await offerDevices({ place, devices: [file] });
      await trial.running.stop();
      if (trial.offered.length > 0) kept.push(file);
      else refuse(file, trial.refused.map(({ why }) => why).join('; ') || 'no function');
    } catch (error) {
      refuse(file, error.message);
    }
  }
  rmSync(place, { recursive: true });
  return kept;
}

/** The device that the emulator did not take, and what it said. @param count devices that it was given */
function refusedByClient(said, count) {
  // One that ends it names nobody: it is known when it is alone.
  const defect = count === 1 ? /Assertion .* failed/.exec(said)?.[0] : undefined;
  if (defect !== undefined) return { index: 0, why: `by the client, which ends: ${defect}` };
  for (const line of said.split('\n')) {
    const [, index, why] = /"id":"d(\d+)".*?\}: (?!warning: )(?:vfio \S+ )?(.*)$/.exec(line) ?? [];
    if (index !== undefined) return { index: Number(index), why: `by the client: ${why}` };
  }
  return undefined;
}

async function bootAll(machine, files, drivers) {
  const place = mkdtempSync(join(tmpdir(), 'pciback-dumps-'));
  const host = await offerDevices({ place, devices: files });
  let tables = new Map();
  let text = '';
  const never = new AbortController();
  const patience = setTimeout(() => never.abort(), files.length > 1 ? UP_MS : UP_ALONE_MS);
  const onText = (data) => {
    text += data;
    if (text.includes('=== guest up')) clearTimeout(patience);
    if (tables.size === 0 && text.includes('=== begin config')) tables = snapshot(host);
  };
  try {
    const identities = host.offered.map((one) => one.identity);
    const modules = drivers ? driversFor(machine.modules, identities) : [];
    const ran = await boot(machine, {
      place,
      devices: host.offered,
      modules,
      job: job(drivers),
      onText,
      seconds: 240,
      signal: never.signal,
    });
    return { ran, judge: () => judge(ran, host, tables, files) };
  } finally {
    clearTimeout(patience);
    await host.running.stop();
    rmSync(place, { recursive: true });
  }
}

async function tryBatch(machine, files, drivers, refuse) {
  for (let left = files; ; ) {
    if (left.length === 0) return { results: [], seconds: 0 };
    const { ran, judge: judged } = await bootAll(machine, left, drivers);
    const culprit = ran.done ? undefined : refusedByClient(ran.said, left.length);
    if (culprit === undefined && !ran.done && left.length > 1) return tryHalves(machine, left, drivers, refuse, ran);
    if (culprit === undefined) return { results: judged(), seconds: ran.seconds };
    refuse(left[culprit.index], culprit.why.replaceAll(/\/\S+\.sock/g, '…'));
    left = left.filter((_, index) => index !== culprit.index);
  }
}

/** A firmware gives up when devices want more addresses together than there are: fewer at a time then, down to one. */
async function tryHalves(machine, files, drivers, refuse, { seconds }) {
  const half = Math.ceil(files.length / 2);
  const first = await tryBatch(machine, files.slice(0, half), drivers, refuse);
  const second = await tryBatch(machine, files.slice(half), drivers, refuse);
  return { results: [...first.results, ...second.results], seconds: seconds + first.seconds + second.seconds };
}

function judge(ran, host, tables, files) {
  const failed = (why) => files.map((file) => ({ file: basename(file), outcome: 'not booted', why }));
  if (!ran.done)
    return failed(ran.said.trim().split('\n').slice(-3).join(' | ') || ran.console.split('\n').slice(-3).join(' | '));
  const at = guestAddresses(ran.console);
  const configs = configsOf(section(ran.console, 'config'));
  const sizes = sizesOf(section(ran.console, 'resources'));
  const bound = new Map(
    [...section(ran.console, 'bound').matchAll(/^(\S+) (\S+)$/gm)].map(([, one, name]) => [one, name]),
  );
  const kernel = section(ran.console, 'kernel')
    .split('\n')
    .filter((line) => /^<[0-4]>/.test(line));
  return host.offered.map((device, index) => {
    const file = basename(files[index] ?? device.name);
    const address = at.get(index);
    const table = tables.get(device.bdf);
    const seen = configs.get(address);
    if (address === undefined || seen === undefined)
      return { file, outcome: 'not found', why: 'the kernel lists no such function' };
    if (table === undefined) return { file, outcome: 'not found', why: 'its client was gone' };
    const { unexplained, explained } = compare(table.bytes, seen, table.lists);
    const wrongSizes = device.bars.flatMap((size, bar) =>
      size !== (sizes.get(address)?.[bar] ?? 0) ? [`BAR ${bar}: ${sizes.get(address)?.[bar]} instead of ${size}`] : [],
    );
    const all = kernel.filter((line) => line.includes(address)).map((line) => line.replace(/^<\d>\[[^\]]*\] /, ''));
    const warnings = all.filter((line) => !isAboutTheModel(line));
    const ok = unexplained.length === 0 && wrongSizes.length === 0 && warnings.length === 0;
    const driver = bound.get(address);
    return {
      file,
      outcome: ok ? 'equal' : 'different',
      ...(driver === undefined ? {} : { driver }),
      ...(ok ? {} : { unexplained, wrongSizes, warnings }),
      ...(all.length === warnings.length ? {} : { aboutTheModel: all.filter(isAboutTheModel) }),
      explained,
    };
  });
}

async function main(args) {
  const { values } = parseArgs({ args, options });
  const folder = process.env.PCIBACK_DUMPS;
  if (folder === undefined) {
    say('skipped: every dump under a real PCI core: PCIBACK_DUMPS names no folder of dumps');
    return 0;
  }
  const machine = setUp(resolve(guestFolder()), say);
  const all = readdirSync(folder, { recursive: true })
    .map((one) => join(folder, one))
    .filter((one) => one.endsWith('.txt') && statSync(one).isFile())
    .sort();
  const first = Number(values.first);
  const files = all.slice(first, values.count === undefined ? undefined : first + Number(values.count));
  const each = Number(values.each);
  const results = [];
  const refuse = (file, why) => results.push({ file: basename(file), outcome: 'refused', why });
  const kept = await sift(files, refuse);
  say(`${files.length} dumps, ${kept.length} of them endpoints that can be offered`);
  for (let i = 0; i < kept.length; i += each) {
    const { results: some, seconds } = await tryBatch(machine, kept.slice(i, i + each), values.drivers, refuse);
    results.push(...some);
    const equal = some.filter((one) => one.outcome === 'equal').length;
    say(
      `${Math.min(i + each, kept.length)} of ${kept.length}: ${equal} of ${some.length} equal, ${seconds.toFixed(1)} s`,
    );
    for (const one of some) if (one.outcome !== 'equal') say(JSON.stringify(one));
    if (values.out !== undefined) writeFileSync(values.out, `${JSON.stringify(results, undefined, 1)}\n`);
  }
  return summary(results);
}

function summary(results) {
  const outcomes = new Map();
  for (const { outcome } of results) outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
  const reasons = new Map();
  for (const { outcome, why } of results) {
    if (outcome === 'refused') reasons.set(why, (reasons.get(why) ?? 0) + 1);
  }
  say(`${results.length} dumps: ${[...outcomes].map(([outcome, count]) => `${count} ${outcome}`).join(', ')}`);
  const told = results.filter(({ aboutTheModel }) => aboutTheModel !== undefined).length;
  if (told > 0)
    say(`of ${told} the kernel warned because of their model: a list of its own, or what lies behind a BAR`);
  const drivers = results.filter(({ driver }) => driver !== undefined && driver !== 'pcieport').length;
  say(`${drivers} have a driver of the kernel`);
  for (const [why, count] of [...reasons].sort((one, other) => other[1] - one[1])) say(`refused ${count}x: ${why}`);
  return (outcomes.get('equal') ?? 0) + (outcomes.get('refused') ?? 0) === results.length ? 0 : 1;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (error.code !== 'GUEST_SYSTEM') throw error;
  console.error(`dumps: ${error.message}`);
  process.exitCode = 2;
}
