// SPDX-License-Identifier: MIT

import { definePlugin } from '../../core/plugin/index.ts';
import { type CommandDefinition, controlOptions } from '../kinds/command.ts';
import { operations } from './explain-operations.ts';

export const explain: CommandDefinition = {
  name: 'explain',
  summary: 'show who owns each bit of a device’s config space, and what was refused',
  details: `With OFFSET, per bit: who owns it, and what a read and a write of the guest do. OFFSET and SIZE as in
"0xe8:2"; OFFSET is hexadecimal, SIZE is 1 byte if missing. Without OFFSET: every register with an owner.

The pciback that runs on this host is asked. Without one, or with --dump, it shows what a guest would get: the device of
this host, or of a dump made by lspci -xxxx, with the plugins and quirks of the rc file.`,
  arguments: [
    { name: '<bdf>', description: 'address of the device: [DDDD:]BB:SS.F' },
    { name: '[range]', description: 'OFFSET[:SIZE], for example 0xe8:2' },
  ],
  options: [
    { flags: '--denied', description: 'the refused writes of the guest, with reasons and counts' },
    { flags: '--map', description: 'the whole config space: kinds of owners, and what was read, written and denied' },
    { flags: '--dump <file>', description: 'explain a device of this dump; no running pciback is asked' },
    {
      flags: '--fields <preset>',
      description: 'without a running pciback: the preset, instead of the rc file’s',
      choices: ['kernel', 'full'],
    },
    ...controlOptions,
  ],
  run: async (context) => (await import('./explain-run.ts')).runExplain(context),
};

export default definePlugin({
  name: 'observe/explain',
  api: '^1.0',
  apply: (host) => {
    host.parts.add('explain', {
      about: 'Explains config space and refused writes of devices that guests have.',
      operations,
    });
    host.commands.add(explain);
  },
});
