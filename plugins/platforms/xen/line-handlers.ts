// SPDX-License-Identifier: MIT

import { existsSync, readdirSync, readlinkSync } from 'node:fs';
import { type Bdf, formatBdf } from '../../../core/bdf.ts';
import { Errno, HostError, type LineClaim, type LineVerdict, type PciFunction } from '../../../core/platform/index.ts';
import type { HeardLine, LineHearing } from './line-hearing.ts';
import type { Change, GuestChange, HostChanges } from './stand-alone-changes.ts';
import { NO_DRIVER } from './stand-alone-holder.ts';
import { functionFolder, HANDLER_DRIVER, linkName, readText, type WriteAttribute } from './sysfs-files.ts';

/** What handlers are made with. */
export interface HandlerTerms {
  /** Root of sysfs. */
  readonly sysfs: string;
  /** Folder of `uioN`, `/dev` if not given. */
  readonly dev?: string;
  readonly write: WriteAttribute;
  readonly changes: HostChanges;
  /** Missing: nobody could hear them. */
  readonly hearing: LineHearing | undefined;
}

type Noted = Extract<GuestChange, { readonly what: 'handler' }>;
const isNoted = (change: Change): change is Noted => change.what === 'handler';

/** A function that is bound, as far as this process has to do with it. */
interface Bound {
  readonly line: HeardLine;
  handler: (() => LineVerdict) | undefined;
}

/**
 * Handlers on lines that functions of guests share with the host. The kernel's driver `uio_pci_generic` has them: it claims what its
 * function raises, and keeps it from raising more until it is told to.
 */
export class LineHandlers {
  readonly #terms: HandlerTerms;
  readonly #bound = new Map<Bdf, Bound>();

  constructor(terms: HandlerTerms) {
    this.#terms = terms;
  }

  #noted(address: Bdf): Noted | undefined {
    return this.#terms.changes.of(address).find(isNoted);
  }

  /** Why no function can have a handler here; `undefined`: they can. */
  get lacks(): string | undefined {
    const { sysfs, hearing } = this.#terms;
    if (hearing === undefined) return 'the foreign-function loader cannot be used in another thread';
    if (existsSync(`${sysfs}/bus/pci/drivers/${HANDLER_DRIVER}`)) return undefined;
    return `the kernel’s driver ${HANDLER_DRIVER} is not loaded: modprobe ${HANDLER_DRIVER}`;
  }

  /**
   * Puts a handler on the line of a function that no driver has, and that the kernel has enabled: before, it does not know its line.
   *
   * @throws HostError ENODEV when the driver did not take it; nothing is changed then
   */
  async bind(address: Bdf, domain: number, line: number): Promise<void> {
    const { sysfs, write, changes } = this.#terms;
    const folder = functionFolder(sysfs, address);
    await changes.make(address, { what: 'handler', domain, line }, async () => {
      try {
        await write(`${folder}/driver_override`, HANDLER_DRIVER);
        await write(`${sysfs}/bus/pci/drivers_probe`, formatBdf(address));
        if ((await linkName(`${folder}/driver`)) !== HANDLER_DRIVER)
          throw new HostError(`bind of ${formatBdf(address)} to ${HANDLER_DRIVER}`, Errno.ENODEV);
        this.#hear(address);
      } catch (error) {
        await this.#letGo(address);
        throw error;
      }
    });
  }

  /** Takes the handler away, where there is one. @throws HostError; it stays noted then */
  async unbind(address: Bdf): Promise<void> {
    await this.#terms.changes.undo(address, isNoted, () => this.#letGo(address), 'stop');
  }

  async #letGo(address: Bdf): Promise<void> {
    const { sysfs, write } = this.#terms;
    const folder = functionFolder(sysfs, address);
    this.#bound.get(address)?.line.drop('lose');
    this.#bound.delete(address);
    // One that was removed meanwhile has nothing to give back.
    if (!existsSync(folder)) return;
    if ((await linkName(`${folder}/driver`)) === HANDLER_DRIVER)
      await write(`${folder}/driver/unbind`, formatBdf(address));
    if ((await readText(`${folder}/driver_override`)) === HANDLER_DRIVER)
      await write(`${folder}/driver_override`, NO_DRIVER);
  }

  /** @throws HostError ENODEV for a function that is not bound, else the errno of the host's refusal */
  #hear(address: Bdf): Bound {
    const { sysfs, dev = '/dev', hearing } = this.#terms;
    const known = this.#bound.get(address);
    if (known !== undefined) return known;
    const folder = functionFolder(sysfs, address);
    const [name] = this.#isBound(address) && existsSync(`${folder}/uio`) ? readdirSync(`${folder}/uio`) : [];
    if (name === undefined || hearing === undefined)
      throw new HostError(`handler of ${formatBdf(address)}`, Errno.ENODEV, `it is not bound to ${HANDLER_DRIVER}`);
    const line = hearing.hear(`${dev}/${name}`, `${folder}/config`, {
      interrupts: (count) => this.#interrupted(address, count),
      master: (on) => this.#noteMaster(address, on),
    });
    const bound: Bound = { line, handler: undefined };
    this.#bound.set(address, bound);
    return bound;
  }

  #isBound(address: Bdf): boolean {
    try {
      return readlinkSync(`${functionFolder(this.#terms.sysfs, address)}/driver`).endsWith(`/${HANDLER_DRIVER}`);
    } catch {
      return false;
    }
  }

  #interrupted(address: Bdf, count: number): void {
    const bound = this.#bound.get(address);
    for (let one = 0; one < count; one++) if (bound?.handler?.() !== 'handled') bound?.line.open('off');
  }

  /** What the kernel takes away when this process dies, the next one has to know. */
  #noteMaster(address: Bdf, master: boolean): void {
    const { changes } = this.#terms;
    const noted = this.#noted(address);
    if (noted !== undefined && noted.master !== master) changes.replace(address, noted, { ...noted, master });
  }

  /** Whether it was bus master when a process before this one died. */
  wasMaster(address: Bdf): boolean {
    return this.#noted(address)?.master === true;
  }

  /** Those users of a line that are not a handler of ours. */
  withoutOwn(line: number, users: readonly string[]): readonly string[] {
    const { changes } = this.#terms;
    let own = changes.addresses.filter((one) => this.#noted(one)?.line === line).length;
    return users.filter((name) => name !== HANDLER_DRIVER || own-- <= 0);
  }

  canClaim({ identity: { bdf } }: PciFunction): boolean {
    return this.#noted(bdf) !== undefined && this.#isBound(bdf);
  }

  /** @throws HostError EOPNOTSUPP for a function that is not bound */
  claim(device: PciFunction, name: string, handler: () => LineVerdict): LineClaim {
    const { bdf } = device.identity;
    if (!this.canClaim(device))
      throw new HostError(
        `claim of a line as ${name}`,
        Errno.EOPNOTSUPP,
        `no driver ${HANDLER_DRIVER} has the function`,
      );
    const bound = this.#hear(bdf);
    bound.handler = handler;
    bound.line.open('on');
    return {
      hear: (state) => {
        if (bound.handler === handler) bound.line.open(state);
      },
      release: () => {
        if (bound.handler !== handler) return;
        bound.handler = undefined;
        // It raises its line once more at most, which the kernel claims.
        bound.line.open('off');
      },
    };
  }

  async close(): Promise<void> {
    await this.#terms.hearing?.close();
    this.#bound.clear();
  }
}
