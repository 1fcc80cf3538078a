// SPDX-License-Identifier: MIT

import { type Bdf, formatBdf } from '../../core/bdf.ts';
import { describeError } from '../../core/errors/index.ts';
import { Command, Flag, Page, Status, statusName } from '../../core/ring/layout.ts';
import type { PciModel } from '../../plugins/platforms/embedded/device.ts';
import { CapabilityId, ExtendedId } from '../../plugins/platforms/embedded/image.ts';
import type {
  EmbeddedPlatform,
  GuestAnswer,
  GuestDevice,
  GuestRequest,
  IncludedGuest,
} from '../../plugins/platforms/embedded/index.ts';
import type { SeededRandom } from '../kit/seeded-random.ts';

const COMMAND = 0x04;
const MASTER = 0x04;
const PARITY = 0x40;
const CACHE_LINE = 0x0c;
const FIRST_BAR = 0x10;
/** Device control of the express capability, and the bit that resets the function. */
const DEVICE_CONTROL = 0x08;
const FUNCTION_RESET = 0x8000;
/** Registers of advanced error reporting, and bits of them. */
const UNCORRECTABLE_MASK = 0x08;
const CORRECTABLE_STATUS = 0x10;
const UNCORRECTABLE = 0x07ff_f030;
const RECEIVER_ERROR = 0x1;
/** REG_DATA of a Broadcom network controller: whoever writes it writes another register through it. */
export const DATA_WINDOW = 0x80;
/** A register that only a quirk of this test opens. */
export const QUIRK_REGISTER = 0xf8;
const VECTORS = 3;
/** How long a front end waits for an answer, milliseconds. */
const FRONT_END_MS = 2000;

type Size = 1 | 2 | 4;

/** What one guest saw. */
export interface GuestCount {
  asked: number;
  /** Requests that the front end gave up. */
  lost: number;
  /** Requests that a front end with a clock of its own would have given up. */
  late: number;
  /** Longest time from a request to its answer, milliseconds. */
  longest: number;
  /** Answers that are not what this guest must see. */
  readonly wrong: string[];
  /** What shows that something was done twice. */
  readonly twice: string[];
}

export interface AskingTerms {
  readonly name: string;
  readonly platform: EmbeddedPlatform;
  readonly guest: IncludedGuest;
  /** Its device. */
  readonly bdf: Bdf;
  readonly random: SeededRandom;
  /** Told of each answer. */
  readonly answered: (guest: AskingGuest) => void;
  /** Gives what says whether one process has served since. Missing: no reset of the device counts as interrupted. */
  readonly watch?: () => () => boolean;
}

/** A guest that asks without pause and knows what each answer has to be, whoever gives it. */
export class AskingGuest {
  readonly name: string;
  readonly guest: IncludedGuest;
  readonly count: GuestCount = { asked: 0, lost: 0, late: 0, longest: 0, wrong: [], twice: [] };
  readonly model: PciModel;
  /** Resets that it asked for, and those of them in which the process died: nobody knows how far one was, so it is made again. */
  readonly resets = { asked: 0, interrupted: 0 };
  /** Whether the quirk of the test is in force; undefined: it may be. */
  quirk: boolean | undefined = false;
  /** Correctable errors are raised again at the first write that clears them. */
  rising = false;
  readonly #terms: AskingTerms;
  readonly #device: GuestDevice;
  readonly #random: SeededRandom;
  /** What registers show: only this guest changes them. */
  readonly #shown = new Map<string, number>();
  #serial = 0;
  #running: Promise<void> | undefined;
  #stopping = false;
  #wanted: { readonly done: () => void } | undefined;

  /** @throws Error when its guest has not found its device */
  constructor(terms: AskingTerms) {
    this.#terms = terms;
    this.name = terms.name;
    this.guest = terms.guest;
    this.#random = terms.random;
    const [device] = terms.guest.report().devices;
    if (device === undefined) throw new Error(`${terms.name} found no device`);
    this.#device = device;
    this.model = terms.platform.pci.model(terms.bdf);
  }

  /** Resets of its device that nobody asked for; one came with the seizing. */
  get extraResets(): number {
    const { asked, interrupted } = this.resets;
    return Math.max(0, this.model.counters.resets - 1 - asked - interrupted);
  }

  /** Whether the request in its page waits for an answer. */
  get isWaiting(): boolean {
    const page = this.guest.page();
    return page !== undefined && (Atomics.load(new Int32Array(page), Page.flags >> 2) & Flag.frontActive) !== 0;
  }

  start(): void {
    this.#stopping = false;
    this.#running = this.#ask();
    // `stop` hears of it too, if it is called.
    this.#running.catch((error: unknown) => this.count.wrong.push(`it asks no more: ${describeError(error)}`));
  }

  /** Resolves when its last answer is there and its registers are as they were. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#running;
  }

  /** Resets its device next. Resolves when that has begun. */
  reset(): Promise<void> {
    return new Promise((resolve) => {
      this.#wanted = { done: resolve };
    });
  }

  async #ask(): Promise<void> {
    const steps = [this.#ids, this.#size, this.#parity, this.#mask, this.#line, this.#clear, this.#window, this.#quirk];
    while (!this.#stopping) {
      if (this.#wanted !== undefined) {
        const { done } = this.#wanted;
        this.#wanted = undefined;
        await this.#reset(done);
      } else if (this.#random.oneIn(12)) await this.#interrupts();
      else await this.#random.pick(steps).call(this);
    }
  }

  async #request(request: GuestRequest): Promise<GuestAnswer> {
    const { segment, bus, devfn } = this.#device;
    const since = performance.now();
    const answer = await this.guest.request({ domain: segment, bus, devfn, ...request });
    const took = performance.now() - since;
    this.count.longest = Math.max(this.count.longest, took);
    if (took > FRONT_END_MS) this.count.late += 1;
    this.count.asked += 1;
    if (answer.timedOut) this.count.lost += 1;
    else this.#terms.answered(this);
    return answer;
  }

  async #read(offset: number, size: Size): Promise<number> {
    const { err, value, timedOut } = await this.#request({ cmd: Command.confRead, offset, size });
    if (err !== Status.success && !timedOut)
      this.#wrong(`read of 0x${offset.toString(16)}`, statusName(err), 'success');
    return value;
  }

  async #write(offset: number, size: Size, value: number): Promise<void> {
    const { err, timedOut } = await this.#request({ cmd: Command.confWrite, offset, size, value: value >>> 0 });
    if (err !== Status.success && !timedOut)
      this.#wrong(`write of 0x${offset.toString(16)}`, statusName(err), 'success');
  }

  #wrong(what: string, got: unknown, wanted: unknown): void {
    this.count.wrong.push(`${this.name}, request ${this.count.asked}: ${what}: got ${got}, expected ${wanted}`);
  }

  #expect(what: string, got: number, wanted: number): void {
    if (got >>> 0 !== wanted >>> 0) this.#wrong(what, `0x${got.toString(16)}`, `0x${wanted.toString(16)}`);
  }

  /** Reads a register that only this guest changes, and looks whether it still is as it left it. */
  async #known(what: string, offset: number, size: Size): Promise<number> {
    const value = await this.#read(offset, size);
    const shown = this.#shown.get(what);
    if (shown !== undefined) this.#expect(what, value, shown);
    return value;
  }

  /** Writes it, and reads what it must show then. */
  async #change(what: string, [offset, size]: readonly [number, Size], value: number, shown = value): Promise<void> {
    await this.#write(offset, size, value);
    this.#shown.set(what, shown >>> 0);
    await this.#known(what, offset, size);
  }

  async #ids(): Promise<void> {
    const { vendor, device } = this.#device;
    this.#expect('ids', await this.#read(0, 4), ((device << 16) | vendor) >>> 0);
  }

  /** The size of a base address is asked for by two writes; what the first left has to be there after it. */
  async #size(): Promise<void> {
    const [bar] = this.#device.bars;
    if (bar === undefined) return;
    const at = FIRST_BAR + 4 * bar.index;
    const address = await this.#known('address', at, 4);
    await this.#write(at, 4, 0xffff_ffff);
    const type = address & (bar.kind === 'io' ? 0x3 : 0xf);
    this.#expect('size mask', await this.#read(at, 4), (-bar.size | type) >>> 0);
    await this.#change('address', [at, 4], address);
  }

  /** A bit of the command register that is the guest's alone. */
  async #parity(): Promise<void> {
    const value = await this.#known('command', COMMAND, 2);
    await this.#change('command', [COMMAND, 2], value ^ PARITY);
  }

  /** A register that never reaches hardware. */
  async #mask(): Promise<void> {
    const at = this.#extended();
    if (at === undefined) return;
    const value = await this.#known('error mask', at + UNCORRECTABLE_MASK, 4);
    const other = (value & ~UNCORRECTABLE) | (this.#random.word() & UNCORRECTABLE);
    await this.#change('error mask', [at + UNCORRECTABLE_MASK, 4], other);
  }

  /** A register that reaches hardware. */
  async #line(): Promise<void> {
    await this.#known('cache line size', CACHE_LINE, 1);
    await this.#change('cache line size', [CACHE_LINE, 1], this.#random.below(256));
  }

  /** Clears an error, while the device raises the next one as soon as the first is cleared. */
  async #clear(): Promise<void> {
    const at = this.#extended();
    if (at === undefined) return;
    const offset = at + CORRECTABLE_STATUS;
    this.model.poke(offset, 1, RECEIVER_ERROR);
    this.#expect('error', await this.#read(offset, 4), RECEIVER_ERROR);
    this.rising = true;
    await this.#write(offset, 4, RECEIVER_ERROR);
    const isMissed = this.rising;
    this.rising = false;
    if (isMissed) this.#wrong('clearing an error', 'nothing done', 'a write');
    if ((await this.#read(offset, 4)) === 0) this.count.twice.push(`${this.name}: an error was cleared twice`);
  }

  /** To be called when its device was written. */
  written(offset: number): void {
    if (!this.rising || offset !== (this.#extended() ?? 0) + CORRECTABLE_STATUS) return;
    this.rising = false;
    this.model.poke(offset, 1, RECEIVER_ERROR);
  }

  /** Each value is written once. */
  async #window(): Promise<void> {
    if (this.#device.vendor !== 0x14e4) return;
    this.#serial += 1;
    await this.#known('data window', DATA_WINDOW, 4);
    await this.#change('data window', [DATA_WINDOW, 4], this.#serial);
  }

  /** A register that is writable as long as a quirk says so. */
  async #quirk(): Promise<void> {
    if (this.#device.device !== 0x10d3) return;
    const before = this.quirk;
    const value = await this.#known('quirk register', QUIRK_REGISTER, 4);
    const other = this.#random.word();
    await this.#write(QUIRK_REGISTER, 4, other);
    const now = await this.#read(QUIRK_REGISTER, 4);
    this.#shown.set('quirk register', now);
    // It came or went meanwhile: both are right.
    if (before !== this.quirk || before === undefined) return;
    this.#expect(`quirk register, ${before ? 'open' : 'closed'}`, now, before ? other : value);
  }

  /** Interrupts are given back and taken again; the hypervisor's table must agree with the vectors. */
  async #interrupts(): Promise<void> {
    const outcome = this.#device.driver;
    if (outcome === undefined || (outcome.interrupts !== 'msix' && outcome.interrupts !== 'msi')) return;
    await this.#interruptsOff();
    await this.#interruptsOn();
  }

  get #isMsix(): boolean {
    return this.#device.driver?.interrupts === 'msix';
  }

  async #interruptsOff(): Promise<void> {
    const { err } = await this.#request({ cmd: this.#isMsix ? Command.disableMsix : Command.disableMsi });
    if (err !== Status.success) this.#wrong('interrupts off', statusName(err), 'success');
    this.#expectPirqs([]);
  }

  async #interruptsOn(): Promise<void> {
    const entries = this.#isMsix ? [...Array(VECTORS).keys()] : [];
    const cmd = this.#isMsix ? Command.enableMsix : Command.enableMsi;
    const { err, value, vectors } = await this.#request({ cmd, value: entries.length, entries });
    if (err !== Status.success) this.#wrong('interrupts on', statusName(err), 'success');
    else this.#expectPirqs(this.#isMsix ? vectors : [value]);
  }

  #expectPirqs(wanted: readonly number[]): void {
    const { pirqs } = this.#terms.platform.hypervisor.ledger();
    const own = formatBdf(this.model.bdf);
    const mine = pirqs.filter((one) => one.domain === this.guest.domain && one.kind !== 'line' && one.bdf === own);
    const mapped = mine.map(({ pirq }) => pirq).sort();
    const told = [...wanted].sort();
    if (mapped.join() !== told.join()) this.#wrong('PIRQs', mapped.join() || 'none', told.join() || 'none');
  }

  /** @param begun called when the request is on its way */
  async #reset(begun: () => void): Promise<void> {
    const at = this.#device.capabilities.find(({ id }) => id === CapabilityId.express)?.offset;
    if (at === undefined || this.model.resetMethods()[0] !== 'flr') return begun();
    const hasInterrupts = this.#isMsix || this.#device.driver?.interrupts === 'msi';
    if (hasInterrupts) await this.#interruptsOff();
    const command = await this.#known('command', COMMAND, 2);
    const control = await this.#known('device control', at + DEVICE_CONTROL, 2);
    begun();
    this.resets.asked += 1;
    const isSame = this.#terms.watch?.();
    await this.#write(at + DEVICE_CONTROL, 2, control | FUNCTION_RESET);
    if (isSame?.() === false) this.resets.interrupted += 1;
    this.#shown.set('command', command & ~MASTER);
    await this.#change('command', [COMMAND, 2], command);
    await this.#known('device control', at + DEVICE_CONTROL, 2);
    await this.#size();
    if (hasInterrupts) await this.#interruptsOn();
  }

  #extended(): number | undefined {
    return this.#device.extended.find(({ id }) => id === ExtendedId.aer)?.offset;
  }
}
