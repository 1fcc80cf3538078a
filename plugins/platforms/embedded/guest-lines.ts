// SPDX-License-Identifier: MIT

import { type EventChannel, HostError } from '../../../core/platform/index.ts';
import type { Hypervisor } from './hypervisor.ts';

/** Lines below this number are the guest kernel's legacy interrupts, which it does not share. */
const LEGACY_LINES = 16;

interface Bound {
  readonly channel: EventChannel;
  /** Devices of the guest whose drivers have a handler on it. */
  users: number;
}

/**
 * The lines of a guest's kernel. It binds a PIRQ once and calls all its drivers of the line; those serve their devices,
 * then the line gets its EOI.
 */
export class GuestLines {
  readonly #hypervisor: Hypervisor;
  readonly #domain: number;
  readonly #bound = new Map<number, Bound>();
  /** Interrupts by line. */
  readonly #received = new Map<number, number>();
  #halted = false;

  constructor(hypervisor: Hypervisor, domain: number) {
    this.#hypervisor = hypervisor;
    this.#domain = domain;
  }

  get received(): Readonly<Record<number, number>> {
    return Object.fromEntries(this.#received);
  }

  /** A driver takes the line of its device. @returns why not; `undefined`: it has it */
  take(line: number): string | undefined {
    const there = this.#bound.get(line);
    if (there !== undefined) {
      there.users += 1;
      return undefined;
    }
    const kernel = this.#hypervisor.domain(this.#domain);
    try {
      const sharing = line < LEGACY_LINES ? 'exclusive' : 'shared';
      const channel = kernel.bindPirq(line, sharing, () => this.#interrupt(line));
      this.#bound.set(line, { channel, users: 1 });
      return undefined;
    } catch (error) {
      if (error instanceof HostError) return error.message;
      throw error;
    }
  }

  release(line: number): void {
    const bound = this.#bound.get(line);
    if (bound === undefined) return;
    bound.users -= 1;
    if (bound.users > 0) return;
    this.#bound.delete(line);
    bound.channel.close();
  }

  /** All devices are gone, and their drivers with them. */
  releaseAll(): void {
    for (const { channel } of this.#bound.values()) channel.close();
    this.#bound.clear();
  }

  /** The kernel has stopped: it hears nothing and ends no interrupt any more. */
  halt(): void {
    this.#halted = true;
  }

  #interrupt(line: number): void {
    if (this.#halted) return;
    this.#received.set(line, (this.#received.get(line) ?? 0) + 1);
    const { lines } = this.#hypervisor;
    lines.serve(line, (address) => this.#hypervisor.ownerOf(address) === this.#domain);
    this.#bound.get(line)?.channel.unmask();
  }
}
