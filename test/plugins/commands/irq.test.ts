// SPDX-License-Identifier: MIT

import { mkdtempSync, rmSync } from 'node:fs';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { formatBdf } from '../../../core/bdf.ts';
import { runIrq } from '../../../plugins/commands/irq-run.ts';
import { sample } from '../../../plugins/platforms/embedded/index.ts';
import { checkDevices } from '../../../plugins/platforms/xen/doctor.ts';
import { commandContext } from '../../kit/command-context.ts';
import { type EmbeddedHost, startEmbeddedHost } from '../../kit/embedded-host.ts';
import { emptyResource, makeSysfs } from '../platforms/xen/fake-sysfs.ts';

const nic = sample('rtl8139');
const bdf = formatBdf(nic.bdf);

describe('pciback irq', () => {
  let home: string;
  let path: string;
  let host: EmbeddedHost;

  beforeEach(async () => {
    home = mkdtempSync(join(tmpdir(), 'pciback-irq-'));
    path = join(home, 'control.sock');
    host = await startEmbeddedHost({ devices: [nic, sample('e1000e')], config: { control: path } });
  });
  afterEach(async () => {
    await host.close();
    rmSync(home, { recursive: true });
  });

  const irq = async (words: readonly string[], json = false): Promise<string[]> => {
    const { context, printed } = commandContext({ control: path, json }, words);
    const status = await runIrq(context);
    expect(status).toBe(0);
    return printed;
  };

  it('lists the handler of every device that a guest has', async () => {
    expect(await irq(['list'])).toHaveLength(1);
    const guest = await host.guest([nic.bdf, sample('e1000e').bdf]);
    await guest.reached(4);
    host.platform.pci.model(nic.bdf).raiseLine();
    host.platform.pci.model(nic.bdf).lowerLine();
    const [head, ...rows] = await irq(['list']);
    expect(head).toMatch(/^device +guest +irq +handler +acknowledging +handled +line interrupt$/);
    // The other card uses MSI-X: it was switched on before, so its handler is there and claims nothing.
    expect(rows.map((row) => row.split(/ +/).join(' '))).toEqual([
      `${bdf} ${guest.domain} 19 on yes 1 allowed`,
      `${formatBdf(sample('e1000e').bdf)} ${guest.domain} 16 on no 0 allowed`,
    ]);
  });

  it('takes a handler off and puts it on', async () => {
    const guest = await host.guest([nic.bdf]);
    await guest.reached(4);
    const toggled = async (): Promise<unknown> => JSON.parse((await irq(['toggle', bdf.slice(5)], true)).join(''));
    expect(await toggled()).toMatchObject({ handlers: [{ bdf, on: false, acknowledging: false }] });
    expect(host.platform.lines.report(19).actions).toEqual([]);
    expect(await toggled()).toMatchObject({ handlers: [{ bdf, on: true, acknowledging: true }] });
    expect(host.platform.lines.report(19).actions).toEqual([`xen-pciback[${bdf}]`]);
  });

  it('says what is wrong', async () => {
    await expect(irq(['lst'])).rejects.toThrow(/"lst".*Perhaps you meant "list"/);
    await expect(irq(['toggle'])).rejects.toMatchObject({ code: 'USAGE' });
    await expect(irq(['toggle', 'nic'])).rejects.toMatchObject({ code: 'BDF_SYNTAX' });
    await host.pciback.stub.seize(nic.bdf);
    await expect(irq(['toggle', bdf])).rejects.toThrow(/no guest has it/);
  });
});

describe('pciback doctor', () => {
  it('warns of a device whose line the host uses too, unless the operator allows it', async () => {
    const sysfs = await makeSysfs([
      { place: 'pci0000:00/0000:00:04.0', driver: 'pciback', irq: '19\n' },
      { place: 'pci0000:00/0000:00:05.0', driver: 'pciback', irq: '20\n' },
    ]);
    try {
      for (const [line, text] of Object.entries({ 19: 'ehci_hcd:usb1\n', 20: '\n' })) {
        await mkdir(join(sysfs.root, 'kernel/irq', line), { recursive: true });
        await writeFile(join(sysfs.root, 'kernel/irq', line, 'actions'), text);
      }
      expect(await checkDevices('refuse', sysfs.root)).toMatchObject([
        {
          what: '0000:00:04.0',
          verdict: 'warning',
          detail: expect.stringMatching(/line 19 is also used by ehci_hcd:usb1/),
          next: expect.stringContaining('sharedLines: "allow"'),
        },
        { what: '0000:00:05.0', verdict: 'ok' },
      ]);
      expect(await checkDevices('allow', sysfs.root)).toMatchObject([{ verdict: 'ok' }, { verdict: 'ok' }]);
    } finally {
      await sysfs.remove();
    }
  });

  it('says what the host does with a device, and of one that is assignable already what host and guest will miss', async () => {
    const bar = (start: string, end: string): string => `${start} ${end} 0x0000000000040200\n${emptyResource}`;
    const sysfs = await makeSysfs([
      { place: 'pci0000:00/0000:00:02.0', driver: 'pciback' },
      { place: 'pci0000:00/0000:00:04.0', driver: 'pciback', resource: bar('0xfebc1000', '0xfebc10ff') },
      { place: 'pci0000:00/0000:00:05.0', driver: 'ehci-pci', resource: bar('0xfebc1c00', '0xfebc1fff') },
    ]);
    const proc = join(sysfs.root, 'proc');
    try {
      await writeFile(join(sysfs.root, 'bus/pci/devices/0000:00:02.0/boot_vga'), '1\n');
      await mkdir(join(sysfs.root, 'class/tty/ttyS4'), { recursive: true });
      await symlink(join(sysfs.root, 'devices/pci0000:00/0000:00:05.0'), join(sysfs.root, 'class/tty/ttyS4/device'));
      await mkdir(proc);
      await writeFile(join(proc, 'consoles'), 'ttyS4  -W- (EC p a) 4:68\n');
      expect(await checkDevices('allow', sysfs.root, proc)).toMatchObject([
        { what: '0000:00:02.0', verdict: 'warning', detail: expect.stringMatching(/; it is the primary display$/) },
        {
          what: '0000:00:04.0',
          verdict: 'warning',
          detail: expect.stringContaining(
            'BAR 0 has page 0xfebc1000 together with BAR 0 of 0000:00:05.0, which driver ehci-pci',
          ),
          next: expect.stringContaining('allowSharedPages'),
        },
        { what: '0000:00:05.0', verdict: 'ok', detail: expect.stringMatching(/; ttyS4 is a console of the host$/) },
      ]);
    } finally {
      await sysfs.remove();
    }
  });
});
