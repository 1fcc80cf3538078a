// SPDX-License-Identifier: MIT

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import type { Answerer } from '../../../core/platform/index.ts';
import { definePlugin } from '../../../core/plugin/index.ts';
import { createLoader } from '../../../plugins/native/koffi/index.ts';
import { takeLock } from '../../../plugins/program/host-lock.ts';
import { createEmbeddedPlatform, startPciback } from '../../../plugins/program/index.ts';

it('a process that stands by is warm before it waits; one that leaves lets the lock go before it closes its platform', async () => {
  const home = mkdtempSync(join(tmpdir(), 'pciback-standby-'));
  onTestFinished(() => rmSync(home, { recursive: true }));
  const path = join(home, 'host');
  writeFileSync(path, '');
  const native = await createLoader();
  const other = await takeLock(path, native);
  const steps: string[] = [];
  let begin = (): void => undefined;
  const threadReady = new Promise<void>((resolve) => {
    begin = () => setTimeout(resolve, 20);
  }).then(() => void steps.push('the answering thread is ready'));
  const create = async () => {
    steps.push('platform open');
    const answerer = { ready: threadReady, report: () => undefined } as unknown as Answerer;
    const host = createEmbeddedPlatform({ devices: [] });
    const close = async () => {
      const mine = await takeLock(path, native);
      steps.push(`platform closed, the lock is ${mine === undefined ? 'held' : 'free'}`);
      mine?.release();
      await host.close();
    };
    return { ...host, answerer, close };
  };
  const plugin = definePlugin({
    name: 'test/standby',
    api: '^1.0',
    apply: (host) => {
      host.platforms.add('locked', { about: 'with a lock', lock: () => path, create });
      host.parts.add('warm', {
        about: 'is readied',
        prepare: async () => {
          steps.push('part readied');
          begin();
        },
        start: () => {
          steps.push('part started');
          return {};
        },
      });
    },
  });
  const waiting = () => {
    steps.push('waiting');
    other?.release();
  };
  const wait = { everyMs: 1, waiting, taken: () => steps.push('taken') };
  const running = await startPciback({ config: { platform: 'locked', control: false }, plugins: [plugin], wait });
  await running.abandon();
  expect(steps).toEqual([
    'platform open',
    'part readied',
    'the answering thread is ready',
    'waiting',
    'taken',
    'part started',
    'platform closed, the lock is free',
  ]);
});
