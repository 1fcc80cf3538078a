// SPDX-License-Identifier: MIT

import { type Bdf, formatBdf } from '../../../core/bdf.ts';
import { type Logger, RateLimit } from '../../../core/log.ts';
import type { Clock, ErrorListener, HostErrors } from '../../../core/platform/index.ts';
import { ChannelState } from '../../../core/ring/layout.ts';
import { recover } from '../recovery-sequence.ts';
import { functionFolder, hostError, readText } from './sysfs-files.ts';

/** Errors as the kernel's counters show them. */
export interface XenErrors extends HostErrors {
  /** Looks no more. */
  close(): void;
}

export interface ErrorOptions {
  readonly sysfsRoot: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** Bridges above a function: an error that a port reports concerns everything below it. */
  readonly bridgesAbove: (address: Bdf) => Promise<Bdf[]>;
  /** Milliseconds between two looks at the counters, while a guest has a device. Default: one second. */
  readonly interval?: number;
  /** Reads a file's text, `undefined` for one that is not there. Default: from the disk. */
  readonly read?: typeof readText;
}

interface Counts {
  readonly nonfatal: number;
  readonly fatal: number;
}

/** One device that a guest has. */
interface Watched {
  readonly bdf: Bdf;
  /** The function and the bridges above it. */
  readonly folders: Promise<readonly string[]>;
  /** What was seen last; `undefined` before the first look. */
  seen: Counts | undefined;
  /** A look, or what it led to, is under way. */
  busy: boolean;
  /** The last look failed. It is said once. */
  unreadable: boolean;
  /** For what is said of its errors: the guest can have it raise them for ever. */
  readonly limit: RateLimit;
}

/** The last line of a counter file: `TOTAL_ERR_FATAL 3`. A file that the kernel does not have counts nothing. */
const totalOf = (text: string | undefined): number => Number(/^TOTAL_ERR_\w+ (\d+)$/m.exec(text ?? '')?.[1] ?? 0);

const readCounts = async (folders: readonly string[], read: typeof readText): Promise<Counts> => {
  const sum = async (file: string): Promise<number> => {
    const texts = await Promise.all(folders.map((folder) => read(`${folder}/${file}`)));
    return texts.reduce((all, text) => all + totalOf(text), 0);
  };
  return { nonfatal: await sum('aer_dev_nonfatal'), fatal: await sum('aer_dev_fatal') };
};

/**
 * PCI Express errors on a real host, as far as user space hears of them: by the counters in sysfs. The kernel recovers
 * by itself, with the vote of whatever driver holds the function; what a guest says does not reach it. So the guest is
 * told afterwards: a non-fatal error stage by stage, as if its function were the only one; after a fatal one its link was
 * reset under it, and the channel counts as lost.
 */
export const createErrors = (options: ErrorOptions): XenErrors => {
  const { sysfsRoot, clock, log, bridgesAbove, interval = 1000, read = readText } = options;
  const listeners = new Set<ErrorListener>();
  const watched = new Set<Watched>();
  let cancel: (() => void) | undefined;

  const tell = async (bdf: Bdf, ask: ErrorListener, fatal: boolean): Promise<void> => {
    if (fatal) {
      await ask({ bdf, stage: 'detected', channel: ChannelState.permanentFailure });
      return;
    }
    await recover({ functions: [bdf], severity: 'nonfatal', ask, resetLink: async () => false });
  };

  const look = async (one: Watched): Promise<void> => {
    const before = one.seen;
    const now = await readCounts(await one.folders, read);
    one.seen = now;
    one.unreadable = false;
    const [ask] = listeners;
    if (before === undefined || ask === undefined || !watched.has(one)) return;
    const fatal = now.fatal > before.fatal;
    if (!fatal && now.nonfatal <= before.nonfatal) return;
    const facts = { bdf: formatBdf(one.bdf), severity: fatal ? 'fatal' : 'nonfatal' };
    if (one.limit.allows()) log.warn({ ...facts, ...one.limit.takeMore() }, 'the host counted an error');
    await tell(one.bdf, ask, fatal);
  };

  const start = (one: Watched): void => {
    if (one.busy) return;
    one.busy = true;
    look(one)
      .catch((error: unknown) => {
        // A function that is being removed; its guest hears of that on another way.
        const why = hostError('read of error counters', error).message;
        if (!one.unreadable) log.warn({ bdf: formatBdf(one.bdf), why }, 'errors of a device are not seen');
        one.unreadable = true;
      })
      .finally(() => {
        one.busy = false;
      });
  };

  const arm = (): void => {
    cancel ??= clock.after(interval, () => {
      cancel = undefined;
      for (const one of watched) start(one);
      if (watched.size > 0) arm();
    });
  };

  const disarm = (): void => {
    cancel?.();
    cancel = undefined;
  };

  const foldersOf = async (bdf: Bdf): Promise<readonly string[]> =>
    [bdf, ...(await bridgesAbove(bdf))].map((one) => functionFolder(sysfsRoot, one));

  return {
    subscribe(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    watch(bdf) {
      const limit = new RateLimit(() => clock.now(), 10, 60_000);
      const one: Watched = { bdf, folders: foldersOf(bdf), seen: undefined, busy: false, unreadable: false, limit };
      watched.add(one);
      // At once: what is counted from now on concerns the guest.
      start(one);
      arm();
      return () => {
        watched.delete(one);
        if (watched.size === 0) disarm();
      };
    },
    close() {
      watched.clear();
      disarm();
    },
  };
};
