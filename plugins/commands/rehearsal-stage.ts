// SPDX-License-Identifier: MIT

import { LaneByHand } from '../../core/lane/index.ts';
import {
  Errno,
  type EventChannel,
  type EventChannels,
  HostError,
  type InterruptMapper,
  type LineInterrupts,
  type PaperFunction,
  type PciBus,
  type PciFunction,
  type Platform,
  type RehearsalParts,
} from '../../core/platform/index.ts';
import { createEmbeddedPlatform, type DeviceImage, type EmbeddedPlatform } from '../platforms/embedded/index.ts';

/** Where a rehearsal takes place. */
export interface Stage {
  /** For a `Pciback` of its own. */
  readonly platform: Platform;
  /** Toolstack, store and guests. */
  readonly embedded: EmbeddedPlatform;
  /** Requests that went the way of those that a lane hands over, so far; without a lane all of them. */
  readonly requests: number;
  /** Gives back everything. Nothing of the stage runs afterwards. */
  close(): Promise<void>;
}

export interface StageTerms {
  /** The platform whose control thread is rehearsed. */
  readonly real: Platform;
  readonly parts: RehearsalParts;
  readonly devices: readonly DeviceImage[];
  /** Told before each event: a good moment to see whether it should go on. */
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

/** Nobody else is on a line, although the host is asked: that only reads. No handler is ever put on one. */
const quietLines = ({ lines }: Platform): LineInterrupts => ({
  canClaim: lines.canClaim,
  claim: () => ({ release: () => undefined }),
  isShared: () => false,
  hostUsers(line) {
    try {
      lines.hostUsers(line);
    } catch (error) {
      if (!(error instanceof HostError)) throw error;
    }
    return [];
  },
});

/** The embedded bus, with the real platform's kind of function in the hands of whoever seizes one. */
const paperBus = ({ parts, devices }: StageTerms, pci: EmbeddedPlatform['pci']): PciBus & { close(): void } => {
  const held = new Map<PciFunction, { readonly paper: PaperFunction; readonly inner: PciFunction }>();
  return {
    list: () => pci.list(),
    bridgesAbove: (address) => pci.bridgesAbove(address),
    async seize(address) {
      const inner = await pci.seize(address);
      const { identity, resources, line } = inner;
      const config = devices.find(({ bdf }) => bdf === address)?.config ?? new Uint8Array(identity.configSize);
      const paper = parts.function({ identity, resources, line, config });
      held.set(paper, { paper, inner });
      return paper;
    },
    async release(device) {
      const one = held.get(device);
      if (one === undefined) throw new HostError('release', Errno.ENODEV, 'it is not held');
      held.delete(device);
      one.paper.close();
      await pci.release(one.inner);
    },
    close() {
      for (const { paper } of held.values()) paper.close();
      held.clear();
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
  const lane = real.lane === undefined ? undefined : new LaneByHand();
  const ends: EventChannel[] = [];
  let alone = 0;
  const heard = (listener: () => void): void => {
    turn();
    if (lane !== undefined) lane.tell(listener);
    else {
      alone++;
      listener();
    }
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
      const bind = (): ReturnType<RehearsalParts['channel']> => {
        try {
          return parts.channel(
            guarded(() => heard(listener)),
            answered,
          );
        } catch (error) {
          guest.close();
          throw error;
        }
      };
      const { here, there } = bind();
      ends.push(guest, there);
      // The real one, as it is: the back end closes it, the other ends are closed with the stage.
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
    lines: quietLines(real),
    clock,
    ...(real.watch === undefined ? {} : { watch: real.watch }),
    ...(lane === undefined ? {} : { lane }),
    close: async () => undefined,
  };
  return {
    platform,
    embedded,
    get requests() {
      return lane?.handedOver ?? alone;
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
