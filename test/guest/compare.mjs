// SPDX-License-Identifier: MIT
// What a guest sees of config space, beside what the table says: bits that the client itself shows the guest are named by
// rules, and everything else has to be equal.

const MSI = 0x05;
const MSIX = 0x11;
const EXPRESS = 0x10;
const ROOT_COMPLEX_ENDPOINT = 9;
/** Extended capabilities that the client does not let a guest have: ARI, SR-IOV and resizable BARs. Its list goes round them. */
const PASSED_OVER = [0x0e, 0x10, 0x15];

/** Where the client's list of extended capabilities goes round some: the one before leads to the next that a guest has. */
function detours({ extended }) {
  const found = [];
  for (const [i, { offset }] of extended.entries()) {
    if (extended[i + 1] === undefined || !PASSED_OVER.includes(extended[i + 1].id)) continue;
    const next = extended.slice(i + 1).find(({ id }) => !PASSED_OVER.includes(id))?.offset ?? 0;
    // The low bits of this word are the capability's version.
    found.push({
      name: 'extended list: goes round ARI, SR-IOV, resizable BARs',
      at: offset + 2,
      bytes: 2,
      mask: 0xfff0,
      want: next << 4,
    });
  }
  return found;
}

/**
 * Bits that a client shows the guest as its own, by rule: offset, bytes, mask of the dword's bytes in little-endian order;
 * where it is known, what has to stand there.
 *
 * @param {{ standard: readonly { id: number, offset: number }[], extended: readonly { id: number, offset: number }[] }} lists
 */
function rulesOf(lists, bytes) {
  const u16 = (at) => bytes[at] | (bytes[at + 1] << 8);
  const rules = [
    { name: 'header: one function or several', at: 0x0e, bytes: 1, mask: 0x80 },
    { name: 'command and status: interrupt', at: 0x04, bytes: 4, mask: 0x00080400 },
    ...detours(lists),
  ];
  for (const { id, offset } of lists.standard) {
    if (id === MSI || id === MSIX) {
      const wide = (u16(offset + 2) & 0x80) !== 0;
      const length = id === MSIX ? 12 : 10 + (wide ? 4 : 0) + ((u16(offset + 2) & 0x100) !== 0 ? 10 : 0);
      rules.push({ name: id === MSI ? 'MSI' : 'MSI-X', at: offset + 2, bytes: length - 2 });
    }
    if (id === EXPRESS) {
      const name = 'PCI Express: place in the tree';
      rules.push({ name, at: offset + 2, bytes: 2 });
      // An endpoint of the root complex has no link; behind a port of the guest's it gets one.
      if (((u16(offset + 2) >> 4) & 0xf) !== ROOT_COMPLEX_ENDPOINT) continue;
      rules.push({ name, at: offset + 0x0c, bytes: 8 }, { name, at: offset + 0x2c, bytes: 8 });
    }
  }
  return rules;
}

/** Warnings of a kernel that are about the model of a device, whoever serves it. */
const ABOUT_THE_MODEL = [
  // A list of the kernel's, by ids.
  /disabling VPD access \(can't determine size of non-standard VPD format\)/,
  // A register behind a BAR, where there is memory that remembers and no controller that halts.
  /[xX]HCI HW did not halt/,
  /HCRESET not completed yet/,
  /[EO]HCI: BIOS handoff failed/,
  // A mailbox in config space, which nobody answers.
  /DOE: \[[0-9a-f]+\] failed to (cache protocols|create mailbox)/,
  /Firmware left e100 interrupts enabled; disabling/,
  // A register of the processor that this function is part of, by the ids 1022:15b8.
  /^pci \S+: Failed to read data$/,
];

export const isAboutTheModel = (warning) => ABOUT_THE_MODEL.some((one) => one.test(warning));

/** @returns rules that explain a difference, with how many bytes, and what nothing explains */
export function compare(table, seen, lists) {
  const rules = rulesOf(lists, table);
  const explained = {};
  const unexplained = [];
  const length = Math.min(table.length, seen.length);
  if (table.length !== seen.length) explained[`length: ${seen.length} of ${table.length}`] = 1;
  for (let at = 0; at < length; at++) {
    let differs = table[at] ^ seen[at];
    if (differs === 0) continue;
    for (const { name, at: start, bytes, mask, want } of rules) {
      if (at < start || at >= start + bytes) continue;
      const own = mask === undefined ? 0xff : (mask >>> (8 * (at - start))) & 0xff;
      if ((differs & own) === 0) continue;
      if (want !== undefined && (seen[at] & own) !== ((want >>> (8 * (at - start))) & own)) continue;
      explained[name] = (explained[name] ?? 0) + 1;
      differs &= ~own;
    }
    if (differs !== 0) {
      const hex = (value) => value.toString(16).padStart(2, '0');
      unexplained.push(`0x${at.toString(16)}: table ${hex(table[at])}, guest ${hex(seen[at])}`);
    }
  }
  return { explained, unexplained };
}
