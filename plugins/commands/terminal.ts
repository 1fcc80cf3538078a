// SPDX-License-Identifier: MIT

import type { Logger } from '../../core/log.ts';

/** What a command line runs in; the process itself, or a test. */
export interface Terminal {
  /** Writes to standard output. */
  write(text: string): void;
  /** Writes to standard error. */
  complain(text: string): void;
  /** Resolves on the first SIGTERM or SIGINT. Signals are caught from the first call on. */
  stop(): Promise<NodeJS.Signals>;
  readonly log: Logger;
}
