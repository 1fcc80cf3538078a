// SPDX-License-Identifier: MIT

import type { CommandDefinition } from '../kinds/command.ts';

/** What the command line says over the rc file, wherever guests are served. */
export const guestOptions = [
  { flags: '--config <file>', description: 'the rc file, instead of searching for one' },
  {
    flags: '--fields <preset>',
    description: 'registers that guests get: those of the kernel’s back end, or all that are bundled',
    choices: ['kernel', 'full'],
  },
  { flags: '--slots <mapper>', description: 'slot mapper: vpci, passthrough, or what a plugin brings' },
  { flags: '--interrupts <policy>', description: 'interrupt policy: strict, or what a plugin brings' },
] as const satisfies CommandDefinition['options'];

/** The same for `serve`, and for `doctor`, which judges the same configuration. */
export const startOptions = [
  { flags: '--platform <name>', description: 'where to run: embedded, xen, or what a plugin brings' },
  {
    flags: '--hide <patterns>',
    description: 'what is seized at start, in place of the rc file’s: 03:00.0, 8086:1533, "(03:00.0)(04:00.*)"',
  },
  ...guestOptions,
  { flags: '--native <loader>', description: 'foreign-function loader of platform xen: koffi or ffi-napi' },
] as const satisfies CommandDefinition['options'];
