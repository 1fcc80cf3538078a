// SPDX-License-Identifier: MIT

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { definePlugin } from '../../../core/plugin/index.ts';
import { runHealth } from '../../../plugins/health/health-run.ts';
import { canHear } from '../../../plugins/hearing.ts';
import { sample } from '../../../plugins/platforms/embedded/index.ts';
import { commandContext } from '../../kit/command-context.ts';
import { type EmbeddedHost, type EmbeddedHostOptions, startEmbeddedHost } from '../../kit/embedded-host.ts';

let host: EmbeddedHost | undefined;
const home = mkdtempSync(join(tmpdir(), 'pciback-health-'));
const path = join(home, 'control.sock');
afterEach(async () => {
  await host?.close();
  host = undefined;
  rmSync(path, { force: true });
});

const begin = async (more: EmbeddedHostOptions = {}): Promise<void> => {
  host = await startEmbeddedHost({ devices: [sample('e1000e')], config: { control: path }, ...more });
};
const ask = async (options: object = {}): Promise<{ status: number; printed: string[] }> => {
  const { context, printed, close } = commandContext({ control: path, ...options });
  try {
    return { status: await runHealth(context), printed };
  } finally {
    await close();
  }
};

const threadWith = (runs: boolean) => {
  let wakes = 0;
  return {
    report: () => ({ guests: 0, urgent: false, watchedMs: 0, wakeMs: 0, found: 0, inVain: 0, wakes }),
    seat: () => expect.fail('there is no thread'),
    wake: () => {
      if (runs) wakes++;
    },
  };
};

describe('pciback health', () => {
  it('is 0 when guests are served and heard', async () => {
    await begin({ between: (platform) => ({ ...platform, answerer: threadWith(true) }) });
    const { status, printed } = await ask();
    expect(printed[0]).toMatch(/^ready since 2\S+Z, live: process \d+, \d+ s$/);
    expect(status).toBe(0);
  });

  it('is 1 when the thread that hears guests does not run', async () => {
    await begin({ between: (platform) => ({ ...platform, answerer: threadWith(false) }) });
    const { status, printed } = await ask();
    expect(printed.join('\n')).toMatch(
      /^ready since \S+, not live: .*\n {2}the thread that answers guests does not run$/,
    );
    expect(status).toBe(1);
  });

  it('names parts that failed, and is 0 all the same: they cost what they do', async () => {
    const broken = definePlugin({
      name: 'acme/broken',
      api: '^1.0',
      apply: (to) => {
        to.parts.add('broken', { about: 'fails', start: () => Promise.reject(new Error('no disk')) });
      },
    });
    await begin({ plugins: [broken] });
    const { status, printed } = await ask();
    expect(printed).toContain('  part broken: no disk');
    expect(status).toBe(0);
  });

  it('is 1 when the store is lost', async () => {
    await begin();
    host?.platform.store.lose('a test');
    await host?.pciback.failed;
    const { status, printed } = await ask({ json: true });
    expect(JSON.parse(printed.join('\n'))).toMatchObject({ live: false, why: [expect.stringContaining('a test')] });
    expect(status).toBe(1);
  });

  it('waits for one that is still to be started, and no longer than it was told', async () => {
    const waiting = ask({ wait: '30' });
    await begin();
    expect((await waiting).status).toBe(0);
    await host?.close();
    host = undefined;
    await expect(ask({ wait: '0.2' })).rejects.toMatchObject({ code: 'CONTROL_UNREACHABLE' });
    await expect(ask({ wait: 'long' })).rejects.toMatchObject({ code: 'USAGE' });
  });
});

describe('whether guests can be heard', () => {
  it('is so where no thread is, and where it does not tell', async () => {
    expect(await canHear({}, 0)).toBe(true);
    const { seat } = threadWith(false);
    expect(await canHear({ answerer: { seat } }, 0)).toBe(true);
  });

  it('is found out within the patience', async () => {
    expect(await canHear({ answerer: threadWith(true) }, 10)).toBe(true);
    expect(await canHear({ answerer: threadWith(false) }, 10)).toBe(false);
  });
});
