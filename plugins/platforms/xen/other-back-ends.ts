// SPDX-License-Identifier: MIT

import { readdir } from 'node:fs/promises';
import { describeError } from '../../../core/errors/index.ts';
import type { Logger } from '../../../core/log.ts';
import type { Platform, StoreWatch } from '../../../core/platform/index.ts';
import { coalesced, SerialQueue } from '../../../core/serial-queue.ts';
import { isMissing, linkName, type WriteAttribute } from './sysfs-files.ts';

/** What is needed to bind them. */
export interface OtherBackEndsTerms {
  /** Folder of the bus in sysfs. */
  readonly bus: string;
  readonly platform: Pick<Platform, 'xenstore' | 'domain' | 'clock'>;
  readonly write: WriteAttribute;
  readonly log: Logger;
}

/**
 * Milliseconds after a change in the store at which the bus is looked at. The kernel reads the same change in its own time, and
 * makes the device then. Nothing is looked at in between, however often the store changes.
 */
const LOOKS = [20, 100, 400, 1500, 5000] as const;
/** Devices of these are served by this process. */
const OWN = 'pci-';
/** Devices that no driver wanted; it is said of so many at most. */
const MOST_UNWANTED = 256;

/** Binds the devices of all other back ends to their drivers, as the kernel does where `drivers_autoprobe` is 1. */
export class OtherBackEnds {
  bound = 0;
  refused = 0;
  readonly #terms: OtherBackEndsTerms;
  readonly #queue = new SerialQueue();
  /** Devices that have no driver although they were offered to all of them; each is offered once. */
  readonly #unwanted = new Set<string>();
  readonly #look: () => void;
  #watch: StoreWatch | undefined;
  /** The next of {@link LOOKS}. */
  #step = 0;
  #cancel: (() => void) | undefined;
  #closed = false;

  private constructor(terms: OtherBackEndsTerms) {
    this.#terms = terms;
    this.#look = coalesced(
      this.#queue,
      () => this.#bindAll(),
      (error) => terms.log.warn({ error: describeError(error) }, 'other back ends not looked at'),
    );
  }

  /** Binds what is there, and what comes until {@link close}. */
  static async watch(terms: OtherBackEndsTerms): Promise<OtherBackEnds> {
    const one = new OtherBackEnds(terms);
    const root = `/local/domain/${terms.platform.domain}/backend`;
    const own = `${root}/pci`;
    one.#watch = await terms.platform.xenstore.watch(root, (path) => {
      if (path !== own && !path.startsWith(`${own}/`)) one.#changed();
    });
    return one;
  }

  #changed(): void {
    if (this.#closed) return;
    this.#step = 0;
    if (this.#cancel === undefined) this.#next();
  }

  #next(): void {
    const at = LOOKS[this.#step++];
    this.#cancel = undefined;
    if (at === undefined || this.#closed) return;
    this.#cancel = this.#terms.platform.clock.after(at, () => {
      this.#look();
      this.#next();
    });
  }

  async #bindAll(): Promise<void> {
    const { bus, write, log } = this.#terms;
    const names = await devicesOf(bus);
    for (const gone of [...this.#unwanted]) if (!names.includes(gone)) this.#unwanted.delete(gone);
    for (const device of names) {
      if (device.startsWith(OWN) || this.#unwanted.has(device)) continue;
      if ((await linkName(`${bus}/devices/${device}/driver`)) !== undefined) continue;
      try {
        await write(`${bus}/drivers_probe`, device);
        const driver = await linkName(`${bus}/devices/${device}/driver`);
        if (driver === undefined) {
          if (this.#unwanted.size < MOST_UNWANTED) this.#unwanted.add(device);
          log.debug({ device }, 'no driver of the kernel wants this back end');
          continue;
        }
        this.bound++;
        log.info({ device, driver }, 'other back end bound');
      } catch (error) {
        this.refused++;
        if (this.#unwanted.size < MOST_UNWANTED) this.#unwanted.add(device);
        log.warn({ device, error: describeError(error) }, 'other back end not bound');
      }
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#cancel?.();
    await this.#watch?.close();
    await this.#queue.idle();
  }
}

const devicesOf = async (bus: string): Promise<string[]> => {
  try {
    return await readdir(`${bus}/devices`);
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
};
