// SPDX-License-Identifier: MIT

import type { z } from 'zod';
import type { Logger } from '../../core/log.ts';
import type { Engine } from '../../core/pciback.ts';
import type { Config } from './config.ts';
import type { Finding } from './platform.ts';

/** How a part is doing. */
export interface PartReport {
  readonly name: string;
  /** The plugin that brought it. */
  readonly plugin: string;
  readonly state: 'waiting' | 'running' | 'failed' | 'stopped';
  /** A word or a sentence of the part, or why it failed. */
  readonly health?: string;
  readonly counters?: Readonly<Record<string, number>>;
}

/** An operation of the control API: what it is called with is checked before it is called. */
export interface OperationDefinition<Asks extends z.ZodObject = z.ZodObject, Answer = unknown> {
  /** One sentence for the reference. */
  readonly about: string;
  /** Strict object of plain JSON values. */
  readonly asks: Asks;
  /** @returns plain JSON values */
  answer(args: z.output<Asks>, context: PartContext): Answer | Promise<Answer>;
}

/** Says what an operation is; its types come from its schema and its answer. */
export const operation = <Asks extends z.ZodObject, Answer>(
  definition: OperationDefinition<Asks, Answer>,
): OperationDefinition<Asks, Answer> => definition;

export type OperationDefinitions = Readonly<Record<string, OperationDefinition>>;

/** What operations are asked with and answer, as a client sees them; see {@link OperationsOf}. */
export type OperationTypes = Readonly<Record<string, { readonly asks: unknown; readonly answers: unknown }>>;

/** The types of operations, from their definitions: `OperationsOf<typeof operations>`. */
export type OperationsOf<Definitions> = {
  readonly [Name in keyof Definitions]: Definitions[Name] extends OperationDefinition<infer Asks, infer Answer>
    ? { readonly asks: z.input<Asks>; readonly answers: Answer }
    : never;
};

/** An operation of a part. */
export interface RunningOperation {
  readonly about: string;
  readonly asks: z.ZodObject;
  /**
   * @param args as {@link asks} gives them back
   * @throws PcibackError what the part refuses with; `PART_NOT_RUNNING` before its start, and when that failed; `PLUGIN_FAULT`
   * for all else, and when it takes too long
   */
  answer(args: Readonly<Record<string, unknown>>): Promise<unknown>;
}

/** What a part is started with. */
export interface PartContext<Options = unknown> {
  /** The part's section of the rc file, checked; `undefined` for a part without a schema. */
  readonly options: Options;
  /** What is in force of the rc file: to be read at each use, a reload changes it. */
  readonly config: Config;
  /** Absolute; paths in the options count from here. */
  readonly directory: string;
  /** Messages carry the part's name. */
  readonly log: Logger;
  /** What serves the guests. */
  readonly engine: Engine;
  /** The operations of all parts that have not stopped, by name; of one that does not run they answer `PART_NOT_RUNNING`. */
  operations(): ReadonlyMap<string, RunningOperation>;
  /** How all parts are doing. */
  parts(): readonly PartReport[];
  /** What the running part of this name offers; `undefined` when it does not run or offers nothing. */
  part(name: string): unknown;
}

/** A part that runs. Nothing of it is called after `stop`. */
export interface RunningPart {
  /** Ends it, within the deadline of parts. */
  stop?(): void | Promise<void>;
  /** A word or a sentence for `pciback status`. */
  health?(): string;
  /** Numbers for `pciback status`, each with a name that says its unit. */
  counters?(): Readonly<Record<string, number>>;
  /** For parts that need this one. */
  readonly offers?: unknown;
}

/** The name that stands for guests being served; see {@link PartDefinition.needs}. */
export const GUESTS = 'guests';

/** A piece of a plugin that runs as long as the daemon. */
export interface PartDefinition<Schema extends z.ZodType = z.ZodType> {
  /** One sentence for `pciback plugins` and the reference. */
  readonly about: string;
  /**
   * Parts that are started before this one and stopped after it. `guests`: it is started when guests are served and
   * stopped before they are ended; a part that does not need them starts before the first guest and stops after the last.
   */
  readonly needs?: readonly string[];
  /** Schema of its section of the rc file, which takes `undefined` too; missing: it has no section. */
  readonly options?: Schema;
  /** Name of the section; missing: the part's name. */
  readonly section?: string;
  /** Nothing is served when it cannot start: for parts without which guests would be less safe than was asked for. */
  readonly required?: boolean;
  /** Operations of the control API, answered while the part runs. */
  readonly operations?: OperationDefinitions;
  /** Missing: there is nothing to start, it only answers operations. */
  start?(context: PartContext<z.output<Schema>>): RunningPart | Promise<RunningPart>;
  /**
   * Readies what it needs when it is started, in a process that stands by while another one serves: nothing of the host may be
   * touched. Whoever fails here only starts slower. Missing: there is nothing to ready.
   */
  prepare?(plugins: Engine['plugins']): Promise<void>;
  /**
   * Refuses what `start` of a part that is required would refuse, for `pciback doctor`; nothing runs, and nothing of the host
   * is changed. Missing: there is nothing to refuse.
   *
   * @throws PcibackError as `start`
   */
  check?(context: Pick<PartContext<z.output<Schema>>, 'options' | 'directory'>): Promise<void>;
  /** Looks at what it has left on the host, for `pciback doctor`; nothing runs then. Missing: there is nothing to look at. */
  diagnose?(context: Pick<PartContext<z.output<Schema>>, 'options' | 'directory'>): Promise<readonly Finding[]>;
}
