// SPDX-License-Identifier: MIT

import { definePlugin } from '../../core/plugin/index.ts';
import type { CommandDefinition } from '../kinds/command.ts';

export const doctor: CommandDefinition = {
  name: 'doctor',
  summary: 'look at what of Xen, loaders, devices and permissions is there, and say what to do',
  details: `The status is 0 when the embedded platform works; with --platform xen it is 1 when that platform is not usable.
Nothing of the host is changed.

With --ledger the status is 1 when something that pciback holds is not what the hypervisor or the host says.`,
  options: [
    {
      flags: '--platform <name>',
      description: 'the platform that has to be usable: embedded, xen, or what a plugin brings',
    },
    { flags: '--config <file>', description: 'the rc file, instead of searching for one' },
    {
      flags: '--ledger',
      description: 'compare what the running pciback holds with what the hypervisor and the host say, and nothing else',
    },
    {
      flags: '--control <path>',
      description: 'with --ledger: socket of the running pciback, instead of the rc file’s',
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
