// SPDX-License-Identifier: MIT

import { definePlugin } from '../../core/plugin/index.ts';
import type { CommandDefinition } from '../kinds/command.ts';

const command: CommandDefinition = {
  name: 'new',
  summary: 'write the package of a plugin or quirk: code, test, dump, README and CI',
  details: `  pciback new quirk acme/nic                       a quirk of vendor and family, package pciback-acme-nic
  pciback new quirk acme/nic --from-dump nic.txt   for the device of a dump (lspci -xxxx -s BDF, as root)
  pciback new quirk acme/nic --from-trace t.log    what the driver of a trace or recording needs
  pciback new quirk acme/nic --json                data alone: nothing to compile
  pciback new policy @acme/pciback-few             in a scope; also slots, fields, reset, platform, command, part

The package lies in a folder of its own, which must not be there or be empty: all of it is written, or nothing.`,
  arguments: [
    { name: '<kind>', description: 'quirk, policy, slots, fields, reset, platform, command or part' },
    { name: '<name>', description: 'vendor/word, @scope/pciback-word or word; of a quirk one of the first two' },
    { name: '[folder]', description: 'where it is written; missing: the name of the package, here' },
  ],
  options: [
    {
      flags: '--dump, --from-dump <file>',
      description: 'quirk: ids and registers that nobody has named, from this dump',
    },
    {
      flags: '--from-trace <file>',
      description: 'quirk: learned from this trace or recording; its test makes that again',
    },
    { flags: '--device <bdf>', description: 'quirk: which function of the dump or trace, when it has several' },
    { flags: '--json', description: 'quirk: as data' },
  ],
  run: async (context) => (await import('./new-run.ts')).runNew(context),
};

export default definePlugin({
  name: 'new',
  api: '^1.0',
  apply: (host) => {
    host.commands.add(command);
  },
});
