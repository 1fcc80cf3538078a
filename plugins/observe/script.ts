// SPDX-License-Identifier: MIT

import { fail } from '../errors.ts';
import { parseRecording } from './recording.ts';
import { setpciSteps } from './script-setpci.ts';
import {
  type Expectation,
  hexNumber,
  isMisaligned,
  type Line,
  mostOf,
  placeOf,
  type Refuse,
  type Script,
  type Size,
  type Step,
} from './script-terms.ts';
import { traceSteps } from './script-trace.ts';

const sizeOf = (text: string | undefined): Size | undefined =>
  text === '1' || text === '2' || text === '4' ? (Number(text) as Size) : undefined;

const ACCESS = 'write "w OFFSET SIZE VALUE" or "r OFFSET SIZE", OFFSET and VALUE hexadecimal, SIZE 1, 2 or 4';
const EXPECT = 'write "expect accepted", "expect denied [BITS]", "expect VALUE" or "expect OFFSET SIZE VALUE"';

/** The form that people write: `w 0xe8 2 0x0003`, `r 0xe8 2`, `expect 0x0003`. */
const plainSteps = (lines: readonly Line[], refuse: Refuse): readonly Step[] => {
  const steps: Step[] = [];
  const access = (line: number, words: readonly string[], why: string) => {
    const [place, size] = [placeOf(words[0]), sizeOf(words[1])];
    if (place === undefined || size === undefined) return refuse(line, why);
    if (isMisaligned(place, size)) return refuse(line, 'the access is not aligned');
    return { line, place, size };
  };
  const last = (line: number, expectation: Expectation): void => {
    const step = steps.pop() ?? refuse(line, 'there is no access before it');
    steps.push({ ...step, expects: [...step.expects, expectation] });
  };
  for (const { line, text } of lines) {
    const [verb = '', ...words] = text.toLowerCase().split(/\s+/);
    const value = (size: Size, digits: string | undefined, why: string): number =>
      hexNumber(digits, mostOf(size)) ?? refuse(line, why);
    if (['w', 'write'].includes(verb) && words.length === 3) {
      const at = access(line, words, ACCESS);
      steps.push({ ...at, kind: 'write', value: value(at.size, words[2], ACCESS), expects: [] });
    } else if (['r', 'read'].includes(verb) && words.length === 2) {
      steps.push({ ...access(line, words, ACCESS), kind: 'read', expects: [] });
    } else if (verb === 'expect' && words.length === 3) {
      const at = access(line, words, EXPECT);
      const shows = { kind: 'shows', value: value(at.size, words[2], EXPECT), line } as const;
      steps.push({ ...at, kind: 'read', expects: [shows] });
    } else if (verb === 'expect' && words[0] === 'accepted' && words.length === 1) {
      last(line, { kind: 'accepted', line });
    } else if (verb === 'expect' && words[0] === 'denied' && words.length <= 2) {
      if (words.length === 1) last(line, { kind: 'denied', line });
      else last(line, { kind: 'denied', mask: value(4, words[1], EXPECT), line });
    } else if (verb === 'expect' && words.length === 1) {
      last(line, { kind: 'shows', value: value(steps.at(-1)?.size ?? 4, words[0], EXPECT), line });
    } else refuse(line, verb === 'expect' ? EXPECT : ACCESS);
  }
  for (const { kind, expects } of steps) {
    const wrong = kind === 'read' ? expects.find((one) => one.kind !== 'shows') : undefined;
    if (wrong !== undefined) refuse(wrong.line, 'a read is never refused: say what it shows, "expect VALUE"');
  }
  return steps;
};

const fromRecording = (text: string, file: string): Script => {
  const { device, accesses, unrecorded } = parseRecording(text, file);
  return {
    form: 'recording',
    device: device.bdf,
    steps: accesses.map(({ kind, offset, size, value }, index) => ({
      line: index + 2,
      kind,
      place: { offset },
      size,
      value,
      expects: [],
    })),
    notes: unrecorded === 0 ? [] : [`${unrecorded} accesses found no place in the record`],
  };
};

/**
 * Reads accesses of a driver, in whichever of the known forms the text has: lines such as `w 0xe8 2 0x0003`, `r 0xe8 2` and
 * `expect 0x0003`; a recorded session; a trace of QEMU (`vfio_pci_read_config`, `vfio_pci_write_config`, `pci_cfg_read`,
 * `pci_cfg_write`); commands of `setpci`.
 *
 * @param file its name, for messages
 * @param device of a trace of several devices the one that is meant, as the trace names it or by its address
 * @throws PcibackError `SCRIPT_INVALID` with the line, `FILE_UNREADABLE` for a recording that is none
 */
export const parseScript = (text: string, file: string, device?: string): Script => {
  const refuse: Refuse = (line, why) => fail('SCRIPT_INVALID', { file, line, why });
  const lines = text
    .split('\n')
    .map((one, index) => ({ line: index + 1, text: one.trim() }))
    .filter((one) => one.text !== '' && !one.text.startsWith('#'));
  if (lines.length === 0) return refuse(1, 'there is no access in it');
  if (lines[0]?.text.startsWith('{')) return fromRecording(text, file);
  const trace = traceSteps(lines, refuse, device);
  if (trace !== undefined) return trace;
  const setpci = setpciSteps(lines, refuse);
  return setpci ?? { form: 'plain', steps: plainSteps(lines, refuse), notes: [] };
};
