// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import { assertTrusted, type FileFacts, type Onlooker } from '../../plugins/trust.ts';

type Tree = Readonly<Record<string, Partial<FileFacts> & { readonly target?: string }>>;

/** Files that exist only here; what is not said is root's and closed. */
const looking = (tree: Tree, uid = 0): Onlooker => ({
  uid,
  status: async (path) => {
    const node = path === '/' ? (tree['/'] ?? {}) : tree[path];
    if (node === undefined) throw new Error(`ENOENT: ${path}`);
    const kind = node.target === undefined ? 'directory' : 'link';
    return { uid: 0, mode: kind === 'link' ? 0o777 : 0o755, kind, ...node };
  },
  target: async (path) => tree[path]?.target ?? '',
});

const file = { kind: 'file', mode: 0o644 } as const;
const refused = (path: string) => ({ code: 'CONFIG_UNTRUSTED', facts: expect.objectContaining({ path }) });

describe('trust in files, as root', () => {
  it('accepts a file that only root can change', async () => {
    await assertTrusted('/etc/pciback/a.ts', looking({ '/etc': {}, '/etc/pciback': {}, '/etc/pciback/a.ts': file }));
  });

  it.each<[string, Tree, string]>([
    ['file of another user', { '/etc': {}, '/etc/a.ts': { ...file, uid: 1000 } }, '/etc/a.ts'],
    ['file writable by its group', { '/etc': {}, '/etc/a.ts': { ...file, mode: 0o664 } }, '/etc/a.ts'],
    ['file writable by all', { '/etc': {}, '/etc/a.ts': { ...file, mode: 0o646 } }, '/etc/a.ts'],
    ['sticky bit on a writable file', { '/etc': {}, '/etc/a.ts': { ...file, mode: 0o1646 } }, '/etc/a.ts'],
    ['directory of another user', { '/etc': { uid: 1000 }, '/etc/a.ts': file }, '/etc'],
    ['directory writable by its group', { '/etc': { mode: 0o775 }, '/etc/a.ts': file }, '/etc'],
    ['root directory writable by all', { '/': { mode: 0o777 }, '/etc': {}, '/etc/a.ts': file }, '/'],
    [
      'file of another user in a sticky directory',
      { '/etc': { mode: 0o1777 }, '/etc/a.ts': { ...file, uid: 7 } },
      '/etc/a.ts',
    ],
  ])('refuses a %s', async (_what, tree, at) => {
    await expect(assertTrusted('/etc/a.ts', looking(tree))).rejects.toMatchObject(refused(at));
  });

  it('accepts root’s file in a sticky directory: nobody else can replace it', async () => {
    await assertTrusted('/tmp/a.ts', looking({ '/tmp': { mode: 0o1777 }, '/tmp/a.ts': file }));
  });

  it('follows every link of a chain and looks at the directories on the way', async () => {
    const tree: Tree = {
      '/etc': {},
      '/etc/a.ts': { target: '../home/b.ts' },
      '/home': { mode: 0o777 },
      '/home/b.ts': { target: '/safe/c.ts' },
      '/safe': {},
      '/safe/c.ts': file,
    };
    await expect(assertTrusted('/etc/a.ts', looking(tree))).rejects.toMatchObject(refused('/home'));
    await assertTrusted('/etc/a.ts', looking({ ...tree, '/home': {} }));
    await expect(
      assertTrusted('/etc/a.ts', looking({ ...tree, '/home': {}, '/safe/c.ts': { ...file, uid: 5 } })),
    ).rejects.toMatchObject(refused('/safe/c.ts'));
  });

  it('follows linked directories and refuses links of others', async () => {
    const tree: Tree = { '/etc': { target: 'real/etc' }, '/real': {}, '/real/etc': {}, '/real/etc/a.ts': file };
    await assertTrusted('/etc/a.ts', looking(tree));
    await expect(
      assertTrusted('/etc/a.ts', looking({ ...tree, '/etc': { target: 'real/etc', uid: 5 } })),
    ).rejects.toMatchObject(refused('/etc'));
  });

  it('ends at links that go round', async () => {
    await expect(assertTrusted('/a', looking({ '/a': { target: 'b' }, '/b': { target: 'a' } }))).rejects.toMatchObject({
      code: 'CONFIG_UNTRUSTED',
    });
  });

  it('says that a file is not there', async () => {
    await expect(assertTrusted('/etc/a.ts', looking({ '/etc': {} }))).rejects.toMatchObject({
      code: 'CONFIG_UNREADABLE',
    });
  });
});

describe('trust in files, as another user', () => {
  it('asks for nothing: who can change the file gains nothing', async () => {
    await assertTrusted('/etc/a.ts', looking({ '/etc': { mode: 0o777 }, '/etc/a.ts': { uid: 5 } }, 1000));
  });
});
