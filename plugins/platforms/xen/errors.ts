// SPDX-License-Identifier: MIT

import { type Bdf, formatBdf } from '../../../core/bdf.ts';
import { type Logger, RateLimit } from '../../../core/log.ts';
import type { Clock, ErrorListener, HostErrors } from '../../../core/platform/index.ts';
import { Verdict } from '../../../core/ring/layout.ts';
import { isSilent } from '../../../core/space/capabilities.ts';
import { recover } from '../recovery-sequence.ts';
import { functionFolder, hostError, readHeader, readText } from './sysfs-files.ts';

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
  /** How long the host's reset of a link is waited for. Default: {@link linkTimes}. */
  readonly times?: typeof linkTimes;
  /** Reads a file's text, `undefined` for one that is not there. Default: from the disk. */
  readonly read?: typeof readText;
  /** Reads the header of a function. Default: from the function. */
  readonly header?: typeof readHeader;
}

/**
 * Milliseconds after a fatal error was counted. `settled`: a function that answers and has all its addresses was reset by then, or
 * will not be. `lost`: one that does not answer by then is not waited for; the kernel gives it as long.
 */
const linkTimes = { settled: 3000, lost: 60_000 };

interface Counts {
  /** Of the function and the ports above it. */
  readonly nonfatal: number;
  readonly fatal: number;
  /** Messages of fatal errors that its root port got, from whatever is below it: for those no function counts. */
  readonly below: number;
}

/** One device that a guest has. */
interface Watched {
  readonly bdf: Bdf;
  /** The function and the bridges above it. */
  readonly folders: Promise<readonly string[]>;
  /** What was seen last; `undefined` before the first look. */
  seen: Counts | undefined;
  /** Its addresses on the bus when its guest got it: a reset takes them. `undefined`: they could not be read. */
  bars: Promise<string | undefined>;
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
  const ports = await Promise.all(folders.map((folder) => read(`${folder}/aer_rootport_total_err_fatal`)));
  return {
    nonfatal: await sum('aer_dev_nonfatal'),
    fatal: await sum('aer_dev_fatal'),
    below: ports.reduce((all, text) => all + Number(text ?? 0), 0),
  };
};

/** The vendor of a function that is not ready yet after its reset (PCI Express 5.0, §2.3.2). */
const NOT_READY = 0x0001;

/** The addresses in a header; `undefined` when nobody answers, or not yet. */
const barsIn = (header: Buffer): string | undefined => {
  const silent = isSilent({ readConfig: (offset, size) => header.readUIntLE(offset, size) });
  return silent || header.readUInt16LE(0) === NOT_READY ? undefined : header.toString('hex', 0x10, 0x28);
};

/**
 * PCI Express errors on a real host, as far as user space hears of them: by the counters in sysfs. The kernel recovers
 * by itself, with the vote of whatever driver holds the function; what a guest says does not reach it. So the guest is
 * told afterwards, stage by stage, as if its function were the only one. After a fatal error its link was reset under it: when
 * the function answers again, the recovery goes on with that; otherwise its channel is lost.
 */
export const createErrors = (options: ErrorOptions): XenErrors => {
  const {
    sysfsRoot,
    clock,
    log,
    bridgesAbove,
    interval = 1000,
    times = linkTimes,
    read = readText,
    header = readHeader,
  } = options;
  let closed = false;
  const listeners = new Set<ErrorListener>();
  const watched = new Set<Watched>();
  let cancel: (() => void) | undefined;

  /** Looks at the addresses of a function until `seen` says so, or for so many milliseconds. */
  const within = async (
    { bdf, bars }: Watched,
    patience: number,
    seen: (state: 'silent' | 'kept' | 'lost', passed: number) => boolean,
  ): Promise<boolean> => {
    const [since, before] = [clock.now(), await bars];
    for (;;) {
      const now = await header(functionFolder(sysfsRoot, bdf)).then(barsIn, () => undefined);
      const passed = clock.now() - since;
      const state = now === undefined ? 'silent' : before === undefined || now === before ? 'kept' : 'lost';
      if (seen(state, passed)) return true;
      if (passed >= patience || closed) return false;
      await new Promise<void>((resolve) => clock.after(interval, resolve));
    }
  };

  const tell = async (one: Watched, listener: ErrorListener, severity: 'nonfatal' | 'fatal'): Promise<void> => {
    const { bdf } = one;
    // What is not over when this process ends is the business of the next one.
    const ask: ErrorListener = async (error) => (closed ? Verdict.none : listener(error));
    const isBack = (state: string, passed: number) => state === 'lost' || (state === 'kept' && passed >= times.settled);
    let answers = false;
    if (severity === 'fatal') {
      // Before the first question: what a driver then lets go of has to be masked in a table that answers.
      answers = await within(one, times.lost, isBack);
      if (!closed && one.limit.allows())
        log.warn({ bdf: formatBdf(bdf), answers, ...one.limit.takeMore() }, 'the host reset a link');
    }
    await recover({ functions: [bdf], severity, ask, resetLink: async () => answers });
  };

  const look = async (one: Watched): Promise<void> => {
    const before = one.seen;
    const now = await readCounts(await one.folders, read);
    one.seen = now;
    one.unreadable = false;
    const [ask] = listeners;
    if (before === undefined || ask === undefined || !watched.has(one)) return;
    const counted = now.nonfatal > before.nonfatal ? 'nonfatal' : undefined;
    // A message from below the root port: whether it concerns this function is seen from what the host then resets.
    const isFatal = async () =>
      now.fatal > before.fatal ||
      (now.below > before.below && (await within(one, times.settled, (state) => state !== 'kept')));
    const severity = (await isFatal()) ? 'fatal' : counted;
    if (severity === undefined || closed) return;
    const facts = { bdf: formatBdf(one.bdf), severity };
    if (one.limit.allows()) log.warn({ ...facts, ...one.limit.takeMore() }, 'the host counted an error');
    await tell(one, ask, severity);
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
      const bars = header(functionFolder(sysfsRoot, bdf)).then(barsIn, () => undefined);
      const one: Watched = {
        bdf,
        folders: foldersOf(bdf),
        bars,
        seen: undefined,
        busy: false,
        unreadable: false,
        limit,
      };
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
      closed = true;
      watched.clear();
      disarm();
    },
  };
};
