// SPDX-License-Identifier: MIT

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, it } from 'vitest';
import { createLoader } from '../../plugins/native/koffi/index.ts';
import { platformContract } from '../kit/platform-contract.ts';
import type { PlatformFixture } from '../kit/platform-fixture.ts';
import { build, dist } from '../plugins/commands/built.ts';
import { createNativeMemory } from './native-memory.ts';
import { createRemotePlatform } from './remote-platform.ts';

/** The host in another process, and what the contract needs of it. */
const openFixture = async (): Promise<PlatformFixture & { end(): Promise<void> }> => {
  const folder = mkdtempSync(join(tmpdir(), 'pciback-remote-'));
  const { compile } = (await import('./compile.mjs' as string)) as {
    compile(dist: string, folder: string): Promise<void>;
  };
  await compile(dist, folder);
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
    build();
    fixture = await openFixture();
  }, 200_000);
  afterAll(() => fixture?.end());
  for (const { name, run } of platformContract) {
    it(name, async () => {
      if (fixture === undefined) throw new Error('there is no host');
      await run(fixture);
    });
  }
});
