// SPDX-License-Identifier: MIT

import { formatBdf, hex } from '../../core/bdf.ts';
import { describeError } from '../../core/errors/index.ts';
import type { PciIdentity } from '../../core/platform/pci.ts';
import type { RecordedAccess } from '../../core/space/recorder.ts';
import { fail } from '../errors.ts';

/** What one guest did to the config space of one device. */
export interface Recording {
  readonly device: {
    readonly bdf: string;
    readonly vendor: number;
    readonly device: number;
    readonly subsystemVendor: number;
    readonly subsystemDevice: number;
  };
  readonly guest: string;
  readonly accesses: readonly RecordedAccess[];
  /** Accesses that were made after the record was full. */
  readonly unrecorded: number;
}

/** The facts of a recording, without its accesses. */
export const recordingOf = (
  identity: PciIdentity,
  guest: string,
  log: { list(): RecordedAccess[]; readonly overflow: number },
): Recording => ({
  device: {
    bdf: formatBdf(identity.bdf),
    vendor: identity.vendor,
    device: identity.device,
    subsystemVendor: identity.subsystemVendor,
    subsystemDevice: identity.subsystemDevice,
  },
  guest,
  accesses: log.list(),
  unrecorded: log.overflow,
});

const FORMAT = 1;

/**
 * A recording as JSON lines: first the device, then one line per access, in order. Registers and values are
 * hexadecimal texts; `denied` and `wanted` are left out where they are 0.
 */
export const formatRecording = ({ device, guest, accesses, unrecorded }: Recording): string => {
  const { vendor, device: id, subsystemVendor, subsystemDevice } = device;
  const head = {
    recording: FORMAT,
    bdf: device.bdf,
    vendor: hex(vendor, 4),
    device: hex(id, 4),
    subsystemVendor: hex(subsystemVendor, 4),
    subsystemDevice: hex(subsystemDevice, 4),
    guest,
    unrecorded,
  };
  const lines = accesses.map(({ kind, offset, size, value, status, denied, wanted }) => ({
    [kind]: `0x${hex(offset, 2)}`,
    size,
    value: `0x${hex(value, size * 2)}`,
    ...(status === 0 ? {} : { status }),
    ...(denied === 0 ? {} : { denied: `0x${hex(denied, size * 2)}` }),
    ...(wanted === 0 ? {} : { wanted: `0x${hex(wanted, size * 2)}` }),
  }));
  return `${[head, ...lines].map((line) => JSON.stringify(line)).join('\n')}\n`;
};

/** Reads the fields of one line, and says which one is wrong. */
class Line {
  readonly #file: string;
  readonly #number: number;
  readonly #fields: Readonly<Record<string, unknown>>;

  constructor(file: string, number: number, text: string) {
    this.#file = file;
    this.#number = number;
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch (error) {
      this.refuse(describeError(error));
    }
    if (typeof value !== 'object' || value === null) this.refuse('it is not a JSON object');
    this.#fields = value as Record<string, unknown>;
  }

  refuse(why: string): never {
    return fail('FILE_UNREADABLE', { file: this.#file, why: `line ${this.#number} is not one of a recording: ${why}` });
  }

  has(key: string): boolean {
    return key in this.#fields;
  }

  text(key: string): string {
    const value = this.#fields[key];
    return typeof value === 'string' ? value : this.refuse(`"${key}" is not a text`);
  }

  number(key: string, most: number): number {
    const value = this.#fields[key];
    if (typeof value !== 'number' || !Number.isInteger(value) || Math.abs(value) > most) {
      return this.refuse(`"${key}" is not a number up to ${most}`);
    }
    return value;
  }

  hex(key: string, most: number): number {
    const text = this.text(key);
    const value = /^(0x)?[0-9a-f]{1,8}$/i.test(text) ? Number.parseInt(text, 16) : Number.NaN;
    return value <= most ? value : this.refuse(`"${key}" is not a hexadecimal number up to 0x${hex(most, 1)}`);
  }
}

const accessOf = (line: Line): RecordedAccess => {
  const kind = line.has('write') ? 'write' : 'read';
  const offset = line.hex(kind, 0xfff);
  const size = line.number('size', 4);
  if (size !== 1 && size !== 2 && size !== 4) return line.refuse('"size" is not 1, 2 or 4');
  if (offset % size !== 0) return line.refuse('the access is not aligned');
  const most = 2 ** (size * 8) - 1;
  return {
    kind,
    offset,
    size,
    value: line.hex('value', most),
    status: line.has('status') ? line.number('status', 0xfff) : 0,
    denied: line.has('denied') ? line.hex('denied', most) : 0,
    wanted: line.has('wanted') ? line.hex('wanted', most) : 0,
  };
};

/**
 * Reads a recording.
 *
 * @param file its name, for messages
 * @throws PcibackError `FILE_UNREADABLE` with the line
 */
export const parseRecording = (text: string, file: string): Recording => {
  const lines = text
    .split('\n')
    .flatMap((content, index) => (content.trim() === '' ? [] : [[index + 1, content] as const]));
  const [first, ...rest] = lines;
  const head = new Line(file, first?.[0] ?? 1, first?.[1] ?? '');
  if (head.number('recording', 0xffff) !== FORMAT) head.refuse('it is of another version');
  return {
    device: {
      bdf: head.text('bdf'),
      vendor: head.hex('vendor', 0xffff),
      device: head.hex('device', 0xffff),
      subsystemVendor: head.hex('subsystemVendor', 0xffff),
      subsystemDevice: head.hex('subsystemDevice', 0xffff),
    },
    guest: head.text('guest'),
    unrecorded: head.number('unrecorded', Number.MAX_SAFE_INTEGER),
    accesses: rest.map(([number, content]) => accessOf(new Line(file, number, content))),
  };
};
