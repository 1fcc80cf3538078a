// SPDX-License-Identifier: MIT

import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { build, dist } from '../plugins/commands/built.ts';

/** Guests wait ten times longer: what is looked at here are answers, on whatever machine; how soon they come is for `npm run survive`. */
const survive = (...words: readonly string[]) => {
  const main = join(import.meta.dirname, 'main.mjs');
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, '--dist', dist, '--stretch', '10', ...words], {
    encoding: 'utf8',
  });
  return { status, stdout, stderr };
};

describe('guests served by another process', () => {
  beforeAll(build, 600_000);

  it('get every answer right, and nothing is held when it has ended', () => {
    const { status, stdout, stderr } = survive('--kills', '0', '--seed', '11', '--requests', '2000');
    expect(stdout).toMatch(/lost 0, executed twice 0, wrong answers 0, guests that noticed 0 of 4/);
    expect(stdout).toMatch(/held after the end 0, status 0/);
    expect(stderr).toBe('');
    expect(status).toBe(0);
  }, 60_000);

  it('go by a quirk that was loaded at run time after its process was killed, whenever that was', () => {
    const { stdout } = survive('--kills', '4', '--seed', '11', '--requests', '200', '--during', 'quirk');
    expect(stdout).toMatch(/4 of 4 kills \(.*quirk 4/);
    expect(stdout).toMatch(/lost 0, .*wrong answers 0/);
    expect(stdout).not.toContain('failed:');
  }, 120_000);
});
