// SPDX-License-Identifier: MIT

import { beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { Engine } from '../../../core/pciback.ts';
import { definePlugin, type Host } from '../../../core/plugin/index.ts';
import { PluginHost } from '../../../core/plugin/loader.ts';
import type { Config } from '../../../plugins/kinds/config.ts';
import { kinds } from '../../../plugins/kinds/kinds.ts';
import { operation, type PartDefinition, type RunningPart } from '../../../plugins/kinds/part.ts';
import { defaultConfig } from '../../../plugins/program/defaults.ts';
import { PartRunner, prepareParts } from '../../../plugins/program/part-runner.ts';
import { recordingLog } from '../../kit/embedded-host.ts';
import { until } from '../../kit/until.ts';

const { log, lines } = recordingLog();
const steps: string[] = [];
beforeEach(() => {
  steps.length = 0;
  lines.length = 0;
});

/** A part that notes its steps. */
const noting = (name: string, more: Partial<PartDefinition> = {}, running: RunningPart = {}): PartDefinition => ({
  about: 'a part of a test',
  start: () => {
    steps.push(`start ${name}`);
    return { stop: () => void steps.push(`stop ${name}`), ...running };
  },
  ...more,
});

/** A runner of these parts, all of one plugin. */
const runnerOf = async (
  parts: Readonly<Record<string, PartDefinition>>,
  config: Config = defaultConfig(),
): Promise<PartRunner> => {
  const plugins = new PluginHost({ log, kinds });
  const deadlines = { ...config.deadlines, partStart: 0.05, partStop: 0.05 };
  const apply = (host: Host): void => {
    for (const [name, part] of Object.entries(parts)) host.parts.add(name, part);
  };
  await plugins.load(definePlugin({ name: 'test/parts', api: '^1.0', apply }), undefined, 'test');
  return new PartRunner({ engine: { plugins } as unknown as Engine, config: { ...config, deadlines }, log });
};

const startAll = async (runner: PartRunner): Promise<void> => {
  await runner.start('around guests');
  steps.push('guests');
  await runner.start('with guests');
};
const stopAll = async (runner: PartRunner): Promise<void> => {
  await runner.stop('with guests');
  steps.push('guests end');
  await runner.stop('around guests');
};

const failures = () =>
  lines.filter(({ message }) => message === 'a part failed').map(({ level, facts }) => [level, facts.part, facts.why]);

describe('the parts of a process that stands by', () => {
  it('are readied one after the other; one that fails or hangs is named, and the others are readied all the same', async () => {
    const plugins = new PluginHost({ log, kinds });
    const ready = (name: string) => async () => void steps.push(`ready ${name}`);
    const fails = () => Promise.reject(new Error('no folder'));
    const hangs = () => new Promise<never>(() => undefined);
    const apply = ({ parts }: Host): void => {
      parts.add('plain', noting('plain'));
      parts.add('first', noting('first', { prepare: ready('first') }));
      parts.add('failing', noting('failing', { prepare: fails }));
      parts.add('hanging', noting('hanging', { prepare: hangs }));
      parts.add('last', noting('last', { prepare: ready('last') }));
    };
    await plugins.load(definePlugin({ name: 'test/parts', api: '^1.0', apply }), undefined, 'test');
    const config = defaultConfig();
    const deadlines = { ...config.deadlines, partStart: 0.05 };
    await prepareParts(plugins, { ...config, deadlines }, log);
    expect(steps).toEqual(['ready first', 'ready last']);
    const said = lines.filter(({ message }) => message === 'standby: part not readied');
    expect(said.map(({ facts }) => [facts.part, facts.why])).toEqual([
      ['failing', expect.stringContaining('no folder')],
      ['hanging', expect.stringContaining('prepare of part hanging')],
    ]);
  });
});

describe('the order of parts', () => {
  it('is that of their needs, around guests or with them, and the reverse at the end', async () => {
    const runner = await runnerOf({
      socket: noting('socket', { needs: ['guests', 'journal'] }),
      page: noting('page', { needs: ['socket'] }),
      journal: noting('journal', { needs: ['clock'] }),
      clock: noting('clock'),
    });
    await startAll(runner);
    await stopAll(runner);
    expect(steps).toEqual([
      'start clock',
      'start journal',
      'guests',
      'start socket',
      'start page',
      'stop page',
      'stop socket',
      'guests end',
      'stop journal',
      'stop clock',
    ]);
    expect(failures()).toEqual([]);
  });

  it('a need that is not there is refused, with the nearest name', async () => {
    const refused = runnerOf({ journal: noting('journal'), page: noting('page', { needs: ['jurnal'] }) });
    await expect(refused).rejects.toMatchObject({
      code: 'PART_NEEDS',
      message: expect.stringMatching(/part "page" of plugin test\/parts .*"jurnal".*Perhaps you meant "journal"/),
    });
    await expect(runnerOf({ page: noting('page', { needs: ['guest'] }) })).rejects.toThrow(/meant "guests"/);
  });

  it('a circle is refused, with its way', async () => {
    const refused = runnerOf({
      a: noting('a', { needs: ['b'] }),
      b: noting('b', { needs: ['c'] }),
      c: noting('c', { needs: ['b'] }),
    });
    await expect(refused).rejects.toMatchObject({
      code: 'PART_NEEDS',
      message: expect.stringContaining('b → c → b'),
    });
  });
});

describe('a part that fails', () => {
  const never = new Promise<RunningPart>(() => undefined);
  it.each<[string, PartDefinition['start'], RegExp]>([
    ['throws an error', () => expect.fail('no room'), /no room/],
    ['throws a text', () => Promise.reject('no luck'), /no luck/],
    ['takes too long', () => never, /no answer within 0.05 s/],
    [
      'gives nothing back',
      () => undefined as unknown as RunningPart,
      /it answers undefined, and has to answer an object/,
    ],
  ])('%s at its start: it is named, what needs it is not started, others are', async (_what, start, why) => {
    const runner = await runnerOf({
      bad: noting('bad', { ...(start === undefined ? {} : { start }) }),
      needy: noting('needy', { needs: ['bad'] }),
      other: noting('other', { needs: ['guests'] }),
    });
    await startAll(runner);
    expect(steps).toEqual(['guests', 'start other']);
    expect(failures()).toEqual([
      ['error', 'bad', expect.stringMatching(why)],
      ['error', 'needy', expect.stringContaining('it needs part "bad", which does not run')],
    ]);
    expect(runner.reports().map(({ name, state }) => [name, state])).toEqual([
      ['bad', 'failed'],
      ['needy', 'failed'],
      ['other', 'running'],
    ]);
    await stopAll(runner);
    expect(steps.slice(2)).toEqual(['stop other', 'guests end']);
  });

  it('comes up after its deadline: it is stopped then', async () => {
    let comeUp = (_part: RunningPart): void => undefined;
    const late = new Promise<RunningPart>((resolve) => {
      comeUp = resolve;
    });
    const runner = await runnerOf({ slow: noting('slow', { start: () => late }) });
    await startAll(runner);
    comeUp({ stop: () => void steps.push('stopped late') });
    await until('stopped', () => steps.includes('stopped late'));
    expect(runner.reports()).toMatchObject([{ state: 'failed' }]);
  });

  it.each<[string, () => void | Promise<void>, RegExp]>([
    ['throws', () => expect.fail('stuck'), /stuck/],
    ['never ends', () => new Promise(() => undefined), /no answer within 0.05 s/],
  ])('%s at its stop: it is named, and the others are stopped', async (_what, stop, why) => {
    const runner = await runnerOf({ first: noting('first'), bad: noting('bad', {}, { stop }) });
    await startAll(runner);
    await stopAll(runner);
    expect(steps.at(-1)).toBe('stop first');
    expect(failures()).toEqual([['error', 'bad', expect.stringMatching(why)]]);
  });

  it('and is required ends the start, with its own error', async () => {
    const runner = await runnerOf({ guard: noting('guard', { required: true, start: () => expect.fail('no') }) });
    await expect(runner.start('around guests')).rejects.toMatchObject({ code: 'PART_FAILED' });
    await runner.stop('around guests');
    expect(steps).toEqual([]);
  });
});

describe('what a part has', () => {
  const section = z.strictObject({ size: z.number().default(3) }).prefault({});
  const sections = { file: 'rc.json', directory: '/etc/x', values: { room: { size: 7 } } };

  it('its section of the rc file, checked, and the folder that paths count from', async () => {
    const seen: unknown[] = [];
    const part = noting('room', {
      options: section,
      start: ({ options, directory }) => {
        seen.push(options, directory);
        return {};
      },
    });
    await startAll(await runnerOf({ room: part }, { ...defaultConfig(), sections }));
    await startAll(await runnerOf({ room: part }));
    await startAll(await runnerOf({ hall: { ...part, section: 'room' } }, { ...defaultConfig(), sections }));
    expect(seen).toEqual([{ size: 7 }, '/etc/x', { size: 3 }, process.cwd(), { size: 7 }, '/etc/x']);
  });

  it('operations, for as long as it runs, with a context of its own', async () => {
    const operations = {
      double: operation({
        about: 'Twice a number.',
        asks: z.strictObject({ number: z.number() }),
        answer: ({ number }, { options }) => ({ is: number * 2, options }),
      }),
    };
    const runner = await runnerOf({ sums: { about: 'adds', options: section, operations } });
    await expect(runner.operations().get('double')?.answer({ number: 4 })).rejects.toMatchObject({
      code: 'PART_NOT_RUNNING',
      message: 'part "sums" of plugin test/parts is still to start',
    });
    await startAll(runner);
    await expect(runner.operations().get('double')?.answer({ number: 4 })).resolves.toEqual({
      is: 8,
      options: { size: 3 },
    });
    await stopAll(runner);
    expect([...runner.operations().keys()]).toEqual([]);
    await expect(runnerOf({ a: { about: 'a', operations }, b: { about: 'b', operations } })).rejects.toMatchObject({
      code: 'PLUGIN_REGISTRATION',
      message: expect.stringContaining('operation "double"'),
    });
  });

  it('operations that say why it does not run', async () => {
    const operations = { ask: operation({ about: 'Asks.', asks: z.strictObject({}), answer: () => 1 }) };
    const start = () => expect.fail('no room');
    const runner = await runnerOf({ room: { about: 'a room', operations, start } });
    await startAll(runner);
    await expect(runner.operations().get('ask')?.answer({})).rejects.toMatchObject({
      code: 'PART_NOT_RUNNING',
      message: expect.stringMatching(/part "room" of plugin test\/parts does not run: .*no room/),
    });
  });

  it('health and counters; one that cannot say is no harm to the others', async () => {
    const runner = await runnerOf({
      well: noting('well', {}, { health: () => 'well', counters: () => ({ bytes: 5 }) }),
      ill: noting('ill', {}, { health: () => expect.fail('ill') }),
    });
    expect(runner.reports()).toMatchObject([{ state: 'waiting' }, { state: 'waiting' }]);
    await startAll(runner);
    expect(runner.reports()).toEqual([
      { name: 'well', plugin: 'test/parts', state: 'running', health: 'well', counters: { bytes: 5 } },
      { name: 'ill', plugin: 'test/parts', state: 'running', health: expect.stringContaining('it cannot say') },
    ]);
  });

  it('what other parts offer, while they run', async () => {
    let found: unknown;
    const runner = await runnerOf({
      store: noting('store', {}, { offers: { answer: 42 } }),
      asker: noting('asker', {
        needs: ['store'],
        start: ({ part }) => {
          found = part('store');
          return {};
        },
      }),
    });
    await startAll(runner);
    expect(found).toEqual({ answer: 42 });
    await stopAll(runner);
    expect(runner.offers('store')).toBeUndefined();
  });
});
