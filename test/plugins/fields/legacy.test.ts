// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import { silent } from '../../../core/log.ts';
import { PluginHost } from '../../../core/plugin/loader.ts';
import type { Contribution } from '../../../core/space/compile.ts';
import { compileSpace } from '../../../core/space/compile.ts';
import { ConfigSpace } from '../../../core/space/config-space.ts';
import hidePlugin from '../../../plugins/fields/hide.ts';
import plugin, { hiddenByDefault } from '../../../plugins/fields/legacy.ts';
import { explainIssue } from '../../../plugins/schema-issue.ts';
import { FakeDevice, FakeFunction, type ImagePart } from '../../kit/fake-function.ts';
import { silentWall } from '../../kit/silent-wall.ts';

const surgeryOf = async (options?: unknown) => {
  const host = new PluginHost({ log: silent, explain: explainIssue });
  await host.load(plugin, options, 'test');
  return host.registries.surgery;
};

/** Power management, debug port, SATA; AER, MR-IOV, LTR. */
const image: readonly ImagePart[] = [
  [0x06, 2, 0x0010],
  [0x34, 1, 0x50],
  [0x50, 2, 0x5801],
  [0x58, 2, 0x980a],
  [0x98, 2, 0x0012],
  [0x100, 4, 0x1401_0001],
  [0x140, 4, 0x1801_0011],
  [0x180, 4, 0x0001_0018],
];

const listsSeen = async (
  options?: unknown,
  parts = image,
): Promise<readonly [standard: number[], extended: number[]]> => {
  const { things } = await surgeryOf(options);
  const hardware = new FakeFunction({ image: parts });
  const contributions = things.map((surgery): Contribution => ({ owner: 'test', surgery }));
  const terms = { wall: silentWall(), unhandled: 'drop', skipped: () => {} } as const;
  const table = compileSpace(new FakeDevice(hardware), contributions, terms);
  const space = new ConfigSpace(hardware, table, { failed: () => {}, denied: () => {} });
  const read = (offset: number, size: 1 | 4): number => {
    expect(space.read(offset, size)).toBe(0);
    return space.value >>> 0;
  };
  const standard: number[] = [];
  for (let at = read(0x34, 1); at !== 0; at = read(at + 1, 1)) standard.push(read(at, 1));
  const extended: number[] = [];
  for (let at = 0x100; at !== 0; at = read(at, 4) >>> 20) extended.push(read(at, 4) & 0xffff);
  return [standard, extended];
};

describe('legacy', () => {
  it('what xen_pt or vfio-pci hide is hidden, by name', async () => {
    const { things } = await surgeryOf();
    const ids = things.map((one) => (one.kind === 'hide' ? `${one.list} ${one.id.toString(16)}` : one.kind));
    const standard = ['2', '4', '6', 'a', 'b', 'c', 'e', 'f'].map((id) => `standard ${id}`);
    const extended = ['5', '6', '7', 'a', 'c', '11', '14', '23'].map((id) => `extended ${id}`);
    expect(ids).toEqual([...standard, ...extended]);
    expect(things).toHaveLength(hiddenByDefault.length);
  });

  it('a guest does not find them, and finds the others', async () => {
    expect(await listsSeen()).toEqual([
      [0x01, 0x12],
      [0x0001, 0x0018],
    ]);
  });

  it('one that is named is shown', async () => {
    expect(await listsSeen({ show: ['debug-port', 'mr-iov'] })).toEqual([
      [0x01, 0x0a, 0x12],
      [0x0001, 0x0011, 0x0018],
    ]);
  });

  it('of capabilities that a designated vendor lays out those of CXL are hidden', async () => {
    const parts: readonly ImagePart[] = [
      [0x100, 4, 0x1401_0023],
      [0x104, 2, 0x1e98],
      [0x140, 4, 0x1801_0023],
      [0x144, 2, 0x8086],
      [0x180, 4, 0xffc1_0018],
      // At the end of config space there is no room for a vendor.
      [0xffc, 4, 0x0001_0023],
    ];
    expect((await listsSeen(undefined, parts))[1]).toEqual([0x0000, 0x0023, 0x0018, 0x0023]);
    expect((await listsSeen({ show: ['cxl'] }, parts))[1]).toEqual([0x0023, 0x0023, 0x0018, 0x0023]);
  });

  it('a name that is not hidden is an error with the nearest', async () => {
    await expect(surgeryOf({ show: ['debug-prot'] })).rejects.toMatchObject({
      code: 'PLUGIN_OPTIONS',
      message: expect.stringMatching(/show\[0\].*"debug-prot" is none of .*debug-port/),
    });
  });

  it('goes together with fields/hide that names the same', async () => {
    const host = new PluginHost({ log: silent });
    await host.load(plugin, undefined, 'test');
    await host.load(hidePlugin, { capabilities: ['agp', 'tph'] }, 'test');
    expect(host.registries.surgery.names).toEqual(expect.arrayContaining(['legacy agp', 'hide agp', 'hide tph']));
  });

  it('the plugin is a plugin', () => {
    expect(plugin).toMatchObject({ kind: 'plugin', name: 'fields/legacy', api: '^1.0' });
  });
});
