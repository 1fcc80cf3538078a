// SPDX-License-Identifier: MIT

import type { Bdf } from '../../../core/bdf.ts';
import {
  Errno,
  HostError,
  type LineClaim,
  type LineInterrupts,
  type LineVerdict,
  type PciFunction,
} from '../../../core/platform/index.ts';
import type { PirqPort } from './channels.ts';
import type { Journal } from './journal.ts';

/** The pin of a function, as the interrupt controller sees it. */
export interface LineSource {
  readonly bdf: Bdf;
  readonly line: number;
  /** Whether the function drives its line now: it asks for service, by line, and nothing forbids it. */
  readonly drivesLine: boolean;
  /** The function's driver has served it: it asks for nothing any more. */
  lowerLine(): void;
}

/** What a domain does when it binds a line. `exclusive`: nobody else may have it. */
export type LineSharing = 'shared' | 'exclusive';

/** A handler of the host's kernel on a line. */
interface Action {
  readonly name: string;
  readonly kind: 'driver' | 'pass-through';
  readonly handler: () => LineVerdict;
}

interface Binding {
  readonly sharing: LineSharing;
  readonly deliver: () => void;
  /** Delivered, and not answered by an EOI. */
  inFlight: boolean;
}

interface Line {
  readonly number: number;
  readonly sources: LineSource[];
  readonly bindings: Map<number, Binding>;
  readonly actions: Set<Action>;
  /** Interrupts that the host took since it last judged the line, and those of them that nobody claimed. */
  taken: number;
  unclaimed: number;
  shutOff: boolean;
  delivering: boolean;
  scheduled: boolean;
}

/** A line as a test looks at it. */
export interface LineReport {
  readonly asserted: boolean;
  /** Guests that bound it. */
  readonly domains: readonly number[];
  /** Handlers of the host, in the order of their installation. */
  readonly actions: readonly string[];
  /** The host heard too much that nobody claimed: its handlers are not called any more. */
  readonly shutOff: boolean;
}

/** Interrupts after which a host looks how many of them nobody claimed; Linux has this number. */
export const NOBODY_CARES_AFTER = 100_000;

/**
 * Level-triggered lines: the interrupt controller, the hypervisor's delivery to domains, and the part of the host's
 * kernel that calls handlers and shuts off a line that nobody there claims.
 *
 * While a line is asserted it is delivered again and again: to the host after its handlers ran, to a guest after its EOI.
 */
export class Lines implements LineInterrupts {
  readonly canClaim = true;
  readonly #journal: Journal;
  readonly #nobodyCaresAfter: number;
  readonly #lines = new Map<number, Line>();

  /** @param judgeAfter interrupts after which the host shuts a line off if hardly any was claimed */
  constructor(journal: Journal, judgeAfter: number = NOBODY_CARES_AFTER) {
    this.#journal = journal;
    this.#nobodyCaresAfter = judgeAfter;
  }

  /** Wires the pin of a function to its line. */
  connect(source: LineSource): void {
    if (source.line === 0) return;
    const line: Line = this.#lines.get(source.line) ?? {
      number: source.line,
      sources: [],
      bindings: new Map(),
      actions: new Set(),
      taken: 0,
      unclaimed: 0,
      shutOff: false,
      delivering: false,
      scheduled: false,
    };
    this.#lines.set(line.number, line);
    line.sources.push(source);
  }

  /** The pin of a function may have changed: delivers, if its line is asserted. */
  follow(source: LineSource): void {
    const line = this.#lines.get(source.line);
    if (line !== undefined && isAsserted(line)) this.#deliver(line);
  }

  claim(device: PciFunction, name: string, handler: () => LineVerdict): LineClaim {
    return this.#install(this.#find(`claim ${name}`, device.line, Errno.EINVAL), {
      name,
      kind: 'pass-through',
      handler,
    });
  }

  /** A driver of the host takes a line for a device of its own. @throws HostError ENOENT for a line without a function */
  installDriver(number: number, name: string, handler: () => LineVerdict): LineClaim {
    return this.#install(this.#find(`request_irq ${name}`, number), { name, kind: 'driver', handler });
  }

  #install(line: Line, action: Action): LineClaim {
    for (const { sharing } of line.bindings.values()) {
      if (sharing === 'exclusive') this.#refuse(`request_irq ${line.number} ${action.name}`, Errno.EBUSY);
    }
    line.actions.add(action);
    this.#journal.add(`request_irq ${line.number} ${action.name}`);
    if (isAsserted(line)) this.#deliver(line);
    return {
      release: () => {
        if (!line.actions.delete(action)) return;
        this.#journal.add(`free_irq ${line.number} ${action.name}`);
        // Whoever takes the line next starts with one that is switched on.
        if (line.actions.size === 0) Object.assign(line, { shutOff: false, taken: 0, unclaimed: 0 });
      },
    };
  }

  isShared(number: number): boolean {
    const line = this.#find('irq_status_query', number);
    this.#journal.add(`irq_status_query ${number}`);
    return line.bindings.size + (line.actions.size === 0 ? 0 : 1) > 1;
  }

  hostUsers(number: number): readonly string[] {
    const actions = [...(this.#lines.get(number)?.actions ?? [])];
    return actions.filter(({ kind }) => kind === 'driver').map(({ name }) => name);
  }

  /**
   * A guest binds the PIRQ of a line that was mapped for it.
   *
   * @param deliver raises its event channel
   * @returns what the domain's port tells: the end of an interrupt, and its own end
   * @throws HostError EEXIST when it has it already, EBUSY when somebody has it and one of the two does not share
   */
  bind(domain: number, number: number, sharing: LineSharing, deliver: () => void): PirqPort {
    const call = `bind_pirq ${number} d${domain}`;
    const line = this.#find(call, number, Errno.EINVAL);
    if (line.bindings.has(domain)) this.#refuse(call, Errno.EEXIST);
    const taken = line.actions.size > 0 || line.bindings.size > 0;
    const unshared = sharing === 'exclusive' || [...line.bindings.values()].some((one) => one.sharing === 'exclusive');
    if (taken && unshared) this.#refuse(call, Errno.EBUSY);
    const binding: Binding = { sharing, deliver, inFlight: false };
    line.bindings.set(domain, binding);
    this.#journal.add(`${call} ${sharing}`);
    if (isAsserted(line)) this.#deliver(line);
    return {
      eoi: () => {
        binding.inFlight = false;
        if (isAsserted(line)) this.#again(line);
      },
      unbound: () => {
        if (line.bindings.get(domain) === binding) this.unbind(domain, number);
      },
    };
  }

  /** The domain closed its port, or the toolstack took the PIRQ away. */
  unbind(domain: number, number: number): void {
    if (this.#lines.get(number)?.bindings.delete(domain)) this.#journal.add(`unbind_pirq ${number} d${domain}`);
  }

  /** A guest's driver serves its devices on the line. */
  serve(number: number, isOwn: (address: Bdf) => boolean): void {
    for (const source of this.#lines.get(number)?.sources ?? []) if (isOwn(source.bdf)) source.lowerLine();
  }

  report(number: number): LineReport {
    const line = this.#find('report', number);
    return {
      asserted: isAsserted(line),
      domains: [...line.bindings.keys()],
      actions: [...line.actions].map(({ name }) => name),
      shutOff: line.shutOff,
    };
  }

  #deliver(line: Line): void {
    // A handler that touches its device gets here again; what is left to do is done by the round that runs.
    if (line.delivering) return;
    line.delivering = true;
    try {
      for (const binding of line.bindings.values()) {
        if (binding.inFlight) continue;
        binding.inFlight = true;
        binding.deliver();
      }
      if (line.actions.size > 0 && !line.shutOff) {
        this.#interruptHost(line);
        if (isAsserted(line) && !line.shutOff) this.#again(line);
      }
    } finally {
      line.delivering = false;
    }
  }

  #again(line: Line): void {
    if (line.scheduled) return;
    line.scheduled = true;
    setImmediate(() => {
      line.scheduled = false;
      if (isAsserted(line)) this.#deliver(line);
    });
  }

  /** As a kernel does: every handler is asked, and a line on which hardly any interrupt is claimed is shut off. */
  #interruptHost(line: Line): void {
    let claimed = false;
    for (const { handler } of line.actions) if (handler() === 'handled') claimed = true;
    line.taken += 1;
    if (!claimed) line.unclaimed += 1;
    if (line.taken < this.#nobodyCaresAfter) return;
    if (line.unclaimed > line.taken - line.taken / 1000) {
      line.shutOff = true;
      this.#journal.add(`irq ${line.number}: nobody cared, shut off`);
    }
    line.taken = 0;
    line.unclaimed = 0;
  }

  #find(call: string, number: number, errno: number = Errno.ENOENT): Line {
    return this.#lines.get(number) ?? this.#refuse(call, errno, `no function has line ${number}`);
  }

  #refuse(call: string, errno: number, detail?: string): never {
    const error = new HostError(call, errno, detail);
    this.#journal.add(error.message);
    throw error;
  }
}

const isAsserted = (line: Line): boolean => line.sources.some((one) => one.drivesLine);
