// SPDX-License-Identifier: MIT

import { definePlugin } from '../../core/plugin/index.ts';
import type { CommandDefinition } from '../kinds/command.ts';
import { startOptions } from './start-options.ts';

export const doctor: CommandDefinition = {
  name: 'doctor',
  summary: 'look at what of Xen, loaders, devices and permissions is there, and say what to do',
  details: `The status is 0 when \`serve\` would begin with the same rc file and the same options, else 1: everything that it would
refuse is refused, in the same words. Nothing of the host is changed.

With --ledger the status is 1 when something that pciback holds is not what the hypervisor or the host says.`,
  options: [
    ...startOptions,
    {
      flags: '--ledger',
      description: 'compare what the running pciback holds with what the hypervisor and the host say, and nothing else',
    },
    {
      flags: '--control <path>',
      description: 'socket for the commands, instead of the rc file’s; with --ledger: that of the running pciback',
    },
    { flags: '--json', description: 'print one JSON document' },
  ],
  run: async (context) =>
    context.options.ledger === true
      ? (await import('./ledger-run.ts')).runLedger(context)
      : (await import('./doctor-run.ts')).runDoctor(context),
};

export default definePlugin({
  name: 'commands/doctor',
  api: '^1.0',
  apply: (host) => {
    host.commands.add(doctor);
  },
});
