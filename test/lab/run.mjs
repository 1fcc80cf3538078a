// SPDX-License-Identifier: MIT
// The project's own Xen: boots a real hypervisor and a stock dom0 and guest in emulation and runs one scenario.

import { accessSync, constants, copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { NEVER_REPORTED, PATIENCE, runUntilReported, TRIES } from './emulator.mjs';
import { hosts } from './hosts.mjs';
import { lockFolder } from './lock.mjs';
import { setUpNewerEmulator } from './newer-emulator.mjs';
import { readComposites, readScenarios, UsageError, unknown } from './scenarios.mjs';
import { buildProject } from './setup.mjs';

const HERE = import.meta.dirname;
const PROJECT = resolve(HERE, '../..');

const HOST_NAMES = [...hosts.keys()];
const HELP = `Usage: npm run lab -- <scenario> [options]

Boots a real Xen, a Linux dom0 and a stock Linux guest in emulation (no hardware needed) and runs a scenario there.

Options:
  --list        the scenarios and the options of each
  --host NAME   ${[...hosts].map(([name, { summary }]) => `${name}: ${summary}`).join('\n                ')}
  --<option> V  an option of the scenario, for example --slots passthrough
  --keep        leave dom0 up after the scenario, with its shell on this terminal
  --help        this text

Environment:
  PCIBACK_LAB            folder of the lab (default /var/tmp/pciback-lab)
  PCIBACK_LAB_PATIENCE   on a busy machine: so many times as long may everything take (default 1)

Logs of each run: .lab/<scenario>-<time>/. Exit status: that of the scenario; 2 for a wrong call; ${NEVER_REPORTED} when
the emulator itself gave up ${TRIES} times and the run says nothing.`;

const say = (text) => console.log(`lab: ${text}`);

function parse(args, scenarios) {
  const call = { keep: false, name: undefined, given: new Map() };
  for (let i = 0; i < args.length; i++) {
    const arg = args[i];
    if (arg === '--keep') call.keep = true;
    else if (arg.startsWith('-')) {
      const [name, inline] = arg.replace(/^-+/, '').split('=');
      if (inline === undefined) i++;
      call.given.set(name, inline ?? args[i]);
    } else if (call.name === undefined) call.name = arg;
    else throw new UsageError(`one scenario at a time: "${call.name}" and "${arg}" were given.`);
  }
  const scenarioNames = scenarios.map((scenario) => scenario.name);
  if (call.name === undefined) throw new UsageError(`no scenario given. Known: ${scenarioNames.join(', ')}.`);
  const scenario = scenarios.find((one) => one.name === call.name);
  if (scenario === undefined) throw unknown('scenario', call.name, scenarioNames);
  return {
    scenario,
    keep: call.keep,
    host: takeHost(call.given),
    options: checkOptions(scenario, call.given),
  };
}

function takeHost(given) {
  if (!given.has('host')) return HOST_NAMES[0];
  const host = given.get('host');
  given.delete('host');
  if (host === undefined) throw new UsageError(`--host needs a value: ${HOST_NAMES.join(' or ')}.`);
  if (!hosts.has(host)) throw unknown('value of --host', host, HOST_NAMES);
  return host;
}

function checkOptions(scenario, given) {
  const known = [...scenario.options.keys()];
  for (const [name, value] of given) {
    const allowed = scenario.options.get(name);
    if (allowed === undefined)
      throw unknown(`option of ${scenario.name}`, `--${name}`, flags([...known, 'host', 'keep']));
    if (value === undefined) throw new UsageError(`--${name} needs a value: ${allowed.join(' or ')}.`);
    if (!allowed.includes(value)) throw unknown(`value of --${name}`, value, allowed);
  }
  return new Map(known.map((name) => [name, given.get(name) ?? scenario.options.get(name)[0]]));
}

const flags = (names) => names.map((name) => `--${name}`);

function list(scenarios) {
  for (const { name, summary, options } of scenarios) {
    console.log(`${name.padEnd(16)} ${summary}`);
    for (const [option, values] of options) console.log(`${''.padEnd(16)}   --${option} ${values.join('|')}`);
  }
}

/** `.lab/drop-in-passthrough-20250131-235959`; what was not the default is in the name. */
function logFolder({ scenario, host, options }) {
  const chosen = [...options]
    .filter(([name, value]) => value !== scenario.options.get(name)[0])
    .map(([, value]) => value);
  if (host !== HOST_NAMES[0]) chosen.unshift(host);
  const time = new Date().toISOString().replace(/[-:]/g, '').replace('T', '-').slice(0, 15);
  return join(PROJECT, '.lab', [scenario.name, ...chosen, time].join('-'));
}

function dom0Environment({ lab, xenVersion, kernel }, program, { scenario, options, keep }) {
  const environment = {
    LAB: lab,
    ...program,
    XEN_VERSION: xenVersion,
    KERNEL: kernel,
    JOB_SECONDS: String(scenario.seconds * PATIENCE),
    PATIENCE: String(PATIENCE),
    KEEP: keep ? '1' : '',
  };
  for (const [name, value] of options) environment[name.toUpperCase()] = value;
  return environment;
}

/** Logs under the names that one looks for: daemon.log and guest-NAME.log beside serial.log. */
function collectLogs(logs) {
  const consoles = join(logs, 'log/console');
  if (!existsSync(consoles)) return;
  for (const file of readdirSync(consoles)) {
    if (file.startsWith('guest-')) copyFileSync(join(consoles, file), join(logs, file));
  }
}

async function runScenario(call, signal) {
  const { scenario, keep } = call;
  const folder = resolve(process.env.PCIBACK_LAB ?? '/var/tmp/pciback-lab');
  mkdirSync(folder, { recursive: true });
  accessSync(folder, constants.W_OK);
  const unlock = lockFolder(folder);
  try {
    const host = hosts.get(call.host);
    const machine = host.setUp(folder, say);
    if (scenario.needsBuild) buildProject(PROJECT, say);
    const program = scenario.needsBuild ? await host.install(machine, PROJECT, say) : { PROJECT };
    const environment = dom0Environment(machine, program, call);
    const emulator = scenario.newerEmulator ? setUpNewerEmulator(folder, say) : ['qemu-system-x86_64'];
    const newLogs = () => {
      const logs = logFolder(call);
      say(`${scenario.name}: booting, logs in ${relative(process.cwd(), logs) || '.'}`);
      return logs;
    };
    const started = performance.now();
    const { status, logs } = await runUntilReported(
      { machine, emulator, scenario, environment, keep, signal },
      newLogs,
      say,
    );
    if (signal.aborted) return { status: 130, logs };
    collectLogs(logs);
    return { status: report(call, logs, status, performance.now() - started), logs };
  } finally {
    unlock();
  }
}

function report({ scenario, host, options }, logs, status, milliseconds) {
  const checks = readFileSync(join(logs, 'checks'), 'utf8');
  const passed = (checks.match(/^ok /gm) ?? []).length;
  const broken = (checks.match(/^not ok .*$/gm) ?? []).length;
  // A scenario that ends badly without a failed check, or that checks nothing, is itself one failure.
  const failed = broken === 0 && (status !== 0 || passed === 0) ? 1 : broken;
  const words = [...(host === HOST_NAMES[0] ? [] : [['host', host]]), ...options];
  const title = [scenario.name, ...words.map(([name, value]) => `--${name} ${value}`)].join(' ');
  if (status === NEVER_REPORTED) {
    const serial = readFileSync(join(logs, 'serial.log'), 'utf8').trimEnd().split('\n');
    console.log(`the lab did not report; last lines of its console:\n${serial.slice(-15).join('\n')}`);
  }
  say(`${title}: ${passed} passed, ${failed} failed, ${Math.round(milliseconds / 1000)} s`);
  return failed > 0 && status === 0 ? 1 : status;
}

/** Runs a scenario that boots others; each boot is reported like one of its own. */
async function runComposite({ scenario, host, options }, scenarios, signal) {
  const boot = (name, chosen) => {
    const other = scenarios.find((one) => one.name === name);
    return runScenario(
      { scenario: other, host, options: checkOptions(other, new Map(Object.entries(chosen))), keep: false },
      signal,
    );
  };
  const started = performance.now();
  const { passed, failed } = await scenario.run({ options, boot, say });
  say(`${scenario.name}: ${passed} passed, ${failed} failed, ${Math.round((performance.now() - started) / 1000)} s`);
  return failed > 0 ? 1 : 0;
}

async function main(args) {
  const folder = join(HERE, 'scenarios');
  const scenarios = [...readScenarios(folder), ...(await readComposites(folder))];
  if (args.includes('--help') || args.includes('-h')) {
    console.log(HELP);
    return 0;
  }
  if (args.includes('--list')) {
    list(scenarios);
    return 0;
  }
  const call = parse(args, scenarios);
  if (!Number.isInteger(PATIENCE) || PATIENCE < 1) {
    throw new UsageError(`PCIBACK_LAB_PATIENCE is "${process.env.PCIBACK_LAB_PATIENCE}": a whole number is needed.`);
  }
  const stop = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(name, () => stop.abort());
  if (call.scenario.run !== undefined) return runComposite(call, scenarios, stop.signal);
  return (await runScenario(call, stop.signal)).status;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  console.error(`lab: ${error.message}\nTry: npm run lab -- --help`);
  process.exitCode = 2;
}
