// SPDX-License-Identifier: MIT
// One boot of a guest with devices behind sockets.

import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { overlay } from './image.ts';
import { emulatorEnvironment, type Machine } from './machine.ts';
import { shell } from './shell.ts';

/** First slot of the guest's bus 0 that is free on this machine type. */
const FIRST_SLOT = 2;
/** Devices that one guest has slots for. */
export const MOST_DEVICES = 24;

/** A device behind a socket. */
export interface Behind {
  readonly socket: string;
  /** It is one of PCI Express. */
  readonly express: boolean;
}

export interface BootTerms {
  /** Folder for what this boot needs. */
  readonly place: string;
  readonly devices: readonly Behind[];
  /** Modules of the kernel that the guest can load. */
  readonly modules: readonly string[];
  /** Shell text that the guest runs. */
  readonly job: string;
  /** More files of the guest, by path. */
  readonly files?: Readonly<Record<string, string>>;
  /** Longest time; missing: 120. */
  readonly seconds?: number;
  /** Told what the guest prints, as it comes; `type` writes to its console. */
  onText?(text: string, type: (line: string) => void): void;
  readonly signal?: AbortSignal;
}

export interface Boot {
  /** What the guest printed. */
  readonly console: string;
  /** From the start of the emulator to its end. */
  readonly seconds: number;
  readonly up: boolean;
  readonly done: boolean;
  /** What the emulator said. */
  readonly said: string;
}

/** What of the emulator stands before a device: a port of its own, where it is one of PCI Express. */
const deviceArguments = ({ socket, express }: Behind, index: number): readonly string[] => {
  const addr = (FIRST_SLOT + index).toString(16);
  const client = { driver: 'vfio-user-pci', id: `d${index}`, socket: { path: socket, type: 'unix' } };
  if (!express) return ['-device', JSON.stringify({ ...client, bus: 'pcie.0', addr })];
  const port = { driver: 'pcie-root-port', id: `p${index}`, bus: 'pcie.0', addr, chassis: index + 1 };
  return ['-device', JSON.stringify(port), '-device', JSON.stringify({ ...client, bus: `p${index}` })];
};

/** Boots a guest, and waits for its end. */
export const boot = async (machine: Machine, terms: BootTerms): Promise<Boot> => {
  const ran = await bootOnce(machine, terms);
  // On a busy host a kernel under emulation may fail to find its clock: then nothing was said about the devices.
  const mayTryAgain = !ran.up && !/^qemu.*-device (?!.*warning: )/m.test(ran.said) && terms.signal?.aborted !== true;
  return mayTryAgain ? bootOnce(machine, terms) : ran;
};

const bootOnce = async (machine: Machine, terms: BootTerms): Promise<Boot> => {
  const { place, devices, modules, job, files = {}, seconds = 120, onText, signal } = terms;
  const second = overlay(machine.modules, place, modules, { ...files, job });
  const initrd = join(place, 'initrd.img');
  shell(`cat '${machine.image}' '${second}' > '${initrd}'`);
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
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, ...emulatorEnvironment(machine) },
  });
  const end = (): void => void child.kill('SIGTERM');
  signal?.addEventListener('abort', end, { once: true });
  let text = '';
  let said = '';
  // A guest that is gone has no use for what is typed; its end is told below.
  child.stdin.on('error', () => undefined);
  child.stdout.setEncoding('utf8').on('data', (data: string) => {
    text += data;
    onText?.(data, (line) => child.stdin.write(`${line}\n`));
  });
  child.stderr.setEncoding('utf8').on('data', (data: string) => {
    said += data;
  });
  await new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  signal?.removeEventListener('abort', end);
  text = text.replaceAll('\r', '');
  return {
    console: text,
    seconds: (performance.now() - started) / 1000,
    up: text.includes('=== guest up'),
    done: text.includes('=== guest done'),
    said,
  };
};

/** Lines that tell where each device is; {@link guestAddresses} reads them. */
export const TELL_PLACES = 'for d in /sys/bus/pci/devices/*; do echo "=== at $(readlink -f $d)"; done';

/** The guest's address of each device, by its index. */
export const guestAddresses = (text: string): ReadonlyMap<number, string> => {
  const found = new Map<number, string>();
  const lines = text.matchAll(/^=== at \/sys\/devices\/pci0000:00\/0000:00:([0-9a-f]{2})\.0(.*)$/gm);
  for (const [, slot = '', rest = ''] of lines) {
    const index = Number.parseInt(slot, 16) - FIRST_SLOT;
    if (index < 0) continue;
    const below = /^\/([0-9a-f:.]+)$/.exec(rest)?.[1];
    if (below !== undefined) found.set(index, below);
    else if (rest === '' && !found.has(index)) found.set(index, `0000:00:${slot}.0`);
  }
  return found;
};

/** A section of the console that the guest has put between two marks. */
export const section = (text: string, name: string): string => {
  const start = text.indexOf(`=== begin ${name}\n`);
  const end = text.indexOf(`=== end ${name}\n`);
  return start < 0 || end < 0 ? '' : text.slice(text.indexOf('\n', start) + 1, end);
};
