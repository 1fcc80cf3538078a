// SPDX-License-Identifier: MIT

import {
  Errno,
  fail,
  formatBdf,
  HostError,
  type HostOperations,
  type IntxState,
  type LineClaim,
  type LineInterrupts,
  type LineState,
  type LineVerdict,
  type SharedLines,
} from '../../../core/plugin/index.ts';

/** Handled interrupts from one question to the hypervisor to the next. */
const QUESTION_INTERVAL = 1000;

/** What a line handler needs to know. */
export interface LineTerms {
  readonly operations: HostOperations;
  readonly lines: LineInterrupts;
  readonly sharedLines: SharedLines;
  /** Devices of other guests that use the line, in words. Missing: there are none. */
  readonly otherGuests?: () => readonly string[];
  /** Something the guest can cause; the receiver limits the rate (D-I8). */
  readonly warn: (facts: object, message: string) => void;
  /** The guest's line interrupt is kept off from now on; told once for each reason. */
  readonly refused: (why: string) => void;
}

/**
 * The dummy handler of one device in the hands of one guest (seed 0513fe9e5b).
 *
 * A level line that the device shares with devices of the host interrupts the host too, whenever the guest's device
 * asks for service. Nobody there knows that device, so after enough of them the host would shut the line down, and with
 * it its own devices. The dummy handler claims them in the place of the guest's driver.
 *
 * Some handlers of a host stop the device with each interrupt and let it go on when they are told to (`LineClaim.hear`).
 * Where no handler can be had and a driver of the host, or another guest, uses the line (XSA-461), the device is kept from its line instead.
 */
export class LineHandler {
  readonly #terms: LineTerms;
  readonly #name: string;
  /** The guest wants the device on (`enable_intx`). */
  #wanted = false;
  /** The handler, while it is installed (`isr_on`). */
  #claim: LineClaim | undefined;
  #acknowledging = false;
  #handled = 0;
  #refused: string | undefined;

  constructor(terms: LineTerms) {
    this.#terms = terms;
    this.#name = `xen-pciback[${formatBdf(terms.operations.hardware.identity.bdf)}]`;
  }

  get state(): LineState {
    return {
      name: this.#name,
      irq: this.#terms.operations.hardware.line,
      on: this.#claim !== undefined,
      acknowledging: this.#acknowledging,
      handled: this.#handled,
      ...(this.#refused === undefined ? {} : { refused: this.#refused }),
    };
  }

  /**
   * Looks at the line before the guest has the device.
   *
   * @throws PcibackError `LINE_SHARED` when it has to be kept from its line and cannot be
   */
  prepare(): void {
    const { operations } = this.#terms;
    if (!this.#hasLine || this.#canClaim) return;
    const why = this.#keepFromLine();
    if (why !== undefined) fail('LINE_SHARED', { bdf: formatBdf(operations.hardware.identity.bdf), why });
  }

  /** After a successful request: the device may be on or off now. Does nothing when that did not change. */
  follow(): void {
    const { enabled } = this.#terms.operations;
    if (enabled === this.#wanted) return;
    this.#wanted = enabled;
    this.#adjust();
  }

  /** MSI or MSI-X came on: the device does not raise its line any more. A handler that is there stays (D-I1). */
  messagesOn(): void {
    this.#hear('off');
  }

  /** MSI or MSI-X went off: the device is back on its line. */
  messagesOff(): void {
    // D-I3: only a handler that is there acknowledges. D-I4: one that MSI was in the way of is installed now.
    if (this.#claim !== undefined) this.#hear('on');
    else this.#adjust();
  }

  /** The guest's own INTX_DISABLE is in hardware now: nothing but the guest clears it again. */
  guestSwitched(state: IntxState): void {
    this.#claim?.hear?.(state === 'enabled' && this.#acknowledging ? 'on' : 'off');
  }

  /** The device is cut off from its guest, or on its way back: it is claimed still, and not let raise its line again. */
  quiet(): void {
    this.#claim?.hear?.('off');
  }

  #hear(state: 'on' | 'off'): void {
    this.#acknowledging = state === 'on';
    this.#claim?.hear?.(state);
  }

  /** The device is switched off, or leaves its guest. */
  reset(): void {
    this.#wanted = false;
    this.#acknowledging = false;
    this.#adjust();
  }

  /**
   * An operator takes the handler off the line, or puts one on it (D-S2).
   *
   * @throws PcibackError `LINE_HANDLER` with the reason why there can be none now
   */
  toggle(): void {
    if (this.#claim !== undefined) {
      this.#remove();
      return;
    }
    const refuse = (why: string): never =>
      fail('LINE_HANDLER', { bdf: formatBdf(this.#terms.operations.hardware.identity.bdf), why });
    try {
      if (!this.#hasLine) refuse('the device has no line interrupt');
      if (this.#usesMessages) refuse('the device uses MSI or MSI-X (XSA-157)');
      this.#install();
    } catch (error) {
      if (error instanceof HostError) refuse(error.message);
      throw error;
    }
  }

  /** Virtual functions have no line, and bridges are not for guests. */
  get #hasLine(): boolean {
    const { hardware } = this.#terms.operations;
    return hardware.identity.headerType === 0 && hardware.line !== 0;
  }

  get #canClaim(): boolean {
    const { lines, operations } = this.#terms;
    return lines.canClaimFor?.(operations.hardware) ?? lines.canClaim;
  }

  get #usesMessages(): boolean {
    const type = this.#terms.operations.interruptType;
    return type !== 'intx' && type !== 'none';
  }

  #adjust(): void {
    if (!this.#hasLine) return;
    try {
      if (!this.#wanted) {
        this.#remove();
        return;
      }
      // XSA-157: never on the vector of a message.
      if (this.#claim !== undefined || this.#usesMessages) return;
      if (this.#canClaim) {
        this.#install();
        return;
      }
      const why = this.#keepFromLine();
      // A driver of the host that came after the guest got the device.
      if (why !== undefined)
        this.#terms.warn({ why }, 'device cannot be kept from its line: the host may shut it down');
    } catch (error) {
      if (!(error instanceof HostError)) throw error;
      this.#terms.warn({ error: error.message }, 'no handler on the line of the device');
    }
  }

  #install(): void {
    const { lines, operations } = this.#terms;
    // Called from inside of `claim` on, so it has to know already what it is.
    this.#acknowledging = true;
    try {
      this.#claim = lines.claim(operations.hardware, this.#name, this.#interrupt);
    } catch (error) {
      this.#acknowledging = false;
      throw error;
    }
  }

  #remove(): void {
    this.#claim?.release();
    this.#claim = undefined;
    this.#acknowledging = false;
  }

  readonly #interrupt = (): LineVerdict => {
    if (!this.#acknowledging) return 'not mine';
    this.#handled++;
    if (this.#handled % QUESTION_INTERVAL === 0 && !this.#isShared()) {
      const { line } = this.#terms.operations.hardware;
      this.#terms.warn(
        { irq: line, handled: this.#handled },
        'line not shared with a guest: not acknowledged any more',
      );
      this.#hear('off');
    }
    return 'handled';
  };

  /** A line that the host does not know is not shared; one that cannot be asked about is taken to be. */
  #isShared(): boolean {
    const { lines, operations } = this.#terms;
    try {
      return lines.isShared(operations.hardware.line);
    } catch (error) {
      if (error instanceof HostError) return error.errno !== Errno.ENOENT;
      throw error;
    }
  }

  /**
   * Looks whether a driver of the host, or another guest, uses the line, and keeps the device from it then.
   *
   * @returns why it ought to be kept from it, where it cannot be: without INTX_DISABLE (before PCI 2.3) nothing does that
   */
  #keepFromLine(): string | undefined {
    const { operations, sharedLines, refused } = this.#terms;
    const why = sharedLines === 'allow' ? undefined : this.#usersOfLine();
    operations.holdIntx(why === undefined ? 'off' : 'on');
    const kept = why !== undefined && operations.intxHeld;
    if (kept && why !== this.#refused) refused(why);
    this.#refused = kept ? why : undefined;
    return kept ? undefined : why;
  }

  #usersOfLine(): string | undefined {
    const { lines, operations, otherGuests = () => [] } = this.#terms;
    const { line } = operations.hardware;
    try {
      const users = lines.hostUsers(line);
      if (users.length > 0) return `line ${line} is also used by the host's ${users.join(', ')}`;
      const others = otherGuests();
      return others.length === 0 ? undefined : `line ${line} is also used by ${others.join(', ')}`;
    } catch (error) {
      // What cannot be told may be so.
      if (error instanceof HostError) return `line ${line} may be used by the host: ${error.message}`;
      throw error;
    }
  }
}
