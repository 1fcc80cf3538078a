// SPDX-License-Identifier: MIT

import { formatBdf } from '../../../core/bdf.ts';
import type { GuestLog } from '../../../core/budget.ts';
import { type Clock, whileRunning } from '../../../core/platform/index.ts';
import { Status } from '../../../core/ring/layout.ts';
import type { Assignment, SeizedDevice } from '../../../core/stub/index.ts';
import { BarMemory } from './bar-memory.ts';
import { ClientInterrupts, type Raised } from './client-interrupts.ts';
import { commandNames, Interrupt, Region } from './messages.ts';
import { LATER, type ServedDevice, Session } from './session.ts';
import { type Connection, Io, PollEvent, type Sockets } from './sockets.ts';
import { MessageStream, type StreamFault } from './stream.ts';

/** Capability of PCI Express. */
const EXPRESS = 0x10;
const INTERRUPT_PIN = 0x3d;
/** BARs and the ROM, which has no content: nobody knows that of a dump's. */
const REGIONS = Region.rom + 1;
/** Flags of a resource that the host does not have in use. */
const DISABLED = 0x10000000;

export interface ClientTerms {
  readonly sockets: Sockets;
  readonly connection: Connection;
  readonly device: SeizedDevice;
  readonly assignment: Assignment;
  /** Most bytes of memory behind the BARs. */
  readonly memory: number;
  readonly clock: Clock;
  /** Milliseconds after which a register that answered "later" is not waited for any more. */
  readonly patience: number;
  /** The client can be heard again: it waited for its device. */
  readonly wake: () => void;
  readonly log: GuestLog;
}

/** Why a client is not served any more. `hung up`: it went. */
export type ClientEnd = StreamFault | 'hung up';

const vectorsOf = ({ operations }: SeizedDevice): number[] => {
  const { hardware, msi, msix, lists } = operations;
  const control = (at: number): number => hardware.readConfig(at + 2, 2);
  return [
    hardware.readConfig(INTERRUPT_PIN, 1) === 0 ? 0 : 1,
    msi === undefined ? 0 : 1 << ((control(msi) >> 1) & 7),
    msix === undefined ? 0 : (control(msix) & 0x7ff) + 1,
    lists.standard.some((one) => one.id === EXPRESS) ? 1 : 0,
    1,
  ];
};

/** A client of one device: from a whole message to its reply, one at a time, without ever waiting for the client. */
export class Client {
  readonly assignment: Assignment;
  /** Why it is over; the door closes it then. */
  ended: ClientEnd | undefined;
  /** Whether it had more to do after its last turn, without waiting for anything. */
  hasMore = false;
  /** Messages that it was given an answer to, or needed none. */
  answered = 0;
  readonly session: Session;
  readonly #terms: ClientTerms;
  readonly #stream: MessageStream;
  readonly #device: ServedDevice;
  #state: 'open' | 'waits for its device' | 'does not read' = 'open';
  #sent = 0;
  #length = 0;
  #cancelWait: (() => void) | undefined;

  /** @throws HostError when the device does not answer */
  constructor(terms: ClientTerms) {
    const { sockets, connection, device, assignment } = terms;
    this.#terms = terms;
    this.assignment = assignment;
    const { hardware } = device.operations;
    const vectors = vectorsOf(device);
    this.#stream = new MessageStream(connection.received, sockets.close);
    this.#device = {
      space: assignment.space,
      configSize: assignment.space.table.bits.size,
      bars: hardware.resources.slice(0, REGIONS).map((one) => ((one.flags & DISABLED) === 0 ? Number(one.size) : 0)),
      memory: new BarMemory(terms.memory),
      vectors,
      interrupts: new ClientInterrupts({
        limits: vectors,
        device: assignment.interrupts,
        isEventfd: sockets.isEventfd,
        signal: sockets.signal,
        close: sockets.close,
      }),
      get isFenced() {
        return assignment.fenced !== undefined;
      },
      follow: () => assignment.interrupts.follow(),
      reset: () => device.operations.resetFunction(),
    };
    this.session = new Session(this.#device, this.#stream, connection.out);
  }

  get fd(): number {
    return this.#terms.connection.fd;
  }

  /** What to wait for; none while its device is waited for. */
  get events(): number {
    if (this.#state === 'open') return PollEvent.in;
    return this.#state === 'does not read' ? PollEvent.out : PollEvent.none;
  }

  /**
   * Does one thing for the client: takes in what it sent, or works on one message.
   *
   * @returns whether there may be more to do without waiting
   */
  turn(): boolean {
    this.hasMore = this.#turn();
    return this.hasMore;
  }

  #turn(): boolean {
    if (this.ended !== undefined || this.#state === 'waits for its device') return false;
    if (this.#state === 'does not read') return this.#send();
    const stream = this.#stream;
    let start = stream.take();
    if (start === -1) {
      if (!this.#receive()) return false;
      start = stream.take();
    }
    if (typeof start === 'string') {
      this.ended = start;
      return false;
    }
    if (start === -1) return false;
    return this.#reply(this.session.handle(start));
  }

  #receive(): boolean {
    const { connection } = this.#terms;
    const bytes = connection.receive(this.#stream.makeRoom());
    if (bytes > 0) {
      const fault = this.#stream.received(bytes, connection.fds);
      if (fault !== undefined) this.ended = fault;
      return fault === undefined;
    }
    if (bytes === Io.gone) this.ended = 'hung up';
    return false;
  }

  #reply(length: number): boolean {
    if (length === LATER) {
      this.#state = 'waits for its device';
      this.#limitWait();
      return false;
    }
    this.#length = length;
    this.#sent = 0;
    return this.#send();
  }

  #send(): boolean {
    const { connection } = this.#terms;
    while (this.#sent < this.#length) {
      const bytes = connection.send(this.#sent, this.#length - this.#sent);
      if (bytes === Io.wait) {
        this.#state = 'does not read';
        return false;
      }
      if (bytes < 0) {
        this.ended = 'hung up';
        return false;
      }
      this.#sent += bytes;
    }
    this.#state = 'open';
    this.answered++;
    this.#stream.done();
    return this.#stream.hasMore;
  }

  #limitWait(): void {
    const { clock, patience } = this.#terms;
    this.#cancelWait = whileRunning(clock, patience, () => {
      if (this.assignment.isSettling) this.#limitWait();
      else this.settled(Status.opFailed);
    });
  }

  /** The device has done what a message waited for. */
  settled(status: number): void {
    if (this.#state !== 'waits for its device' || this.ended !== undefined) return;
    this.#cancelWait?.();
    this.#state = 'open';
    this.#reply(this.session.settled(status));
    this.#terms.wake();
  }

  /** The device raises an interrupt. */
  raise(index: number, vector: number): Raised {
    return this.#device.interrupts.raise(index, vector);
  }

  /** Which kind of interrupt it listens to, messages first. */
  get listensTo(): number {
    const { interrupts } = this.#device;
    const found = [Interrupt.msix, Interrupt.msi, Interrupt.intx].find((one) => interrupts.wanted(one) > 0);
    return found ?? Interrupt.intx;
  }

  /** Numbers for an operator. */
  get report() {
    const { session } = this;
    const messages: Record<string, number> = {};
    for (const [command, count] of session.counts.entries()) {
      if (count > 0) messages[commandNames[command] as string] = count;
    }
    const { memory, interrupts } = this.#device;
    return {
      messages,
      refused: session.refused,
      maps: session.maps,
      memory: memory.used,
      lost: memory.lost,
      descriptors: interrupts.descriptors,
    };
  }

  /** Lets go of everything that the client brought. The device is given back by whoever gave it. */
  end(): void {
    this.ended ??= 'hung up';
    this.#cancelWait?.();
    this.#device.interrupts.end();
    this.#stream.end();
    this.#terms.connection.close();
    const why = this.ended;
    this.#terms.log.info({ bdf: formatBdf(this.#terms.device.bdf), why, ...this.report }, 'client gone');
  }
}
