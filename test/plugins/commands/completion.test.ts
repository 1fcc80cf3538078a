// SPDX-License-Identifier: MIT

import { execFileSync, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { silent } from '../../../core/log.ts';
import { completionText, runCompletion } from '../../../plugins/commands/completion/completion-run.ts';
import { completionTable } from '../../../plugins/commands/completion/table.ts';
import { defaultConfig } from '../../../plugins/program/defaults.ts';
import { loadPlugins } from '../../../plugins/program/start.ts';
import { commandContext } from '../../kit/command-context.ts';
import { makePlaces } from './places.ts';

const { registries } = await loadPlugins({ config: defaultConfig(), directory: '/' }, silent);
const commands = registries.commands.things;
const place = makePlaces();

describe('the table of completion', () => {
  const table = completionTable(registries);

  it('has every command with every option and argument, as --help', () => {
    expect(table.map(({ name }) => name)).toEqual(commands.map(({ name }) => name));
    for (const [index, { options = [], arguments: words = [] }] of commands.entries()) {
      expect(table[index]?.options.map(({ flags }) => flags.join(', '))).toEqual([
        ...options.map(({ flags }) => flags.replace(/ [<[].*/, '')),
        '--help',
      ]);
      expect(table[index]?.arguments).toHaveLength(words.length);
    }
  });

  it('knows what a value is', () => {
    const offered = (command: string, flag: string) =>
      table.find(({ name }) => name === command)?.options.find(({ flags }) => flags.includes(flag))?.value;
    expect(offered('serve', '--platform')).toEqual(registries.platforms.names);
    expect(offered('serve', '--fields')).toEqual(['kernel', 'full']);
    expect(offered('serve', '--config')).toBe('files');
    expect(offered('serve', '--record')).toBe('folders');
    expect(offered('serve', '--json')).toBeUndefined();
    expect(offered('quirk', '--device')).toBe('devices');
    expect(offered('quirk', '--seconds')).toBe('none');
    expect(offered('quirk', '-o')).toBe('files');
  });
});

/** What bash makes of a line, the cursor at its end. */
const completed = (line: string, cwd = '/', before = ''): readonly string[] => {
  const script = `${completionText('bash', registries)}
${before}
COMP_LINE=$1 COMP_POINT=\${#1}
_pciback
printf '%s\\n' "\${COMPREPLY[@]}"`;
  const out = execFileSync('bash', ['--norc', '-c', script, 'bash', line], { encoding: 'utf8', cwd });
  return out.split('\n').filter((word) => word !== '');
};

describe('completion in bash', () => {
  it.each([
    ['pciback do', ['doctor']],
    ['pciback help do', ['doctor']],
    ['pciback --v', ['--version']],
    ['pciback serve --pl', ['--platform']],
    ['pciback serve --platform ', ['embedded', 'xen', 'vfio-user']],
    ['pciback serve --platform x', ['xen']],
    ['pciback serve --platform xen --f', ['--fields']],
    ['pciback serve --fields k', ['kernel']],
    ['pciback serve --json --slots ', ['vpci', 'passthrough']],
    ['pciback serve now ', []],
    ['pciback quirk l', ['load', 'list', 'learn']],
    ['pciback quirk dev x --guest ', ['linux']],
    ['pciback quirk --seconds ', []],
    ['pciback inject-error 03:00.0 non', ['nonfatal']],
    ['pciback completion ', ['bash', 'zsh', 'fish']],
    ['pciback nothing ', []],
    ['/usr/bin/pciback doctor --js', ['--json']],
  ])('%s', (line, words) => {
    expect(completed(line)).toEqual(words);
  });

  it('offers files where a file is meant', () => {
    const folder = place({ 'acme nic.json': '{}', 'other.txt': '' });
    expect(completed('pciback quirk load a', folder)).toEqual(['acme nic.json']);
    expect(completed('pciback doctor --config o', folder)).toEqual(['other.txt']);
  });

  it('offers addresses of this host, of which bash keeps what stands before a colon', () => {
    const devices = '_pciback_devices() { echo 0000:03:00.0; echo 0000:04:00.1; }';
    expect(completed('pciback explain ', '/', devices)).toEqual(['0000:03:00.0', '0000:04:00.1']);
    expect(completed('pciback explain 0000:04', '/', devices)).toEqual(['04:00.1']);
    expect(completed('pciback quirk load x --device 0000:03:', '/', devices)).toEqual(['00.0']);
    expect(completed('pciback explain 0000:04', '/', `${devices}\nCOMP_WORDBREAKS=' '`)).toEqual(['0000:04:00.1']);
  });
});

describe('completion in other shells', () => {
  const has = (shell: string): boolean => spawnSync(shell, ['-c', 'true']).status === 0;
  const fileOf = (shell: 'zsh' | 'fish'): string =>
    join(place({ completion: completionText(shell, registries) }), 'completion');

  it.skipIf(!has('zsh'))('is read by zsh (left out where zsh is missing)', () => {
    expect(spawnSync('zsh', ['-n', fileOf('zsh')], { encoding: 'utf8' })).toMatchObject({ status: 0, stderr: '' });
  });

  it.skipIf(!has('fish'))('is at work in fish (left out where fish is missing)', () => {
    const script = `source ${fileOf('fish')}; complete -C 'pciback serve --fields '; complete -C 'pciback doc'`;
    const { stdout, stderr } = spawnSync('fish', ['--no-config', '-c', script], { encoding: 'utf8' });
    expect({ words: stdout.split('\n').map((line) => line.split('\t')[0]), stderr }).toEqual({
      words: ['full', 'kernel', 'doctor', ''],
      stderr: '',
    });
  });

  it.each(['zsh', 'fish'] as const)('names every command and option for %s', (shell) => {
    const text = completionText(shell, registries);
    for (const { name, options } of completionTable(registries)) {
      expect(text).toContain(name);
      for (const flag of options.flatMap(({ flags }) => flags)) expect(text).toContain(flag.replace(/^--?/, ''));
    }
  });
});

describe('pciback completion', () => {
  it('prints it, with the commands that an rc file’s plugins bring', async () => {
    const plugin = `export default { kind: 'plugin', name: 'mine', api: '^1.0', apply: (host) => {
      host.commands.add({ name: 'greet', summary: 'says it', run: async () => 0 }); } };`;
    const folder = place({ 'mine.mjs': plugin, 'rc.json': '{ "plugins": ["./mine.mjs"] }' });
    const { context, printed, close } = commandContext({ config: join(folder, 'rc.json') }, ['bash']);
    expect(await runCompletion(context)).toBe(0);
    await close();
    expect(printed.join('\n')).toMatch(/^# Made by `pciback completion bash`\.\n[\s\S]*\bgreet\b/);
  });

  it('knows no other shell', async () => {
    const { context, close } = commandContext({}, ['bsh']);
    await expect(runCompletion(context)).rejects.toMatchObject({
      code: 'USAGE',
      message: 'no completion for "bsh": there is one for bash, zsh, fish. Perhaps you meant "bash".',
    });
    await close();
  });
});
