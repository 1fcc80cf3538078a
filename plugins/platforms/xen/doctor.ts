// SPDX-License-Identifier: MIT

import { type Bdf, formatBdf, hex } from '../../../core/bdf.ts';
import { describeError } from '../../../core/errors/index.ts';
import type { PciListing } from '../../../core/platform/index.ts';
import type { Config } from '../../kinds/config.ts';
import type { DiagnoseSettings, Finding } from '../../kinds/platform.ts';
import { className } from '../../pci-names.ts';
import { readSection } from '../../read-section.ts';
import { hasPartOfPage, type Placed, sharedPages } from '../../shared-pages.ts';
import { type HostRoots, hostUses, missedUses } from './host-use.ts';
import { diagnoseXen, listFunctions, sharedLine, type XenMode } from './index.ts';
import { xenSection } from './section.ts';
import { functionFolder, readText } from './sysfs-files.ts';
import { parseResources } from './sysfs-function.ts';

const describeDevice = (device: PciListing): string =>
  `${className(device.class)} ${hex(device.vendor, 4)}:${hex(device.device, 4)}, ${
    device.seizable ? 'can be seized' : device.holder === 'free' ? 'no driver has it' : `held by ${device.holder}`
  }`;

/** The host's driver would be cut off together with the guest, so the guest gets no line interrupt. */
const describeSharing = ({ line, users }: { readonly line: number; readonly users: readonly string[] }): Note => ({
  detail: `interrupts a guest by MSI or MSI-X only: line ${line} is also used by ${users.join(', ')}`,
  next: 'For a device without MSI: move it to a slot with a line of its own, or set sharedLines: "allow" in the rc file.',
});

/** Something that is wrong with a device, and what to do. */
interface Note {
  readonly detail: string;
  readonly next: string;
}

const placedAt = async (sysfs: string, bdf: Bdf): Promise<Placed> => ({
  bdf,
  resources: parseResources((await readText(`${functionFolder(sysfs, bdf)}/resource`)) ?? ''),
});

/** What the toolstack has made assignable is not taken from it; that the host or another device will suffer is said. */
const notesOn = async (
  { bdf }: PciListing,
  listings: readonly PciListing[],
  sharedLines: Config['sharedLines'],
  roots: HostRoots,
): Promise<readonly Note[]> => {
  const { sysfs } = roots;
  const notes: Note[] = (await missedUses(bdf, roots)).map((use) => ({
    detail: use,
    next: 'The host shows no picture when a guest has it: choose another display in the firmware, or use a serial console.',
  }));
  const line = sharedLines === 'refuse' ? await sharedLine(bdf, sysfs) : undefined;
  if (line !== undefined) notes.push(describeSharing(line));
  const own = await placedAt(sysfs, bdf);
  if (!hasPartOfPage(own.resources)) return notes;
  for (const { bdf: other, holder, seizable } of listings) {
    if (other === bdf || seizable || holder === 'free') continue;
    notes.push(
      ...sharedPages(own, await placedAt(sysfs, other)).map((share) => ({
        detail: `${share}, which driver ${holder} of the host has: no guest gets it`,
        next: `pci=resource_alignment=12@${formatBdf(bdf)} on the kernel’s command line, or allowSharedPages in the rc file.`,
      })),
    );
  }
  return notes;
};

/** Functions of the host, as the mode sees them; only listed. */
export const checkDevices = async (
  sharedLines: Config['sharedLines'],
  sysfs = '/sys',
  proc = '/proc',
  mode: XenMode = 'drop-in',
): Promise<Finding[]> => {
  const roots = { sysfs, proc };
  const section = 'devices';
  try {
    const listings = await listFunctions(mode, sysfs);
    if (listings.length === 0) {
      return [{ section, what: 'PCI functions', verdict: 'warning', detail: 'this host has none' }];
    }
    const checks = listings.map(async (device): Promise<Finding> => {
      const what = formatBdf(device.bdf);
      const detail = describeDevice(device);
      try {
        const uses = await hostUses(device.bdf, roots);
        if (uses.length > 0) return { section, what, verdict: 'ok', detail: `${detail}; ${uses.join('; ')}` };
        const notes = device.seizable ? await notesOn(device, listings, sharedLines, roots) : [];
        if (notes.length === 0) return { section, what, verdict: 'ok', detail };
        const told = [detail, ...notes.map((note) => note.detail)].join('; ');
        return { section, what, verdict: 'warning', detail: told, next: notes.map(({ next }) => next).join(' ') };
      } catch (error) {
        return { section, what, verdict: 'warning', detail: describeError(error) };
      }
    });
    return await Promise.all(checks);
  } catch (error) {
    return [{ section, what: 'PCI functions', verdict: 'warning', detail: describeError(error) }];
  }
};

/** What platform xen needs in the mode of the rc file, and the functions of the host. */
export const diagnose = async ({ loaders, config }: DiagnoseSettings): Promise<readonly Finding[]> => {
  const { mode } = readSection(config, 'xen', xenSection);
  return [
    ...(await diagnoseXen({ loaders, mode })).map(
      ({ ok, ...finding }): Finding => ({ ...finding, verdict: ok ? 'ok' : 'missing' }),
    ),
    ...(await checkDevices(config.sharedLines, '/sys', '/proc', mode)),
  ];
};
