// SPDX-License-Identifier: MIT

import { hex } from '../../core/bdf.ts';
import type { BitClaim, FieldSet, Register, Width } from '../../core/space/declaration.ts';
import { inRuns } from '../../plugins/numbered.ts';
import type { BundledSet } from './bundled-sets.ts';
import { type Kind, kindOf } from './field-masks.ts';

/** What a read shows and what becomes of a write, in the words of the page. */
const meanings: Readonly<Record<Kind, readonly [read: string, write: string]>> = {
  readOnly: ['hardware', 'refused'],
  writable: ['hardware', 'goes to hardware'],
  clearedByOne: ['hardware', 'a one goes to hardware'],
  'emulated from hardware': ['own value, first hardware’s', 'changes the own value, hardware never'],
  'emulated from value': ['own value', 'changes the own value, hardware never'],
  shown: ['a value set when a guest gets the device', 'refused'],
  reserved: ['hardware', 'ignored'],
  function: ['behaviour', 'behaviour'],
  'function, reads hardware': ['hardware', 'behaviour'],
  'function, refuses writes': ['behaviour', 'refused'],
};

/** `15:8, 3, 1:0`; `all` for every bit. */
const bitList = (mask: number, width: Width): string => {
  const runs: string[] = [];
  for (let high = width - 1; high >= 0; high--) {
    if (((mask >>> high) & 1) === 0) continue;
    let low = high;
    while (low > 0 && ((mask >>> (low - 1)) & 1) === 1) low--;
    runs.push(high === low ? `${high}` : `${high}:${low}`);
    high = low;
  }
  return runs.join() === `${width - 1}:0` ? 'all' : runs.join(', ');
};

const shownValue = ({ policy, value }: BitClaim): string =>
  policy === 'shown' && typeof value === 'number' ? `0x${hex(value, 1)}` : '';

/** Claims of one kind as one line; those that show different values stay apart. */
const merged = (one: Register): BitClaim[] => {
  const claims = new Map<string, BitClaim>();
  for (const claim of one.claims) {
    const key = `${kindOf(claim)} ${shownValue(claim)}`;
    const before = claims.get(key);
    claims.set(key, before === undefined ? claim : { ...before, mask: (before.mask | claim.mask) >>> 0 });
  }
  return [...claims.values()].sort((first, second) => (second.mask >>> 0) - (first.mask >>> 0));
};

const rowsOf = (one: Register): string[] =>
  merged(one).map((claim, index) => {
    const [read, write] = meanings[kindOf(claim)];
    const value = shownValue(claim);
    const place = index === 0 ? `| \`0x${hex(one.offset, 2)}\` | ${one.width} | ${one.name} ` : '| | | ';
    return `${place}| ${bitList(claim.mask, one.width)} | ${value === '' ? read : `\`${value}\``} | ${write} |`;
  });

const anchorOf = ({ anchor }: FieldSet): string => {
  switch (anchor.kind) {
    case 'header':
      return `header type ${anchor.types.join(' and ')}`;
    case 'capability':
      return `capability \`0x${hex(anchor.id, 2)}\``;
    case 'extended':
      return `extended capability \`0x${hex(anchor.id, 4)}\``;
  }
};

/** Where it is not as everywhere. */
const placeOf = ({ only, except }: BundledSet): string => {
  if (only !== undefined) return `, on platform \`${only}\` alone`;
  return except === undefined ? '' : `, not on platform \`${except}\``;
};

/** Bytes from the first register of a set to that of another with the same registers; `undefined`: they are not the same. */
const strideOf = ({ set: first }: BundledSet, { set: second }: BundledSet): number | undefined => {
  const stride = (second.registers[0]?.offset ?? 0) - (first.registers[0]?.offset ?? 0);
  const moved = first.registers.map((one) => one.movedBy(stride)).flatMap(rowsOf);
  return moved.join() === second.registers.flatMap(rowsOf).join() ? stride : undefined;
};

/** Sets that are one thing several times, one behind the other. */
const repeated = (sets: readonly BundledSet[]): (readonly BundledSet[])[] => {
  const groups: BundledSet[][] = [];
  for (const one of sets) {
    const group = groups.at(-1);
    const [first, second] = group ?? [];
    const last = group?.at(-1);
    const names = [last?.set.name ?? '', one.set.name];
    if (group !== undefined && first !== undefined && last !== undefined && inRuns(names).length === 1) {
      const stride = strideOf(last, one);
      if (stride !== undefined && (second === undefined || stride === strideOf(first, second))) {
        group.push(one);
        continue;
      }
    }
    groups.push([one]);
  }
  return groups;
};

const section = (group: readonly BundledSet[]): string => {
  const [first, second] = group;
  if (first === undefined) return '';
  const { owner, preset, set } = first;
  const presets = preset === undefined ? '`kernel` and `full`' : `\`${preset}\``;
  const form = set.when === undefined ? '' : ', in devices that have it in this form';
  const stride = second === undefined ? undefined : strideOf(first, second);
  return [
    `## ${inRuns(group.map((one) => one.set.name)).join()}`,
    '',
    `Plugin \`${owner}\`, ${anchorOf(set)}, preset ${presets}${placeOf(first)}${form}.${
      stride === undefined ? '' : ` The first of ${group.length}, each 0x${hex(stride, 2)} bytes behind the one before.`
    }`,
    '',
    '| offset | width | register | bits | a read shows | a write |',
    '|---|---|---|---|---|---|',
    ...set.registers.flatMap(rowsOf),
    '',
  ].join('\n');
};

/** The body of the page about fields: every bundled set, register by register. */
export const fieldsPage = (sets: readonly BundledSet[]): string => {
  const fields = sets.filter(({ kind }) => kind === 'field');
  const registers = fields.reduce((sum, { set }) => sum + set.registers.length, 0);
  return [
    `${fields.length} sets, ${registers} registers. Offsets count from the anchor; \`behaviour\` is code in the plugin. Bits`,
    'that no set and no quirk claims show hardware, and a write to them is dropped, unless the device is permissive. The',
    'headers of capability lists belong to core: read-only.',
    '',
    ...repeated(fields).map(section),
  ].join('\n');
};
