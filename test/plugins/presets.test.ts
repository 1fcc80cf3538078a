// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import { silent } from '../../core/log.ts';
import type { Denial } from '../../core/space/denials.ts';
import { overridesOf } from '../../plugins/commands/setup.ts';
import { parseConfig } from '../../plugins/program/rc-file.ts';
import type { ConfigInput } from '../../plugins/program/schema.ts';
import { loadPlugins } from '../../plugins/program/start.ts';
import { startEmbeddedHost } from '../kit/embedded-host.ts';

const connected = 4;

/** Bundled field plugins that a start with this rc file loads. */
const fieldsUnder = async (config: ConfigInput): Promise<string[]> => {
  const host = await loadPlugins({ config: await parseConfig(config, 'rc', '/'), directory: '/' }, silent);
  return host.loaded.map(({ name }) => name).filter((name) => name.startsWith('fields/'));
};

const KERNEL = ['fields/header', 'fields/power', 'fields/vpd', 'fields/msi', 'fields/msix'];

describe('the presets of fields', () => {
  it('kernel: what the kernel’s back end knows', async () => {
    expect(await fieldsUnder({ fields: 'kernel' })).toEqual(KERNEL);
  });

  it('full is the default, and has what kernel has', async () => {
    const full = await fieldsUnder({});
    expect(full).toEqual(await fieldsUnder({ fields: 'full' }));
    expect(full.slice(0, KERNEL.length)).toEqual(KERNEL);
    for (const name of ['fields/pcie', 'fields/aer', 'fields/sriov', 'fields/msi-message']) {
      expect(full).toContain(name);
    }
    expect(full).not.toContain('fields/hide');
  });

  it('under kernel a plugin of full can be named alone', async () => {
    expect(await fieldsUnder({ fields: 'kernel', plugins: ['fields/aer'] })).toEqual([...KERNEL, 'fields/aer']);
  });

  it('the command line goes over the rc file', () => {
    expect(overridesOf({ fields: 'kernel', json: true })).toEqual({ fields: 'kernel' });
  });
});

describe('a driver of an 82574L under both presets', () => {
  /** Writes of the guest that were denied, by offset. */
  const deniedUnder = async (fields: 'kernel' | 'full'): Promise<Denial[]> => {
    const host = await startEmbeddedHost({ config: { fields } });
    try {
      const nic = (await host.platform.pci.list()).find((one) => one.device === 0x10d3);
      if (nic === undefined) throw new Error('the samples have no 82574L');
      const guest = await host.guest([nic.bdf]);
      await guest.reached(connected);
      const space = host.pciback.stub.devices[0]?.assignment?.space;
      // What e1000e writes: error reporting on; the latches of AER as they are, and then all of them.
      for (const [offset, size, value] of [
        [0xe8, 2, 0x281f],
        [0x104, 4, 0xffffffff],
        [0x110, 4, 0xffffffff],
      ] as const) {
        expect(space?.write(offset, size, value)).toBe(0);
      }
      return [...(host.pciback.guests()[0]?.denials ?? [])];
    } finally {
      await host.close();
    }
  };

  it('kernel: 0xe8, 0x104 and 0x110 are denied for want of a field', async () => {
    const denied = await deniedUnder('kernel');
    for (const offset of [0xe8, 0x104, 0x110]) {
      expect(denied.find((one) => one.offset === offset)).toMatchObject({ owner: 'policy: drop' });
    }
  });

  it('full: none of them is', async () => {
    const denied = await deniedUnder('full');
    expect(denied.filter(({ offset }) => [0xe8, 0x104, 0x110].includes(offset))).toEqual([]);
  });
});
