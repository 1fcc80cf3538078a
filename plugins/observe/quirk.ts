// SPDX-License-Identifier: MIT

import { definePlugin } from '../../core/plugin/index.ts';
import { type CommandDefinition, controlOptions } from '../kinds/command.ts';
import { operations } from './quirk-operations.ts';

export const quirk: CommandDefinition = {
  name: 'quirk',
  summary:
    'load, unload and list quirks of the running pciback; make one from a session; try one on a dump or in a guest',
  details: `  pciback quirk load FILE            a quirk in .json or .ts, in force between two requests of a guest
  pciback quirk load TEXT            [DDDD:]BB:SS.F-REG:SIZE:MASK, all hexadecimal
  pciback quirk unload NAME          or the FILE that it was loaded from
  pciback quirk list
  pciback quirk learn RECORDING      made by "pciback serve --record" or the policy observe/recorder
  pciback quirk learn TRACE          of QEMU on a KVM host: -trace 'vfio_pci_*_config' -D trace.log
  pciback quirk dev FILE --dump DUMP [--writes SCRIPT] [--watch]
                                     the quirk on the device of a dump, in this process: for whom it is, what a script
                                     of a driver's accesses comes to, bit by bit; on every save again
  pciback quirk dev [FILE] --dump DUMP --guest linux
                                     the quirk under a stock kernel and its real driver, without Xen: what the driver
                                     wrote, and what became of each bit. Once, as root, for Debian packages, about
                                     900 MB in $PCIBACK_GUEST (/var/tmp/pciback-guest):
                                     pciback quirk dev --guest linux --setup`,
  arguments: [
    {
      name: '<action>',
      description: 'load, unload, list, learn or dev',
      words: ['load', 'unload', 'list', 'learn', 'dev'],
    },
    { name: '[what]', description: 'the file, text, name, recording or trace' },
  ],
  options: [
    {
      flags: '--device <bdf...>',
      description: 'load: only for these devices; learn, dev: the one that is meant of several',
    },
    { flags: '-o, --output <file>', description: 'learn: where the quirk is written, .json or .ts; missing: printed' },
    { flags: '--name <name>', description: 'learn: what the quirk is called, acme/nic; missing: by the device’s ids' },
    { flags: '--guest <system>', description: 'dev: the guest, linux or what a plugin brings' },
    {
      flags: '--dump <dump...>',
      description: 'dev, learn: devices, files made by lspci -xxxx or names of bundled samples',
    },
    {
      flags: '--writes <script>',
      description: 'dev: accesses of a driver: "w 0xe8 2 0x3" lines, a recording, a trace, setpci',
    },
    { flags: '--watch', description: 'dev: again whenever one of the files is saved, or what they import' },
    {
      flags: '--fields <preset>',
      description: 'dev, learn: the preset, instead of the rc file’s',
      choices: ['kernel', 'full'],
    },
    { flags: '--quirk <file...>', description: 'dev: more quirks' },
    { flags: '--driver <module...>', description: 'dev: drivers, instead of those that the guest would load; none' },
    { flags: '--script <file>', description: 'dev: what the guest’s shell runs when its drivers are there' },
    { flags: '--interrupts <n>', description: 'dev: raised by each device after that, and counted in the guest' },
    { flags: '--reads', description: 'dev: shows reads too, by register' },
    { flags: '--seconds <n>', description: 'dev: longest time of the guest (default 120)' },
    { flags: '--setup', description: 'dev: only fetches what the guest needs' },
    ...controlOptions,
  ],
  run: async (context) => (await import('./quirk-run.ts')).runQuirk(context),
};

export default definePlugin({
  name: 'observe/quirk',
  api: '^1.0',
  apply: (host) => {
    host.parts.add('quirk', { about: 'Loads and unloads quirks while guests run.', needs: ['guests'], operations });
    host.commands.add(quirk);
  },
});
