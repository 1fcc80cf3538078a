// SPDX-License-Identifier: MIT

import type { z } from 'zod';
import { type Bdf, formatBdf } from '../../../core/bdf.ts';
import { describeError } from '../../../core/errors/index.ts';
import type { Logger } from '../../../core/log.ts';
import type { Engine } from '../../../core/pciback.ts';
import { fail } from '../../errors.ts';
import type { Config } from '../../kinds/config.ts';
import type { RunningPart } from '../../kinds/part.ts';
import { StandAloneDoor } from './stand-alone-door.ts';
import { Grants } from './stand-alone-grants.ts';
import { DOMID_IO, isWithoutIommu } from './stand-alone-permissions.ts';
import type { StandAlonePlatform } from './stand-alone-platform.ts';
import type { standAloneSection } from './stand-alone-section.ts';
import { readText } from './sysfs-files.ts';

/** What it is started with. */
export interface StandAloneTerms {
  readonly engine: Engine;
  readonly log: Logger;
  readonly options: z.output<typeof standAloneSection>;
  /** Read at each use: a reload changes it. */
  readonly config: Pick<Config, 'sharedLines'>;
}

/** A dom0 in which PIRQs mean nothing gives no line to anybody without the kernel's module (newer hosts: §2). */
const assertPirqs = async (sysfs: string): Promise<void> => {
  const type = await readText(`${sysfs}/hypervisor/guest_type`);
  if (type !== 'PVH') return;
  fail('PLATFORM_UNAVAILABLE', {
    platform: 'xen',
    missing:
      'mode stand-alone: this dom0 is PVH, and only the kernel module xen-pciback gets line interrupts for guests of one',
    next: 'Use mode drop-in, or boot Xen without dom0=pvh.',
  });
};

/** Whether the refusal says so; any other one is of a domain that has its functions already. */
const lacksIommu = (ask: () => void): boolean => {
  try {
    ask();
    return false;
  } catch (error) {
    return isWithoutIommu(error);
  }
};

/** Devices without a driver, and guests that get them from here: without the kernel's module, and without the toolstack. */
export class StandAlone {
  readonly #terms: StandAloneTerms;
  readonly #platform: StandAlonePlatform;
  readonly #grants: Grants;
  /** Missing: this host has none in use. */
  readonly #iommu: 'in use' | 'none';
  #door: StandAloneDoor | undefined;

  private constructor(terms: StandAloneTerms, platform: StandAlonePlatform, iommu: 'in use' | 'none') {
    this.#terms = terms;
    this.#platform = platform;
    this.#iommu = iommu;
    this.#grants = new Grants({ ...platform.standAlone, iommu });
  }

  /** @throws PcibackError `PLATFORM_UNAVAILABLE` in a PVH dom0, `NO_IOMMU` */
  static async begin(terms: StandAloneTerms, platform: StandAlonePlatform): Promise<StandAlone> {
    const { permissions, sysfs } = platform.standAlone;
    await assertPirqs(sysfs);
    const [first] = await platform.pci.list();
    const isWithout = first !== undefined && lacksIommu(() => permissions.testAssign(platform.domain, first.bdf));
    if (isWithout) {
      if (terms.options.withoutIommu === 'refuse') fail('NO_IOMMU', { bdf: formatBdf(first.bdf) });
      terms.log.warn({}, 'no IOMMU: every guest that gets a device reaches all memory of this host');
    }
    const iommu = isWithout ? 'none' : 'in use';
    return new StandAlone(terms, platform, iommu);
  }

  get health(): string {
    const { changes } = this.#platform.standAlone;
    return `${changes.addresses.length} devices held, IOMMU ${this.#iommu}`;
  }

  /** A function was taken from the host: until a guest has it, it reaches nobody's memory. */
  async seized(address: Bdf): Promise<void> {
    const { changes, permissions } = this.#platform.standAlone;
    if (this.#iommu === 'none' || changes.of(address).some(({ what }) => what === 'quarantine')) return;
    await changes.make(address, { what: 'quarantine' }, () => permissions.assign(DOMID_IO, address, 'relaxed'));
  }

  /** Before a reset that makes a function clean, its guest loses all that it may of it: whatever it does then comes too late. */
  async beforeReset(address: Bdf): Promise<void> {
    const assignment = this.#terms.engine.stub.devices.find(({ bdf }) => bdf === address)?.assignment;
    if (assignment === undefined || assignment.ended) await this.#grants.takeBack(address);
  }

  /**
   * A guest of a process before this one goes on. The kernel took MASTER from devices with a handler when that one died, and their
   * handlers wait for somebody who lets them raise their line again.
   */
  resumed(addresses: readonly Bdf[]): void {
    const { handlers } = this.#platform.standAlone;
    for (const { bdf, assignment, operations } of this.#terms.engine.stub.devices) {
      if (!addresses.includes(bdf) || assignment === undefined || assignment.fenced !== undefined) continue;
      if (handlers.wasMaster(bdf)) {
        operations.setBusMaster('on');
        assignment.space.refresh();
        assignment.tenant.viewChanged();
      }
      assignment.interrupts.follow();
    }
  }

  /** Something came back, and its guest may be gone. */
  returned(): void {
    this.#door?.look();
  }

  #makeDoor(): StandAloneDoor {
    const { engine, log, config, options } = this.#terms;
    const { changes, handlers } = this.#platform.standAlone;
    return new StandAloneDoor({
      engine,
      log,
      changes,
      grants: this.#grants,
      handlers,
      lineHandler: options.lineHandler,
      sharedLines: () => config.sharedLines,
    });
  }

  /** Gives devices to guests until it is stopped. */
  async serve(): Promise<RunningPart> {
    const door = this.#makeDoor();
    const watch = await this.#platform.xenstore.watch('@releaseDomain', door.look);
    this.#door = door;
    return {
      offers: door,
      health: () => 'devices are given by `pciback attach`',
      stop: async () => {
        this.#door = undefined;
        await watch.close();
        await door.idle();
      },
    };
  }

  /** Puts everything back as it was, unless a next process goes on with guests. */
  async end(): Promise<void> {
    const { engine, log } = this.#terms;
    if ([...engine.stub.journal.guests].length > 0) return;
    const door = this.#makeDoor();
    await door.clearAll();
    await Promise.all(
      engine.stub.devices.map(async ({ bdf }) => {
        try {
          await engine.stub.release(bdf);
        } catch (error) {
          log.error({ bdf: formatBdf(bdf), error: describeError(error) }, 'device not given back to the host');
        }
      }),
    );
  }
}
