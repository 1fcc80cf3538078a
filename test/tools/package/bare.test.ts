// SPDX-License-Identifier: MIT

import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

interface Terms {
  readonly codename: string;
  readonly include?: readonly string[];
  readonly say: (text: string) => void;
}
/** The tool is plain JavaScript; this is the part of it that is used here. */
const { makeBareRoot } = (await import(/* @vite-ignore */ join(import.meta.dirname, 'bare.mjs'))) as {
  makeBareRoot(root: string, terms: Terms): void;
};

let folder = '';
const { PATH, MIRROR } = process.env;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'bare-'));
  process.env.PATH = `${folder}:${PATH}`;
  process.env.MIRROR = 'http://mirror.invalid/debian';
});
afterEach(() => {
  process.env.PATH = PATH;
  if (MIRROR === undefined) delete process.env.MIRROR;
  else process.env.MIRROR = MIRROR;
  rmSync(folder, { recursive: true });
});

const debootstrap = (script: string): void => {
  writeFileSync(join(folder, 'debootstrap'), `#!/bin/sh\n${script}`);
  chmodSync(join(folder, 'debootstrap'), 0o755);
};

describe('a bare root', () => {
  it('is made once, and again for other packages', () => {
    const root = join(folder, 'root');
    debootstrap('echo "$@"; echo made >> "$4/made"');
    const said: string[] = [];
    const make = (include: readonly string[]): void =>
      makeBareRoot(root, { codename: 'trixie', include, say: (text) => said.push(text) });
    make(['nodejs', 'kmod']);
    make(['nodejs', 'kmod']);
    expect(said).toEqual(['debootstrap --variant=minbase --include=nodejs,kmod trixie']);
    expect(readFileSync(`${root}.log`, 'utf8')).toBe(
      `--variant=minbase --include=nodejs,kmod trixie ${root} http://mirror.invalid/debian\n`,
    );
    writeFileSync(join(root, 'of-the-old-one'), '');
    make(['nodejs']);
    expect(said).toHaveLength(2);
    expect(existsSync(join(root, 'of-the-old-one'))).toBe(false);
    expect(readFileSync(join(root, 'made'), 'utf8')).toBe('made\n');
  });

  it('that could not be made is said with the end of the log, and made the next time', () => {
    const root = join(folder, 'root');
    const make = (): void => makeBareRoot(root, { codename: 'trixie', say: () => undefined });
    debootstrap('for i in 1 2 3 4 5 6; do echo line $i; done; echo E: no such mirror >&2; exit 1');
    expect(make).toThrow(`${root}.log ends with:\nline 3\nline 4\nline 5\nline 6\nE: no such mirror`);
    debootstrap('exit 0');
    expect(make).not.toThrow();
    process.env.PATH = '/nowhere';
    expect(() => makeBareRoot(join(folder, 'other'), { codename: 'trixie', say: () => undefined })).toThrow(
      'As root: apt-get install debootstrap',
    );
  });
});
