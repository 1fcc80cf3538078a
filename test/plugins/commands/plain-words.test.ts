// SPDX-License-Identifier: MIT

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { silent } from '../../../core/log.ts';
import type { CommandContext, CommandDefinition } from '../../../core/plugin/index.ts';
import { parse } from '../../../plugins/commands/parser.ts';
import { plainOptions } from '../../../plugins/commands/plain-words.ts';
import { serve } from '../../../plugins/commands/serve.ts';

const withDefaults: CommandDefinition = {
  name: 'look',
  summary: 's',
  options: [
    { flags: '--log-level <level>', description: 'd', default: 'info', choices: ['info', 'warn'] },
    { flags: '--json', description: 'd' },
  ],
  run: async () => 0,
};

/** The options that the parser finds; `undefined`: it complains, or answers by itself. */
const parsed = async (definition: CommandDefinition, words: readonly string[]) => {
  let found: CommandContext | undefined;
  const run = async (context: CommandContext): Promise<number> => {
    found = context;
    return 0;
  };
  const terminal = { write: () => {}, complain: () => {}, stop: () => new Promise<never>(() => {}), log: silent };
  await parse([definition.name, ...words], [{ ...definition, run }], terminal).catch(() => undefined);
  return found === undefined ? undefined : { options: { ...found.options }, words: found.arguments };
};

const words = (definition: CommandDefinition) =>
  fc.array(
    fc.constantFrom(
      ...(definition.options ?? []).flatMap(({ flags, choices = [] }) => [flags.split(' ')[0] ?? '', ...choices]),
      'word',
      '/etc/a b',
      '',
      '-',
      '--',
      '-1',
      '--json=1',
      '--log-level=warn',
      '--jso',
      '--no-json',
      '--help',
      '--version',
      '--log-level <level>',
    ),
    { maxLength: 6 },
  );

describe('plain words of a command line', () => {
  it.each<[readonly string[], object]>([
    [[], {}],
    [['--log-level', 'error'], { logLevel: 'error' }],
    [['--config', 'rc.json', '--json', '--config', 'other.json'], { config: 'other.json', json: true }],
  ])('%j', (line, options) => {
    expect(plainOptions(serve, line)).toEqual(options);
  });

  it.each([['--help'], ['--log-level', 'loud'], ['--config'], ['--config', '--json'], ['--confg', 'a'], ['more']])(
    'leaves %s %s to the parser',
    (...line) => {
      expect(plainOptions(serve, line)).toBeUndefined();
    },
  );

  it('leaves commands with arguments, lists or short letters to the parser', () => {
    const command = { ...withDefaults, options: [] };
    expect(plainOptions(command, [])).toEqual({});
    expect(plainOptions({ ...command, arguments: [{ name: '[bdf]', description: '' }] }, [])).toBeUndefined();
    for (const flags of ['-o, --output <file>', '--device <bdf...>', '--no-colour', '--level [level]', '-q']) {
      expect(plainOptions({ ...command, options: [{ flags, description: '' }] }, [])).toBeUndefined();
    }
  });

  it.each([serve, withDefaults])('come to what the parser makes of them: $name', async (definition) => {
    await fc.assert(
      fc.asyncProperty(words(definition), async (line) => {
        const options = plainOptions(definition, line);
        if (options !== undefined) expect(await parsed(definition, line)).toEqual({ options, words: [] });
      }),
      { numRuns: 500 },
    );
  });
});
