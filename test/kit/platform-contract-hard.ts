// SPDX-License-Identifier: MIT

import type { Bdf } from '../../core/bdf.ts';
import { isPcibackError } from '../../core/errors/index.ts';
import { holdingOf } from '../../plugins/kinds/platform.ts';
import type { ContractCase } from './contract.ts';
import { expectEqual, expectFailure, expectThat } from './contract.ts';
import type { PlatformFixture } from './platform-fixture.ts';

/** What a host and its hardware do of themselves. Resolves when it is done. */
export interface HostHand {
  /** The host takes a function for a driver of its own; `undefined`: that driver lets it go to where it was before. */
  takeFor(device: Bdf, driver: string | undefined): Promise<void>;
  moveBar(device: Bdf, index: number, start: bigint): Promise<void>;
  /** The function is off the bus, or there again. */
  silence(device: Bdf, state: 'silent' | 'answering'): Promise<void>;
  /** Virtual functions go with the driver of their physical one. */
  removeVirtual(physical: Bdf): Promise<void>;
  /** From now on a reset lasts as long as this. */
  slowResets(work: () => Promise<void>): void;
}

/** A platform whose host can be told what to do, and that has a virtual function. */
export interface HardFixture extends PlatformFixture {
  readonly hand: HostHand;
  readonly virtualFunction: Bdf;
  readonly physicalFunction: Bdf;
}

const MEMORY = 0x0002;
const COMMAND = 0x04;
/** An address that no sample has. */
const ELSEWHERE = 0xc0000000n;

/** What hardware and hosts do that a model is tempted to leave out. */
export const hardContract: readonly ContractCase<HardFixture>[] = [
  {
    name: 'pci: the MEMORY bit of a virtual function is wired to 0, and that of its physical one can be asked',
    async run({ platform, virtualFunction, physicalFunction }) {
      const held = await platform.pci.seize(virtualFunction);
      expectEqual(held.identity.virtualFunction, true, 'a virtual function');
      expectEqual(held.identity.physicalFunction, physicalFunction, 'its physical one');
      const before = held.readConfig(COMMAND, 2);
      held.writeConfig(COMMAND, 2, before | MEMORY);
      expectEqual(held.readConfig(COMMAND, 2) & MEMORY, 0, 'its own MEMORY bit after a write of 1');
      const governing = held.physical?.readConfig(COMMAND, 2);
      expectThat(governing !== undefined, 'the physical function can be asked');
      expectEqual(governing & MEMORY, MEMORY, 'the MEMORY bit of the physical function');
      await platform.pci.release(held);
    },
  },
  {
    name: 'pci: a function that the host takes away is not held, and no access reaches it',
    async run({ platform, device, hand }) {
      const held = await platform.pci.seize(device);
      expectEqual(await platform.pci.stillHolds?.(held), true, 'held before');
      await hand.takeFor(device, 'e1000e');
      expectEqual(await platform.pci.stillHolds?.(held), false, 'held after');
      await expectFailure(() => held.readConfig(0, 4), 'a read');
      await expectFailure(() => held.writeConfig(COMMAND, 2, 0), 'a write');
      const error = await expectFailure(() => platform.pci.seize(device), 'seize');
      expectThat(isPcibackError(error, 'DEVICE_NOT_SEIZABLE'), `DEVICE_NOT_SEIZABLE, got ${error}`);
      await hand.takeFor(device, undefined);
      await platform.pci.release(await platform.pci.seize(device));
    },
  },
  {
    name: 'pci: a function that the host took and gave back was not held without a break, which a next process sees too',
    async run({ platform, device, hand }) {
      const held = await platform.pci.seize(device);
      const holding = await holdingOf(platform, device);
      expectThat(holding !== undefined, 'a text for this holding');
      expectEqual(await holdingOf(platform, device), holding, 'the text while it is held');
      await hand.takeFor(device, 'e1000e');
      await hand.takeFor(device, undefined);
      expectEqual(await platform.pci.stillHolds?.(held), false, 'held after');
      const again = await platform.pci.seize(device);
      expectEqual(await platform.pci.stillHolds?.(again), true, 'the new one held');
      expectThat((await holdingOf(platform, device)) !== holding, 'another text for the next holding');
      await platform.pci.release(again);
    },
  },
  {
    name: 'pci: a BAR that was moved is seen when the host is asked again',
    async run({ platform, device, hand }) {
      const held = await platform.pci.seize(device);
      const index = held.resources.findIndex(({ flags, size }) => size > 0n && (flags & 0x200) !== 0);
      const before = held.resources[index]?.start;
      expectThat(before !== undefined && before !== ELSEWHERE, 'a BAR in memory');
      await hand.moveBar(device, index, ELSEWHERE);
      expectEqual(await platform.pci.stillHolds?.(held), true, 'held');
      expectEqual(held.resources[index]?.start, ELSEWHERE, 'its address');
      await hand.moveBar(device, index, before);
      await platform.pci.release(held);
    },
  },
  {
    name: 'pci: a function that does not answer reads ones, and is not seized',
    async run({ platform, device, hand }) {
      const held = await platform.pci.seize(device);
      await hand.silence(device, 'silent');
      expectEqual(
        [held.readConfig(0, 4), held.readConfig(6, 2), held.readConfig(8, 1)],
        [0xffffffff, 0xffff, 0xff],
        'reads',
      );
      await platform.pci.release(held);
      const error = await expectFailure(() => platform.pci.seize(device), 'seize');
      expectThat(isPcibackError(error, 'DEVICE_SILENT'), `DEVICE_SILENT, got ${error}`);
      await hand.silence(device, 'answering');
      await platform.pci.release(await platform.pci.seize(device));
    },
  },
  {
    name: 'pci: a reset that takes its time keeps nobody from another function',
    async run({ platform, device, virtualFunction, hand }) {
      const [slow, other] = [await platform.pci.seize(device), await platform.pci.seize(virtualFunction)];
      let isOver = false;
      let finish = (): void => {};
      const until = new Promise<void>((resolve) => (finish = resolve));
      hand.slowResets(() => until);
      const reset = slow.reset().then((outcome) => {
        isOver = true;
        return outcome;
      });
      await new Promise((resolve) => setImmediate(resolve));
      other.readConfig(8, 4);
      await platform.pci.list();
      expectEqual(isOver, false, 'the reset is over');
      finish();
      const outcome = await reset;
      expectThat(outcome.ok || outcome.detail !== '', 'a method, or a reason');
      hand.slowResets(async () => {});
      await platform.pci.release(slow);
      await platform.pci.release(other);
    },
  },
  {
    name: 'pci: virtual functions go with the driver of their physical one',
    async run({ platform, virtualFunction, physicalFunction, hand }) {
      const held = await platform.pci.seize(virtualFunction);
      await hand.removeVirtual(physicalFunction);
      expectEqual(await platform.pci.stillHolds?.(held), false, 'held after');
      const listed = (await platform.pci.list()).some(({ bdf }) => bdf === virtualFunction);
      expectEqual(listed, false, 'listed after');
      const error = await expectFailure(() => platform.pci.seize(virtualFunction), 'seize');
      expectThat(isPcibackError(error, 'DEVICE_NOT_FOUND'), `DEVICE_NOT_FOUND, got ${error}`);
    },
  },
];
