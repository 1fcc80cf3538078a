// SPDX-License-Identifier: MIT

import {
  hexNumber,
  isMisaligned,
  type Line,
  mostOf,
  type Place,
  placeOf,
  type Refuse,
  type Script,
  type Size,
  type Step,
} from './script-terms.ts';

/** Registers that `setpci` knows by name, which need no width (`setpci --dumpregs`). */
const named: Readonly<Record<string, readonly [offset: number, size: Size]>> = {
  VENDOR_ID: [0x00, 2],
  DEVICE_ID: [0x02, 2],
  COMMAND: [0x04, 2],
  STATUS: [0x06, 2],
  REVISION: [0x08, 1],
  CACHE_LINE_SIZE: [0x0c, 1],
  LATENCY_TIMER: [0x0d, 1],
  HEADER_TYPE: [0x0e, 1],
  BIST: [0x0f, 1],
  BASE_ADDRESS_0: [0x10, 4],
  BASE_ADDRESS_1: [0x14, 4],
  BASE_ADDRESS_2: [0x18, 4],
  BASE_ADDRESS_3: [0x1c, 4],
  BASE_ADDRESS_4: [0x20, 4],
  BASE_ADDRESS_5: [0x24, 4],
  ROM_ADDRESS: [0x30, 4],
  INTERRUPT_LINE: [0x3c, 1],
  INTERRUPT_PIN: [0x3d, 1],
};

/** Capabilities that it knows by name (PCI Code and ID Assignment 1.11, §2 and §3). */
const capabilities: Readonly<Record<string, string>> = {
  CAP_PM: 'CAP01',
  CAP_VPD: 'CAP03',
  CAP_MSI: 'CAP05',
  CAP_VNDR: 'CAP09',
  CAP_EXP: 'CAP10',
  CAP_MSIX: 'CAP11',
  CAP_SATA: 'CAP12',
  CAP_AF: 'CAP13',
  ECAP_AER: 'ECAP0001',
  ECAP_VC: 'ECAP0002',
  ECAP_VNDR: 'ECAP000b',
  ECAP_ACS: 'ECAP000d',
  ECAP_SRIOV: 'ECAP0010',
  ECAP_LTR: 'ECAP0018',
};

const sizes: Readonly<Record<string, Size>> = { b: 1, w: 2, l: 4 };

const OPERATION = /^([0-9a-z_+]+)(?:\.([bwl]))?(?:=([0-9a-f:,]+))?$/i;
const WORD = /^(?:[0-9a-f]+|e?cap[0-9a-f_a-z]*\+[0-9a-f]+|[a-z_0-9]+)\.[bwl](?:=|$)/i;

const registerOf = (name: string, width: string | undefined): { place: Place; size: Size } | undefined => {
  const known = named[name.toUpperCase()];
  const size = width === undefined ? known?.[1] : sizes[width.toLowerCase()];
  const [base = '', offset] = name.split('+');
  const plain = capabilities[base.toUpperCase()];
  const place =
    known === undefined ? placeOf(plain === undefined ? name : `${plain}+${offset ?? '0'}`) : { offset: known[0] };
  return place === undefined || size === undefined ? undefined : { place, size };
};

/** Whether a line is a command of `setpci`, or one of its operations alone. */
const isOperation = ({ text }: Line): boolean =>
  /^(?:sudo +)?setpci\s/.test(text) || WORD.test(text.split(/\s+/)[0] ?? '');

/** Accesses as commands of `setpci` make them. @returns `undefined` when no line is one */
export const setpciSteps = (lines: readonly Line[], refuse: Refuse): Script | undefined => {
  if (!lines.some(isOperation)) return undefined;
  const steps: Step[] = [];
  let device: string | undefined;
  for (const { line, text } of lines) {
    const words = text.split(/\s+/).filter((word) => word !== 'sudo' && word !== 'setpci');
    for (let word = words.shift(); word !== undefined; word = words.shift()) {
      if (word === '-s' || word === '-d') {
        const which = words.shift() ?? refuse(line, `${word} needs a device`);
        if (word === '-s' && device !== undefined && device !== which) refuse(line, `one device only: ${device}`);
        if (word === '-s') device = which;
        continue;
      }
      if (word.startsWith('-')) continue;
      const [, name = '', width, written] =
        OPERATION.exec(word) ?? refuse(line, `"${word}" is not REGISTER.W[=VALUE[:MASK]]`);
      const found =
        registerOf(name, width) ?? refuse(line, `"${word}": no such register, or its width .B, .W or .L is missing`);
      const { place, size } = found;
      if (isMisaligned(place, size)) refuse(line, `"${word}" is not aligned`);
      if (written === undefined) steps.push({ line, kind: 'read', place, size, expects: [] });
      // Several values are for the registers behind it.
      for (const [index, one] of (written?.split(',') ?? []).entries()) {
        const [value, mask] = one.split(':').map((digits) => hexNumber(digits, mostOf(size)));
        if (value === undefined || (one.includes(':') && mask === undefined)) {
          return refuse(line, `"${one}" is not a hexadecimal value of ${size} bytes`);
        }
        const at = { ...place, offset: place.offset + index * size };
        steps.push({
          line,
          kind: 'write',
          place: at,
          size,
          value,
          ...(mask === undefined ? {} : { mask }),
          expects: [],
        });
      }
    }
  }
  return { form: 'setpci', steps, ...(device === undefined ? {} : { device }), notes: [] };
};
