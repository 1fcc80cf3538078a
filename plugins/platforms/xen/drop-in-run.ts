// SPDX-License-Identifier: MIT

import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { describeError } from '../../../core/errors/index.ts';
import type { PartContext, RunningPart } from '../../kinds/part.ts';
import { OtherBackEnds } from './other-back-ends.ts';
import { isStandAlone } from './stand-alone-platform.ts';
import { readText, type WriteAttribute, writeAttribute } from './sysfs-files.ts';

/** Where things are; other places in tests. */
export interface DropInPlaces {
  readonly sysfs: string;
  /** That autoprobe was on before a pciback switched it off; it outlives one that dies. */
  readonly note: string;
  readonly write: WriteAttribute;
  /** Loads the kernel's module. */
  readonly loadModule: () => Promise<unknown>;
}

const places: DropInPlaces = {
  sysfs: '/sys',
  note: '/run/pciback/autoprobe',
  write: writeAttribute,
  loadModule: () => promisify(execFile)('modprobe', ['xen-pciback'], { timeout: 10_000 }),
};

/**
 * The kernel's module has the stub that the toolstack wants, and a back end that would take each new guest. So its bus is told to
 * bind nothing by itself, and what the kernel would have bound for other back ends (vif, vbd) is bound here.
 *
 * @throws HostError when the bus cannot be told: guests would be the kernel's then
 */
export const setUp = async (
  { engine, log }: Pick<PartContext, 'engine' | 'log'>,
  { sysfs, note, write, loadModule }: DropInPlaces = places,
): Promise<RunningPart> => {
  const bus = `${sysfs}/bus/xen-backend`;
  const autoprobe = `${bus}/drivers_autoprobe`;
  if (isStandAlone(engine.platform)) {
    if (!existsSync(`${bus}/drivers/xen-pciback`))
      return { health: () => 'nothing to do: the kernel has no PCI back end' };
  } else if (!existsSync(`${sysfs}/bus/pci/drivers/pciback`)) {
    try {
      await loadModule();
      log.info({ module: 'xen-pciback' }, 'kernel module loaded');
    } catch (error) {
      const next = 'Load xen-pciback: without it the toolstack has no devices to give to guests.';
      log.warn({ module: 'xen-pciback', why: describeError(error), next }, 'kernel module not loaded');
    }
  }
  if ((await readText(autoprobe)) === '1') {
    await mkdir(dirname(note), { recursive: true, mode: 0o700 });
    await writeFile(note, '1\n', { mode: 0o600 });
    await write(autoprobe, '0');
    log.info({ file: autoprobe, was: 1, is: 0 }, 'the kernel binds no back end by itself any more');
  }
  // Noted by this process or by one that died: whoever has it off for reasons of his own binds other back ends himself.
  const isOurs = (await readText(note)) !== undefined;
  if (!isOurs) return { health: () => `${autoprobe} was 0 before: other back ends are for whoever wrote that` };
  const others = await OtherBackEnds.watch({ bus, platform: engine.platform, write, log });
  return {
    health: () => 'other back ends are bound as the kernel would',
    counters: () => ({ bound: others.bound, refused: others.refused }),
    stop: async () => {
      await others.close();
      // A next process goes on with these guests, and with this.
      if ([...engine.stub.journal.guests].length > 0) return;
      await write(autoprobe, '1');
      await rm(note, { force: true });
      log.info({ file: autoprobe, was: 0, is: 1 }, 'the kernel binds back ends by itself again');
    },
  };
};
