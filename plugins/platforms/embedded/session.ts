// SPDX-License-Identifier: MIT

import { Errno, HostError, type LineClaim, type PciFunction, type Platform } from '../../../core/platform/index.ts';
import { Holdings } from '../holdings.ts';
import type { EmbeddedPlatform } from './index.ts';

/** A process on an embedded Xen. */
export interface Session {
  /** What the process gets. */
  readonly platform: Platform;
  /**
   * The process dies at once, as by `kill -9`: its pages are unmapped and its channels unbound, its watches and timers are
   * gone, its functions and lines free. Devices, PIRQs, nodes of the store and guests stay as they are. Whatever code of it
   * still runs reaches nothing any more: what it waits for never comes.
   */
  kill(): void;
}

/** Told of each call of the process to its host, before it is done and after; it may kill the process. */
export type Called = (call: string, when: 'before' | 'after') => void;

type Method = (...args: unknown[]) => unknown;

const NEVER = new Promise<never>(() => undefined);

/** Makes a session; see `EmbeddedPlatform.session`. */
export const createSession = (world: EmbeddedPlatform, called: Called = () => undefined): Session => {
  const { hypervisor, store, pci } = world;
  const host = hypervisor.domain(0);
  const xenstore = store.connect(0);
  const claims = new Set<LineClaim>();
  const holdings = new Holdings();
  const grants = holdings.grants(host.grants);
  const events = holdings.events(host.events);
  let isAlive = true;

  /**
   * The members of `target`, each of which does nothing when the process is dead.
   *
   * @param dead what a call answers then
   */
  const mortal = <Target extends object>(
    name: string,
    target: Target,
    dead: (member: string) => unknown,
    instead: Partial<Target> = {},
  ): Target =>
    new Proxy(target, {
      get: (_, member) => {
        const own = Reflect.get(instead, member) as unknown;
        const value = own ?? Reflect.get(target, member, target);
        if (typeof value !== 'function') return value;
        return (...args: unknown[]) => {
          if (isAlive) called(`${name}.${String(member)}`, 'before');
          if (!isAlive) return dead(String(member));
          const answer = (value as Method).apply(target, args);
          called(`${name}.${String(member)}`, 'after');
          return answer;
        };
      },
    });
  const whileAlive =
    <Args extends unknown[], Answer>(work: (...args: Args) => Answer) =>
    (...args: Args): Answer | undefined =>
      isAlive ? work(...args) : undefined;

  /** What it would have got nobody would give back. */
  const assertAlive = (): void => {
    if (!isAlive) throw new HostError('call of a process that is gone', Errno.ESRCH);
  };

  const held = new Map<PciFunction, PciFunction>();
  const platform: Platform = {
    name: world.name,
    domain: 0,
    xenstore: mortal('xenstore', xenstore, () => NEVER, {
      watch: async (path, listener) => mortal('watch', await xenstore.watch(path, whileAlive(listener)), () => NEVER),
    }),
    grants: {
      map: (domain, reference) => {
        called('grants.map', 'before');
        assertAlive();
        const page = grants.map(domain, reference);
        return mortal('page', page, () => undefined);
      },
    },
    events: {
      bindInterdomain: (domain, port, listener) => {
        called('events.bind', 'before');
        assertAlive();
        const channel = events.bindInterdomain(domain, port, whileAlive(listener));
        return mortal('channel', channel, () => undefined);
      },
    },
    pci: mortal('pci', pci, () => NEVER, {
      seize: async (address) => {
        const inner = await pci.seize(address);
        if (!isAlive) {
          // It died while the host was about it.
          await pci.release(inner);
          return NEVER;
        }
        const readNothing = (member: string) => (member === 'readConfig' ? 0xffffffff : NEVER);
        const outer = mortal('function', inner, readNothing);
        held.set(outer, inner);
        return outer;
      },
      stillHolds: async (device) => (await pci.stillHolds?.(held.get(device) ?? device)) ?? true,
      release: async (device) => pci.release(held.get(device) ?? device),
    }),
    interrupts: mortal('interrupts', holdings.interrupts(hypervisor.interrupts), () => 0),
    lines: mortal('lines', world.lines, () => undefined, {
      claim: (device, name, handler) => {
        const claim = world.lines.claim(device, name, handler);
        claims.add(claim);
        return claim;
      },
    }),
    clock: {
      now: () => world.clock.now(),
      after: (milliseconds, callback) => world.clock.after(milliseconds, whileAlive(callback)),
    },
    errors: world.errors,
    held: () => [...holdings.all, ...xenstore.watched().map((what) => ({ kind: 'watch' as const, what }))],
    census: () => world.census(),
    ...(world.domains === undefined ? {} : { domains: world.domains }),
    close: async () => {
      host.release();
      xenstore.close();
    },
  };
  return {
    platform,
    kill: () => {
      isAlive = false;
      host.release();
      xenstore.close();
      for (const claim of claims) claim.release();
      pci.abandon();
    },
  };
};
