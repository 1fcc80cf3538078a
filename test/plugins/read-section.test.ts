// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { Config } from '../../plugins/kinds/config.ts';
import { defaultConfig } from '../../plugins/program/defaults.ts';
import { readSection, sectionsOf } from '../../plugins/read-section.ts';

const room = z.strictObject({ size: z.number().default(3) }).prefault({});

const withValues = (values: Readonly<Record<string, unknown>>): Config => ({
  ...defaultConfig(),
  sections: { file: 'rc.json', directory: '/etc', values },
});

describe('sections of the rc file', () => {
  it('are read with defaults, and without an rc file', () => {
    const config = withValues({ journal: { size: 8 }, moon: {} });
    expect(readSection(config, 'journal', room)).toEqual({ size: 8 });
    expect(readSection(config, 'moon', room)).toEqual({ size: 3 });
    expect(readSection(defaultConfig(), 'page', room)).toEqual({ size: 3 });
    expect(sectionsOf(defaultConfig())).toMatchObject({ directory: process.cwd(), values: {} });
  });

  it('are refused by file and key', () => {
    const facts = { file: 'rc.json', key: 'journal.sice', nearest: 'size' };
    expect(() => readSection(withValues({ journal: { sice: 4 } }), 'journal', room)).toThrow(
      expect.objectContaining({ code: 'CONFIG_INVALID', facts: expect.objectContaining(facts) }),
    );
  });
});
