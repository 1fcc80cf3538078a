// SPDX-License-Identifier: MIT

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll } from 'vitest';
import { formatBdf, hex } from '../../../core/bdf.ts';
import { sample } from '../../../plugins/platforms/embedded/sources.ts';

/** For one test file: makes a directory of its own with these files, removed when the tests have ended. */
export const makePlaces = (): ((files?: Readonly<Record<string, string>>) => string) => {
  const home = mkdtempSync(join(tmpdir(), 'pciback-cli-'));
  let count = 0;
  afterAll(() => rmSync(home, { recursive: true }));
  return (files = {}) => {
    count += 1;
    const directory = join(home, String(count));
    mkdirSync(directory);
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(directory, path)), { recursive: true });
      writeFileSync(join(directory, path), text);
    }
    return directory;
  };
};

export const rc = (config: object): Record<string, string> => ({ 'pciback.config.json': JSON.stringify(config) });

/** The module of a plugin. */
export const plugin = (name: string, apply: string, more = ''): string =>
  `${more}\nexport default { kind: 'plugin', name: '${name}', version: '1.0.0', api: '^1.0', apply(host) { ${apply} } };`;

/** `lspci -xxxx` of a sample device, cut after so many bytes. */
export const dumpOf = (bytes: number): string => {
  const image = sample('e1000e');
  const rows = Array.from({ length: bytes / 16 }, (_, row) => {
    const cells = [...image.config.subarray(row * 16, row * 16 + 16)].map((byte) => hex(byte, 2));
    return `${hex(row * 16, 2)}: ${cells.join(' ')}`;
  });
  return `${formatBdf(image.bdf).slice(5)} Ethernet controller: a network card\n${rows.join('\n')}\n`;
};
