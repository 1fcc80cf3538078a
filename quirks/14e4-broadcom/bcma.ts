// SPDX-License-Identifier: MIT

import { bit, defineQuirk, register } from '../index.ts';
import { retryTimeout } from '../retry-timeout.ts';

/** Wireless chips with a backplane, 43xx: windows onto it, interrupt registers and pins. */
export default defineQuirk({
  name: 'broadcom/bcma',
  source:
    'Linux drivers bcma and ssb (bcma_regs.h): two windows of BAR 0 and one of BAR 1 onto the backplane, its interrupt ' +
    'registers, the GPIO pins; RETRY_TIMEOUT off, as their probe does it. PME_En in 0x44 stays the host’s.',
  match: [{ vendor: 0x14e4, devices: { from: 0x4300, to: 0x43ff } }],
  fields: [
    register(0x80, 32, 'BAR0_WIN').writable(),
    register(0x84, 32, 'BAR1_WIN').writable(),
    register(0x88, 32, 'SPROMCTL').readOnly(~bit(4) >>> 0), // write enable: broadcom/bcma-sprom
    register(0x8c, 32, 'BAR1_CONTROL').writable(),
    register(0x90, 32, 'IRQS').writable(),
    register(0x94, 32, 'IRQMASK').writable(),
    register(0x98, 32, 'BACKPLANE_IRQS').writable(),
    register(0xac, 32, 'BAR0_WIN2').writable(),
    register(0xb0, 32, 'GPIO_IN').readOnly(),
    register(0xb4, 32, 'GPIO_OUT').writable(),
    register(0xb8, 32, 'GPIO_ENABLE').writable(),
    ...retryTimeout,
  ],
});
