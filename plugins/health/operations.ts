// SPDX-License-Identifier: MIT

import { z } from 'zod';
import type { Engine } from '../../core/pciback.ts';
import { canHear } from '../hearing.ts';
import { type OperationsOf, operation, type PartContext, type PartReport } from '../kinds/part.ts';

/** Milliseconds that the answering thread may take to show that it runs. */
const PATIENCE_MS = 1000;

/** How a running pciback is doing. */
export interface HealthReport {
  /** New guests are served: every part that was to start has started or failed. */
  readonly ready: boolean;
  /** Since when it is ready, as ISO 8601; missing: it is not yet. */
  readonly since?: string;
  /** Guests can be heard: the control loop turns, which this answer shows, and so does the answering thread. */
  readonly live: boolean;
  /** Why it is not live, or not all of it runs. */
  readonly why: readonly string[];
  readonly pid: number;
  readonly uptimeSeconds: number;
  /** Milliseconds by which the control loop was late last, and at worst. Missing: nobody measures it. */
  readonly lagMs?: number;
  readonly worstLagMs?: number;
  readonly parts: readonly Pick<PartReport, 'name' | 'state' | 'health'>[];
}

/** What is remembered from one question to the next. */
export class Health {
  #since: string | undefined;
  #failure: string | undefined;

  /** Guests are served from now on. */
  begin({ failed }: Engine & { readonly failed?: Promise<Error> }): void {
    this.#since = new Date().toISOString();
    void failed?.then((error) => {
      this.#failure = error.message;
    });
  }

  async report({ engine, parts, part }: PartContext): Promise<HealthReport> {
    const heard = await canHear(engine.platform, PATIENCE_MS);
    const all = parts().map(({ name, state, health }) => ({
      name,
      state,
      ...(health === undefined ? {} : { health }),
    }));
    const starting = all.filter(({ state }) => state === 'waiting').map(({ name }) => `part ${name} is still to start`);
    const failed = all.filter(({ state }) => state === 'failed').map(({ name, health }) => `part ${name}: ${health}`);
    const ready = this.#since !== undefined && starting.length === 0;
    const { lagMs, worstLagMs } = (part('loop') ?? {}) as Pick<HealthReport, 'lagMs' | 'worstLagMs'>;
    return {
      ready,
      ...(ready && this.#since !== undefined ? { since: this.#since } : {}),
      live: heard && this.#failure === undefined,
      why: [
        ...(heard ? [] : ['the thread that answers guests does not run']),
        ...(this.#failure === undefined ? [] : [this.#failure]),
        ...starting,
        ...failed,
      ],
      pid: process.pid,
      uptimeSeconds: Math.round(process.uptime()),
      ...(lagMs === undefined ? {} : { lagMs: Math.round(lagMs) }),
      ...(worstLagMs === undefined ? {} : { worstLagMs: Math.round(worstLagMs) }),
      parts: all,
    };
  }
}

export const operationsOf = (health: Health) => ({
  health: operation({
    about: 'Whether guests are served and heard, and how each part is doing.',
    asks: z.strictObject({}),
    answer: (_asked, context): Promise<HealthReport> => health.report(context),
  }),
});

export type HealthOperations = OperationsOf<ReturnType<typeof operationsOf>>;
