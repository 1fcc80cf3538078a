// SPDX-License-Identifier: MIT

import type { ChangeEffect } from '../../core/changes.ts';
import type { FenceReason } from '../../core/facts.ts';
import type { AnswererReport, RecoveryReport, RecoveryStage } from '../../core/platform/index.ts';
import type { Denial } from '../../core/space/denials.ts';
import type { Unhandled } from '../../core/space/table.ts';
import type { LineState } from '../../core/stub/line-handler.ts';
import type { PluginInventory } from '../inventory.ts';
import type { ExplainedMap, ExplainedPart, ExplainedRegister } from '../observe/explain-table.ts';

/** Longest request, in bytes of its line. */
export const LONGEST_REQUEST = 16_384;
/** Longest answer a client reads: a full record of refused writes has some 100 KiB. */
export const LONGEST_ANSWER = 4_194_304;

/** A refused write with its address as text. */
export type DenialReport = Omit<Denial, 'bdf'> & { readonly bdf: string };

export interface DeviceStatus {
  readonly bdf: string;
  readonly vendor: number;
  readonly device: number;
  /** Domain that has it. */
  readonly guest?: number;
  readonly unhandled?: Unhandled;
  /** Name of the interrupt policy in force. */
  readonly interrupts?: string;
  /** The guest may switch interrupts by config writes. */
  readonly allowInterruptControl?: true;
  readonly quarantine?: string;
  /** Why it was cut off from its guest after an error. */
  readonly fenced?: FenceReason;
  /** Why the guest gets no line interrupt of the device. */
  readonly lineRefused?: string;
}

/** The handler on the line of one device, as `irq_handlers` of the kernel's back end shows it. */
export interface IrqHandlerStatus extends LineState {
  readonly bdf: string;
  /** Domain that has the device. */
  readonly guest: number;
}

export interface StatusReport {
  readonly pid: number;
  readonly platform: string;
  readonly guests: readonly {
    readonly domain: number;
    readonly name: string;
    readonly state: string;
    readonly devices: readonly string[];
    readonly requests: Readonly<Record<string, number>>;
    readonly denied: { readonly total: number; readonly unrecorded: number };
  }[];
  readonly devices: readonly DeviceStatus[];
  /** The answering thread, where there is one. */
  readonly lane?: AnswererReport;
}

/** What a guest can do with config space of one device. */
export interface ExplainReport {
  readonly bdf: string;
  readonly vendor: number;
  readonly device: number;
  readonly guest: { readonly domain: number; readonly name: string };
  readonly unhandled: Unhandled;
  readonly interrupts: string;
  readonly allowInterruptControl: boolean;
  /** Bytes of config space that the guest reaches. */
  readonly size: number;
  /** With an offset: its bytes, bit by bit. */
  readonly parts?: readonly ExplainedPart[];
  /** Without one: every register with an owner. */
  readonly registers?: readonly ExplainedRegister[];
  readonly map?: ExplainedMap;
  /** Refused writes to these bytes, or to all. */
  readonly denials: readonly DenialReport[];
}

export interface DenialsReport {
  readonly bdf: string;
  readonly guest: { readonly domain: number; readonly name: string };
  readonly denials: readonly DenialReport[];
  /** Refused writes of the guest in all, and those of them that the record has no place for. */
  readonly total: number;
  readonly unrecorded: number;
}

export interface QuirkStatus {
  readonly name: string;
  readonly origin: string;
  readonly source: string;
  /** Assigned devices that it is in force for. */
  readonly devices: readonly string[];
}

export interface QuirkChange extends ChangeEffect {
  readonly names: readonly string[];
}

/** Every operation: what is asked with, and what is answered. */
export interface Operations {
  readonly status: { readonly asks: Readonly<Record<string, never>>; readonly answers: StatusReport };
  readonly plugins: { readonly asks: Readonly<Record<string, never>>; readonly answers: PluginInventory };
  readonly explain: {
    readonly asks: { readonly bdf: string; readonly offset?: number; readonly size?: number; readonly map?: boolean };
    readonly answers: ExplainReport;
  };
  readonly denials: { readonly asks: { readonly bdf: string }; readonly answers: DenialsReport };
  readonly 'quirk-load': {
    /** An absolute path on the host of the daemon; `devices`: only for these addresses. */
    readonly asks: { readonly file: string; readonly devices?: readonly string[] };
    readonly answers: QuirkChange;
  };
  readonly 'quirk-text': { readonly asks: { readonly text: string }; readonly answers: QuirkChange };
  readonly 'quirk-unload': { readonly asks: { readonly name: string }; readonly answers: QuirkChange };
  readonly 'quirk-list': {
    readonly asks: Readonly<Record<string, never>>;
    readonly answers: { readonly quirks: readonly QuirkStatus[] };
  };
  /** Of every device that a guest has. */
  readonly 'irq-handlers': {
    readonly asks: Readonly<Record<string, never>>;
    readonly answers: { readonly handlers: readonly IrqHandlerStatus[] };
  };
  /** Takes the handler off the line, or puts it on; answers how it is then. */
  readonly 'irq-toggle': { readonly asks: { readonly bdf: string }; readonly answers: IrqHandlerStatus };
  /** `severity`: correctable, nonfatal or fatal. */
  readonly 'inject-error': {
    readonly asks: { readonly bdf: string; readonly severity: string };
    readonly answers: InjectedError;
  };
}

/** What became of an injected error, with words for numbers. `under way`: a guest takes its time; the log says the rest. */
export interface InjectedError {
  readonly outcome: RecoveryReport['outcome'] | 'under way';
  readonly steps: readonly {
    readonly bdf: string;
    readonly stage: RecoveryStage;
    readonly channel: string;
    readonly verdict: string;
  }[];
  /** Functions of guests that are cut off now. */
  readonly fenced: readonly { readonly bdf: string; readonly reason: FenceReason }[];
}

export type Operation = keyof Operations;

/** An error as it goes over the socket. */
export interface ErrorAnswer {
  readonly code: string;
  readonly message: string;
  readonly solve: string;
  readonly facts: Readonly<Record<string, unknown>>;
}

/** One line from the server. */
export type Answer =
  | { readonly id: number; readonly ok: true; readonly result: unknown }
  | { readonly id: number; readonly ok: false; readonly error: ErrorAnswer };

type Kind = 'text' | 'texts' | 'number' | 'boolean';

/** The arguments of every operation; one that ends in `?` may be left out. */
const argumentsOf: { readonly [Name in Operation]: Readonly<Record<string, Kind>> } = {
  status: {},
  explain: { bdf: 'text', 'offset?': 'number', 'size?': 'number', 'map?': 'boolean' },
  denials: { bdf: 'text' },
  'quirk-load': { file: 'text', 'devices?': 'texts' },
  'quirk-text': { text: 'text' },
  'quirk-unload': { name: 'text' },
  'quirk-list': {},
  'irq-handlers': {},
  'irq-toggle': { bdf: 'text' },
  'inject-error': { bdf: 'text', severity: 'text' },
  plugins: {},
};

export const operationNames = Object.keys(argumentsOf) as readonly Operation[];

const fits: Readonly<Record<Kind, (value: unknown) => boolean>> = {
  text: (value) => typeof value === 'string',
  texts: (value) => Array.isArray(value) && value.every((one) => typeof one === 'string'),
  number: (value) => Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 0xffff_ffff,
  boolean: (value) => typeof value === 'boolean',
};

/** A request whose shape was checked. */
export type Request = {
  readonly [Name in Operation]: { readonly id: number; readonly op: Name; readonly args: Operations[Name]['asks'] };
}[Operation];

/** What is wrong with a line, or the request in it. */
export const parseRequest = (line: string): Request | { readonly id: number; readonly wrong: string } => {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return { id: 0, wrong: 'a request is one line of JSON' };
  }
  if (typeof value !== 'object' || value === null) return { id: 0, wrong: 'a request is an object' };
  const { id, op, args = {} } = value as Readonly<Record<string, unknown>>;
  if (typeof id !== 'number' || !Number.isSafeInteger(id)) return { id: 0, wrong: '"id" is not a number' };
  if (typeof op !== 'string' || !Object.hasOwn(argumentsOf, op)) {
    return { id, wrong: `"op" is not one of ${operationNames.join(', ')}` };
  }
  if (typeof args !== 'object' || args === null) return { id, wrong: '"args" is not an object' };
  const known = argumentsOf[op as Operation];
  const given = args as Readonly<Record<string, unknown>>;
  for (const key of Object.keys(given)) {
    if (!(key in known) && !(`${key}?` in known)) return { id, wrong: `${op} takes no "${key}"` };
  }
  for (const [name, kind] of Object.entries(known)) {
    const optional = name.endsWith('?');
    const key = optional ? name.slice(0, -1) : name;
    if (given[key] === undefined && optional) continue;
    if (!fits[kind](given[key])) return { id, wrong: `"${key}" of ${op} is not a ${kind}` };
  }
  return { id, op, args: given } as unknown as Request;
};
