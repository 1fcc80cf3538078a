// SPDX-License-Identifier: MIT

import { isPcibackError } from '../../core/errors/index.ts';
import { delay, eventually, expectEqual, expectFailure, expectThat } from './contract.ts';
import type { PlatformCase, PlatformFixture } from './platform-fixture.ts';

/** A path of its own for each case, so that none sees what another left. */
const fresh = async ({ platform, folder }: PlatformFixture, name: string): Promise<string> => {
  const path = `${folder}/${name}`;
  await platform.xenstore.remove(path);
  return path;
};

/** The obligations of a `Xenstore`. */
export const storeContract: readonly PlatformCase[] = [
  {
    name: 'store: a missing node reads and lists as undefined',
    async run(fixture) {
      const path = await fresh(fixture, 'missing');
      expectEqual(await fixture.platform.xenstore.read(`${path}/a`), undefined, 'value of a missing node');
      expectEqual(await fixture.platform.xenstore.list(`${path}/a`), undefined, 'children of a missing node');
    },
  },
  {
    name: 'store: write makes the node and its parents, read gives the value',
    async run(fixture) {
      const { xenstore } = fixture.platform;
      const path = await fresh(fixture, 'parents');
      await xenstore.write(`${path}/a/b/c`, '42');
      expectEqual(await xenstore.read(`${path}/a/b/c`), '42', 'value');
      expectEqual(await xenstore.read(`${path}/a/b`), '', 'value of a parent that was made');
      await xenstore.write(`${path}/a/b/c`, '');
      expectEqual(await xenstore.read(`${path}/a/b/c`), '', 'empty value');
      await xenstore.write(`${path}/a`, 'ü=1 / "x"');
      expectEqual(await xenstore.read(`${path}/a`), 'ü=1 / "x"', 'value with special characters');
    },
  },
  {
    name: 'store: list gives the names of the children, none for a leaf',
    async run(fixture) {
      const { xenstore } = fixture.platform;
      const path = await fresh(fixture, 'list');
      await Promise.all(['dev-0', 'dev-1', 'num'].map((name) => xenstore.write(`${path}/${name}/x`, name)));
      expectEqual((await xenstore.list(path))?.toSorted(), ['dev-0', 'dev-1', 'num'], 'children');
      expectEqual(await xenstore.list(`${path}/num/x`), [], 'children of a leaf');
    },
  },
  {
    name: 'store: lists more names than one message holds',
    async run(fixture) {
      const { xenstore } = fixture.platform;
      const path = await fresh(fixture, 'long-list');
      const names = Array.from({ length: 100 }, (_, index) => `${'n'.repeat(60)}-${String(index).padStart(3, '0')}`);
      for (const name of names) await xenstore.write(`${path}/${name}`, '');
      expectEqual((await xenstore.list(path))?.toSorted(), names, 'children');
      await xenstore.remove(path);
    },
  },
  {
    name: 'store: remove takes the whole tree; removing what is missing is no error',
    async run(fixture) {
      const { xenstore } = fixture.platform;
      const path = await fresh(fixture, 'remove');
      await xenstore.write(`${path}/a/b`, '1');
      await xenstore.remove(`${path}/a`);
      expectEqual(await xenstore.read(`${path}/a/b`), undefined, 'value below what was removed');
      await xenstore.remove(`${path}/a`);
      await xenstore.remove(`${path}/no/such/parent`);
    },
  },
  {
    name: 'store: a watch fires after registration and after each change below it, with the path that changed',
    async run(fixture) {
      const { xenstore } = fixture.platform;
      const path = await fresh(fixture, 'watch');
      await xenstore.write(`${path}/state`, '1');
      const seen: string[] = [];
      const watch = await xenstore.watch(path, (changed) => seen.push(changed));
      await eventually(() => seen.includes(path), 'event after registration');
      for (const value of ['2', '3']) {
        seen.length = 0;
        await xenstore.write(`${path}/state`, value);
        await eventually(() => seen.includes(`${path}/state`), `event after ${value} was written`);
      }
      seen.length = 0;
      await xenstore.remove(path);
      await eventually(() => seen.length > 0, 'event after the removal');
      await watch.close();
    },
  },
  {
    name: 'store: a watch of a node that does not exist yet fires when it is made',
    async run(fixture) {
      const { xenstore } = fixture.platform;
      const path = await fresh(fixture, 'later');
      let values = 0;
      const watch = await xenstore.watch(`${path}/new`, () => {
        values += 1;
      });
      await eventually(() => values > 0, 'event after registration');
      const before = values;
      await xenstore.write(`${path}/new`, '1');
      await eventually(() => values > before, 'event after the node was made');
      await watch.close();
    },
  },
  {
    name: 'store: two watches of one path both fire; closing one leaves the other',
    async run(fixture) {
      const { xenstore } = fixture.platform;
      const path = await fresh(fixture, 'two-watches');
      const counts = [0, 0];
      const count = (index: number) => () => {
        counts[index] = (counts[index] ?? 0) + 1;
      };
      const first = await xenstore.watch(path, count(0));
      const second = await xenstore.watch(path, count(1));
      await eventually(() => counts.every((n) => n > 0), 'events after registration');
      await first.close();
      const [before0, before1 = 0] = counts;
      await xenstore.write(path, 'x');
      await eventually(() => (counts[1] ?? 0) > before1, 'event of the open watch');
      expectEqual(counts[0], before0, 'events of the closed watch');
      await second.close();
    },
  },
  {
    name: 'store: a closed watch never fires again; closing it twice is harmless',
    async run(fixture) {
      const { xenstore } = fixture.platform;
      const path = await fresh(fixture, 'closed-watch');
      let events = 0;
      const watch = await xenstore.watch(path, () => {
        events += 1;
      });
      // Under way while the watch is being closed.
      const writing = xenstore.write(path, '1');
      await watch.close();
      const before = events;
      await writing;
      await xenstore.write(path, '2');
      await delay(fixture.patience);
      expectEqual(events, before, 'events after the watch was closed');
      await watch.close();
    },
  },
  {
    name: 'store: a transaction is seen whole or not at all, and returns what its work returns',
    async run(fixture) {
      const { xenstore } = fixture.platform;
      const path = await fresh(fixture, 'transaction');
      const result = await xenstore.transaction(async (view) => {
        await view.write(`${path}/a`, '1');
        expectEqual(await view.read(`${path}/a`), '1', 'value inside the transaction');
        expectEqual(await xenstore.read(`${path}/a`), undefined, 'value outside before its end');
        await view.write(`${path}/b`, '2');
        return 'done';
      });
      expectEqual(result, 'done', 'result');
      expectEqual([await xenstore.read(`${path}/a`), await xenstore.read(`${path}/b`)], ['1', '2'], 'values after it');
    },
  },
  {
    name: 'store: a transaction whose work fails changes nothing and fails with the same error',
    async run(fixture) {
      const { xenstore } = fixture.platform;
      const path = await fresh(fixture, 'failing-transaction');
      const reason = new Error('no');
      const error = await expectFailure(
        () =>
          xenstore.transaction(async (view) => {
            await view.write(`${path}/a`, '1');
            throw reason;
          }),
        'transaction',
      );
      expectThat(error === reason, 'the error of the work');
      expectEqual(await xenstore.read(`${path}/a`), undefined, 'value after it');
    },
  },
  {
    name: 'store: a transaction in conflict with another writer is done again',
    async run(fixture) {
      const { xenstore } = fixture.platform;
      const path = await fresh(fixture, 'conflict');
      await xenstore.write(path, '1');
      let runs = 0;
      await xenstore.transaction(async (view) => {
        runs += 1;
        const value = Number(await view.read(path));
        if (runs === 1) await xenstore.write(path, '10');
        await view.write(path, String(value + 1));
      });
      expectEqual(await xenstore.read(path), '11', 'value');
      expectThat(runs >= 2, 'the work was run again');
    },
  },
  {
    name: 'store: many transactions on one node at a time lose no update',
    async run(fixture) {
      const { xenstore } = fixture.platform;
      const path = await fresh(fixture, 'counter');
      await xenstore.write(path, '0');
      const add = () =>
        xenstore.transaction(async (view) => view.write(path, String(Number(await view.read(path)) + 1)));
      await Promise.all(Array.from({ length: 8 }, add));
      expectEqual(await xenstore.read(path), '8', 'value');
    },
  },
  {
    name: 'store: permissions can be set on a node, not on a missing one',
    async run(fixture) {
      const { xenstore, domain } = fixture.platform;
      const path = await fresh(fixture, 'permissions');
      await xenstore.write(path, '1');
      await xenstore.setPermissions(path, [
        { domain, access: 'none' },
        { domain: fixture.peer.domain, access: 'read' },
      ]);
      expectEqual(await xenstore.read(path), '1', 'value after it');
      const error = await expectFailure(
        () => xenstore.setPermissions(`${path}/none`, [{ domain, access: 'both' }]),
        'permissions of a missing node',
      );
      expectThat(isPcibackError(error, 'STORE_REFUSED'), `STORE_REFUSED, got ${error}`);
    },
  },
];
