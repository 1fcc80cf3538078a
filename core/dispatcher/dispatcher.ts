// SPDX-License-Identifier: MIT

import type { DeviceInterrupts } from '../interrupts.ts';
import { Command, commandNames, OP_BYTES, Status, statusName } from '../ring/layout.ts';
import type { Request } from '../ring/request.ts';
import type { Ring } from '../ring/ring.ts';
import type { ConfigSpace } from '../space/config-space.ts';
import { Outcome } from '../space/outcome.ts';
import type { GuestView } from '../space/views.ts';

/** A device as the dispatcher needs it; without an assignment no guest has it at this moment. */
export interface Target {
  readonly assignment:
    | {
        readonly space: ConfigSpace;
        readonly interrupts: DeviceInterrupts;
        /** Why the device was cut off from its guest; every request for it fails then. */
        readonly fenced?: string | undefined;
      }
    | undefined;
}

/** Finds the device at a guest's address. Allocates nothing, throws never. */
export interface TargetLookup {
  lookup(segment: number, bus: number, devfn: number): Target | undefined;
}

/** Index of the counter for commands that do not exist. */
const UNKNOWN = commandNames.length;
/** Bytes in which a guest's request at work is noted: {@link Work}, then the request. */
export const WORK_BYTES = 4 * 7 + OP_BYTES;
/** Words of it: how far the request is, by what it is known again, its status when it is done, and its answer then. */
const Work = { phase: 0, command: 1, address: 2, offset: 3, size: 4, value: 5, status: 6, request: 7 } as const;
const NOTHING = 0;
const BEGUN = 1;
const DONE = 2;

/** Statuses 0..-5 have counters of their own, every other one shares the last. */
const OTHER = 6;

/**
 * One request in, one answer out, for one guest: every command, every error code. It decides from the private copy only
 * and reports what went wrong inside as `op_failed` (S-13).
 */
export class Dispatcher {
  readonly #targets: TargetLookup;
  readonly #failed: (error: unknown) => void;
  /** In shared memory, because a lane counts what it answers here too. */
  readonly #requests = new Float64Array(new SharedArrayBuffer(8 * (UNKNOWN + 1)));
  readonly #statuses = new Float64Array(new SharedArrayBuffer(8 * (OTHER + 1)));

  readonly #work: Int32Array;
  /** The part of it that has the answer. */
  readonly #answer: Int32Array;

  /**
   * @param failed told about anything thrown while a request was worked on
   * @param work {@link WORK_BYTES}, which outlive this process if what is done to devices is not to be done twice
   */
  constructor(targets: TargetLookup, failed: (error: unknown) => void, work?: ArrayBufferLike) {
    this.#targets = targets;
    this.#failed = failed;
    this.#work = new Int32Array(work ?? new ArrayBuffer(WORK_BYTES), 0, WORK_BYTES >> 2);
    this.#answer = this.#work.subarray(Work.request);
  }

  /** Whether an earlier process died while it carried out an interrupt request for the device at this address. */
  wasInterrupted(address: number): boolean {
    const work = this.#work;
    return (
      work[Work.phase] === BEGUN && work[Work.command] !== Command.confWrite && work[Work.address] === (address | 0)
    );
  }

  /**
   * Answers what an earlier process has done and not answered, and does again, but clears nothing, what it may have done; all
   * else that it had only begun comes again, and so does another request that the guest has sent since it was answered.
   */
  resume(ring: Ring): void {
    const work = this.#work;
    if (work[Work.phase] !== NOTHING && ring.pending) {
      const request = ring.snapshot();
      const isWrite = request.cmd === Command.confWrite;
      let status: Outcome = Outcome.needsCode;
      if (this.#isNoted(request)) {
        const { offset, size, bits } = request;
        const target = this.#find(request);
        if (work[Work.phase] === DONE) status = work[Work.status] as number;
        else if (isWrite && target?.fenced === undefined)
          status = target?.space.writeAgain(offset, size, bits) ?? status;
      }
      if (status !== Outcome.needsCode) {
        if (!isWrite) request.restore(this.#answer);
        request.err = status;
        ring.answer();
      }
    }
    work[Work.phase] = NOTHING;
  }

  /** Whether it is the request that is noted. The value of an interrupt request may be its answer already. */
  #isNoted(request: Request): boolean {
    const work = this.#work;
    return (
      work[Work.command] === (request.cmd | 0) &&
      work[Work.address] === addressOf(request) &&
      work[Work.offset] === (request.offset | 0) &&
      work[Work.size] === (request.size | 0) &&
      (request.cmd !== Command.confWrite || work[Work.value] === request.bits)
    );
  }

  /** The answer is with the guest. */
  answered(): void {
    this.#work[Work.phase] = NOTHING;
  }

  /**
   * Works on the request and leaves the answer in it.
   *
   * @returns `false` when the answer comes later: see {@link settle}
   */
  dispatch(request: Request): boolean {
    const command = request.cmd;
    const counter = command < UNKNOWN ? command : UNKNOWN;
    this.#requests[counter] = (this.#requests[counter] as number) + 1;
    // Apart, so that the compiler keeps a read in one piece.
    return command === Command.confRead ? this.#read(request) : this.#change(request, command);
  }

  #read(request: Request): boolean {
    let status: Outcome = Status.devNotFound;
    try {
      const target = this.#find(request);
      if (target !== undefined) {
        if (target.fenced !== undefined) status = Status.opFailed;
        else {
          status = target.space.read(request.offset, request.size);
          request.value = target.space.bits;
        }
      }
    } catch (error) {
      status = Status.opFailed;
      this.#failed(error);
    }
    if (status === Outcome.later) return false;
    this.#settle(request, status);
    return true;
  }

  #change(request: Request, command: number): boolean {
    this.#begin(request, command);
    let status: Outcome = Status.devNotFound;
    try {
      const target = this.#find(request);
      if (target !== undefined) {
        if (target.fenced !== undefined) status = Status.opFailed;
        else status = other(target, request, command);
      }
    } catch (error) {
      status = Status.opFailed;
      this.#failed(error);
    }
    if (status === Outcome.later) return false;
    this.settle(request, status);
    return true;
  }

  /** Puts the status of a request that was answered later, or changed something, into its answer. */
  settle(request: Request, status: number): void {
    const work = this.#work;
    if (work[Work.phase] === BEGUN) {
      if (work[Work.command] !== Command.confWrite) request.save(this.#answer);
      work[Work.status] = status;
      work[Work.phase] = DONE;
    }
    this.#settle(request, status);
  }

  #settle(request: Request, status: number): void {
    request.err = status;
    const counter = status <= 0 && status >= Status.opFailed ? -status : OTHER;
    this.#statuses[counter] = (this.#statuses[counter] as number) + 1;
  }

  #begin(request: Request, command: number): void {
    const work = this.#work;
    work[Work.command] = command;
    work[Work.address] = addressOf(request);
    work[Work.offset] = request.offset;
    work[Work.size] = request.size;
    work[Work.value] = request.bits;
    work[Work.phase] = BEGUN;
  }

  /** The device at the address of the request, in the hands of the guest. */
  #find({ segment, bus, devfn }: Request): Target['assignment'] {
    // Range checks come before the mapper (S-2): a mapper sees only addresses that exist.
    if (segment > 0xffff || bus > 0xff || devfn > 0xff) return undefined;
    return this.#targets.lookup(segment, bus, devfn)?.assignment;
  }

  /** The counters themselves. */
  get counters(): Pick<GuestView, 'requests' | 'statuses'> {
    return { requests: this.#requests, statuses: this.#statuses };
  }

  /** Requests so far, by the name of the command; only those that occurred. */
  requests(): Record<string, number> {
    return named(this.#requests, (index) => commandNames[index] ?? 'unknown');
  }

  /** Answers so far, by the name of the status; only those that occurred. */
  statuses(): Record<string, number> {
    return named(this.#statuses, (index) => (index === OTHER ? 'other errno' : statusName(-index)));
  }
}

const addressOf = ({ segment, bus, devfn }: Request): number => (segment << 16) | (bus << 8) | devfn;

/** Apart from the rest, which the compiler then keeps in one piece for reads. */
const other = (target: NonNullable<Target['assignment']>, request: Request, command: number): Outcome => {
  switch (command) {
    case Command.confWrite: {
      const status = target.space.write(request.offset, request.size, request.bits);
      if (status === Status.success) target.interrupts.follow();
      return status;
    }
    case Command.enableMsi:
      return target.interrupts.enableMsi(request);
    case Command.disableMsi:
      return target.interrupts.disableMsi(request);
    case Command.enableMsix:
      return target.interrupts.enableMsix(request);
    case Command.disableMsix:
      return target.interrupts.disableMsix(request);
    default:
      return Status.notImplemented;
  }
};

const named = (counters: Float64Array, name: (index: number) => string): Record<string, number> => {
  const result: Record<string, number> = {};
  for (const [index, count] of counters.entries()) if (count > 0) result[name(index)] = count;
  return result;
};
