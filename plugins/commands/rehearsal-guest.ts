// SPDX-License-Identifier: MIT

import { Command } from '../../core/ring/layout.ts';
import type { GuestDevice, IncludedGuest } from '../platforms/embedded/index.ts';

/** Capabilities by their id: standard ones, and extended ones. */
const Standard = { power: 0x01, msi: 0x05, express: 0x10, msix: 0x11 } as const;
const ERROR_REPORTING = 0x0001;

/** Registers of the header. */
const Header = {
  ids: 0x00,
  command: 0x04,
  status: 0x06,
  class: 0x08,
  cacheLine: 0x0c,
  latency: 0x0d,
  bar: 0x10,
} as const;
const SUBSYSTEM = 0x2c;
const ROM = 0x30;
const LINE = 0x3c;

/** Decode, bus mastering, and bits beside them, on and off in every order in which drivers do it. */
const commands = [0x0000, 0x0002, 0x0006, 0x0406, 0x0402, 0x0003, 0x0000, 0x0546, 0x0106, 0x0004, 0x0007] as const;
/** Numbers of every kind: small and large, and those that are negative as a bit pattern. */
const values = [0, 1, 0x100, 0x12345678, 0x7fffffff, 0x80000000, 0xfeb00000, 0xffffffff] as const;
/** A device that is not there, and commands that do not exist. */
const NOBODY = 0xff;
const UNKNOWN = 99;

type Size = 1 | 2 | 4;
/** Command, offset, size, value; what is left out is 0. */
export type Access = readonly [
  cmd: number,
  offset?: number,
  size?: number,
  value?: number,
  entries?: readonly number[],
];

const read = (offset: number, size: Size): Access => [Command.confRead, offset, size];
const write = (offset: number, size: Size, value: number): Access => [Command.confWrite, offset, size, value];
/** A register that reads as it was afterwards, as far as the guest may write it. */
const around = (offset: number, size: Size, ...written: readonly number[]): Access[] =>
  written.flatMap((value) => [write(offset, size, value), read(offset, size)]);

const header = (): Access[] => [
  read(Header.ids, 4),
  read(Header.status, 2),
  read(Header.class, 4),
  read(LINE, 1),
  ...around(Header.command, 2, ...commands),
  ...around(Header.bar, 4, 0xffffffff, ...values),
  ...around(ROM, 4, 0xfffff800, 0),
  // Only some of a dword, and more than the register.
  ...around(Header.bar + 2, 2, 0xffff, 0x1234),
  ...around(Header.command, 4, 0xf9000006, 0x00000006),
  ...around(Header.cacheLine, 1, 0x10, 0x20),
  ...around(Header.cacheLine, 4, 0x00004010),
  write(Header.status, 2, 0xf900),
  write(LINE, 1, 0x0b),
];

/** What guests are refused: the header of other devices, registers without an owner, accesses that are none. */
const refused = (): Access[] => [
  ...[Header.ids, Header.class, SUBSYSTEM, 0x40, 0x44].flatMap((offset) =>
    values.map((value) => write(offset, 4, value)),
  ),
  write(Header.latency, 1, 0x40),
  write(Header.class + 2, 2, 0xffff),
  [Command.confRead, 0x01, 4],
  [Command.confRead, 0x00, 3],
  [Command.confRead, 0x1000, 4],
  [Command.confWrite, 0xfff, 2, 1],
  [Command.confRead, -4, 4],
  [UNKNOWN],
];

const capabilities = ({ capabilities, extended }: GuestDevice): Access[] => {
  const place = (list: readonly { id: number; offset: number }[], id: number) =>
    list.filter((one) => one.id === id).map(({ offset }) => offset);
  return [
    ...place(capabilities, Standard.power).flatMap((at) => [read(at, 4), ...around(at + 4, 2, 0x8000, 0x0100, 0)]),
    ...place(capabilities, Standard.msi).flatMap((at) => [
      ...around(at + 2, 2, 0x0001, 0x0000),
      ...around(at + 4, 4, 0xfee00000, 0),
    ]),
    ...place(capabilities, Standard.msix).flatMap((at) => [...around(at + 2, 2, 0x8000, 0xc000, 0), read(at + 4, 4)]),
    ...place(capabilities, Standard.express).flatMap((at) => [
      ...around(at + 8, 2, 0x2810, 0x5000, 0x2000),
      ...around(at + 0x10, 2, 0x0040, 0),
      write(at + 0xa, 2, 0x000f),
    ]),
    ...place(extended, ERROR_REPORTING).flatMap((at) => [
      ...around(at + 4, 4, 0xffffffff),
      ...around(at + 8, 4, 0x00100000, 0xffffffff, 0),
      ...around(at + 0x10, 4, 0xffffffff),
    ]),
  ];
};

/** Message interrupts on and off, on twice, off twice, and lists of entries that are refused. */
const interrupts = (): Access[] => {
  const msix = (...entries: readonly number[]): Access => [Command.enableMsix, 0, 0, entries.length, entries];
  return [
    write(Header.command, 2, 0x0406),
    [Command.disableMsix],
    [Command.disableMsi],
    msix(),
    msix(0, 0),
    msix(0, 4095),
    msix(0, 1, 2),
    msix(0),
    [Command.enableMsi],
    [Command.disableMsix],
    [Command.enableMsi],
    [Command.enableMsi],
    msix(0),
    [Command.disableMsi],
    msix(0, 1),
    [Command.disableMsix],
  ];
};

/** Everything that a guest's kernel and its drivers ask of a device, once. */
export const accessesOf = (device: GuestDevice): Access[] => [
  ...header(),
  ...refused(),
  ...capabilities(device),
  ...interrupts(),
];

/** To D3hot and back, for which a request has to wait; for a device with power management. */
export const powerCycle = ({ capabilities }: GuestDevice): Access[] =>
  capabilities
    .filter(({ id }) => id === Standard.power)
    .flatMap(({ offset }) => [write(offset + 4, 2, 3), read(offset + 4, 2), write(offset + 4, 2, 0)]);

/** Sends these requests for a device, one after the other, and now and then one for a device that is not there. */
export const play = async (guest: IncludedGuest, device: GuestDevice, accesses: readonly Access[]): Promise<void> => {
  const { segment, bus, devfn } = device;
  for (const [index, [cmd, offset = 0, size = 0, value = 0, entries = []]] of accesses.entries()) {
    await guest.request({ cmd, domain: segment, bus, devfn, offset, size, value, entries });
    if (index % 16 === 0) await guest.request({ cmd, domain: segment, bus, devfn: NOBODY, offset, size: 4 });
  }
};
