// SPDX-License-Identifier: MIT

import { formatBdf } from '../../core/bdf.ts';
import type { EventChannels, GrantTable, Holding, InterruptMapper, Xenstore } from '../../core/platform/index.ts';

/**
 * Counts what a platform gives out, in the calls that acquire it and give it back: so what somebody forgets to give back is
 * still there. What could not be given back stays too.
 */
export class Holdings {
  readonly #held = new Set<Holding>();
  readonly #pirqs = new Map<string, Holding>();

  /** What is held now, in the order in which it was acquired. */
  get all(): readonly Holding[] {
    return [...this.#held];
  }

  grants(inner: GrantTable): GrantTable {
    return {
      map: (domain, reference) => {
        const page = inner.map(domain, reference);
        const holding = this.#hold({ kind: 'page', domain, what: `reference ${reference}` });
        const unmap = (): void => {
          page.unmap();
          this.#held.delete(holding);
        };
        return { ...page, unmap };
      },
    };
  }

  events(inner: EventChannels): EventChannels {
    return {
      bindInterdomain: (domain, remotePort, listener) => {
        const channel = inner.bindInterdomain(domain, remotePort, listener);
        const holding = this.#hold({ kind: 'channel', domain, what: `port ${remotePort}` });
        const close = (): void => {
          channel.close();
          this.#held.delete(holding);
        };
        return { ...channel, close };
      },
    };
  }

  interrupts<Inner extends InterruptMapper>(inner: Inner): Inner {
    const mapped = (domain: number, pirq: number, what: string): number => {
      this.#pirqs.set(`${domain} ${pirq}`, this.#hold({ kind: 'pirq', domain, what: `${what}: PIRQ ${pirq}` }));
      return pirq;
    };
    return {
      ...inner,
      mapMsi: (domain, device) => mapped(domain, inner.mapMsi(domain, device), formatBdf(device.identity.bdf)),
      mapMsix: (domain, device, entry, tableBase) => {
        const pirq = inner.mapMsix(domain, device, entry, tableBase);
        return mapped(domain, pirq, `${formatBdf(device.identity.bdf)} entry ${entry}`);
      },
      adopt: (domain, device, pirq) => void mapped(domain, pirq, formatBdf(device.identity.bdf)),
      unmap: (domain, pirq) => {
        inner.unmap(domain, pirq);
        const key = `${domain} ${pirq}`;
        const holding = this.#pirqs.get(key);
        this.#pirqs.delete(key);
        if (holding !== undefined) this.#held.delete(holding);
      },
    };
  }

  store<Inner extends Xenstore>(inner: Inner): Inner {
    return {
      ...inner,
      watch: async (path, listener) => {
        const watch = await inner.watch(path, listener);
        const holding = this.#hold({ kind: 'watch', what: path });
        const close = async (): Promise<void> => {
          await watch.close();
          this.#held.delete(holding);
        };
        return { close };
      },
    };
  }

  #hold(holding: Holding): Holding {
    this.#held.add(holding);
    return holding;
  }
}
