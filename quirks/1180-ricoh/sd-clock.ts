// SPDX-License-Identifier: MIT

import { type DeviceMatch, defineQuirk, lock, register } from '../index.ts';

const functionZero = (device: number): DeviceMatch => ({ vendor: 0x1180, device, function: 0 });

const base = lock({ value: 0xfc, rests: [0x00] });
const clock = lock({ value: 0x01, rests: [0x00] });

/** SD/MMC readers R5CE822 and R5CE823: base clock of 50 MHz, without which cards in the fast mode fail. */
export default defineQuirk({
  name: 'ricoh/sd-clock',
  source:
    'Linux PCI quirks for Ricoh R5CE82x: 0xFC into 0xF9, 0x10 into 0x150, 0 into 0xF9; then 1 into 0xFC, 0x32 (50 MHz) ' +
    'into 0xE1, 0 into 0xFC.',
  match: [functionZero(0xe822), functionZero(0xe823)],
  fields: [
    register(0xf9, 8, 'clock mode key').calls(base.key()),
    register(0x150, 8, 'clock mode').calls(base.opens([0x10])),
    register(0xfc, 8, 'base clock key').calls(clock.key()),
    register(0xe1, 8, 'base clock').calls(clock.opens([0x32])),
  ],
});
