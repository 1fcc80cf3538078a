// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import { silent } from '../../core/log.ts';
import { PluginHost } from '../../core/plugin/loader.ts';
import { defineQuirk } from '../../core/quirk/quirk.ts';
import { capability, register } from '../../core/space/declaration.ts';
import pcie from '../../plugins/fields/pcie.ts';
import { explainDevice } from '../../plugins/observe/explain-operations.ts';
import { printExplained } from '../../plugins/observe/explain-report.ts';
import { refuseOverlap } from '../../plugins/program/overlap.ts';
import { quirkFromJson } from '../../plugins/program/quirk-json.ts';
import { startEmbeddedHost } from '../kit/embedded-host.ts';

/** Device control of the 82574L of the samples: PCI Express at 0xe0. */
const CONTROL = 0xe8;
const base = { source: 'test', match: [{ vendor: 0x8086, device: 0x10d3 }] } as const;
const ordering = defineQuirk({
  ...base,
  name: 'acme/ordering',
  instead: 'pcie',
  fields: [register(CONTROL, 16, 'ordering').writable(0x0010)],
});
const reset = defineQuirk({
  ...base,
  name: 'acme/reset',
  instead: 'pcie',
  fields: [register(CONTROL, 16, 'reset').writable(0x8000)],
});

describe('a quirk instead of a field', () => {
  const loaded = async () => {
    const host = new PluginHost({ log: silent, check: refuseOverlap });
    await host.load(pcie, undefined, 'test');
    return host;
  };

  it('at the anchor of the field it is taken at load, without the word it is refused', async () => {
    const fields = [capability(0x10, 'mine', [register(0x08, 16, 'control').writable(0x0010)])];
    const host = await loaded();
    await host.load(defineQuirk({ ...base, name: 'acme/a', instead: 'pcie', fields }), undefined, 'test');
    await expect(host.load(defineQuirk({ ...base, name: 'acme/b', fields }), undefined, 'test')).rejects.toMatchObject({
      code: 'FIELD_OVERLAP',
    });
  });

  it.each(['sriov', 'msi-message', 'ats', 'header', 'fields/pcie', ''])('"%s" gives nothing away', async (instead) => {
    const host = await loaded();
    const quirk = defineQuirk({ ...base, name: 'acme/c', instead, fields: [register(0xf0, 8, 'r').writable()] });
    await expect(host.load(quirk, undefined, 'test')).rejects.toMatchObject({
      code: 'QUIRK_INVALID',
      message: expect.stringMatching(/acme\/c.*instead.*pcie and pci-x do/s),
    });
  });

  it('is said in JSON too, and what gives nothing is refused with the place', () => {
    const json = {
      name: 'acme/json',
      source: 'test',
      match: [{ vendor: '8086' }],
      fields: [{ offset: 'e8', width: 16, name: 'ordering', writable: '0010' }],
    };
    expect(quirkFromJson({ ...json, instead: 'pcie' }, 'a.json').sets[0]?.instead).toBe('pcie');
    expect(() => quirkFromJson({ ...json, instead: 'ats' }, 'a.json')).toThrow(/instead/);
  });

  it('explain names the register that it stands in place of; the guest reaches hardware with that bit alone', async () => {
    const host = await startEmbeddedHost({ plugins: [ordering] });
    try {
      const [nic] = (await host.platform.pci.list()).filter((one) => one.device === 0x10d3);
      if (nic === undefined) throw new Error('the samples have no 82574L');
      await (await host.guest([nic.bdf])).reached(4);
      const report = explainDevice(host.pciback, { bdf: '0000:01:00.0', offset: CONTROL, size: 2 });
      const lines: string[] = [];
      printExplained(report, (line) => lines.push(line));
      expect(lines).toContain('  bit 4 instead of fields/pcie: pcie / device control');
      expect(lines.find((line) => line.startsWith('quirk acme/ordering'))).toMatch(
        /, instead of fields\/pcie: pcie \/ device control$/,
      );
      const device = host.pciback.stub.devices[0];
      const { space } = device?.assignment ?? {};
      const now = device?.operations.hardware.readConfig(CONTROL, 2) ?? 0;
      space?.write(CONTROL, 2, (now ^ 0x001f) & 0x7fff);
      expect(device?.operations.hardware.readConfig(CONTROL, 2)).toBe(now ^ 0x0010);
    } finally {
      await host.close();
    }
  });

  it('the reset of the function stays with its code: the quirk is left out, and explain says why', async () => {
    const host = await startEmbeddedHost({ plugins: [reset] });
    try {
      const [nic] = (await host.platform.pci.list()).filter((one) => one.device === 0x10d3);
      if (nic === undefined) throw new Error('the samples have no 82574L');
      await (await host.guest([nic.bdf])).reached(4);
      const { quirks } = explainDevice(host.pciback, { bdf: '0000:01:00.0' });
      expect(quirks.matched.find(({ name }) => name === 'acme/reset')?.sets).toMatchObject([
        { kind: 'conflict', why: expect.stringContaining('belongs to fields/pcie: pcie / device control') },
      ]);
    } finally {
      await host.close();
    }
  });
});
