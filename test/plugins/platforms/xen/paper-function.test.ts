// SPDX-License-Identifier: MIT

import { fstatSync, mkdtempSync, openSync, readdirSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { HostError, type NativeLoader, type PaperFunction } from '../../../../core/platform/index.ts';
import { createLoader as createFfiNapi } from '../../../../plugins/native/ffi-napi/index.ts';
import { createLoader as createKoffi } from '../../../../plugins/native/koffi/index.ts';
import { sample } from '../../../../plugins/platforms/embedded/index.ts';
import { paperFunctions } from '../../../../plugins/platforms/xen/paper-function.ts';
import { placeable } from '../../../kit/placeable.ts';
import { createFakeNative } from './fake-native.ts';

const { config, resources, line, bdf, vendor, device } = sample('e1000e');
const facts = { identity: placeable(bdf, { vendor, device }).identity, resources, line, config } as const;

/** Files without a name that this process has open. */
const papers = (): number =>
  readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).includes('pciback-rehearsal');
    } catch {
      return false;
    }
  }).length;

const loaders = await Promise.all(
  [createKoffi, createFfiNapi].map((create): Promise<NativeLoader | undefined> => create().catch(() => undefined)),
);

describe.each(loaders.filter((loader) => loader !== undefined))('a function on paper, with $name', (native) => {
  it.each(['files', 'pages'] as const)('holds what is written to it, read from %s', async (reads) => {
    const paper: PaperFunction = paperFunctions(native, reads)(facts);
    expect(papers()).toBe(1);
    expect([paper.readConfig(0, 4), paper.readConfig(0, 2), paper.readConfig(0x08, 4) >>> 8]).toEqual([
      0x10d38086, 0x8086, 0x020000,
    ]);
    paper.writeConfig(0x04, 2, 0x0406);
    paper.writeConfig(0x100, 4, 0xffffffff);
    expect([paper.readConfig(0x04, 2), paper.readConfig(0x100, 4)]).toEqual([0x0406, 0xffffffff]);
    expect(await paper.reset()).toMatchObject({ ok: true });
    expect('configPage' in paper).toBe(reads === 'pages');
    paper.close();
    expect(papers()).toBe(0);
    expect(() => paper.readConfig(0x04, 2)).toThrow(HostError);
  });

  it('is not the next one', () => {
    const make = paperFunctions(native, 'files');
    const [one, other] = [make(facts), make(facts)];
    one.writeConfig(0x04, 2, 6);
    expect(other.readConfig(0x04, 2)).toBe(config[0x04]);
    one.close();
    other.close();
  });
});

describe('a function on paper', () => {
  it('is refused where the host has no memory for it', () => {
    const native = createFakeNative({ memfd_create: () => -1 });
    native.setErrno(12);
    expect(() => paperFunctions(native, 'files')(facts)).toThrow(expect.objectContaining({ errno: 12 }));
  });

  it('may be one that could be run, where the kernel knows no other', () => {
    const folder = mkdtempSync(join(tmpdir(), 'pciback-paper-'));
    try {
      const native = createFakeNative({
        memfd_create: (_name, flags) => (flags === 1 ? openSync(join(folder, 'paper'), 'w+') : -1),
      });
      const paper = paperFunctions(native, 'files')(facts);
      expect(paper.readConfig(0, 4)).toBe(0x10d38086);
      paper.close();
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('leaves no file when it cannot be filled', () => {
    const fd = openSync('/dev/null', 'r');
    const native = createFakeNative({ memfd_create: () => fd });
    expect(() => paperFunctions(native, 'files')(facts)).toThrow(HostError);
    expect(() => fstatSync(fd)).toThrow(/EBADF/);
  });
});
