// SPDX-License-Identifier: MIT

import { isPcibackError } from '../../core/errors/index.ts';
import { HostError } from '../../core/platform/index.ts';
import { type ErrorCode, problem } from '../../plugins/errors.ts';

// Between the process that is the host and the one that serves guests: lines of JSON. A connection begins with a hello.
// Calls of the first kind wait inside of a system call for their answer, or have none; those of the second are answered
// at any time, and events come between their answers.

/** What one process is, and what the connection is for. */
export interface Hello {
  readonly hello: 'waiting' | 'answered later';
  /** The same for both connections of one process. */
  readonly session: string;
  readonly pid: number;
}

/** A call, of either kind. */
export interface Call {
  readonly call: string;
  readonly args: readonly unknown[];
  /** Of a call that is answered later. */
  readonly id?: number;
}

/** How a call failed. */
export type Fault =
  | { readonly call: string; readonly errno: number }
  | { readonly code: ErrorCode; readonly facts: Readonly<Record<string, unknown>> }
  | { readonly message: string };

export type Answer = { readonly id?: number } & ({ readonly result: unknown } | { readonly fault: Fault });

/** An event of a port. */
export interface PortEvent {
  readonly port: number;
}

/** These calls have no answer. */
export const oneWay: ReadonlySet<string> = new Set(['notify', 'unmask']);

export const toFault = (error: unknown): Fault => {
  if (error instanceof HostError) return { call: error.call, errno: error.errno };
  if (isPcibackError(error)) return { code: error.code as ErrorCode, facts: error.facts };
  return { message: error instanceof Error ? (error.stack ?? error.message) : String(error) };
};

export const fromFault = (fault: Fault): Error => {
  if ('errno' in fault) return new HostError(fault.call, fault.errno);
  if ('code' in fault) return problem(fault.code, fault.facts as never);
  return new Error(fault.message);
};

export const toLine = (message: Hello | Call | Answer | PortEvent): string => `${JSON.stringify(message)}\n`;

/** Cuts a stream of bytes into messages. */
export class LineDecoder {
  #rest = '';

  push(text: string): unknown[] {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    return lines.map((line) => JSON.parse(line) as unknown);
  }
}
