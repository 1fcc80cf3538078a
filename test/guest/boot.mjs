// SPDX-License-Identifier: MIT
// One boot of a guest with devices behind sockets.

import { execFileSync, spawn } from 'node:child_process';
import { join } from 'node:path';
import { emulatorEnvironment, overlay } from './setup.mjs';

/** First slot of the guest's bus 0 that is free on this machine type. */
const FIRST_SLOT = 2;
/** Devices that one guest has slots for. */
export const MOST_DEVICES = 24;

/** What of the emulator stands before a device: a port of its own, where it is one of PCI Express. */
function deviceArguments({ socket, express }, index) {
  const slot = FIRST_SLOT + index;
  const client = { driver: 'vfio-user-pci', id: `d${index}`, socket: { path: socket, type: 'unix' } };
  if (!express) return ['-device', JSON.stringify({ ...client, bus: 'pcie.0', addr: slot.toString(16) })];
  const port = {
    driver: 'pcie-root-port',
    id: `p${index}`,
    bus: 'pcie.0',
    addr: slot.toString(16),
    chassis: index + 1,
  };
  return ['-device', JSON.stringify(port), '-device', JSON.stringify({ ...client, bus: `p${index}` })];
}

/** Slot of bus 0 at which the guest has a device; see {@link guestAddresses}. */
export const slotOf = (index) => FIRST_SLOT + index;

/**
 * Boots a guest, and waits for its end.
 *
 * @param {import('./setup.mjs').Machine} machine
 * @param {{ place: string, devices: readonly import('./host.mjs').Offered[], modules: readonly string[], job: string,
 *   files?: Readonly<Record<string, string>>, seconds?: number, onText?: (text: string) => void, signal?: AbortSignal }} terms
 * @returns {Promise<{ console: string, seconds: number, up: boolean, done: boolean, said: string }>}
 */
export async function boot(machine, terms) {
  const ran = await bootOnce(machine, terms);
  // On a busy host a kernel under emulation may fail to find its clock: then nothing was said about the devices.
  const mayTryAgain = !ran.up && !/^qemu.*-device (?!.*warning: )/m.test(ran.said) && terms.signal?.aborted !== true;
  return mayTryAgain ? bootOnce(machine, terms) : ran;
}

async function bootOnce(machine, terms) {
  const { place, devices, modules, job, files = {}, seconds = 120, onText, signal } = terms;
  const second = overlay(machine, place, modules, { ...files, job });
  const initrd = join(place, 'initrd.img');
  execFileSync('sh', ['-c', `cat '${machine.image}' '${second}' > '${initrd}'`]);
  const [command, ...own] = machine.emulator;
  const args = [
    ...own,
    ...['-machine', 'q35', '-accel', 'tcg', '-cpu', 'max', '-m', '512M', '-nodefaults', '-no-user-config'],
    ...['-display', 'none', '-serial', 'stdio', '-no-reboot', '-kernel', machine.kernel, '-initrd', initrd],
    ...['-append', 'console=ttyS0 quiet panic=1 mitigations=off nokaslr loglevel=5'],
    ...devices.flatMap(deviceArguments),
  ];
  const started = performance.now();
  // `timeout` also ends the emulator should this process be killed without a chance to do it.
  const child = spawn('timeout', ['-k', '5', String(seconds), command, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...emulatorEnvironment(machine) },
  });
  signal?.addEventListener('abort', () => child.kill('SIGTERM'), { once: true });
  let text = '';
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (data) => {
    text += data;
    onText?.(data);
  });
  child.stderr.setEncoding('utf8').on('data', (data) => {
    said += data;
  });
  await new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  text = text.replaceAll('\r', '');
  return {
    console: text,
    seconds: (performance.now() - started) / 1000,
    up: text.includes('=== guest up'),
    done: text.includes('=== guest done'),
    said,
  };
}

/** Lines that tell where each device is; {@link guestAddresses} reads them. */
export const TELL_PLACES = 'for d in /sys/bus/pci/devices/*; do echo "=== at $(readlink -f $d)"; done';

/** The guest's address of each device, by its index. */
export function guestAddresses(text) {
  const found = new Map();
  for (const [, slot, rest] of text.matchAll(/^=== at \/sys\/devices\/pci0000:00\/0000:00:([0-9a-f]{2})\.0(.*)$/gm)) {
    const index = Number.parseInt(slot, 16) - FIRST_SLOT;
    if (index < 0) continue;
    const below = /^\/([0-9a-f:.]+)$/.exec(rest)?.[1];
    if (below !== undefined) found.set(index, below);
    else if (rest === '' && !found.has(index)) found.set(index, `0000:00:${slot}.0`);
  }
  return found;
}

/** A section of the console that the guest has put between two marks. */
export function section(text, name) {
  const start = text.indexOf(`=== begin ${name}\n`);
  const end = text.indexOf(`=== end ${name}\n`);
  return start < 0 || end < 0 ? '' : text.slice(text.indexOf('\n', start) + 1, end);
}
