// SPDX-License-Identifier: MIT

/** Reads config space in aligned accesses; throws when the host refuses. */
export interface ConfigReader {
  readConfig(offset: number, size: 1 | 2 | 4): number;
}

/** Whether nobody answers: off the bus, in D3cold, held in reset. The ids of a virtual function alone are ones too. */
export const isSilent = (config: ConfigReader): boolean =>
  (config.readConfig(0x00, 4) & config.readConfig(0x08, 4)) >>> 0 === 0xffffffff;

/** Ids of the capabilities that core itself has to know. */
export const CapabilityId = { powerManagement: 0x01, vpd: 0x03, msi: 0x05, pcie: 0x10, msix: 0x11 } as const;

/** Where the lists begin, and which bits of a pointer are one (PCI Local Bus 3.0, §6.7; PCI Express 5.0, §7.6.3). */
export const ListLayout = {
  status: 0x06,
  /** Bit of the status register: there is a list at `pointer`. */
  present: 0x0010,
  pointer: 0x34,
  /** Bits of the pointer, and of each capability's next pointer. */
  next: 0xfc,
  /** Where the extended list begins, in bytes. */
  extended: 0x100,
} as const;
const HEADER_BYTES = 0x40;

/** The next pointer in the header of an extended capability. */
export const nextExtended = (header: number): number => (header >>> 20) & 0xffc;

/** One entry of a capability list. */
export interface CapabilityPlace {
  readonly id: number;
  readonly offset: number;
}

/**
 * Walks the list at 0x34 as hardware has it. A list that loops or points into the header ends where it goes wrong: a
 * device is not trusted to have a sound one.
 */
export const capabilities = (config: ConfigReader): CapabilityPlace[] => {
  if ((config.readConfig(ListLayout.status, 2) & ListLayout.present) === 0) return [];
  const found: CapabilityPlace[] = [];
  const seen = new Set<number>();
  let offset = config.readConfig(ListLayout.pointer, 1) & ListLayout.next;
  while (offset >= HEADER_BYTES && !seen.has(offset)) {
    seen.add(offset);
    const id = config.readConfig(offset, 1);
    if (id === 0xff) break;
    found.push({ id, offset });
    offset = config.readConfig(offset + 1, 1) & ListLayout.next;
  }
  return found;
};

/** Walks the extended list at 0x100; empty for a function with 256 bytes of config space. */
export const extendedCapabilities = (config: ConfigReader, configSize: number): CapabilityPlace[] => {
  if (configSize <= ListLayout.extended) return [];
  const found: CapabilityPlace[] = [];
  const seen = new Set<number>();
  let offset: number = ListLayout.extended;
  while (offset >= ListLayout.extended && offset + 4 <= configSize && !seen.has(offset)) {
    seen.add(offset);
    const word = config.readConfig(offset, 4) >>> 0;
    if (word === 0 || word === 0xffffffff) break;
    found.push({ id: word & 0xffff, offset });
    offset = nextExtended(word);
  }
  return found;
};

/** Both lists of a function, as they were when it was looked at. */
export interface CapabilityLists {
  readonly standard: readonly CapabilityPlace[];
  readonly extended: readonly CapabilityPlace[];
}

export const capabilityLists = (
  config: ConfigReader & { readonly identity: { readonly configSize: number } },
): CapabilityLists => ({
  standard: capabilities(config),
  extended: extendedCapabilities(config, config.identity.configSize),
});
