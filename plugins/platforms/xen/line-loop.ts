// SPDX-License-Identifier: MIT

/** What the thread is told of one function. */
export interface HeardFunction {
  /** Its place among those that are heard. */
  readonly slot: number;
  /** `/dev/uioN`, and config space. Both are closed by the thread. */
  readonly uio: number;
  readonly config: number;
  /** One word: 1 while the function may raise its line. */
  readonly open: Int32Array;
}

/** What the control thread tells the thread. */
export type ToLoop =
  | ({ readonly what: 'hear' } & HeardFunction)
  | { readonly what: 'look'; readonly slot: number }
  | { readonly what: 'drop'; readonly slot: number; readonly keepMaster: boolean }
  | { readonly what: 'end' };

/** What the thread tells the control thread. */
export type FromLoop =
  | { readonly what: 'interrupts'; readonly slot: number; readonly count: number }
  | { readonly what: 'master'; readonly slot: number; readonly on: boolean };

/** Calls of the host. */
export interface LoopHost {
  /** Waits until one of the files can be read, `ms` at most. @returns which of them, by index */
  wait(files: readonly number[], ms: number): readonly number[];
  /** Reads what `wait` announced: 4 bytes of a count, or 8 of the bell. @returns `undefined`: the device is gone */
  read(file: number, bytes: 4 | 8): number | undefined;
  /** The command register, and the status register above it; `undefined` when they cannot be read. */
  command(config: number): number | undefined;
  /** Milliseconds. */
  now(): number;
  /** Writes one byte of it. */
  write(config: number, offset: number, value: number): void;
  close(file: number): void;
}

/** The command register's bytes, bits of them, and what the status register says: it asks for service. */
const LOW = 4;
const HIGH = 5;
const MASTER = 0x04;
const INTX_DISABLE = 0x04;
const ASKS = 0x0008_0000;
/** What a function says that does not answer. */
const SILENT = 0xffff_ffff;

/**
 * Milliseconds that a guest gets to serve an interrupt before its function may raise the line again. It has heard the one that is there;
 * one that it heard of before it was ready comes again then, and not more often: a line that is raised without a pause takes the host.
 * Nor for longer: a function that asks may ask for the next thing already.
 */
const SERVICE_MS = 2;
/**
 * Milliseconds from an interrupt to the next look at its function, and between two looks while it asks for service. So a guest can
 * have 1000 interrupts a second of each, whatever its device does.
 */
const WAIT_MS = 1;

/** Milliseconds after which a function is looked at once more: another thread may have written back what it had read before. */
const SOON_MS = 20;
/**
 * Milliseconds between two looks otherwise: a reset or a change of power state may have brought INTX_DISABLE back. Nor does a process
 * end before a thread has come back from its system call.
 */
const STEADY_MS = 1000;
/** Milliseconds between two messages about interrupts: whoever hears of them has other work. */
const COUNT_MS = 100;
/** Milliseconds between two messages about MASTER: a guest may switch it as often as it likes, and each is noted in a file. */
const MASTER_MS = 1000;

interface Heard extends HeardFunction {
  /** When it was interrupted last. */
  at: number;
  count: number | undefined;
  /** Interrupts that were not told yet, and when some were told last. */
  more: number;
  countedAt: number;
  master: boolean | undefined;
  /** When MASTER was told last. */
  toldAt: number;
  gone: boolean;
}

/** Of a function of which nothing was heard yet. */
const NOT_HEARD = {
  at: 0,
  count: undefined,
  more: 0,
  countedAt: Number.NEGATIVE_INFINITY,
  master: undefined,
  toldAt: Number.NEGATIVE_INFINITY,
  gone: false,
};

/**
 * Hears the interrupts that `uio_pci_generic` claimed. That driver sets INTX_DISABLE with each, so the line is free at once; here it
 * is cleared again. Only its byte is written, so MASTER and decode, which the guest switches at the same time, are left alone.
 */
export class LineLoop {
  readonly #host: LoopHost;
  readonly #bell: number;
  readonly #next: () => ToLoop | undefined;
  readonly #tell: (message: FromLoop) => void;
  readonly #heard = new Map<number, Heard>();
  #soon = false;
  #waits = false;

  constructor(host: LoopHost, bell: number, next: () => ToLoop | undefined, tell: (message: FromLoop) => void) {
    this.#host = host;
    this.#bell = bell;
    this.#next = next;
    this.#tell = tell;
  }

  /** Until it is told to end. */
  run(): void {
    while (this.turn());
  }

  /** Waits once. @returns whether it goes on */
  turn(): boolean {
    const heard = [...this.#heard.values()].filter(({ gone }) => !gone);
    const ms = this.#waits ? WAIT_MS : this.#soon ? SOON_MS : STEADY_MS;
    const ready = this.#host.wait([this.#bell, ...heard.map(({ uio }) => uio)], ms);
    for (const index of ready) {
      const one = heard[index - 1];
      if (one !== undefined) this.#interrupted(one);
    }
    if (ready.length === 0) {
      this.#soon = this.#waits;
      this.#waits = false;
      for (const one of heard) this.#look(one);
    }
    return !ready.includes(0) || this.#told();
  }

  #interrupted(one: Heard): void {
    const count = this.#host.read(one.uio, 4);
    if (count === undefined) {
      one.gone = true;
      return;
    }
    one.more += one.count === undefined ? 1 : (count - one.count) | 0;
    one.count = count;
    one.at = this.#host.now();
    this.#waits = true;
  }

  #tellCount(one: Heard, now: number): void {
    if (one.more === 0 || now - one.countedAt < COUNT_MS) return;
    this.#tell({ what: 'interrupts', slot: one.slot, count: one.more });
    one.more = 0;
    one.countedAt = now;
  }

  /** Lets it raise its line again, if it may. */
  #look(one: Heard): void {
    const now = this.#host.now();
    this.#tellCount(one, now);
    const command = this.#host.command(one.config);
    if (command === undefined || command === SILENT) return;
    if (Atomics.load(one.open, 0) === 1 && ((command >> 8) & INTX_DISABLE) !== 0) {
      if ((command & ASKS) !== 0 && now - one.at < SERVICE_MS) this.#waits = true;
      else this.#host.write(one.config, HIGH, (command >> 8) & 0xff & ~INTX_DISABLE);
    }
    const master = (command & MASTER) !== 0;
    if (master === one.master || now - one.toldAt < MASTER_MS) return;
    one.master = master;
    one.toldAt = now;
    this.#tell({ what: 'master', slot: one.slot, on: master });
  }

  /** @returns whether it goes on */
  #told(): boolean {
    this.#host.read(this.#bell, 8);
    for (let message = this.#next(); message !== undefined; message = this.#next()) {
      switch (message.what) {
        case 'hear':
          this.#heard.set(message.slot, { ...message, ...NOT_HEARD });
          break;
        case 'look': {
          const one = this.#heard.get(message.slot);
          if (one !== undefined) this.#look(one);
          this.#soon = true;
          break;
        }
        case 'drop':
          this.#drop(message.slot, message.keepMaster);
          break;
        case 'end':
          for (const slot of [...this.#heard.keys()]) this.#drop(slot, true);
          return false;
      }
    }
    return true;
  }

  /**
   * The kernel takes MASTER away when the file is closed; a guest that goes on needs it. A function that leaves its guest may ask for
   * service still, where no reset made it clean: nobody would claim that, so it is kept from its line.
   */
  #drop(slot: number, keepMaster: boolean): void {
    const one = this.#heard.get(slot);
    if (one === undefined) return;
    this.#heard.delete(slot);
    const before = this.#host.command(one.config);
    const answers = before !== undefined && before !== SILENT;
    if (answers && !keepMaster) this.#host.write(one.config, HIGH, ((before >> 8) & 0xff) | INTX_DISABLE);
    this.#host.close(one.uio);
    if (answers && keepMaster && (before & MASTER) !== 0) this.#host.write(one.config, LOW, before & 0xff);
    this.#host.close(one.config);
  }
}
