// SPDX-License-Identifier: MIT

import { defineQuirk, ids } from '../index.ts';

/** USB and SATA of the SB400 to SB700 south bridges: INTX_DISABLE stops their messages too. */
export default defineQuirk({
  name: 'amd/line-interrupt',
  source:
    'Linux 6.1, drivers/pci/quirks.c, “MSI INTx disable bug”. The kernel asks for the revision of the south bridge too; here all ' +
    'count: a device that uses messages sends nothing over its line.',
  match: ids('1002', ['4373', '4374', '4375', '4390', '4391', '4392', '4393', '4394']),
  interruptLimits: { disableStopsMessages: true },
});
