// SPDX-License-Identifier: MIT

import { type Behaviour, bit, bits, defineQuirk, ids, onlyWhile, register, Status, stateOf } from '../index.ts';

/** Whether the guest has opened a download to the chip's memory. */
const state = stateOf('open');

const enable: Behaviour = {
  shared: state,
  write: (at, value) => {
    at.words[state.open] = (value & at.mask) === 0 ? 0 : 1;
    at.write(((at.read() & ~at.mask) | (value & at.mask)) >>> 0);
    return Status.success;
  },
};

/** The external ROM is open for access, which `renesas/upd72020x-rom` alone can let a guest do. */
const ROM_STATUS = 0xf6;
const ROM_ACCESS = bit(0);
/** What DATA0 has to hold before the ROM is erased, or opened. */
const ERASE = 0x5a65726f;
const WRITE = 0x53524f4d;

const CLOSED = 'no firmware download is open';
const download = onlyWhile(({ words }) => words[state.open] === 1, CLOSED, state);
const data = (magics: readonly number[]): Behaviour =>
  onlyWhile(
    ({ words, device }, value) =>
      words[state.open] === 1 ||
      magics.includes(value) ||
      (device.hardware.readConfig(ROM_STATUS, 1) & ROM_ACCESS) !== 0,
    CLOSED,
    state,
  );

/** uPD720201 and uPD720202 USB 3 controllers: the driver loads their firmware through config space. */
export default defineQuirk({
  name: 'renesas/upd72020x',
  source:
    'Linux driver xhci-pci-renesas; bits also after the user’s manual, chapter 6, and the program upd72020x-load. The ' +
    'download goes to memory of the chip and is gone without power. The ROM beside it is another quirk.',
  match: ids('1912', ['0014', '0015']),
  fields: [
    register(0x6c, 32, 'FW_VERSION').readOnly(),
    register(0xf4, 8, 'FW_STATUS').calls(enable, bit(0)).readOnly(bit(1)).reserved(bits(7, 2)),
    register(0xf5, 8, 'FW_STATUS set data').calls(download, bits(1, 0)),
    register(0xf8, 32, 'DATA0').calls(data([ERASE, WRITE])),
    register(0xfc, 32, 'DATA1').calls(data([])),
  ],
});
