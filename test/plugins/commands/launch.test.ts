// SPDX-License-Identifier: MIT

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { build, dist } from './built.ts';

vi.setConfig({ testTimeout: 60_000 });
beforeAll(build, 180_000);

const launcher = join(dist, 'plugins/commands/launch.cjs');
const manifest = JSON.parse(readFileSync(resolve(import.meta.dirname, '../../../package.json'), 'utf8')) as {
  engines: { node: string };
  version: string;
  bin: { pciback: string };
};

/** Starts the command in an engine that says that it is this version. */
const startedBy = (version: string) => {
  const script = `Object.defineProperty(process.versions, 'node', { value: '${version}' });
    process.argv.splice(1, 0, '${launcher}'); require('${launcher}');`;
  return spawnSync(process.execPath, ['-e', script, '--', '--version'], { encoding: 'utf8' });
};

describe('the launcher', () => {
  it('is what the package calls pciback', () => {
    expect(manifest.bin.pciback).toBe('dist/plugins/commands/launch.cjs');
  });

  it('is executable and starts the command', () => {
    expect(spawnSync(launcher, ['--version'], { encoding: 'utf8' })).toMatchObject({
      status: 0,
      stdout: `${manifest.version}\n`,
      stderr: '',
    });
  });

  it.each(['20.19.0', '20.20.2', '22.0.0', '100.1.0'])('starts it in %s', (version) => {
    expect(startedBy(version)).toMatchObject({ status: 0, stdout: `${manifest.version}\n`, stderr: '' });
  });

  it.each(['20.18.9', '18.20.4', '12.22.12', '8.0.0'])('says in one line what is needed instead of %s', (version) => {
    expect(startedBy(version)).toMatchObject({
      status: 1,
      stdout: '',
      stderr: `pciback needs Node.js ${manifest.engines.node.replace('>=', '')} or newer, and ${process.execPath} is ${version}; the package for Debian 12 brings its own.\n`,
    });
  });
});
