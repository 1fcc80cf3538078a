// SPDX-License-Identifier: MIT

import { definePlugin } from '../../core/plugin/index.ts';
import type { CommandDefinition } from '../kinds/command.ts';
import { guestOptions } from './start-options.ts';

export const demo: CommandDefinition = {
  name: 'demo',
  summary: 'show what guests would see of this host’s devices and of the samples, without Xen',
  details: `A hypervisor, a toolstack and a guest run inside of this process. Devices are made from this host's /sys (only
read) and from bundled samples, or from the dumps given as arguments (lspci -xxxx). The guest does what a stock Linux
guest does: scans, sizes BARs, switches devices on, takes interrupts, and writes what drivers write.`,
  arguments: [{ name: '[dump...]', description: 'files made by lspci -xxxx, instead of this host and the samples' }],
  options: [...guestOptions, { flags: '--json', description: 'print one JSON document' }],
  run: async (context) => (await import('./demo-run.ts')).runDemo(context),
};

export default definePlugin({
  name: 'commands/demo',
  api: '^1.0',
  apply: (host) => {
    host.commands.add(demo);
  },
});
