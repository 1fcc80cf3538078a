// SPDX-License-Identifier: MIT

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { bdf } from '../../../../core/bdf.ts';
import { Post } from '../../../../plugins/platforms/vfio-user/post.ts';

const home = mkdtempSync(join(tmpdir(), 'pciback-post-'));
afterEach(() => rmSync(home, { recursive: true, force: true }));

it('takes no client while those of its socket have come and gone too fast', async () => {
  let taken = 0;
  let wakes = 0;
  const due: (() => void)[] = [];
  const budget = {
    takesState: (again: () => void) => due.push(again) > 1,
    close: () => {},
  };
  const post = await Post.open({
    bdf: bdf(0, 1, 0),
    path: join(home, 'one.sock'),
    budget,
    sockets: { listen: () => 3, accept: () => void taken++, close: () => {} },
    wake: () => void wakes++,
  } as unknown as Parameters<typeof Post.open>[0]);
  expect(post.isFree).toBe(true);
  post.accept();
  expect([post.isFree, taken, wakes]).toEqual([false, 0, 0]);
  // Its time has come: there is something to wait for again.
  due[0]?.();
  expect([post.isFree, taken, wakes]).toEqual([true, 0, 1]);
  post.accept();
  expect([post.isFree, taken]).toEqual([true, 1]);
  await post.close();
});
