// SPDX-License-Identifier: MIT

import { formatBdf, hex } from '../../../core/bdf.ts';
import { describeError } from '../../../core/errors/index.ts';
import type { PciListing } from '../../../core/platform/index.ts';
import type { Config } from '../../kinds/config.ts';
import type { DiagnoseSettings, Finding } from '../../kinds/platform.ts';
import { className } from '../../pci-names.ts';
import { diagnoseXen, listFunctions, sharedLine } from './index.ts';

const describeDevice = (device: PciListing): string =>
  `${className(device.class)} ${hex(device.vendor, 4)}:${hex(device.device, 4)}, ${
    device.seizable ? 'can be seized' : device.holder === 'free' ? 'no driver has it' : `held by ${device.holder}`
  }`;

/** The host's driver would be cut off together with the guest, so the guest gets no line interrupt. */
const describeSharing = (
  device: string,
  { line, users }: { readonly line: number; readonly users: readonly string[] },
): { readonly detail: string; readonly next: string } => ({
  detail: `${device}; interrupts a guest by MSI or MSI-X only: line ${line} is also used by ${users.join(', ')}`,
  next: 'For a device without MSI: move it to a slot with a line of its own, or set sharedLines: "allow" in the rc file.',
});

/** Functions of the host, as the drop-in mode sees them; only listed. */
export const checkDevices = async (sharedLines: Config['sharedLines'], sysfs = '/sys'): Promise<Finding[]> => {
  const section = 'devices';
  try {
    const listings = await listFunctions(sysfs);
    if (listings.length === 0) {
      return [{ section, what: 'PCI functions', verdict: 'warning', detail: 'this host has none' }];
    }
    const checks = listings.map(async (device): Promise<Finding> => {
      const what = formatBdf(device.bdf);
      const detail = describeDevice(device);
      try {
        const shared = device.seizable && sharedLines === 'refuse' ? await sharedLine(device.bdf, sysfs) : undefined;
        if (shared === undefined) return { section, what, verdict: 'ok', detail };
        return { section, what, verdict: 'warning', ...describeSharing(detail, shared) };
      } catch (error) {
        return { section, what, verdict: 'warning', detail: describeError(error) };
      }
    });
    return await Promise.all(checks);
  } catch (error) {
    return [{ section, what: 'PCI functions', verdict: 'warning', detail: describeError(error) }];
  }
};

/** What platform xen needs, and the functions of the host. */
export const diagnose = async ({ loaders, config }: DiagnoseSettings): Promise<readonly Finding[]> => [
  ...(await diagnoseXen({ loaders })).map(
    ({ ok, ...finding }): Finding => ({ ...finding, verdict: ok ? 'ok' : 'missing' }),
  ),
  ...(await checkDevices(config.sharedLines)),
];
