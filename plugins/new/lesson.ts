// SPDX-License-Identifier: MIT

import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { describeError } from '../../core/errors/index.ts';
import { fail } from '../errors.ts';
import type { CommandContext } from '../kinds/command.ts';
import { readText } from '../read-text.ts';

/** What a quirk is learned from. */
export interface LessonTerms {
  /** A trace of QEMU, or a recorded session; absolute. */
  readonly trace: string;
  /** The device's dump, absolute; missing: it is as the trace shows it. */
  readonly dump: string | undefined;
  /** Of a trace of several devices, the one that is meant. */
  readonly device: string | undefined;
  /** The quirk's. */
  readonly name: string;
  readonly form: 'code' | 'data';
}

/** A quirk that was learned, and the session that shows it to be enough. */
export interface Lesson {
  /** The quirk's file. */
  readonly quirk: string;
  /** Accesses of the device. */
  readonly session: string;
  /** Text of the device's dump; missing: there is none. */
  readonly dump: string | undefined;
  /** Name of the file that it was learned from. */
  readonly from: string;
  /** What is opened, in hexadecimal. */
  readonly registers: readonly { readonly offset: string; readonly mask: string }[];
}

const usage = (what: string): never => fail('USAGE', { what, nearest: undefined });

/**
 * Has `pciback quirk learn`, the command of another plugin, make a quirk of a trace.
 *
 * @throws PcibackError `USAGE` when there is nothing to learn, and what learning throws
 */
export const learnFrom = async (context: CommandContext, terms: LessonTerms): Promise<Omit<Lesson, 'dump'>> => {
  const { trace, dump, device, name, form } = terms;
  const { registries } = await context.plugins();
  const command = registries.commands.entries.find((one) => one.name === 'quirk')?.thing;
  if (command === undefined) return usage('--from-trace is done by `pciback quirk`, which the rc file leaves out');
  const text = await readText(trace).catch((error: unknown) =>
    fail('FILE_UNREADABLE', { file: trace, why: describeError(error) }, error),
  );
  const folder = await mkdtemp(join(tmpdir(), 'pciback-learn-'));
  const output = join(folder, form === 'code' ? 'index.ts' : 'quirk.json');
  const said: string[] = [];
  try {
    await command.run({
      ...context,
      arguments: ['learn', trace],
      options: {
        output,
        name,
        ...(dump === undefined ? {} : { dump: [dump] }),
        ...(device === undefined ? {} : { device: [device] }),
      },
      print: (line) => said.push(line),
    });
    if (!existsSync(output)) return usage(`${basename(trace)}: ${said.join(' ')}`);
    // A recording has one device, and says which in its first line.
    const isOfOne = device === undefined || text.trimStart().startsWith('{');
    const lines = text.split('\n').filter((line) => isOfOne || line.includes(device));
    return {
      quirk: await readFile(output, 'utf8'),
      session: `${lines.join('\n').trimEnd()}\n`,
      from: basename(trace),
      registers: [...said.join(' ').matchAll(/(0x[0-9a-f]+) mask (0x[0-9a-f]+)/g)].map(
        ([, offset = '', mask = '']) => ({
          offset,
          mask,
        }),
      ),
    };
  } finally {
    await rm(folder, { recursive: true });
  }
};
