// SPDX-License-Identifier: MIT

import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { z } from 'zod';
import { type Bdf, formatBdf } from '../../../core/bdf.ts';
import { describeError } from '../../../core/errors/index.ts';
import { fail } from '../../errors.ts';
import { addressOf, isMissing } from './sysfs-files.ts';

const domain = z.int().min(0).max(0x7fef);
/** Numbers of 64 bits, which JSON has no room for (XSA-476). */
const wide = z.string().regex(/^0x[0-9a-f]{1,16}$/);
const whole = z.int().min(0);

/** What was changed on the host for one function, in the words of its note. What has a domain is a guest's. */
const changeSchema = z.discriminatedUnion('what', [
  /** It was taken from this driver. */
  z.strictObject({ what: z.literal('driver'), was: z.string().min(1) }),
  /** `driver_override` was this; empty: nothing. */
  z.strictObject({ what: z.literal('override'), was: z.string() }),
  /** `power/control` was this. */
  z.strictObject({ what: z.literal('power'), was: z.string().min(1) }),
  /** It was enabled; its command register was this. */
  z.strictObject({ what: z.literal('enabled'), command: whole.max(0xffff) }),
  /** It is nobody's, by the IOMMU, while no guest has it. */
  z.strictObject({ what: z.literal('quarantine') }),
  /** The domain may use ports. */
  z.strictObject({ what: z.literal('ports'), domain, first: whole, count: whole }),
  /** The domain may map frames of 4 KiB. */
  z.strictObject({ what: z.literal('frames'), domain, first: wide, count: wide }),
  /** A line is mapped for the domain, as this PIRQ. */
  z.strictObject({ what: z.literal('line'), domain, pirq: whole }),
  /** The domain may bind that PIRQ. */
  z.strictObject({ what: z.literal('line permission'), domain, pirq: whole }),
  /** It is the domain's, by the IOMMU. */
  z.strictObject({ what: z.literal('assigned'), domain }),
  /** It is bound to the driver that has a handler on its line. `master`: it was bus master when it was last looked at. */
  z.strictObject({ what: z.literal('handler'), domain, line: whole, master: z.boolean().optional() }),
  /** The store announces it to the domain. */
  z.strictObject({ what: z.literal('entry'), domain }),
]);
export type Change = z.output<typeof changeSchema>;
export type GuestChange = Extract<Change, { readonly domain: number }>;
export type HostChange = Exclude<Change, GuestChange>;

export const isGuests = (change: Change): change is GuestChange => 'domain' in change;
export const isHosts = (change: Change): change is HostChange => !('domain' in change);

const same = (one: Change, other: Change): boolean => JSON.stringify(one) === JSON.stringify(other);

/**
 * What was changed on the host for each function, in files that outlive the process: each change is noted before it is made, and
 * forgotten after it was taken back. So a note may tell of a change that was not made, and what takes it back has to bear that.
 */
export class HostChanges {
  /** Where the notes are, a file for each function. */
  readonly folder: string;

  /** @param folder in memory: what was changed is gone with the kernel, and the notes have to be too */
  constructor(folder: string) {
    this.folder = folder;
  }

  #file(address: Bdf): string {
    return `${this.folder}/${formatBdf(address)}`;
  }

  /** Functions of which something is noted. */
  get addresses(): readonly Bdf[] {
    try {
      return readdirSync(this.folder)
        .map(addressOf)
        .filter((address) => address !== undefined);
    } catch (error) {
      if (isMissing(error)) return [];
      throw error;
    }
  }

  /** What is noted of a function, in the order in which it was made. @throws PcibackError `HOST_NOTE` for a note that nobody understands */
  of(address: Bdf): readonly Change[] {
    const file = this.#file(address);
    try {
      return z.array(changeSchema).parse(JSON.parse(readFileSync(file, 'utf8')), { jitless: true });
    } catch (error) {
      if (isMissing(error)) return [];
      return fail('HOST_NOTE', { file, bdf: formatBdf(address), why: describeError(error) }, error);
    }
  }

  #keep(address: Bdf, changes: readonly Change[]): void {
    const file = this.#file(address);
    if (changes.length === 0) {
      rmSync(file, { force: true });
      return;
    }
    mkdirSync(this.folder, { recursive: true, mode: 0o700 });
    // One that is read while it is written, or that a dying process leaves behind, is whole.
    writeFileSync(`${file}.new`, `${JSON.stringify(changes)}\n`, { mode: 0o600 });
    renameSync(`${file}.new`, file);
  }

  /** Notes a change and makes it; one that is refused is not noted. Throws what `act` throws. */
  async make(address: Bdf, change: Change, act: () => unknown): Promise<void> {
    this.#keep(address, [...this.of(address).filter((one) => !same(one, change)), change]);
    try {
      await act();
    } catch (error) {
      this.#forget(address, change);
      throw error;
    }
  }

  /** What is noted is told otherwise; nothing when it is not noted any more. */
  replace(address: Bdf, before: Change, now: Change): void {
    this.#keep(
      address,
      this.of(address).map((one) => (same(one, before) ? now : one)),
    );
  }

  #forget(address: Bdf, change: Change): void {
    this.#keep(
      address,
      this.of(address).filter((one) => !same(one, change)),
    );
  }

  /**
   * Takes changes back, the last first.
   *
   * @param which those of them
   * @param onRefusal `stop`: what was made before stays, because it cannot go alone; `go on`: as much as possible goes
   * @throws the first thing that was refused; what was not taken back stays noted
   */
  async undo<Which extends Change>(
    address: Bdf,
    which: (change: Change) => change is Which,
    act: (change: Which) => unknown,
    onRefusal: 'stop' | 'go on',
  ): Promise<void> {
    const refusals: unknown[] = [];
    for (const change of this.of(address).filter(which).reverse()) {
      try {
        await act(change);
        this.#forget(address, change);
      } catch (error) {
        refusals.push(error);
        if (onRefusal === 'stop') break;
      }
    }
    if (refusals.length > 0) throw refusals[0];
  }
}
