// SPDX-License-Identifier: MIT

import { extendedCapability, type FieldSet, type Register, register, type Width } from '../../core/plugin/index.ts';

/** Offset from the capability, width in bits, name. */
export type ClosedRegister = readonly [offset: number, width: Width, name: string];

/** Registers that show hardware and of which no write reaches it, in permissive mode neither. */
export const closedRegisters = (rows: readonly ClosedRegister[]): readonly Register[] =>
  rows.map(([offset, width, name]) => register(offset, width, name).readOnly());

/** An extended capability that is the host's. */
export const closed = (id: number, name: string, rows: readonly ClosedRegister[]): FieldSet =>
  extendedCapability(id, name, closedRegisters(rows));
