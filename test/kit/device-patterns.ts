// SPDX-License-Identifier: MIT

import { type Bdf, formatBdf, parseBdf } from '../../core/bdf.ts';
import { isPcibackError } from '../../core/errors/index.ts';
import { type FunctionFacts, parseBdfPattern, parseDevicePatterns } from '../../plugins/device-pattern.ts';

const one = (
  address: string,
  ids: readonly [vendor: number, device: number, subsystemVendor: number, subsystemDevice: number],
  bridges: readonly string[],
  more: Partial<FunctionFacts> = {},
): FunctionFacts => ({
  bdf: parseBdf(address),
  vendor: ids[0],
  device: ids[1],
  subsystemVendor: ids[2],
  subsystemDevice: ids[3],
  class: 0x020000,
  bridges: bridges.map(parseBdf),
  ...more,
});
const BRIDGE = { class: 0x060400 };

/** The host that the patterns are looked for on. */
export const patternHost: readonly FunctionFacts[] = [
  one('0000:00:1c.0', [0x8086, 0xa110, 0, 0], [], BRIDGE),
  one('0000:02:00.0', [0x8086, 0x10d3, 0x8086, 0xa01f], ['0000:00:1c.0'], { serial: '00-1b-21-ff-ff-a5-3c-7e' }),
  one('0000:02:00.1', [0x8086, 0x10d3, 0x8086, 0x0001], ['0000:00:1c.0']),
  one('0000:00:1d.0', [0x8086, 0xa118, 0, 0], [], BRIDGE),
  one('0000:03:00.0', [0x10b5, 0x8724, 0, 0], ['0000:00:1d.0'], BRIDGE),
  one('0000:04:01.0', [0x144d, 0xa808, 0x144d, 0xa801], ['0000:03:00.0', '0000:00:1d.0']),
  one('0000:05:04.0', [0x10ec, 0x8139, 0x10ec, 0x8139], []),
  one('0001:02:00.0', [0x10ec, 0x8168, 0x10ec, 0x0123], []),
];

/** One text that names devices. */
export interface PatternRow {
  readonly text: string;
  readonly what: string;
  /** Indexes of {@link patternHost}, or the code of the refusal. */
  readonly means: readonly number[] | 'PATTERN_SYNTAX' | 'BDF_RANGE';
  /** Whether the kernel module's attributes take it too, and mean the same addresses. */
  readonly kernel: boolean;
}

const row = (text: string, what: string, means: PatternRow['means'], kernel = false): PatternRow => ({
  text,
  what,
  means,
  kernel,
});

export const patternRows: readonly PatternRow[] = [
  row('0000:02:00.0', 'one function', [1], true),
  row('02:00.0', 'the same, segment 0', [1], true),
  row('0x0:0x2:0x0.0x0', 'the same, any number of digits, with 0x', [1], true),
  row(' 0000:02:00.0 ', 'the same, with blanks around it', [1], true),
  row('1:2:0.0', 'in another segment', [7], true),
  row('0000:02:00.*', 'all functions of a slot', [1, 2], true),
  row('02:00.*', 'the same, segment 0', [1, 2], true),
  row('0000:02:*.*', 'all functions of a bus', [1, 2], true),
  row('04:*.*', 'the same, segment 0', [5], true),
  row('00:1c.0', 'a bridge: all below it, not itself', [1, 2], true),
  row('00:1d.0', 'a bridge with another one below it', [5], true),
  row('00:*.*', 'of a bus, only what lies on it: bridges stand for others by their own address alone', [], true),
  row('00:1d.0/00.0/01.0', 'a path below a bridge, whatever numbers its buses have', [5]),
  row('00:1c.0/00.*', 'all functions of a slot below a bridge', [1, 2]),
  row('00:1d.0/00.0', 'a path to a bridge', [5]),
  row('8086:10d3', 'ids of vendor and device', [1, 2]),
  row('0x8086:0x10D3', 'the same', [1, 2]),
  row('10ec:*', 'all of a vendor', [6, 7]),
  row('8086:10d3:8086:a01f', 'ids with those of the subsystem', [1]),
  row('144d:*:144d:*', 'any of a subsystem’s vendor', [5]),
  row('8086:a110', 'ids of a bridge: never a bridge', []),
  row('00-1B-21-ff-ff-a5-3c-7e', 'a serial number', [1]),
  row('(0000:02:00.0)(04:*.*)', 'as `hide` of the kernel’s module: each in parentheses', [1, 5]),
  row('(02:00.0) (10ec:8139)', 'with blanks, and with other forms', [1, 6]),
  row('', 'nothing', 'PATTERN_SYNTAX'),
  row('02:00', 'without a function', 'PATTERN_SYNTAX'),
  row('2:0', 'ids have four digits', 'PATTERN_SYNTAX'),
  row('02:*.0', 'any slot needs any function', 'PATTERN_SYNTAX'),
  row('*:*.*', 'any bus', 'PATTERN_SYNTAX'),
  row('0000:*:*.*', 'any bus: a whole host is named bus by bus', 'PATTERN_SYNTAX'),
  row('0000:02:00.0 x', 'something after it', 'PATTERN_SYNTAX'),
  row('0000:02:00.0,04:00.0', 'with a comma', 'PATTERN_SYNTAX'),
  row('(02:00.0)04:00.0', 'one in parentheses, one not', 'PATTERN_SYNTAX'),
  row('(1:0:0)', 'with colons only', 'PATTERN_SYNTAX'),
  row('02:00.100000000', 'more than eight digits', 'PATTERN_SYNTAX'),
  row('10000:02:00.0', 'a segment of more than 16 bits', 'BDF_RANGE'),
  row('0000:100:00.0', 'a bus above ff', 'BDF_RANGE'),
  row('0000:02:20.0', 'a slot above 1f', 'BDF_RANGE'),
  row('0000:02:00.8', 'a function above 7', 'BDF_RANGE'),
  row('00:1c.*/00.0', 'a path that begins with several', 'PATTERN_SYNTAX'),
  row('8086:10d3:8086', 'half a subsystem', 'PATTERN_SYNTAX'),
  row('*:10d3', 'any vendor', 'PATTERN_SYNTAX'),
  row('00-1b-21-ff-ff-a5-3c', 'seven bytes of a serial number', 'PATTERN_SYNTAX'),
];

const wordsOf = (work: () => unknown): string => {
  try {
    work();
  } catch (error) {
    if (isPcibackError(error)) return `${error.code}: ${error.message}`;
    throw error;
  }
  return 'taken';
};

/** What the row comes to. */
export const outcomeOf = ({ text }: PatternRow): string => {
  const said = wordsOf(() => parseDevicePatterns(text));
  if (said !== 'taken') return said;
  const patterns = parseDevicePatterns(text);
  const found = patternHost.filter((fn) => patterns.some((pattern) => pattern.means(fn)));
  return found.length === 0 ? 'none' : found.map(({ bdf }) => formatBdf(bdf)).join(', ');
};

/** Whether the kernel module's attributes take the text. */
export const isTakenByKernel = ({ text }: PatternRow): boolean => wordsOf(() => parseBdfPattern(text)) === 'taken';

const code = (text: string): string => `\`${text === '' ? ' ' : text}\``;

const treeRow = ({
  bdf,
  vendor,
  device,
  subsystemVendor,
  subsystemDevice,
  class: kind,
  serial,
  bridges,
}: FunctionFacts) => {
  const ids = (numbers: readonly (number | undefined)[]): string =>
    numbers.map((id = 0) => id.toString(16).padStart(4, '0')).join(':');
  const above = bridges.map((address: Bdf) => formatBdf(address)).join(', ');
  const isBridge = kind === BRIDGE.class ? 'bridge' : '';
  return `| ${formatBdf(bdf)} | ${ids([vendor, device])} | ${ids([subsystemVendor, subsystemDevice])} | ${serial ?? ''} | ${above} | ${isBridge} |`;
};

/** The body of the page about naming devices. */
export const devicePatternsPage = (): string =>
  [
    'Wherever devices are named, the same forms are taken: `hide`, `permissive`, `allowInterruptControl`, `allowInUse` and `allowSharedPages` in the rc file, `--hide` of `pciback serve`, `pciback seize` and `pciback release`. A bridge is never meant itself, because no guest gets one. A list of the rc file has one form in each element, or is one text in the form of the kernel module’s `hide`; ids are also written `{ "vendor": "8086", "device": "10d3", "subvendor": "8086", "subdevice": "a01f" }`, all but `vendor` may be left out. Keys of `guests.NAME.devices`, and commands that ask of one device, take an address.',
    'What means no function of the platform is warned of when pciback starts, reloads its rc file, or judges it (`pciback doctor`); an address in `hide` at which nothing is ends the start.',
    'The functions of the host below:',
    [
      '| function | ids | subsystem | serial number | bridges above, nearest first | |',
      '|---|---|---|---|---|---|',
      ...patternHost.map(treeRow),
    ].join('\n'),
    'The last column says whether the attributes of the kernel module (`new_slot`, `remove_slot`: [switches](../operators/switches.md)) take it; those have no other forms, as in the kernel.',
    [
      '| text | what | means, or is refused | attributes |',
      '|---|---|---|---|',
      ...patternRows.map(
        (each) =>
          `| ${code(each.text)} | ${each.what} | ${outcomeOf(each)} | ${isTakenByKernel(each) ? 'yes' : 'no'} |`,
      ),
    ].join('\n'),
  ].join('\n\n');
