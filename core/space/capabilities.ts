// SPDX-License-Identifier: MIT

/** Reads config space in aligned accesses; throws when the host refuses. */
export interface ConfigReader {
  readConfig(offset: number, size: 1 | 2 | 4): number;
}

/** Ids of the capabilities that core itself has to know. */
export const CapabilityId = { powerManagement: 0x01, vpd: 0x03, msi: 0x05, pcie: 0x10, msix: 0x11 } as const;

const STATUS = 0x06;
const STATUS_HAS_LIST = 0x0010;
const LIST_POINTER = 0x34;
const HEADER_BYTES = 0x40;
const EXTENDED_START = 0x100;

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
  if ((config.readConfig(STATUS, 2) & STATUS_HAS_LIST) === 0) return [];
  const found: CapabilityPlace[] = [];
  const seen = new Set<number>();
  let offset = config.readConfig(LIST_POINTER, 1) & 0xfc;
  while (offset >= HEADER_BYTES && !seen.has(offset)) {
    seen.add(offset);
    const id = config.readConfig(offset, 1);
    if (id === 0xff) break;
    found.push({ id, offset });
    offset = config.readConfig(offset + 1, 1) & 0xfc;
  }
  return found;
};

/** Walks the extended list at 0x100; empty for a function with 256 bytes of config space. */
export const extendedCapabilities = (config: ConfigReader, configSize: number): CapabilityPlace[] => {
  if (configSize <= EXTENDED_START) return [];
  const found: CapabilityPlace[] = [];
  const seen = new Set<number>();
  let offset = EXTENDED_START;
  while (offset >= EXTENDED_START && offset + 4 <= configSize && !seen.has(offset)) {
    seen.add(offset);
    const word = config.readConfig(offset, 4) >>> 0;
    if (word === 0 || word === 0xffffffff) break;
    found.push({ id: word & 0xffff, offset });
    offset = (word >>> 20) & 0xffc;
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
