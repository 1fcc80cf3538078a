// SPDX-License-Identifier: MIT

import { spawn } from 'node:child_process';
import {
  copyFileSync,
  createWriteStream,
  existsSync,
  mkdirSync,
  readFileSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { openMonitor } from './monitor.mjs';

const HERE = import.meta.dirname;
/** Seconds that boot and power-off may take besides the job itself. */
const BOOT_SECONDS = 180;
/** How many times as long as on a quiet machine everything may take. */
export const PATIENCE = Number(process.env.PCIBACK_LAB_PATIENCE ?? 1);
/** The emulator or its machine gave up before the job said how it ended. */
export const NEVER_REPORTED = 125;

/** Attempts in all, when the emulator itself gives up. */
export const TRIES = 3;

/**
 * Runs a scenario; an emulator that never reported is tried again, whatever else happened is the result.
 *
 * @param {object} run as for `runOnce`, without `logs`
 * @param {() => string} newLogs gives the log folder of the next attempt
 * @param {(text: string) => void} say
 * @returns {Promise<{ status: number, logs: string }>}
 */
export async function runUntilReported(run, newLogs, say) {
  for (let tries = 1; ; tries++) {
    const logs = newLogs();
    const status = await runOnce({ ...run, logs });
    if (status !== NEVER_REPORTED || tries === TRIES || run.keep || run.signal.aborted) return { status, logs };
    say(`the emulator never reported: this run says nothing, trying again (${tries} of ${TRIES - 1})`);
  }
}

/**
 * Boots Xen and dom0 once and runs one scenario in it.
 *
 * @param {object} run
 * @param {import('./setup.mjs').Machine} run.machine what boots
 * @param {string[]} run.emulator program and first arguments
 * @param {string} run.logs folder for everything this run writes; dom0 sees it as /run/lab
 * @param {import('./scenarios.mjs').Scenario} run.scenario
 * @param {Record<string, string>} run.environment what the scenario sees
 * @param {boolean} run.keep leaves dom0 up with a shell
 * @param {AbortSignal} run.signal ends the emulator
 * @returns {Promise<number>} the job's status, or NEVER_REPORTED
 */
export async function runOnce(run) {
  prepareLogs(run);
  const monitor = run.scenario.monitor ? openMonitor(run.logs) : undefined;
  const limit = run.keep ? '0' : String((BOOT_SECONDS + run.scenario.seconds) * PATIENCE);
  // `timeout` also ends the emulator should this process be killed without a chance to do it.
  const words = [...run.emulator, ...qemuArguments(run), ...(monitor?.words ?? [])];
  const child = spawn('timeout', ['-k', '5', limit, ...words], {
    stdio: [run.keep ? 'pipe' : 'ignore', 'pipe', 'pipe'],
  });
  const end = () => child.kill('SIGTERM');
  run.signal.addEventListener('abort', end, { once: true });
  if (run.keep) process.stdin.pipe(child.stdin);
  const log = createWriteStream(join(run.logs, 'serial.log'));
  const showLines = consoleFilter(run.keep);
  child.stdout.on('data', (data) => {
    log.write(data);
    showLines(data);
  });
  child.stderr.on('data', (data) => log.write(data));
  await new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  monitor?.close();
  run.signal.removeEventListener('abort', end);
  if (run.keep) process.stdin.unref?.();
  await new Promise((resolve) => log.end(resolve));
  return statusOf(run.logs);
}

function prepareLogs({ logs, scenario, environment }) {
  mkdirSync(logs, { recursive: true });
  copyFileSync(scenario.path, join(logs, 'job.sh'));
  for (const file of ['start.sh', 'lib.sh']) copyFileSync(join(HERE, 'dom0', file), join(logs, file));
  const quote = (text) => `'${text.replaceAll("'", "'\\''")}'`;
  const lines = Object.entries(environment).map(([name, value]) => `export ${name}=${quote(value)}\n`);
  writeFileSync(join(logs, 'env.sh'), lines.join(''));
  writeFileSync(join(logs, 'checks'), '');
  for (const [id, mebibytes] of scenario.disks ?? []) {
    writeFileSync(diskFile(logs, id), '');
    truncateSync(diskFile(logs, id), Number(mebibytes) * 2 ** 20);
  }
}

/** A disk of the machine is a file of the log folder, so that dom0 sees what a guest wrote, as `$OUT/ID.img`. */
const diskFile = (logs, id) => join(logs, `${id}.img`);
const driveArguments = (logs, disks = new Map()) =>
  [...disks.keys()].flatMap((id) => ['-drive', `if=none,id=${id},file=${diskFile(logs, id)},format=raw`]);

function qemuArguments({ machine: { folder, root, kernel }, logs, scenario }) {
  const xenWords =
    'dom0_mem=3G,max:3G dom0_max_vcpus=2 console=com1 com1=115200,8n1 loglvl=warning guest_loglvl=warning';
  const dom0Words = `console=hvc0 quiet panic=1 net.ifnames=0 mitigations=off ${scenario.dom0}`.trim();
  return [
    // A CPU without wide vector state: with `max`, programs under Xen crash now and then in this emulation.
    ...['-machine', 'q35', '-accel', 'tcg,thread=multi', '-cpu', 'Westmere', '-smp', '2', '-m', '6G'],
    ...['-nodefaults', '-no-user-config', '-display', 'none', '-serial', 'stdio', '-no-reboot'],
    ...['-kernel', join(folder, 'xen'), '-append', `${xenWords} ${scenario.xen}`.trim()],
    ...['-initrd', `${folder}/kernel/boot/vmlinuz-${kernel} ${dom0Words},${folder}/dom0.img`],
    ...['-virtfs', `local,path=${root},mount_tag=hostroot,security_model=none,readonly=on,multidevs=remap`],
    ...['-virtfs', `local,path=${logs},mount_tag=out,security_model=none`],
    ...['-device', 'intel-iommu,intremap=on'],
    ...driveArguments(logs, scenario.disks),
    ...scenario.devices,
  ];
}

/** What the hypervisor says in between is in serial.log; only its end is worth the reader's time. */
const HYPERVISOR_CHATTER = /^\(XEN\)(?!.*(Panic|FATAL|BUG|Assertion))/;

/** Shows the console's lines between the first and the last of dom0; in keep mode everything after as it comes. */
function consoleFilter(keep) {
  let rest = '';
  let state = 'before';
  return (data) => {
    if (state === 'shell') {
      process.stdout.write(data);
      return;
    }
    rest += data.toString('latin1');
    for (let end = rest.indexOf('\n'); end >= 0 && state !== 'shell'; end = rest.indexOf('\n')) {
      const line = rest.slice(0, end).replace(/\r$/, '');
      rest = rest.slice(end + 1);
      if (line.includes('=== DOM0 UP')) state = 'inside';
      if (state === 'inside' && !HYPERVISOR_CHATTER.test(line))
        process.stdout.write(`${Buffer.from(line, 'latin1').toString('utf8')}\n`);
      if (line.includes('=== JOB DONE')) state = keep ? 'shell' : 'after';
    }
  };
}

/** A hypervisor or dom0 that dies under the job is the job's failure, one that never came up is the emulator's. */
function statusOf(logs) {
  const statusFile = join(logs, 'status');
  if (existsSync(statusFile)) return Number(readFileSync(statusFile, 'utf8'));
  const checks = readFileSync(join(logs, 'checks'), 'utf8');
  if (/^not ok /m.test(checks)) return 1;
  const serial = readFileSync(join(logs, 'serial.log'), 'latin1');
  const panic = /Panic on CPU|Kernel panic/.exec(serial);
  if (panic && existsSync(join(logs, 'up'))) {
    writeFileSync(
      join(logs, 'checks'),
      `${checks}not ok - the host survives the scenario (${panic[0]}, see serial.log)\n`,
    );
    return 1;
  }
  return NEVER_REPORTED;
}
