// SPDX-License-Identifier: MIT

import { defaultConfig } from '../../core/config/index.ts';
import { catalogue, type ErrorCode } from '../../core/errors/index.ts';
import { hookNames, hookTable } from '../../core/hooks/index.ts';
import { silent } from '../../core/log.ts';
import { declaredSections } from '../../core/parts/index.ts';
import { API_VERSION } from '../../core/plugin/definition.ts';
import type { PluginHost } from '../../core/plugin/loader.ts';
import { quirkSchema } from '../../core/quirk/quirk-json.ts';
import { loadPlugins } from '../../plugins/start.ts';
import { bundledSets } from './bundled-sets.ts';
import { describeConfig, rowsBelow } from './describe-config.ts';
import { fieldsPage } from './fields-page.ts';
import { interruptPoliciesPage } from './interrupt-policies-page.ts';

const generated = (title: string, source: string, body: string): string =>
  `# ${title}\n\n<!-- Generated from ${source} by \`npm run docs\`; edit that instead. -->\n\n${body.trim()}\n`;

const kinds: Readonly<Record<string, string>> = {
  asyncSeries: 'one after the other, awaited',
  asyncBail: 'one after the other, awaited, until one answers',
  syncBail: 'one after the other, until one answers',
  observe: 'all are told; one that fails is reported and stops nobody',
};

/** The page about hooks: for each its kind, when it is called, what comes before and after. */
const hooksPage = (): string => {
  const steps = hookNames
    .filter((name) => hookTable[name].next !== undefined)
    .map((name) => `  ${name} --> ${hookTable[name].next}`);
  const sections = hookNames.map((name) => {
    const { kind, arguments: parameters, doc, previous, next } = hookTable[name];
    const link = (other: string | undefined): string =>
      other === undefined ? 'none' : `[${other}](#${other.toLowerCase()})`;
    return [
      `## ${name}`,
      '',
      `| kind | arguments | previous | next |`,
      `|---|---|---|---|`,
      `| ${kind}: ${kinds[kind]} | ${parameters.join(', ')} | ${link(previous)} | ${link(next)} |`,
      '',
      doc,
      '',
    ].join('\n');
  });
  const graph = ['```mermaid', 'graph LR', ...steps, '```', ''].join('\n');
  return generated(
    'Hooks',
    '`core/hooks/table.ts`',
    `Plugin API ${API_VERSION}. The life of a device, in order:\n\n${graph}\n${sections.join('\n')}`,
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
    '`core/errors/catalogue.ts`',
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
    '`core/config/keys.ts` and the sections of bundled plugins',
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
      '',
      ...sections,
    ].join('\n'),
  );
};

/** Generated pages by their path below `docs/`. */
export const referencePages = async (): Promise<Readonly<Record<string, string>>> => {
  const host = await loadPlugins({ config: defaultConfig(), directory: '/' }, silent);
  return {
    'reference/hooks.md': hooksPage(),
    'reference/errors.md': errorsPage(),
    'reference/configuration.md': configurationPage(host),
    'reference/operations.md': operationsPage(host),
    'reference/quirk.schema.json': `${JSON.stringify(quirkSchema(), null, 2)}\n`,
    'reference/interrupt-policies.md': generated(
      'Interrupt policies',
      '`plugins/interrupts/*.ts`',
      await interruptPoliciesPage(),
    ),
    'reference/fields.md': generated('Fields', '`plugins/fields/*.ts`', fieldsPage(await bundledSets())),
  };
};
