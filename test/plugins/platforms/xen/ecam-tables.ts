// SPDX-License-Identifier: MIT

/** One entry of a table MCFG; what is not given is segment 0 with all buses at 0xe0000000. */
export interface McfgEntry {
  readonly base?: bigint;
  readonly segment?: number;
  readonly first?: number;
  readonly last?: number;
}

/** Makes the checksum of an ACPI table right. */
export const sealed = (table: Buffer): Buffer => {
  table[9] = 0;
  table[9] = -table.reduce((sum, byte) => sum + byte, 0) & 0xff;
  return table;
};

/** A table MCFG as firmware makes it. */
export const mcfgTable = (entries: readonly McfgEntry[] = [{}]): Buffer => {
  const table = Buffer.alloc(44 + 16 * entries.length);
  table.write('MCFG', 0, 'latin1');
  table.writeUInt32LE(table.length, 4);
  table[8] = 1;
  entries.forEach(({ base = 0xe0000000n, segment = 0, first = 0, last = 0xff }, index) => {
    const at = 44 + 16 * index;
    table.writeBigUInt64LE(base, at);
    table.writeUInt16LE(segment, at + 8);
    table[at + 10] = first;
    table[at + 11] = last;
  });
  return sealed(table);
};

/** What Linux 6.1 lists of config space and around it, for root. */
export const iomemText = `00000000-00000fff : Reserved
00100000-7fffffff : System RAM
c0000000-dfffffff : PCI Bus 0000:00
e0000000-efffffff : PCI MMCONFIG 0000 [bus 00-ff]
  e0000000-efffffff : Reserved
fec00000-fec003ff : IOAPIC 0
`;
