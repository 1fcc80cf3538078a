// SPDX-License-Identifier: MIT

import type { FrontendKeys } from '../../core/journal.ts';
import type { Logger } from '../../core/log.ts';
import { HostError, type Platform } from '../../core/platform/index.ts';
import { backEnds, decimal, readState, XenbusState } from '../../core/xenbus/index.ts';
import type { FolderJournal } from './journal.ts';
import { EVERYTHING } from './record-text.ts';

/** What is needed to find them. */
export interface LostTerms {
  readonly platform: Platform;
  readonly journal: FolderJournal;
  readonly log: Logger;
}

const { unknown, initialising, closed, connected } = XenbusState;

const keysOf = async ({ xenstore }: Platform, frontend: string): Promise<FrontendKeys | undefined> => {
  const grantReference = decimal(await xenstore.read(`${frontend}/pci-op-ref`));
  const eventChannel = decimal(await xenstore.read(`${frontend}/event-channel`));
  return grantReference === undefined || eventChannel === undefined ? undefined : { grantReference, eventChannel };
};

/** Whether the guest's port waits for somebody: whoever bound it before is gone. */
const isFree = ({ events }: Platform, domain: number, keys: FrontendKeys | undefined): boolean => {
  if (keys === undefined) return false;
  try {
    events.bindInterdomain(domain, keys.eventChannel, () => undefined).close();
    return true;
  } catch (error) {
    if (error instanceof HostError) return false;
    throw error;
  }
};

/**
 * Guests of an earlier process whose journal cannot be used. They are noted as if they could be continued, which lets the
 * back end find them; it closes them in order when it hears that their devices cannot go on.
 */
export class LostGuests {
  readonly #domains = new Map<number, string>();

  /** Looks for them where the journal says that there may be some. */
  static async find(terms: LostTerms): Promise<LostGuests> {
    const lost = new LostGuests();
    const { platform, journal } = terms;
    const why = journal.lost.get(EVERYTHING)?.why;
    if (why === undefined) return lost;
    const root = `/local/domain/${platform.domain}/backend/pci`;
    for (const [domain, directory] of await backEnds(platform.xenstore, root)) {
      if (await lost.#note(terms, domain, directory)) lost.#domains.set(domain, why);
    }
    return lost;
  }

  /** @returns whether the guest is one of that process */
  async #note({ platform, journal, log }: LostTerms, domain: number, directory: string): Promise<boolean> {
    const { xenstore } = platform;
    const state = await readState(xenstore, directory);
    const frontend = await xenstore.read(`${directory}/frontend`);
    if (state === unknown || state === initialising || state === closed || frontend === undefined) return false;
    const keys = await keysOf(platform, frontend);
    const isFound = isFree(platform, domain, keys);
    // Another back end has its port: whatever the journal says, it is not that process's any more.
    const isServed = !isFound && (await readState(xenstore, frontend)) === connected;
    if (isServed || !(isFound || journal.lost.get(directory) !== undefined)) return false;
    const name = (await xenstore.read(`${directory}/domain`)) ?? `domain ${domain}`;
    journal.guests.merge(directory, { domain, name, frontend, work: -1, keys });
    log.error({ directory, guest: domain }, 'guest of an earlier process is closed: what was known of it is lost');
    return true;
  }

  /** Why the domain's devices cannot go on; `undefined`: they can. */
  whyOf(domain: number): string | undefined {
    return this.#domains.get(domain);
  }
}
