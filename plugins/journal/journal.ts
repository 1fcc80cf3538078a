// SPDX-License-Identifier: MIT

import { join } from 'node:path';
import { WORK_BYTES } from '../../core/dispatcher/index.ts';
import { describeError } from '../../core/errors/index.ts';
import { type DeviceRecord, type GuestRecord, type Journal, PlainRecords } from '../../core/journal.ts';
import type { Logger } from '../../core/log.ts';
import type { KeptMemory } from '../../core/platform/index.ts';
import type { SwitchRecord } from '../journal-offers.ts';
import type { NativeLoader } from '../kinds/native.ts';
import { KeptPages } from './kept-pages.ts';
import type { QuirkRecord } from './quirk-notes.ts';
import { RecordFile } from './record-file.ts';
import { type Entry, EVERYTHING, type LostRecord } from './record-text.ts';
import { bytesOfTable } from './saved-state.ts';

/** Milliseconds after which a journal that could not be kept is begun anew. */
const AGAIN_MS = 1000;

/** Records whose changes are taken down before they count. */
class KeptRecords<Of> extends PlainRecords<Of> {
  readonly #kind: Entry['kind'];
  readonly #append: (entry: Entry) => void;

  constructor(kind: Entry['kind'], append: (entry: Entry) => void) {
    super();
    this.#kind = kind;
    this.#append = append;
  }

  override merge(name: string, change: Partial<Of>): void {
    this.#append({ kind: this.#kind, name, change: change as Entry['change'] });
    super.merge(name, change);
  }

  override delete(name: string): boolean {
    if (!this.has(name)) return false;
    this.#append({ kind: this.#kind, name, change: null });
    return super.delete(name);
  }

  /** Takes over what was taken down before. */
  apply({ name, change }: Entry): void {
    if (change === null) super.delete(name);
    else {
      const members = Object.entries(change).map(([key, one]) => [key, one ?? undefined] as const);
      super.merge(name, Object.fromEntries(members) as Partial<Of>);
    }
  }

  *noted(): Generator<Entry> {
    for (const [name, record] of this) yield { kind: this.#kind, name, change: record as Entry['change'] };
  }
}

/** What a journal is made with. */
export interface FolderTerms {
  /** Absolute; exists, and is nobody else's to change. */
  readonly folder: string;
  /** Names this start of the host: what an earlier one left is worth nothing. */
  readonly boot: string;
  /** Missing: state of registers ends with the process. */
  readonly native: NativeLoader | undefined;
  readonly log: Logger;
}

/** What is noted of a device beside what the stub notes. */
export interface KeptDevice extends DeviceRecord {
  /** What tells this holding of it from the next. */
  readonly holding?: string | undefined;
}

/** The journal in a folder: a file of records, and a file of memory. */
export class FolderJournal implements Journal {
  readonly devices: KeptRecords<KeptDevice>;
  readonly guests: KeptRecords<GuestRecord>;
  /** By name: what was loaded and unloaded while guests ran. */
  readonly quirks: KeptRecords<QuirkRecord>;
  /** By address: what was switched on for a device. */
  readonly switches: KeptRecords<SwitchRecord>;
  /** By the back end's directory: guests of which too little is known to go on with them. */
  readonly lost: KeptRecords<LostRecord>;
  /** Why nothing is kept now. */
  broken: string | undefined;
  /** Changes taken down so far. */
  written = 0;
  readonly #file: RecordFile;
  readonly #pages: KeptPages | undefined;
  readonly #log: Logger;
  #again: NodeJS.Timeout | undefined;

  /** @throws Error, HostError, PcibackError when the folder cannot be used */
  constructor({ folder, boot, native, log }: FolderTerms) {
    this.#log = log;
    const append = (entry: Entry): void => this.#append(entry);
    this.devices = new KeptRecords('device', append);
    this.guests = new KeptRecords('guest', append);
    this.quirks = new KeptRecords('quirk', append);
    this.switches = new KeptRecords('switch', append);
    this.lost = new KeptRecords('lost', append);
    const { devices, guests, quirks, switches, lost } = this;
    this.#file = new RecordFile(join(folder, 'journal'), boot, function* () {
      yield* devices.noted();
      yield* guests.noted();
      yield* quirks.noted();
      yield* switches.noted();
      yield* lost.noted();
    });
    this.#read();
    const left = [
      ...[...devices].flatMap(([, { table }]) => (table ? [{ at: table.at, bytes: bytesOfTable(table) }] : [])),
      ...[...guests].flatMap(([, { work }]) => (work < 0 ? [] : [{ at: work, bytes: WORK_BYTES }])),
    ];
    this.#pages = native === undefined ? undefined : new KeptPages(native, join(folder, 'words'), left);
    this.#file.begin();
  }

  #read(): void {
    const found = this.#file.read();
    if (found === undefined) return;
    if (found.what === 'unusable') {
      const aside = this.#file.setAside();
      this.#log.error({ aside, why: found.why }, 'journal of an earlier process not used: its guests are closed');
      this.#salvage(found.why, found.entries);
    } else if (found.what === 'other boot') this.#log.info({}, 'journal of before the host was started: not used');
    else {
      if (found.torn > 0) this.#log.warn({ bytes: found.torn }, 'last record of the journal was not finished');
      const { devices: device, guests: guest, quirks: quirk, lost } = this;
      const records = { device, guest, quirk, switch: this.switches, lost };
      for (const entry of found.entries) records[entry.kind].apply(entry);
    }
  }

  /** Devices are made clean by what is left of their records; guests are closed. */
  #salvage(why: string, entries: readonly Entry[]): void {
    this.lost.apply({ kind: 'lost', name: EVERYTHING, change: { why } });
    for (const entry of entries) {
      if (entry.kind === 'device') this.devices.apply(entry);
      if (entry.kind === 'guest') this.lost.apply({ ...entry, kind: 'lost', change: entry.change && { why } });
    }
    const change = { cleaning: true, table: null, before: null };
    for (const [name] of this.devices) this.devices.apply({ kind: 'device', name, change });
  }

  /** Serving goes on without a journal; one that is not kept up would only mislead the next process. */
  #append(entry: Entry): void {
    if (this.broken !== undefined) return;
    try {
      this.#file.append(entry);
      this.written++;
    } catch (error) {
      this.broken = describeError(error);
      this.#log.error({ why: this.broken }, 'journal not kept: a next process would not continue these guests');
      this.#file.remove();
      this.#tryAgain();
    }
  }

  /** A disk is full for a while: what is known then is taken down as a whole when it has room again. */
  #tryAgain(): void {
    this.#again = setTimeout(() => {
      try {
        this.#file.begin();
      } catch (error) {
        this.broken = describeError(error);
        this.#tryAgain();
        return;
      }
      this.broken = undefined;
      this.#log.warn({}, 'journal kept again');
    }, AGAIN_MS).unref();
  }

  allocate(bytes: number): KeptMemory {
    const unkept = { memory: new SharedArrayBuffer(bytes), at: -1 };
    if (this.#pages === undefined) return unkept;
    try {
      return this.#pages.allocate(bytes);
    } catch (error) {
      this.#log.warn({ bytes, why: describeError(error) }, 'state of registers ends with this process');
      return unkept;
    }
  }

  find(at: number, bytes: number): KeptMemory | undefined {
    return this.#pages?.find(at, bytes);
  }

  free(memory: KeptMemory): void {
    this.#pages?.free(memory);
  }

  /** Pages of memory that are given out; `undefined`: there is no such memory. */
  get pages(): number | undefined {
    return this.#pages?.pages;
  }

  /** Ends it. When nothing is left to be continued, nothing is left of it. */
  close(): void {
    clearTimeout(this.#again);
    const isIdle = [...this.devices].every(([, { guest, cleaning }]) => guest === undefined && cleaning === undefined);
    if (this.guests.size === 0 && isIdle) this.#file.remove();
    else this.#file.close();
    this.#pages?.close();
  }
}
