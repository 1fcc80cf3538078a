// SPDX-License-Identifier: MIT

import { hex } from '../core/bdf.ts';

/** Names of classes, by base class and sub-class (PCI Code and ID Assignment 1.11, §1). */
const classes: Readonly<Record<string, string>> = {
  '0000': 'Device before class codes',
  '0100': 'SCSI controller',
  '0101': 'IDE controller',
  '0104': 'RAID controller',
  '0106': 'SATA controller',
  '0107': 'SAS controller',
  '0108': 'NVMe controller',
  '0180': 'Storage controller',
  '0200': 'Ethernet controller',
  '0207': 'InfiniBand controller',
  '0280': 'Network controller',
  '0300': 'VGA controller',
  '0302': '3D controller',
  '0380': 'Display controller',
  '0400': 'Video device',
  '0401': 'Audio device',
  '0403': 'HD audio device',
  '0480': 'Multimedia controller',
  '0500': 'RAM controller',
  '0580': 'Memory controller',
  '0600': 'Host bridge',
  '0601': 'ISA bridge',
  '0604': 'PCI bridge',
  '0607': 'CardBus bridge',
  '0680': 'Bridge',
  '0700': 'Serial controller',
  '0780': 'Communication controller',
  '0880': 'System peripheral',
  '0c03': 'USB controller',
  '0c04': 'Fibre Channel controller',
  '0c05': 'SMBus controller',
  '0d11': 'Bluetooth controller',
  '0d80': 'Wireless controller',
  '0b40': 'Co-processor',
  '1000': 'Network encryption controller',
  '1080': 'Encryption controller',
  '1200': 'Processing accelerator',
};

const UNASSIGNED = 0xff;

/** `Ethernet controller`, from a 24-bit class code; the number itself where the table has no name. */
export const className = (code: number): string =>
  code >>> 16 === UNASSIGNED ? 'Unassigned class' : (classes[hex(code >>> 8, 4)] ?? `Class ${hex(code >>> 8, 4)}`);

/** Names of capabilities, as lspci shortens them (PCI Code and ID Assignment 1.11, §2). */
const capabilityNames: Readonly<Record<number, string>> = {
  1: 'power management',
  3: 'VPD',
  4: 'slot id',
  5: 'MSI',
  7: 'PCI-X',
  9: 'vendor',
  10: 'debug port',
  13: 'bridge subsystem',
  16: 'PCI Express',
  17: 'MSI-X',
  18: 'SATA',
  19: 'advanced features',
  20: 'enhanced allocation',
};

/** Names of extended capabilities (PCI Code and ID Assignment 1.11, §3). */
const extendedNames: Readonly<Record<number, string>> = {
  1: 'AER',
  2: 'virtual channel',
  3: 'serial number',
  4: 'power budget',
  11: 'vendor',
  13: 'ACS',
  14: 'ARI',
  15: 'ATS',
  16: 'SR-IOV',
  19: 'page request',
  21: 'resizable BAR',
  24: 'LTR',
  25: 'secondary PCI Express',
  27: 'PASID',
  30: 'L1 PM',
};

/** `MSI-X`, or `0x15` for an id that the table does not know. */
export const capabilityName = (id: number): string => capabilityNames[id] ?? `0x${hex(id, 2)}`;
export const extendedName = (id: number): string => extendedNames[id] ?? `0x${hex(id, 4)}`;

/** `128 KiB`, `32`: sizes are powers of two. */
export const sizeName = (bytes: number): string => {
  const units = ['', ' KiB', ' MiB', ' GiB', ' TiB'];
  let size = bytes;
  let unit = 0;
  while (size >= 1024 && size % 1024 === 0 && unit < units.length - 1) {
    size /= 1024;
    unit += 1;
  }
  return `${size}${units[unit]}`;
};
