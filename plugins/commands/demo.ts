// SPDX-License-Identifier: MIT

import { definePlugin } from '../../core/plugin/index.ts';
import type { CommandDefinition } from '../kinds/command.ts';

export const demo: CommandDefinition = {
  name: 'demo',
  summary: 'show what guests would see of this host’s devices and of the samples, without Xen',
  details: `A hypervisor, a toolstack and a guest run inside of this process. Devices are made from this host's /sys (only
read) and from bundled samples, or from the dumps given as arguments (lspci -xxxx). The guest does what a stock Linux
guest does: scans, sizes BARs, switches devices on, takes interrupts, and writes what drivers write.`,
  arguments: [{ name: '[dump...]', description: 'files made by lspci -xxxx, instead of this host and the samples' }],
  options: [
    { flags: '--config <file>', description: 'the rc file, instead of searching for one' },
    {
      flags: '--fields <preset>',
      description: 'registers that guests get: those of the kernel’s back end, or all that are bundled',
      choices: ['kernel', 'full'],
    },
    { flags: '--slots <mapper>', description: 'slot mapper: vpci, passthrough, or what a plugin brings' },
    { flags: '--interrupts <policy>', description: 'interrupt policy: strict, or what a plugin brings' },
    { flags: '--json', description: 'print one JSON document' },
  ],
  run: async (context) => (await import('./demo-run.ts')).runDemo(context),
};

export default definePlugin({
  name: 'commands/demo',
  api: '^1.0',
  apply: (host) => {
    host.commands.add(demo);
  },
});
