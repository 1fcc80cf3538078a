// SPDX-License-Identifier: MIT

import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, it } from 'vitest';
import { createLoader } from '../../plugins/native/koffi/index.ts';
import { platformContract } from '../kit/platform-contract.ts';
import type { PlatformFixture } from '../kit/platform-fixture.ts';
import { createNativeMemory } from './native-memory.ts';
import { createRemotePlatform } from './remote-platform.ts';

/** The host in another process, and what the contract needs of it. */
const openFixture = async (): Promise<PlatformFixture & { end(): Promise<void> }> => {
  // Below the packages, which it loads.
  const cache = join(import.meta.dirname, '../../node_modules/.cache');
  mkdirSync(cache, { recursive: true });
  const folder = mkdtempSync(join(cache, 'pciback-remote-'));
  const { compileAlone } = (await import('./compile.mjs' as string)) as {
    compileAlone(folder: string, name: string): Promise<void>;
  };
  await compileAlone(folder, 'contract-host');
  const child = spawn(process.execPath, [join(folder, 'contract-host.mjs')], { stdio: ['pipe', 'pipe', 'inherit'] });
  const place = await new Promise<string>((resolve, reject) => {
    child.stdout.setEncoding('utf8').once('data', (text: string) => resolve(text.trim()));
    child.once('exit', (status) => reject(new Error(`the host ended with ${status}`)));
  });
  const native = await createLoader();
  const platform = await createRemotePlatform(place, native);
  const memory = createNativeMemory(native);
  const [first] = (await platform.pci.list()).filter(({ seizable }) => seizable);
  if (first === undefined) throw new Error('the host has no function');
  return {
    platform,
    folder: '/local/domain/0/pciback-contract',
    device: first.bdf,
    patience: 20,
    peer: {
      domain: platform.ask('peer') as number,
      grant: () => {
        const { reference, file } = platform.ask('grant') as { reference: number; file: string };
        return { reference, memory: memory.map(file).memory, end: () => void platform.ask('endGrant', reference) };
      },
      offerPort: () => {
        const port = platform.ask('offer') as number;
        return {
          port,
          notify: () => void platform.ask('raise', port),
          received: () => platform.ask('received', port) as number,
          close: () => void platform.ask('withdraw', port),
        };
      },
    },
    end: async () => {
      await platform.close();
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.stdin.end();
      await ended;
      rmSync(folder, { recursive: true });
    },
  };
};

describe('platform remote', () => {
  let fixture: Awaited<ReturnType<typeof openFixture>> | undefined;
  beforeAll(async () => {
    fixture = await openFixture();
  }, 60_000);
  afterAll(() => fixture?.end());
  for (const { name, run } of platformContract) {
    it(name, async () => {
      if (fixture === undefined) throw new Error('there is no host');
      await run(fixture);
    });
  }
});
