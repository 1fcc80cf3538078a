// SPDX-License-Identifier: MIT

import { hex } from '../../core/bdf.ts';
import type { ConfigSpace } from '../../core/space/config-space.ts';
import type { RecordedAccess } from '../../core/space/recorder.ts';
import type { Recording } from './recording.ts';

/** A register that a driver needs, and how that is known. */
export interface LearnedRegister {
  readonly offset: number;
  /** In bits. */
  readonly width: 8 | 16 | 32;
  /** Bits that the driver changed, or wanted to. */
  readonly mask: number;
  /** Distinct writes that wanted bits of it, with how often each came. */
  readonly evidence: readonly { readonly access: RecordedAccess; readonly count: number }[];
}

/** What a recorded session says about a device. */
export interface Lesson {
  /** By offset; empty when nothing was missing. */
  readonly registers: readonly LearnedRegister[];
  /** Refused bits that a field owns: no quirk can open those. */
  readonly owned: readonly RecordedAccess[];
}

interface Draft {
  offset: number;
  size: 1 | 2 | 4;
  readonly accesses: RecordedAccess[];
}

const distinct = (accesses: readonly RecordedAccess[]): { access: RecordedAccess; count: number }[] => {
  const found = new Map<string, { access: RecordedAccess; count: number }>();
  for (const access of accesses) {
    const { offset, size, value, denied, wanted } = access;
    const key = [offset, size, value, denied, wanted].join();
    const known = found.get(key);
    if (known === undefined) found.set(key, { access, count: 1 });
    else known.count++;
  }
  return [...found.values()];
};

/** The smallest aligned register that holds both places, which lie in one dword. */
const enclosing = (draft: Draft, { offset, size }: RecordedAccess): void => {
  const first = Math.min(draft.offset, offset);
  const last = Math.max(draft.offset + draft.size, offset + size) - 1;
  for (const wide of [1, 2, 4] as const) {
    const start = first & -wide;
    if (last >= start + wide) continue;
    draft.offset = start;
    draft.size = wide;
    return;
  }
};

/**
 * Finds the least that a driver needs beyond the fields: the bits without a field that its writes changed or would have
 * changed. Reads, writes of values that are there already, and bits of a field add nothing.
 */
export const learn = ({ accesses }: Recording): Lesson => {
  const drafts: Draft[] = [];
  const wanting = accesses.filter((one) => one.kind === 'write' && one.wanted !== 0);
  for (const access of wanting) {
    const { offset, size } = access;
    const known = drafts.find((one) => one.offset < offset + size && offset < one.offset + one.size);
    if (known === undefined) drafts.push({ offset, size, accesses: [access] });
    else {
      enclosing(known, access);
      known.accesses.push(access);
    }
  }
  // A wide access may have joined what two narrow ones had begun.
  const registers: Draft[] = [];
  for (const draft of drafts.sort((one, other) => one.offset - other.offset)) {
    const into = registers.find(
      (one) => one.offset < draft.offset + draft.size && draft.offset < one.offset + one.size,
    );
    if (into === undefined) {
      registers.push(draft);
      continue;
    }
    for (const access of draft.accesses) enclosing(into, access);
    into.accesses.push(...draft.accesses);
  }
  return {
    registers: registers
      .sort((one, other) => one.offset - other.offset)
      .map(({ offset, size, accesses: evidence }) => ({
        offset,
        width: (size * 8) as 8 | 16 | 32,
        mask: evidence.reduce((mask, one) => (mask | (one.wanted << ((one.offset - offset) * 8))) >>> 0, 0),
        evidence: distinct(evidence),
      })),
    owned: distinct(accesses.filter((one) => (one.denied & ~one.wanted) !== 0)).map(({ access }) => access),
  };
};

const evidenceText = ({ access, count }: LearnedRegister['evidence'][number]): string => {
  const { offset, size, value, wanted, denied } = access;
  const digits = size * 2;
  const outcome = denied === 0 ? 'accepted' : 'refused';
  return `0x${hex(offset, 2)}: ${size}-byte write of 0x${hex(value, digits)} changes 0x${hex(wanted, digits)}, ${outcome}, ${count}x`;
};

const ownedText = ({ offset, size, value, denied, wanted }: RecordedAccess): string =>
  `0x${hex(offset, 2)}: ${size}-byte write of 0x${hex(value, size * 2)}: a field refused 0x${hex(denied & ~wanted, size * 2)}`;

const titleOf = ({ device, guest, unrecorded }: Recording): string =>
  `recorded session of guest ${guest} with ${hex(device.vendor, 4)}:${hex(device.device, 4)} at ${device.bdf}` +
  (unrecorded === 0 ? '' : ` (${unrecorded} accesses found no place in the record)`);

const nameOf = ({ device }: Recording): string => `learned/${hex(device.vendor, 4)}-${hex(device.device, 4)}`;

/** The quirk as a JSON file; the evidence stands in its `source`. */
export const quirkJson = (recording: Recording, lesson: Lesson, name = nameOf(recording)): string => {
  const evidence = lesson.registers.flatMap((register) => register.evidence.map(evidenceText));
  const { vendor, device } = recording.device;
  const quirk = {
    name,
    source: [titleOf(recording), ...evidence].join('; '),
    match: [{ vendor: hex(vendor, 4), device: hex(device, 4) }],
    fields: lesson.registers.map(({ offset, width, mask }) => ({
      offset: `0x${hex(offset, 2)}`,
      width,
      name: `register 0x${hex(offset, 2)}`,
      writable: `0x${hex(mask, width / 4)}`,
    })),
  };
  return `${JSON.stringify(quirk, undefined, 2)}\n`;
};

/** The quirk as a TypeScript file; the evidence stands beside each register. */
export const quirkSource = (recording: Recording, lesson: Lesson, name = nameOf(recording)): string => {
  const { vendor, device } = recording.device;
  const fields = lesson.registers.flatMap(({ offset, width, mask, evidence }) => [
    ...evidence.map((one) => `    // ${evidenceText(one)}`),
    `    register(0x${hex(offset, 2)}, ${width}, 'register 0x${hex(offset, 2)}').writable(0x${hex(mask, width / 4)}),`,
  ]);
  const owned = lesson.owned.map((one) => `// ${ownedText(one)}`);
  return [
    ...(owned.length === 0 ? [] : ['// Not in this quirk, because a field owns the bits:', ...owned, '']),
    `import { defineQuirk, ids, register } from 'pciback/quirk';`,
    '',
    'export default defineQuirk({',
    `  name: '${name}',`,
    `  source: ${JSON.stringify(titleOf(recording))},`,
    `  match: ids('${hex(vendor, 4)}', ['${hex(device, 4)}']),`,
    '  fields: [',
    ...fields,
    '  ],',
    '});',
    '',
  ].join('\n');
};

/** How a session went when it was made again. */
export interface Replayed {
  /** Accesses of the recording with the status that they got now. */
  readonly statuses: readonly number[];
  /** Bits that were wanted in the recording and refused again. */
  readonly missing: readonly RecordedAccess[];
}

/**
 * Makes the accesses of a recording again, in order. Reads may show other values than they did: the device is another
 * one, and interrupts are switched through other requests. What was wanted must not be refused.
 */
export const replay = (recording: Recording, space: ConfigSpace): Replayed => {
  const statuses: number[] = [];
  const missing: RecordedAccess[] = [];
  let refused = 0;
  space.record({
    access: ({ denied }) => {
      refused = denied;
    },
  });
  for (const access of recording.accesses) {
    const { kind, offset, size, value, wanted } = access;
    refused = 0;
    statuses.push(kind === 'read' ? space.read(offset, size) : space.write(offset, size, value));
    if ((refused & wanted) !== 0) missing.push(access);
  }
  space.record(undefined);
  return { statuses, missing };
};
