// SPDX-License-Identifier: MIT

import { hex } from '../../core/bdf.ts';
import { type NamedCapability, namedCapabilities } from '../../plugins/capability-names.ts';
import { hiddenByDefault } from '../../plugins/fields/legacy.ts';
import type { BundledSet } from './bundled-sets.ts';
import { peersOf, UNCHECKED } from './peers.ts';

/** What becomes of a guest's write, for short; the first of a register's claims that fits says it. */
const effects = [
  ['writable', 'to hardware'],
  ['clearedByOne', 'latches cleared'],
  ['function', 'by code'],
  ['emulated', 'the guest’s own'],
] as const;

const isAt = ({ list, id }: NamedCapability, { set: { anchor } }: BundledSet): boolean =>
  anchor.kind === (list === 'standard' ? 'capability' : 'extended') && anchor.id === id;

/** What a preset does with a capability. */
const cellOf = (one: NamedCapability, sets: readonly BundledSet[], preset: 'kernel' | 'full'): string => {
  if (one.id === 0) return 'an empty place: its header is shown';
  if (preset === 'full' && (hiddenByDefault as readonly string[]).includes(one.name)) return 'hidden, by name';
  const here = sets.filter(
    (each) => isAt(one, each) && each.only === undefined && (preset === 'full' || each.preset === undefined),
  );
  if (here.length === 0) return 'shown; no field: read from hardware, writes refused';
  const registers = here.flatMap(({ set }) => set.registers);
  const parts = effects.flatMap(([policy, words]) => {
    const names = registers.filter(({ claims }) => claims.some((claim) => claim.policy === policy));
    return names.length === 0 ? [] : [`${words}: ${[...new Set(names.map(({ name }) => name))].join(', ')}`];
  });
  const zero = registers.filter(({ claims }) => claims.some(({ policy, value }) => policy === 'shown' && value === 0));
  const shown = zero.length === 0 ? [] : [`zero: ${[...new Set(zero.map(({ name }) => name))].join(', ')}`];
  const rest = parts.length + shown.length === 0 ? 'read-only' : 'the rest read-only';
  // What a vendor makes of its bytes nobody else knows.
  const body = /vendor-specific/.test(one.name) ? ['the body has no field'] : [];
  const cxl =
    preset === 'full' && one.name === 'designated-vendor-specific' ? ['those of CXL are hidden, as `cxl`'] : [];
  return [...parts, ...shown, rest, ...body, ...cxl].join('; ');
};

/** Rows of the page: name, list and id, then a cell for each program. */
export const capabilityRows = (sets: readonly BundledSet[]): readonly (readonly string[])[] => {
  const fields = sets.filter(({ kind }) => kind === 'field');
  return namedCapabilities.map((one) => {
    const { xenPciback, xenPt, vfioPci } = peersOf(one.list, one.id);
    const id = `\`0x${hex(one.id, one.list === 'standard' ? 2 : 4)}\``;
    const ours = [cellOf(one, fields, 'kernel'), cellOf(one, fields, 'full')];
    return [`\`${one.name}\``, id, xenPciback, xenPt, vfioPci, ...ours];
  });
};

/** The body of the page about capabilities: each, under the programs that give devices to guests. */
export const capabilitiesPage = (sets: readonly BundledSet[]): string => {
  const head = ['capability', 'id', 'xen-pciback', 'xen_pt', 'vfio-pci', 'pciback, `kernel`', 'pciback, `full`'];
  const rows = [head, head.map(() => '---'), ...capabilityRows(sets)];
  return [
    'Every capability that has an id, by the name that `fields/hide` and `fields/legacy` know it by; ids of four digits are those of',
    'the list at 0x100. The last two columns come from the tables of registers ([fields](fields.md)); a write that is refused is',
    'recorded, and one without a field passes in permissive mode. `hidden, by name`: out of the list, unless the rc file says',
    "`['fields/legacy', { show: [name] }]`. Registers of platform `vfio-user` are left out.",
    '',
    `xen-pciback is Linux 6.1, xen_pt QEMU’s device model, vfio-pci Linux for KVM. *${UNCHECKED}*: known of the program, and not held`,
    'against it by anyone here.',
    '',
    ...rows.map((cells) => `| ${cells.join(' | ')} |`),
  ].join('\n');
};
