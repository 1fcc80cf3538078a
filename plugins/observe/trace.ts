// SPDX-License-Identifier: MIT

import { formatBdf, hex } from '../../core/bdf.ts';
import type { DeviceFacts, GuestFacts } from '../../core/facts.ts';
import { type Logger, RateLimit } from '../../core/log.ts';
import type { Engine } from '../../core/pciback.ts';
import { definePlugin, type Undo } from '../../core/plugin/index.ts';
import { statusName } from '../../core/ring/layout.ts';
import type { Denial } from '../../core/space/denials.ts';
import { Outcome } from '../../core/space/outcome.ts';
import type { AccessRecorder, RecordedAccess } from '../../core/space/recorder.ts';
import type { PartContext, RunningPart } from '../kinds/part.ts';

/** Lines of one guest at once, and milliseconds in which as many may follow: a scan of some devices fits. */
const OF_ONE = [500, 5000] as const;
/** Lines of all guests together. */
const OF_ALL = [2000, 5000] as const;

const hexOf = (value: number, digits: number): string => `0x${hex(value, digits)}`;

/** `header / command` of `fields/header: header / command`, and the word of the policy for bits without a field. */
const registerOf = (owner: string): string => owner.slice(owner.indexOf(': ') + 2);

/** Lines of one guest, as many as it may cause. */
class GuestLines {
  readonly #log: Logger;
  readonly #own = new RateLimit(() => performance.now(), ...OF_ONE);
  readonly #all: RateLimit;

  constructor(log: Logger, all: RateLimit) {
    this.#log = log;
    this.#all = all;
  }

  say(facts: object, message: string): void {
    // What one bucket or the other has held back is told with the next line.
    if (!this.#own.allows()) return;
    if (!this.#all.allows()) {
      this.#own.suppressed++;
      return;
    }
    this.#log.debug({ ...facts, ...this.#own.takeMore() }, message);
  }
}

/** Says what became of each config access of one device in the hands of one guest. */
class Tracer implements AccessRecorder {
  readonly #engine: Engine;
  readonly #device: DeviceFacts;
  readonly #guest: number;
  readonly #lines: GuestLines;

  constructor(engine: Engine, device: DeviceFacts, guest: GuestFacts, lines: GuestLines) {
    this.#engine = engine;
    this.#device = device;
    this.#guest = guest.domain;
    this.#lines = lines;
  }

  /** Names of the registers that an access touches, without who brings them. */
  #registers(offset: number, size: number): string {
    const { bdf } = this.#device;
    const space = this.#engine.stub.devices.find((one) => one.bdf === bdf)?.assignment?.space;
    const claims = space?.claimsOf(offset, size === 4 ? 0xffff_ffff : 2 ** (8 * size) - 1) ?? [];
    return [...new Set(claims.map(({ owner }) => registerOf(owner)))].join(', ') || 'no field';
  }

  access({ kind, offset, size, value, status, denied }: RecordedAccess): void {
    this.#lines.say(
      {
        guest: this.#guest,
        bdf: formatBdf(this.#device.bdf),
        request: kind === 'read' ? 'conf_read' : 'conf_write',
        offset: hexOf(offset, 2),
        size,
        value: hexOf(value, 2 * size),
        register: this.#registers(offset, size),
        answer: status === Outcome.later ? 'later' : statusName(status),
        ...(denied === 0 ? {} : { refused: hexOf(denied, 2 * size) }),
      },
      'request',
    );
  }
}

/** A write that did not do all that it asked for, when it is seen for the first time. */
const refusalOf = ({ guest, bdf, offset, size, value, mask, owner, why }: Denial): object => ({
  guest,
  bdf: formatBdf(bdf),
  offset: hexOf(offset, 2),
  size,
  value: hexOf(value, 2 * size),
  refused: hexOf(mask, 2 * size),
  register: registerOf(owner),
  owner,
  why,
});

/**
 * At level debug, a line in the log for each config access of a guest and its answer (seed 4969a3a2cd). Nothing is taken down
 * at another level: then requests go the way they always go.
 */
export default definePlugin({
  name: 'observe/trace',
  api: '^1.0',
  apply: (host) => {
    const all = new RateLimit(() => performance.now(), ...OF_ALL);
    const guests = new Map<number, GuestLines>();
    const linesOf = (guest: number): GuestLines => {
      const known = guests.get(guest) ?? new GuestLines(host.log, all);
      guests.set(guest, known);
      return known;
    };
    const start = ({ engine, config }: PartContext): RunningPart => {
      /** One for each guest and device: the hook asks again whenever plugins come or go. */
      const tracers = new Map<string, Tracer>();
      let untap: Undo = () => {};
      const tap = (): void => {
        untap();
        untap = host.hooks.unhandledWrite.tap((device, guest) => {
          if (config.log.level !== 'debug') return undefined;
          const key = `${guest.domain} ${device.bdf}`;
          const recorder = tracers.get(key) ?? new Tracer(engine, device, guest, linesOf(guest.domain));
          tracers.set(key, recorder);
          return { recorder };
        });
      };
      // The first answer counts: whoever has one comes before this, also one that is loaded later.
      tap();
      const deaf = engine.plugins.onChange(({ what }) => {
        // One that goes changes no order, and may be this one: a stop that is too long unloads all while parts still run.
        if (what === 'loaded') tap();
        return { commit: () => ({ devices: 0, waiting: 0, ms: 0, failures: [] }) };
      });
      const forget = host.hooks.deviceReturned.tap(async ({ bdf }, { domain }) => {
        tracers.delete(`${domain} ${bdf}`);
      });
      return {
        stop: () => {
          for (const undo of [deaf, forget, untap]) undo();
        },
      };
    };
    host.parts.add('trace', { about: 'At level debug, a line in the log for each request and its answer.', start });
    host.hooks.deniedWrite.tap((denial) => {
      linesOf(denial.guest).say(refusalOf(denial), 'write refused');
      return undefined;
    });
    host.hooks.guestDisconnected.tap(({ domain }) => {
      guests.delete(domain);
      return undefined;
    });
  },
});
