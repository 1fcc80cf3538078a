// SPDX-License-Identifier: MIT

import { bdf, formatBdf } from '../../core/bdf.ts';
import { isPcibackError } from '../../core/errors/index.ts';
import type { PciIdentity, Platform } from '../../core/platform/index.ts';
import { reportError } from '../../plugins/commands/print-error.ts';
import type { DeviceImage } from '../../plugins/platforms/embedded/image.ts';
import { sample } from '../../plugins/platforms/embedded/index.ts';
import type { RcFile } from '../../plugins/program/config.ts';
import { knownOf } from '../../plugins/resets/known.ts';
import { planOf } from '../../plugins/resets/plan.ts';
import { linesOf as linesOfPlan } from '../../plugins/resets/reset-run.ts';
import type { Seizing } from '../../plugins/seizing/operations.ts';
import { linesOf } from '../../plugins/seizing/seizing-run.ts';
import { type EmbeddedHost, startEmbeddedHost } from './embedded-host.ts';

const [nic, card] = [sample('rtl8139'), sample('e1000e')];
const [first, second] = [nic, card].map((one) => formatBdf(one.bdf)) as [string, string];

/** What is refused, and the error that says so. */
export interface SeizingRefusal {
  readonly what: string;
  readonly command: 'seize' | 'release';
  readonly patterns: readonly string[];
  readonly devices?: readonly DeviceImage[];
  readonly config?: RcFile;
  readonly between?: (platform: Platform) => Platform;
  readonly before?: (host: EmbeddedHost) => unknown;
  /** Stands in what the operator sees. */
  readonly says: string;
}

const held = (driver: string): readonly DeviceImage[] => [{ ...nic, holder: driver }, card];
const inUse = (platform: Platform): Platform => ({
  ...platform,
  pci: Object.assign(Object.create(platform.pci), {
    usesOf: async () => ['network eth0 is a part of xenbr0, which has the default route'],
  }),
});
/** The small BAR of one device in a page of the other's. */
const inOnePage: readonly DeviceImage[] = [
  {
    ...nic,
    resources: nic.resources.map((one, index) => (index === 1 ? { ...one, start: 0xf7d20800n } : one)),
  },
  { ...card, holder: 'e1000e' },
];

export const seizingRefusals: readonly SeizingRefusal[] = [
  {
    what: 'this host uses it',
    command: 'seize',
    patterns: [first],
    between: inUse,
    says: 'is in use by this host',
  },
  {
    what: 'a driver has it, and pciback does not take it away itself',
    command: 'seize',
    patterns: [first],
    devices: held('8139too'),
    says: 'it is held by 8139too',
  },
  {
    what: 'a guest has it through another back end',
    command: 'seize',
    patterns: [first],
    before: ({ pciback }) => {
      pciback.stub.foreign = () => '/local/domain/0/backend/pci/3/0';
    },
    says: 'through another back end',
  },
  {
    what: 'a guest of this one has it',
    command: 'release',
    patterns: [first],
    before: async (host) => (await host.guest([nic.bdf])).reached(4),
    says: 'belongs to domain',
  },
  {
    what: 'it could not be reset: it is seized, and no guest gets it',
    command: 'seize',
    patterns: [first],
    before: ({ platform }) => {
      platform.pci.model(nic.bdf).reset = async () => ({ ok: false, reason: 'failed', detail: 'no answer in 60 s' });
    },
    says: 'no guest gets it',
  },
  {
    what: 'a page of memory has BARs of two owners: it is seized, and no guest gets it',
    command: 'seize',
    patterns: [first],
    devices: inOnePage,
    says: 'which driver e1000e',
  },
  {
    what: 'nothing is there; one that is named beside it is not touched',
    command: 'seize',
    patterns: [second, first.replace(/.$/, '3')],
    says: 'PATTERN_NOTHING',
  },
  { what: 'it is not seized', command: 'release', patterns: [first], says: 'what is seized has nothing' },
  { what: 'it is no name of a device', command: 'seize', patterns: ['05:04'], says: 'PATTERN_SYNTAX' },
];

/** Lines that a terminal of 80 columns shows. */
export const seenBy = async ({ command, patterns, devices, config, between, before }: SeizingRefusal) => {
  const host = await startEmbeddedHost({
    devices: devices ?? [nic, card],
    ...(config === undefined ? {} : { config }),
    ...(between === undefined ? {} : { between }),
  });
  try {
    await before?.(host);
    const operation = host.parts.operations().get(command);
    const answer = (await operation?.answer({ patterns })) as { readonly devices: readonly Seizing[] };
    return linesOf(answer.devices);
  } catch (error) {
    if (!isPcibackError(error)) throw error;
    return reportError(error, 'lines').text.split('\n');
  } finally {
    await host.close();
  }
};

/** Devices whose resets are planned. */
const planned: readonly {
  readonly what: string;
  readonly identity: Partial<PciIdentity>;
  readonly offered: readonly string[];
  readonly siblings: readonly string[];
}[] = [
  {
    what: 'A network card with everything',
    identity: { bdf: bdf(0, 3, 0), vendor: 0x8086, device: 0x1533 },
    offered: ['flr', 'pm'],
    siblings: [],
  },
  {
    what: 'A USB controller of which a function-level reset is known not to work, beside another function',
    identity: { bdf: bdf(0, 0x2a, 3), vendor: 0x1022, device: 0x149c, class: 0x0c0330 },
    offered: ['flr', 'pm', 'bus'],
    siblings: ['0000:2a:00.1 (ccp)'],
  },
  {
    what: 'An NVMe disk that needs time afterwards',
    identity: { bdf: bdf(0, 4, 0), vendor: 0x8086, device: 0x0953, class: 0x010802 },
    offered: ['flr', 'bus'],
    siblings: [],
  },
];

const identityOf = (parts: Partial<PciIdentity>): PciIdentity => ({
  bdf: bdf(0, 0, 0),
  vendor: 0,
  device: 0,
  subsystemVendor: 0,
  subsystemDevice: 0,
  class: 0x020000,
  revision: 0,
  headerType: 0,
  configSize: 4096,
  virtualFunction: false,
  ...parts,
});

const block = (command: string, lines: readonly string[]): string =>
  ['```console', `$ ${command}`, ...lines, '```'].join('\n');

/** The body of the page about refusals. */
export const seizingPage = async (): Promise<string> => {
  const sections: string[] = [];
  for (const refusal of seizingRefusals) {
    const { what, command, patterns } = refusal;
    sections.push(`### ${what}`, block(`pciback ${command} ${patterns.join(' ')}`, await seenBy(refusal)));
  }
  const plans = planned.flatMap(({ what, identity, offered, siblings }) => {
    const whole = identityOf(identity);
    const address = formatBdf(whole.bdf);
    const plan = { bdf: address, tellsMethods: true, ...planOf(offered, knownOf(whole), siblings) };
    return [`### ${what}`, block(`pciback reset --plan ${address}`, linesOfPlan(plan))];
  });
  return [
    'What an operator sees when a device is not taken, or not given back; the status of the command is 1. What each means, and what allows it, is in [seizing devices](../operators/seizing.md), how devices are named in [naming devices](device-patterns.md).',
    '## Refusals',
    ...sections,
    '## Resets of three devices',
    'A device is reset when it is seized, comes back, and is released; [resets](../operators/resets.md) tells more.',
    ...plans,
  ].join('\n\n');
};
