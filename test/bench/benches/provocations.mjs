// SPDX-License-Identifier: MIT
// What a guest can do to make its host talk or work. Each makes a function that does it once more.

import { built } from '../package-under-test.mjs';

const { Command } = await built('core/ring/layout.js');

const stateOf = ({ domain }) => `/local/domain/${domain}/device/pci/0/state`;
const states =
  (...list) =>
  (host, guest) =>
  (count) =>
    host.platform.xenstore.write(stateOf(guest), list[count % list.length]);

const write = (guest, devfn, offset, size, value) =>
  guest.request({ cmd: Command.confWrite, domain: 0, bus: 0, devfn, offset, size, value });

export const provocations = {
  // Not one of them: what it is beside another one that works.
  'only reads': (_host, guest, devfn) => (count) =>
    guest.request({ cmd: Command.confRead, domain: 0, bus: 0, devfn, offset: (4 * count) % 0x40, size: 4 }),
  'toggles its state 4 and 8': states('8', '4'),
  'closes and comes back': states('6', '1', '3'),
  'asks for resets': (_host, guest, devfn) => () => write(guest, devfn, 0x88, 2, 0x8000),
  'changes power states': (_host, guest, devfn) => (count) => write(guest, devfn, 0x44, 2, count % 2 === 0 ? 3 : 0),
  'writes what it may not': (_host, guest, devfn) => (count) =>
    write(guest, devfn, (4 * count) % 0x40, 4, ~count >>> 0),
  'asks for MSI-X it cannot have': (_host, guest, devfn) => () =>
    guest.request({ cmd: Command.enableMsix, domain: 0, bus: 0, devfn, offset: 0, size: 4, value: 4096 }),
  'sends commands that do not exist': (_host, guest, devfn) => (count) =>
    guest.request({ cmd: 100 + (count % 1000), domain: 0, bus: 0, devfn, offset: 0, size: 4 }),
};
