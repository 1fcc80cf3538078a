// SPDX-License-Identifier: MIT

import { type CommandDefinition, definePlugin } from '../../core/plugin/index.ts';

export const injectError: CommandDefinition = {
  name: 'inject-error',
  summary: 'make a function of the running pciback raise a PCI Express error, to rehearse its recovery',
  details: `Platform embedded only. SEVERITY is correctable, nonfatal or fatal. Shows what each function under the same
port was told, and what its guest said; exit code 1 when the recovery failed.`,
  arguments: [
    { name: '<bdf>', description: 'address of the function: [DDDD:]BB:SS.F' },
    { name: '<severity>', description: 'correctable, nonfatal or fatal' },
  ],
  options: [
    { flags: '--config <file>', description: 'the rc file, instead of searching for one' },
    { flags: '--control <path>', description: 'socket of the running pciback, instead of the rc file’s' },
    { flags: '--json', description: 'print one JSON document' },
  ],
  run: async (context) => (await import('./inject-error-run.ts')).runInjectError(context),
};

export default definePlugin({
  name: 'recovery/inject-error',
  api: '^1.0',
  apply: (host) => {
    host.commands.add(injectError);
  },
});
