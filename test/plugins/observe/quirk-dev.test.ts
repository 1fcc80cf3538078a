// SPDX-License-Identifier: MIT

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { TrialResult, TrialTerms } from '../../../plugins/kinds/guest-system.ts';
import { runQuirk } from '../../../plugins/observe/quirk-run.ts';
import { commandContext } from '../../kit/command-context.ts';

/** A plugin that brings a guest system which says what it was asked for. */
const plugin = (result: TrialResult): string => `
export default {
  kind: 'plugin', name: 'acme/guest', version: '1.0.0', api: '^1.1',
  apply: (host) => host.guestSystems.add('acme', {
    about: 'a guest that is none',
    prepare: async ({ print }) => print('prepared'),
    try: async (terms, { print }) => { print(JSON.stringify(terms)); return ${JSON.stringify(result)}; },
  }),
};
`;

describe('pciback quirk dev', () => {
  let home: string;
  const at = (name: string): string => join(home, name);
  const start = (result: TrialResult = { done: true, lost: 0 }): void => {
    writeFileSync(at('guest.mjs'), plugin(result));
    writeFileSync(at('pciback.config.json'), JSON.stringify({ plugins: ['./guest.mjs'] }));
  };
  beforeEach(() => {
    home = mkdtempSync(join(tmpdir(), 'pciback-quirk-dev-'));
  });
  afterEach(() => rmSync(home, { recursive: true }));

  const dev = async (options: object, ...words: readonly string[]): Promise<[status: number, printed: string[]]> => {
    const { context, printed, close } = commandContext({ config: at('pciback.config.json'), ...options }, [
      'dev',
      ...words,
    ]);
    try {
      return [await runQuirk(context), printed];
    } finally {
      await close();
    }
  };
  const termsOf = (printed: readonly string[]): TrialTerms => JSON.parse(printed[0] ?? '') as TrialTerms;

  it('tries quirks and devices in the guest that was asked for, files from where the command is called', async () => {
    start();
    writeFileSync(at('acme.txt'), '');
    const here = (name: string): string => relative('.', at(name));
    const options = {
      guest: 'acme',
      dump: [here('acme.txt'), 'nvme'],
      quirk: [here('b.json')],
      script: here('s.sh'),
      driver: ['none'],
      interrupts: '3',
      reads: true,
      seconds: '9',
    };
    const [status, printed] = await dev(options, here('a.json'));
    expect(status).toBe(0);
    expect(termsOf(printed)).toEqual({
      devices: [at('acme.txt'), 'nvme'],
      quirks: [at('a.json'), at('b.json')],
      script: at('s.sh'),
      drivers: [],
      interrupts: 3,
      showsReads: true,
      seconds: 9,
    });
  });

  it('leaves drivers to the guest, raises nothing and waits two minutes when nobody says otherwise', async () => {
    start();
    const [, printed] = await dev({ guest: 'acme', dump: ['nvme'] });
    expect(termsOf(printed)).toEqual({ devices: ['nvme'], quirks: [], interrupts: 0, showsReads: false, seconds: 120 });
  });

  it('only prepares, with --setup', async () => {
    start();
    expect(await dev({ guest: 'acme', setup: true })).toEqual([0, ['prepared']]);
  });

  it.each([
    ['the guest did not come to its end', { done: false, lost: 0 }],
    ['an interrupt was lost', { done: true, lost: 1 }],
  ])('ends with 1 when %s', async (_, result) => {
    start(result);
    expect((await dev({ guest: 'acme', dump: ['nvme'] }))[0]).toBe(1);
  });

  it.each([
    ['no guest and no quirk', { dump: ['nvme'] }, /needs the file of a quirk, or --guest/],
    ['a guest that nobody knows', { guest: 'akme', dump: ['nvme'] }, /akme.*acme/s],
    ['no device', { guest: 'acme' }, /needs --dump/],
    [
      'a number that is none',
      { guest: 'acme', dump: ['nvme'], interrupts: 'many' },
      /--interrupts many is not a number/,
    ],
  ])('refuses %s', async (_, options, reason) => {
    start();
    await expect(dev(options)).rejects.toThrow(reason);
  });
});
