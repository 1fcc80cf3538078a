// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import { createStore } from '../../../../plugins/platforms/embedded/store.ts';

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));
const turns = async (count = 3) => {
  for (let i = 0; i < count; i += 1) await turn();
};

describe('watches', () => {
  it('fire once after registration and once per change of the path or below', async () => {
    const store = createStore().connect(0);
    await store.write('/a/b/c', '1');
    const seen: string[] = [];
    await store.watch('/a/b', (path) => seen.push(path));
    expect(seen).toEqual([]);
    await turns();
    expect(seen).toEqual(['/a/b']);
    await store.write('/a/b/c', '2');
    await store.write('/a/x', '2');
    expect(seen).toHaveLength(1);
    await turns();
    expect(seen).toEqual(['/a/b', '/a/b/c']);
  });

  it('fire for nodes that go with one above them', async () => {
    const store = createStore().connect(0);
    await store.write('/a/b/c', '1');
    const seen: string[] = [];
    await store.watch('/a/b/c', (path) => seen.push(path));
    await turns();
    await store.remove('/a');
    await turns();
    expect(seen).toEqual(['/a/b/c', '/a/b/c']);
  });

  it('never call a listener from inside itself', async () => {
    const store = createStore().connect(0);
    let depth = 0;
    let deepest = 0;
    let calls = 0;
    await store.watch('/n', () => {
      depth += 1;
      deepest = Math.max(deepest, depth);
      calls += 1;
      if (calls < 5) void store.write('/n', String(calls));
      depth -= 1;
    });
    await turns(10);
    expect(calls).toBe(5);
    expect(deepest).toBe(1);
  });

  it('are silent after close', async () => {
    const store = createStore().connect(0);
    let calls = 0;
    const watch = await store.watch('/n', () => {
      calls += 1;
    });
    await watch.close();
    await store.write('/n', '1');
    await turns();
    expect(calls).toBe(0);
  });

  it('fire for a transaction only at its end, and for special names', async () => {
    const all = createStore();
    const store = all.connect(0);
    const seen: string[] = [];
    await store.watch('/n', (path) => seen.push(path));
    await store.watch('@releaseDomain', (path) => seen.push(path));
    await turns();
    seen.length = 0;
    await store.transaction(async (view) => {
      await view.write('/n', '1');
      await turns();
      expect(seen).toEqual([]);
    });
    all.announce('@releaseDomain');
    await turns();
    expect(seen).toEqual(['/n', '@releaseDomain']);
  });
});

describe('transactions', () => {
  it('repeat their work when what they read has changed', async () => {
    const all = createStore();
    const store = all.connect(0);
    await store.write('/count', '0');
    const add = () =>
      store.transaction(async (view) => {
        const value = Number(await view.read('/count'));
        await turn();
        await view.write('/count', String(value + 1));
      });
    await Promise.all([add(), add(), add(), add()]);
    expect(await store.read('/count')).toBe('4');
    expect(all.conflicts()).toBeGreaterThan(0);
  });

  it('do not disturb each other under different nodes', async () => {
    const all = createStore();
    const store = all.connect(0);
    await store.write('/dir', '');
    const work = (name: string) =>
      store.transaction(async (view) => {
        expect(await view.read(`/dir/${name}`)).toBeUndefined();
        await turn();
        await view.write(`/dir/${name}`, name);
      });
    await Promise.all([work('a'), work('b')]);
    expect(await store.list('/dir')).toEqual(['a', 'b']);
    expect(all.conflicts()).toBe(0);
  });

  it('see their own changes, and nobody else does before the end', async () => {
    const store = createStore().connect(0);
    await store.write('/d/old/x', '1');
    await store.transaction(async (view) => {
      await view.write('/d/new/y', '2');
      await view.remove('/d/old');
      expect(await view.list('/d')).toEqual(['new']);
      expect(await view.read('/d/new')).toBe('');
      expect(await view.read('/d/old/x')).toBeUndefined();
      await view.write('/d/old/z', '3');
      expect(await view.list('/d/old')).toEqual(['z']);
      expect(await store.read('/d/old/x')).toBe('1');
      expect(await store.read('/d/new/y')).toBeUndefined();
    });
    expect(await store.list('/d')).toEqual(['new', 'old']);
    expect(await store.list('/d/old')).toEqual(['z']);
  });

  it('leave nothing when the work throws', async () => {
    const store = createStore().connect(0);
    const broken = store.transaction(async (view) => {
      await view.write('/n', '1');
      throw new Error('no');
    });
    await expect(broken).rejects.toThrow('no');
    expect(await store.read('/n')).toBeUndefined();
  });
});

describe('permissions', () => {
  it('let a guest read its back-end directory and write only its own', async () => {
    const all = createStore();
    const host = all.connect(0);
    const back = '/local/domain/0/backend/pci/5/0';
    const front = '/local/domain/5/device/pci/0';
    await host.write(`${back}/state`, '1');
    await host.setPermissions(`${back}/state`, [
      { domain: 0, access: 'none' },
      { domain: 5, access: 'read' },
    ]);
    await host.write(front, '');
    await host.setPermissions(front, [
      { domain: 5, access: 'none' },
      { domain: 0, access: 'read' },
    ]);
    const guest = all.connect(5);
    expect(await guest.read(`${back}/state`)).toBe('1');
    await guest.write('device/pci/0/state', '3');
    expect(await host.read(`${front}/state`)).toBe('3');
    const refused = { code: 'STORE_REFUSED', facts: { error: 'EACCES' } };
    await expect(guest.write(`${back}/state`, '4')).rejects.toMatchObject(refused);
    await expect(guest.remove(`${back}/state`)).rejects.toMatchObject(refused);
    await expect(guest.read('/local/domain/0/name')).rejects.toMatchObject(refused);
    await expect(guest.write('/local/domain/6/x', '')).rejects.toMatchObject(refused);
    await expect(guest.watch('@releaseDomain', () => undefined)).rejects.toMatchObject(refused);
    await expect(all.connect(6).read(`${front}/state`)).rejects.toMatchObject(refused);
    await expect(guest.transaction((view) => view.write(`${back}/state`, '4'))).rejects.toMatchObject(refused);
  });

  it('refuse malformed paths and values that do not fit a message', async () => {
    const store = createStore().connect(0);
    for (const path of ['//a', '/a/', '/a b', '']) {
      await expect(store.transaction((view) => view.write(path, ''))).rejects.toMatchObject({ code: 'STORE_REFUSED' });
    }
    await expect(store.write('/a', 'x'.repeat(4096))).rejects.toMatchObject({ facts: { error: 'E2BIG' } });
  });
});

describe('a lost connection', () => {
  it('rejects later calls, resolves lost, and stays pending after an orderly close', async () => {
    const all = createStore();
    const store = all.connect(0);
    const other = all.connect(0);
    await store.watch('/', () => undefined);
    expect(all.watches()).toBe(1);
    const pending = store.transaction(async (view) => {
      await turn();
      await view.write('/n', '1');
    });
    store.lose('xenstored has gone');
    await expect(pending).rejects.toMatchObject({ code: 'STORE_LOST' });
    await expect(store.read('/n')).rejects.toMatchObject({ code: 'STORE_LOST' });
    expect((await store.lost).message).toContain('xenstored has gone');
    expect(all.watches()).toBe(0);
    expect(await other.read('/n')).toBeUndefined();
    other.close();
    await expect(Promise.race([other.lost, turn().then(() => 'pending')])).resolves.toBe('pending');
  });
});
