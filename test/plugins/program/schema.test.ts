// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import { silent } from '../../../core/log.ts';
import { defaultDeadlines } from '../../../plugins/kinds/kinds.ts';
import { defineConfig } from '../../../plugins/program/config.ts';
import { defaultConfig } from '../../../plugins/program/defaults.ts';
import { configSchema } from '../../../plugins/program/schema.ts';
import { declaredSections } from '../../../plugins/program/sections.ts';
import { loadPlugins } from '../../../plugins/program/start.ts';
import { describeConfig } from '../../kit/describe-config.ts';

const { registries } = await loadPlugins({ config: defaultConfig(), directory: '/' }, silent);

describe('the schema', () => {
  it('has the defaults that a start without an rc file uses', () => {
    expect(configSchema.parse({})).toEqual(defaultConfig());
  });

  it('takes what defineConfig takes', () => {
    const config = defineConfig({ platform: 'xen', hide: [{ vendor: '8086' }], guests: { vm: {} } });
    expect(configSchema.parse(config)).toMatchObject({ platform: 'xen', guests: { vm: { devices: {} } } });
  });

  it('gives each caller lists of its own', () => {
    configSchema.parse({}).plugins.push('x');
    expect(configSchema.parse({}).plugins).toEqual([]);
  });
});

describe('the reference', () => {
  const rows = describeConfig(declaredSections(registries));

  it('has every key, with a description', () => {
    expect(rows.map((row) => row.key)).toEqual([
      'platform',
      'native',
      'plugins',
      'without',
      'quirks',
      'folders',
      'hide',
      'fields',
      'backend',
      'slots',
      'watch',
      'interrupts',
      'permissive',
      'allowInterruptControl',
      'allowInUse',
      'allowSharedPages',
      'sharedLines',
      'onReset',
      'onReset.failed',
      'onReset.unsupported',
      'deadlines',
      ...Object.keys(defaultDeadlines).map((name) => `deadlines.${name}`),
      'shutdownSeconds',
      'log',
      'log.level',
      'guests',
      'guests.<name>.slots',
      'guests.<name>.interrupts',
      'guests.<name>.devices',
      'guests.<name>.devices.<bdf>.permissive',
      'guests.<name>.devices.<bdf>.allowInterruptControl',
      'embedded',
      'embedded.devices',
      'xen',
      'xen.configPages',
      'xen.lane',
      'xen.mode',
      'xen.precedence',
      'vfio-user',
      'vfio-user.devices',
      'vfio-user.sockets',
      'vfio-user.folder',
      'vfio-user.memoryMiB',
      'crash',
      'crash.directory',
      'crash.keep',
      'loop',
      'loop.seconds',
      'loop.megabytes',
      'loop.action',
      'journal',
      'control',
      'errors',
      'errors.deadlineSeconds',
      'errors.onFailure',
      'metrics',
      'metrics.port',
      'metrics.address',
    ]);
    for (const row of rows) expect(row.description, row.key).toMatch(/^.{10,}\.$/);
  });

  it('says type and default', () => {
    const find = (key: string) => rows.find((row) => row.key === key);
    expect(find('onReset.failed')).toMatchObject({ type: '"quarantine" \\| "allow"', default: '"quarantine"' });
    expect(find('hide')).toMatchObject({ type: 'string or list of string or object', default: '[]' });
    expect(find('embedded.devices')).toMatchObject({ default: '["host","samples"]' });
    expect(find('native')).not.toHaveProperty('default');
  });
});
