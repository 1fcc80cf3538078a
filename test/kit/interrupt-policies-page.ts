// SPDX-License-Identifier: MIT

import { parseBdf } from '../../core/bdf.ts';
import type { InterruptPolicy, PolicyFacts } from '../../core/interrupts.ts';
import { silent } from '../../core/log.ts';
import { PluginHost } from '../../core/plugin/loader.ts';
import { bundled } from '../../plugins/bundled.ts';
import { kinds } from '../../plugins/kinds/kinds.ts';
import { loadByName } from '../../plugins/program/resolve.ts';
import {
  type Decisions,
  decisionsOf,
  interruptTypes,
  messageKinds,
  rateLimitedDecisions,
} from './interrupt-decisions.ts';

const names: Readonly<Record<string, string>> = {
  none: 'nothing',
  intx: 'INTx',
  msi: 'MSI',
  msix: 'MSI-X',
  several: 'MSI and MSI-X',
};
const header = `| with \`allowInterruptControl\` | ${interruptTypes.map((type) => `now ${names[type]}`).join(' | ')} |`;
const rule = `|---|${interruptTypes.map(() => '---').join('|')}|`;

/** Config writes to control words that tell the rule sets apart, with the old and new value of the bits that count. */
const writes = {
  msi: [
    ['MSI on', 0x0000, 0x0001],
    ['MSI off', 0x0001, 0x0000],
    ['MSI, another bit', 0x0000, 0x0010],
  ],
  msix: [
    ['MSI-X on', 0x0000, 0x8000],
    ['MSI-X on, function masked', 0x0000, 0xc000],
    ['MSI-X off', 0x8000, 0x0000],
    ['MSI-X function mask, while off', 0x0000, 0x4000],
    ['MSI-X function mask, while on', 0xc000, 0x8000],
    ['MSI-X, another bit', 0x0000, 0x0010],
  ],
} as const;

const row = (what: string, cells: readonly string[]): string => `| ${what} | ${cells.join(' | ')} |`;

const wordRows = (table: Decisions): string[] =>
  messageKinds.flatMap((kind) =>
    writes[kind].map(([what, old, next]) =>
      row(
        what,
        interruptTypes.map((current) => {
          const found = table.controlWords.find(
            (one) =>
              one.kind === kind && one.current === current && one.allowed && one.old === old && one.next === next,
          );
          return found?.answer === true ? 'yes' : 'no';
        }),
      ),
    ),
  );

const intxRows = (table: Decisions): string[] =>
  (['enabled', 'disabled'] as const).map((next) =>
    row(
      `INTx ${next === 'enabled' ? 'on' : 'off'}`,
      interruptTypes.map((current) => {
        const found = table.intx.find(
          (one) => one.current === current && one.allowed && one.next === next && one.old !== next,
        );
        return found?.answer === 'hardware' ? 'yes' : found?.answer === 'refused' ? 'no' : 'own view';
      }),
    ),
  );

const requestText = (table: Decisions, allowed: boolean): string =>
  messageKinds
    .map((kind) => {
      const found = table.requests.filter((one) => one.kind === kind && one.allowed === allowed);
      const why = found.find((one) => one.answer !== undefined)?.answer;
      return `${names[kind]} ${why === undefined ? 'yes' : `no (“${why}”)`}`;
    })
    .join(', ');

/** Whether anything goes without the permission: the page says so in one line, when it does not. */
const withoutPermission = (table: Decisions): string => {
  const open = table.controlWords.filter((one) => !one.allowed && one.old !== one.next && one.answer);
  const real = table.intx.filter((one) => !one.allowed && one.answer !== 'virtual');
  if (open.length > 0 || real.length > 0) return 'Without `allowInterruptControl`: some config writes go through.';
  return 'Without `allowInterruptControl`: every change of a control word is refused, INTX_DISABLE is the guest’s own view.';
};

const tableOf = (table: Decisions): string[] => [
  header,
  rule,
  ...wordRows(table),
  ...intxRows(table),
  '',
  withoutPermission(table),
  '',
  `Through the ring: ${requestText(table, false)}. With \`allowInterruptControl\`: ${requestText(table, true)}.`,
  '',
];

const facts = (policy: (name: string) => InterruptPolicy): PolicyFacts => {
  const bdf = parseBdf('0000:00:00.0');
  const ids = { vendor: 0, device: 0, subsystemVendor: 0, subsystemDevice: 0, class: 0, revision: 0 };
  const identity = { bdf, ...ids, headerType: 0, configSize: 4096, virtualFunction: false } as const;
  const guest = { domain: 0, name: 'any' };
  return { device: { bdf, identity }, guest, clock: { now: () => 0 }, allowed: false, policy };
};

/** The page about interrupt policies: every bundled one with its decisions, asked of the plugins themselves. */
export const interruptPoliciesPage = async (): Promise<string> => {
  const host = new PluginHost({ kinds, log: silent });
  for (const name of Object.keys(bundled).filter((one) => one.startsWith('interrupts/'))) {
    await loadByName(host, name, undefined, { asked: 'reference', directory: '/', bundled });
  }
  const { interrupts } = host.registries;
  const make = (name: string): InterruptPolicy => {
    const source = interrupts.get(name);
    return typeof source === 'function' ? source(facts(make)) : source;
  };
  const sections = interrupts.names.flatMap((name) => {
    const intro = [`## ${name}`, '', make(name).about ?? '', ''];
    if (name !== 'rate-limited') return [...intro, ...tableOf(decisionsOf(make(name)))];
    const { calm, busy } = rateLimitedDecisions(make('strict'));
    const same = JSON.stringify(calm) === JSON.stringify(decisionsOf(make('strict')));
    const calmText = same ? ['While the guest is calm: as `strict`, or as the policy inside.', ''] : tableOf(calm);
    return [...intro, ...calmText, 'While it is not:', '', ...tableOf(busy)];
  });
  return [
    'Chosen with `interrupts` in the rc file, for all guests or for one. What is mapped, switched and undone around a',
    'decision is the same under every policy; so is this: a change that changes nothing is no question, MSI and MSI-X are',
    'never on together, and requests to switch off are never refused. `allowInterruptControl` is the permission of a device',
    'in the hands of a guest; it ends when the device comes back. “now” is read from hardware for each question.',
    '',
    ...sections,
    '## Devices with limits of their own',
    '',
    'Said by the quirks of these devices (`interruptLimits`), in force under every policy. Where it takes code to know, a',
    'plugin answers the hook [interruptLimits](hooks.md#interruptlimits), which is asked first.',
    '',
    '| limit | what it does |',
    '|---|---|',
    '| `disableStopsMessages` | INTX_DISABLE stays clear while MSI or MSI-X is on: in these devices it stops the messages too |',
    '| `maskingBroken` | INTX_DISABLE is the guest’s own view: in these devices it does not mask the line |',
  ].join('\n');
};
