// SPDX-License-Identifier: MIT

import { hexNumber, type Line, mostOf, type Refuse, type Script, type Size, type Step } from './script-terms.ts';

/** An access as a trace of QEMU has it. */
interface Traced {
  readonly line: number;
  readonly device: string;
  readonly kind: 'read' | 'write';
  readonly offset: number;
  readonly value: number;
  /** `pci_cfg_*` does not tell it. */
  readonly size: number | undefined;
}

const H = '(?:0x)?([0-9a-f]+)';
/** `(0000:65:00.0, @0xe8, len=0x2) 0x3` and `(0000:65:00.0, @0xe8, 0x3, len=0x2)`; a mail may have written `=` as `=3D`. */
const VFIO_READ = new RegExp(`vfio_pci_read_config\\s+\\(([^,()]+),\\s*@${H},\\s*len=(?:3D)?${H}\\)\\s+${H}`, 'i');
const VFIO_WRITE = new RegExp(`vfio_pci_write_config\\s+\\(([^,()]+),\\s*@${H},\\s*${H},\\s*len=(?:3D)?${H}\\)`, 'i');
/** `e1000e 00:02.0 @0xe8 <- 0x3`; older ones have slot and function in decimal, `02:0`. */
const PCI_CFG = new RegExp(`pci_cfg_(read|write)\\s+(\\S+ [0-9a-f:.]+) @${H} (?:->|<-) ${H}`, 'i');

const number = (digits: string | undefined): number => hexNumber(digits, 0xffffffff) ?? Number.NaN;

const tracedIn = ({ line, text }: Line): Traced | undefined => {
  const read = VFIO_READ.exec(text);
  if (read !== null) {
    const [, device = '', offset, size, value] = read;
    return { line, device, kind: 'read', offset: number(offset), size: number(size), value: number(value) };
  }
  const write = VFIO_WRITE.exec(text);
  if (write !== null) {
    const [, device = '', offset, value, size] = write;
    return { line, device, kind: 'write', offset: number(offset), size: number(size), value: number(value) };
  }
  const config = PCI_CFG.exec(text);
  if (config === null) return undefined;
  const [, kind, device = '', offset, value] = config;
  return {
    line,
    device,
    kind: kind?.toLowerCase() === 'write' ? 'write' : 'read',
    offset: number(offset),
    size: undefined,
    value: number(value),
  };
};

const isSize = (size: number): size is Size => size === 1 || size === 2 || size === 4;

/** The least bytes that hold every value that was seen at the offset; what the offset allows is the most. */
const likelySize = (one: Traced, all: readonly Traced[]): Size => {
  const most = Math.max(...all.filter(({ offset }) => offset === one.offset).map(({ value }) => value));
  const needed = most > 0xffff ? 4 : most > 0xff ? 2 : 1;
  const aligned = ([4, 2, 1] as const).find((size) => one.offset % size === 0) ?? 1;
  return Math.min(needed, aligned) as Size;
};

const isMeant = (device: string, name: string): boolean =>
  name === device || name.endsWith(` ${device}`) || name === `0000:${device}`;

/** The accesses of one device. @returns `undefined` when there is no line of a trace */
export const traceSteps = (lines: readonly Line[], refuse: Refuse, device: string | undefined): Script | undefined => {
  const found = lines.flatMap((one) => tracedIn(one) ?? []);
  const [first] = found;
  if (first === undefined) return undefined;
  const names = [...new Set(found.map((one) => one.device))];
  const known = names.map((name) => `"${name}"`).join(', ');
  const own = device === undefined ? names : names.filter((name) => isMeant(device, name));
  const [name] = own;
  if (name === undefined) return refuse(first.line, `it has no access of "${device}", but of ${known}`);
  if (own.length > 1)
    return refuse(first.line, `it has accesses of several devices: choose one with --device, of ${known}`);
  const mine = found.filter((one) => one.device === name);
  const steps: Step[] = [];
  let odd = 0;
  for (const one of mine) {
    const { line, kind, offset, value } = one;
    const size = one.size ?? likelySize(one, mine);
    if (!isSize(size) || !(offset <= 0xfff) || offset % size !== 0 || Number.isNaN(value)) odd++;
    else steps.push({ line, kind, place: { offset }, size, value: (value & mostOf(size)) >>> 0, expects: [] });
  }
  const guessed = mine.some(({ size }) => size === undefined);
  return {
    form: 'QEMU trace',
    device: name,
    steps,
    notes: [
      ...(guessed
        ? ['pci_cfg_read and pci_cfg_write do not tell sizes: the least that hold what was seen are taken']
        : []),
      ...(odd === 0 ? [] : [`${odd} accesses are left out: unaligned, or outside of config space`]),
    ],
  };
};
