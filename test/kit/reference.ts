// SPDX-License-Identifier: MIT

import { parseBdf } from '../../core/bdf.ts';
import { coreKinds, type HookName, hookNames, hookTable } from '../../core/hooks/index.ts';
import { silent } from '../../core/log.ts';
import { API_VERSION } from '../../core/plugin/definition.ts';
import type { PluginHost } from '../../core/plugin/loader.ts';
import { catalogue, type ErrorCode } from '../../plugins/errors.ts';
import { defaultDeadlines, kinds } from '../../plugins/kinds/kinds.ts';
import { defaultConfig } from '../../plugins/program/defaults.ts';
import { rcSchema } from '../../plugins/program/effective.ts';
import { quirkSchema } from '../../plugins/program/quirk-json.ts';
import { declaredSections } from '../../plugins/program/sections.ts';
import { loadPlugins } from '../../plugins/program/start.ts';
import { badInputPage } from './bad-input-page.ts';
import { bundledSets } from './bundled-sets.ts';
import { capabilitiesPage } from './capabilities-page.ts';
import { type DegradedRow, degraded } from './degraded.ts';
import { describeConfig, rowsBelow } from './describe-config.ts';
import { devicePatternsPage } from './device-patterns.ts';
import { effectOf, effects, faultNames, faultyPlaces } from './faults.ts';
import { fieldsPage } from './fields-page.ts';
import { END_WITHIN_S, hangs } from './hangs.ts';
import { interruptPoliciesPage } from './interrupt-policies-page.ts';
import { seizingPage } from './seizing-page.ts';
import { streamFaults } from './stream-faults.ts';

const generated = (title: string, source: string, body: string): string =>
  `# ${title}\n\n<!-- Generated from ${source} by \`npm run docs\`; edit that instead. -->\n\n${body.trim()}\n`;

const callings: Readonly<Record<string, string>> = {
  asyncSeries: 'one after the other, awaited',
  asyncBail: 'one after the other, awaited, until one answers',
  syncBail: 'one after the other, until one answers',
  observe: 'all are told; one that fails is reported and stops nobody',
};

const links = (names: readonly string[]): string =>
  names.length === 0 ? 'none' : names.map((name) => `[${name}](#${name.toLowerCase()})`).join(', ');

const seconds = (deadlines: Readonly<Record<string, number>> | undefined): string =>
  deadlines === undefined
    ? 'none'
    : Object.entries(deadlines)
        .map(([name, value]) => `\`${name}\`: ${value} s`)
        .join(', ');

const hookSection = (name: HookName): string => {
  const { kind, arguments: parameters, doc, next, answer, deadlines } = hookTable[name];
  const previous = hookNames.filter((one) => hookTable[one].next.includes(name));
  return [
    `### ${name}`,
    '',
    `| kind | arguments | previous | next | deadline |`,
    `|---|---|---|---|---|`,
    `| ${kind}: ${callings[kind]} | ${parameters.join(', ')} | ${links(previous)} | ${links(next)} | ${seconds(deadlines)} |`,
    '',
    doc,
    ...(answer === undefined ? [] : ['', `A tap answers ${answer.expected}.`]),
    '',
  ].join('\n');
};

/** The page about hooks and things: for each hook its kind, when it is called, what may come before and after. */
const hooksPage = (): string => {
  const steps = hookNames.flatMap((name) => hookTable[name].next.map((next) => `  ${name} --> ${next}`));
  const graph = ['```mermaid', 'graph LR', ...steps, '```', ''].join('\n');
  const things = Object.entries({ ...coreKinds, ...kinds }).map(([name, { one, doc, deadlines }]) => {
    return `| \`${name}\` | ${one} | ${seconds(deadlines)} | ${doc} |`;
  });
  return generated(
    'Hooks and things',
    '`core/hooks/table.ts`',
    [
      `Plugin API ${API_VERSION}.`,
      '## Hooks',
      `What may follow what for one device and its guest; the life of a device begins with \`resetDevice\`:`,
      graph,
      hookNames.map(hookSection).join('\n'),
      '## Things',
      'What plugins bring under a name, each with `host.<kind>.add`. `before` and `after` put a thing in its place among those of its kind, as they do with taps.',
      ['| kind | one of them | deadline | what it is for |', '|---|---|---|---|', ...things].join('\n'),
      '## Deadlines',
      `Code that takes its time has a deadline; the rc file sets others with \`deadlines\`. Beside those above there is ${seconds({ apply: defaultDeadlines.apply })}, for a plugin that is loaded; \`store\` and \`stop\` are not of plugins ([configuration](configuration.md)). A fault of a plugin and what becomes of it: [faults](faults.md).`,
    ].join('\n\n'),
  );
};

/** The page about faults of plugins: what each comes to, in each place. */
const faultsPage = (): string => {
  const places = faultyPlaces(parseBdf('01:00.0'));
  const rows = places.map((place) => {
    const cells = faultNames.map((name) => effectOf(place, name));
    return `| ${place.place} | ${cells.join(' | ')} |`;
  });
  return generated(
    'Faults of plugins',
    '`test/kit/faults.ts`, whose cells `test/core/wall/faults.test.ts` executes,',
    [
      'Every call from the core into a plugin’s code goes through one place, the wall. What fails there is one error, `PLUGIN_FAULT`: it names the plugin, the hook or method, the device, the guest and the offset; it is counted (`pciback plugins`) and logged, ten lines in five seconds for each plugin, with the number of those left out. What asked has one effect:',
      Object.entries(effects)
        .map(([name, meaning]) => `- ${name === meaning ? 'none: whatever asked goes on' : `${name}: ${meaning}`}`)
        .join('\n'),
      `Over all ${places.length * faultNames.length} cells: another guest is affected in 0, the daemon ends in 0 (and one stop ends it in all), log lines have no limit in 0. The test fails when a number is another one.`,
      [`| code | ${faultNames.join(' | ')} |`, `|---|${faultNames.map(() => '---|').join('')}`, ...rows].join('\n'),
      'What never settles is given up after its [deadline](hooks.md#deadlines). Where an answer is not waited for, one that comes later is nonsense. A timer or a promise that a plugin left behind and that fails is a fault of the plugin too, and ends nothing.',
    ].join('\n\n'),
  );
};

/** The page about code that holds everybody up. */
const hangsPage = (): string => {
  const rows = hangs.map(({ what, kind, isNamed, end }) => {
    const limit =
      kind === 'loop' ? '`loop.seconds`' : 'the memory is more than `loop.megabytes`, looked at every 0.25 s';
    const time = `${limit}, then ${END_WITHIN_S[end]} s at most, then a start`;
    return `| ${what} | ${isNamed ? 'plugin, file and line' : 'that it is a call into the host'} | ${end} | ${time} |`;
  });
  return generated(
    'Code that holds everybody up',
    '`test/kit/hangs.ts`, whose rows `test/plugins/supervisor/hangs.test.ts` executes,',
    [
      'Code of plugins runs on the control thread, so one that does not return holds all guests that need that thread; the lane goes on answering what needs no code. Promises that never settle hold nobody: they have [deadlines](faults.md).',
      'With `loop.action: end`, which is so under a service manager:',
      [
        '| code | named in log and report | end of the process | others are served again after |',
        '|---|---|---|---|',
        ...rows,
      ].join('\n'),
      'With `loop.action: report` nothing ends: others are served again when the code returns. A service manager with a watchdog (`WatchdogSec=30` in the unit) ends the process then.',
    ].join('\n\n'),
  );
};

/** The page about hosts on which something is wrong. */
const degradedPage = (): string => {
  const testsOf = ({ tests }: DegradedRow): string => tests.map(([file, title]) => `${title} (\`${file}\`)`).join('; ');
  return generated(
    'A degraded host',
    '`test/kit/degraded.ts`, whose tests `test/core/degraded-host.test.ts` looks for,',
    [
      'What pciback does when something is wrong with its host. What plugins do wrong: [faults](faults.md).',
      [
        '| what is wrong | what pciback does | shown by |',
        '|---|---|---|',
        ...degraded.map((row) => `| ${row.fault} | ${row.behaviour} | ${testsOf(row)} |`),
      ].join('\n'),
    ].join('\n\n'),
  );
};

/** Stands for one fact in a message, whether the message prints, joins or looks into it. */
class Placeholder extends Array<string> {
  startsWith(): boolean {
    return false;
  }
}

const placeholders = new Proxy({}, { get: (_, name) => Placeholder.of(`<${String(name)}>`) });

/** A text with `<name>` wherever a fact is put in. */
const withPlaceholders = (code: ErrorCode, part: 'message' | 'solve'): string => {
  const entry = catalogue[code] as unknown as Record<'message' | 'solve', (facts: unknown) => unknown>;
  return String(entry[part](placeholders)).replaceAll('|', '\\|').replaceAll('<', '&lt;');
};

/** The page about errors: every code with its message and the next step. */
const errorsPage = (): string => {
  const rows = (Object.keys(catalogue) as ErrorCode[])
    .sort()
    .map((code) => `| \`${code}\` | ${withPlaceholders(code, 'message')} | ${withPlaceholders(code, 'solve')} |`);
  return generated(
    'Errors',
    '`core/errors/catalogue.ts` and `plugins/errors.ts`',
    ['| code | message | what to do |', '|---|---|---|', ...rows].join('\n'),
  );
};

/** The page about the rc file: every key with its type, default and meaning; the sections of plugins come last. */
const configurationPage = ({ registries }: PluginHost): string => {
  const rows = describeConfig(declaredSections(registries)).map(
    ({ key, type, default: initial, description }) =>
      `| \`${key}\` | ${type} | ${initial === undefined ? '' : `\`${initial.replaceAll('|', '\\|')}\``} | ${description} |`,
  );
  return generated(
    'Configuration',
    '`plugins/program/keys.ts` and the sections of bundled plugins',
    ['| key | type | default | meaning |', '|---|---|---|---|', ...rows].join('\n'),
  );
};

/** The page about the control API: every operation with its arguments. */
const operationsPage = ({ registries }: PluginHost): string => {
  const operations = registries.parts.owned.flatMap(({ name: part, thing }) =>
    Object.entries(thing.operations ?? {}).map(([name, { about, asks }]) => ({ part, name, about, asks })),
  );
  const sections = operations.map(({ part, name, about, asks }) => {
    const rows = rowsBelow('', asks).map(({ key, type, description }) => `| \`${key}\` | ${type} | ${description} |`);
    const table = ['| argument | type | meaning |', '|---|---|---|', ...rows, ''];
    return [`## ${name}`, '', about, '', `Part \`${part}\`.`, '', ...(rows.length === 0 ? [] : table)].join('\n');
  });
  return generated(
    'Operations',
    'the operations of bundled parts',
    [
      'What can be asked of a running pciback, at the socket that the key `control` of the rc file names. A request is one',
      'line of JSON, `{"id": 1, "op": "status", "args": {}}`; the answer is one line with the same `id`,',
      '`{"id": 1, "ok": true, "result": …}` or `{"id": 1, "ok": false, "error": { "code", "message", "solve", "facts" }}`.',
      'While it is worked on, a space goes before it each second.',
      '',
      ...sections,
    ].join('\n'),
  );
};

/** The page about signals and the standard streams: what each comes to, for each command. */
const streamsPage = (): string => {
  const rows = streamFaults.map(
    ({ command, fault, comes, line, status }) =>
      `| \`${command}\` | ${fault} | ${comes} | ${line === undefined ? '' : `\`${line}\``} | ${status} |`,
  );
  return generated(
    'Signals and faults of the standard streams',
    '`test/kit/stream-faults.ts`, whose rows `test/plugins/commands/stream-faults.test.ts` executes,',
    [
      'What `pciback serve` and the other commands do, with a part of what is printed and the status in the end. `serve` that goes on is ended with SIGTERM there. A status of 128 and more is that of a shell, for a process that a signal ended. [As a service](../operators/service.md) says what to make of it.',
      ['| command | fault | what happens | line | status |', '|---|---|---|---|---|', ...rows].join('\n'),
    ].join('\n\n'),
  );
};

/** Generated pages by their path below `docs/`. */
export const referencePages = async (): Promise<Readonly<Record<string, string>>> => {
  const host = await loadPlugins({ config: defaultConfig(), directory: '/' }, silent);
  const sets = await bundledSets();
  return {
    'reference/hooks.md': hooksPage(),
    'reference/faults.md': faultsPage(),
    'reference/hangs.md': hangsPage(),
    'reference/degraded.md': degradedPage(),
    'reference/errors.md': errorsPage(),
    'reference/configuration.md': configurationPage(host),
    'reference/operations.md': operationsPage(host),
    'reference/streams.md': streamsPage(),
    'reference/seizing.md': generated(
      'What is not seized, and how devices are reset',
      '`test/kit/seizing-page.ts`, whose rows `test/plugins/seizing/refusals.test.ts` executes,',
      await seizingPage(),
    ),
    'reference/device-patterns.md': generated(
      'Naming devices',
      '`test/kit/device-patterns.ts`, whose rows `test/plugins/device-pattern.test.ts` executes,',
      devicePatternsPage(),
    ),
    'reference/bad-input.md': generated(
      'Bad input',
      '`test/kit/bad-input.ts`, whose rows `test/plugins/commands/bad-input.test.ts` executes,',
      badInputPage(),
    ),
    'reference/configuration.schema.json': `${JSON.stringify(rcSchema(declaredSections(host.registries)), null, 2)}\n`,
    'reference/quirk.schema.json': `${JSON.stringify(quirkSchema(), null, 2)}\n`,
    'reference/interrupt-policies.md': generated(
      'Interrupt policies',
      '`plugins/interrupts/*.ts`',
      await interruptPoliciesPage(),
    ),
    'reference/fields.md': generated('Fields', '`plugins/fields/*.ts`', fieldsPage(sets)),
    'reference/capabilities.md': generated(
      'Capabilities',
      '`plugins/capability-names.ts`, `plugins/fields/*.ts` and `test/kit/peers.ts`',
      capabilitiesPage(sets),
    ),
  };
};
