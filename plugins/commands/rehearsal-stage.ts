// SPDX-License-Identifier: MIT

import { RehearsalLane } from '../../core/lane/index.ts';
import type {
  EventChannel,
  EventChannels,
  InterruptMapper,
  PaperFunction,
  PciBus,
  Platform,
  RehearsalParts,
} from '../../core/platform/index.ts';
import { createEmbeddedPlatform, type DeviceImage, type EmbeddedPlatform } from '../platforms/embedded/index.ts';

/** Where a rehearsal takes place. */
export interface Stage {
  /** For a `Pciback` of its own. */
  readonly platform: Platform;
  /** Toolstack, store and guests. */
  readonly embedded: EmbeddedPlatform;
  /** Events of guests that the control thread has heard so far: with a lane those of requests that were handed over. */
  readonly requests: number;
  /** Gives back everything. Nothing of the stage runs afterwards. */
  close(): Promise<void>;
}

export interface StageTerms {
  /** The platform whose control thread is rehearsed. */
  readonly real: Platform;
  readonly parts: RehearsalParts;
  readonly devices: readonly DeviceImage[];
  /** Called at each event of a guest: a good moment to see whether it should go on. */
  readonly turn: () => void;
  /** Something was thrown where nobody else would catch it. */
  readonly failed: (error: unknown) => void;
}

/** First number of a PIRQ that is no line. */
const FIRST_PIRQ = 256;

/** PIRQs that are numbers and nothing else. */
const numbers = (): InterruptMapper => {
  let next = FIRST_PIRQ;
  return {
    prepareMsix: () => undefined,
    releaseMsix: () => undefined,
    mapMsi: () => next++,
    mapMsix: () => next++,
    unmap: () => undefined,
    linePirq: (device) => device.line,
  };
};

/** The embedded bus, with the real platform's kind of function in the hands of whoever seizes one. */
const paperBus = ({ parts, devices }: StageTerms, pci: EmbeddedPlatform['pci']): PciBus & { close(): void } => {
  const papers: PaperFunction[] = [];
  return {
    list: () => pci.list(),
    bridgesAbove: (address) => pci.bridgesAbove(address),
    async seize(address) {
      const { identity, resources, line } = await pci.seize(address);
      const config = devices.find(({ bdf }) => bdf === address)?.config ?? new Uint8Array(identity.configSize);
      const paper = parts.function({ identity, resources, line, config });
      papers.push(paper);
      return paper;
    },
    // Nobody seizes it again.
    release: async (device) => papers.find((paper) => paper === device)?.close(),
    close() {
      for (const paper of papers) paper.close();
    },
  };
};

/**
 * A platform on which everything is made up, except for what can be had of the real one without a guest, hardware or a
 * store: event channels of this process to itself, and functions on paper. Store, toolstack and guests are those of the
 * embedded platform. Where the control thread has to hear of an event of such a guest, it is sent through a real channel.
 */
export const createStage = (terms: StageTerms): Stage => {
  const { real, parts, devices, turn, failed } = terms;
  const timers = new Set<() => void>();
  let closed = false;
  const guarded = (work: () => void) => (): void => {
    try {
      work();
    } catch (error) {
      failed(error);
    }
  };
  const clock: Platform['clock'] = {
    now: () => real.clock.now(),
    after(milliseconds, callback) {
      // What was under way at the end may still ask for one.
      if (closed) return () => undefined;
      const cancel = real.clock.after(milliseconds, () => {
        timers.delete(cancel);
        guarded(callback)();
      });
      timers.add(cancel);
      return () => {
        timers.delete(cancel);
        cancel();
      };
    },
  };
  const embedded = createEmbeddedPlatform({ devices, clock });
  const lane = real.lane === undefined ? undefined : new RehearsalLane();
  const ends: EventChannel[] = [];
  let requests = 0;
  const heard = (listener: () => void): void => {
    requests++;
    if (lane === undefined) listener();
    else lane.tell(listener);
  };
  const events: EventChannels = {
    bindInterdomain(domain, remotePort, listener) {
      const guest = embedded.events.bindInterdomain(
        domain,
        remotePort,
        guarded(() => {
          turn();
          guest.unmask();
          const look = lane?.hear() ?? 'handed over';
          if (look === 'answered') guest.notify();
          else if (look === 'handed over') there.notify();
        }),
      );
      const answered = guarded(() => {
        there.unmask();
        lane?.settle();
        guest.notify();
      });
      const { here, there } = parts.channel(
        guarded(() => heard(listener)),
        answered,
      );
      ends.push(there, here);
      // The real one, as it is: the back end closes it, unless something was thrown before that.
      return here;
    },
  };
  const pci = paperBus(terms, embedded.pci);
  const platform: Platform = {
    name: 'rehearsal',
    domain: embedded.domain,
    xenstore: embedded.xenstore,
    grants: {
      map(domain, reference) {
        const { memory, unmap } = embedded.grants.map(domain, reference);
        return { memory, reference: memory as SharedArrayBuffer, unmap };
      },
    },
    events,
    pci,
    interrupts: numbers(),
    // Nobody else is on a line, and no handler is ever put on one.
    lines: {
      canClaim: real.lines.canClaim,
      claim: () => ({ release: () => undefined }),
      isShared: () => false,
      hostUsers: () => [],
    },
    clock,
    // Without a lane the control thread would watch in vain after each answer: meanwhile the guest has no turn to ask.
    ...(lane === undefined ? {} : { lane, ...(real.watch === undefined ? {} : { watch: real.watch }) }),
    close: async () => undefined,
  };
  return {
    platform,
    embedded,
    get requests() {
      return requests;
    },
    async close() {
      closed = true;
      for (const cancel of [...timers]) cancel();
      timers.clear();
      const failures: unknown[] = [];
      for (const part of [...ends.splice(0), pci]) {
        try {
          part.close();
        } catch (error) {
          failures.push(error);
        }
      }
      await embedded.close();
      if (failures.length > 0) throw failures[0];
    },
  };
};
