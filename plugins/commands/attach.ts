// SPDX-License-Identifier: MIT

import { definePlugin } from '../../core/plugin/index.ts';
import { type CommandDefinition, controlOptions } from '../kinds/command.ts';
import { operations } from './attach-operations.ts';

const attach: CommandDefinition = {
  name: 'attach',
  summary: 'give a device of the running pciback to a guest',
  details: `Platform vfio-user: the guest is any machine whose emulator is a client of the protocol, QEMU 10.1 or newer:

  pciback attach acme 03:00.0 --socket /run/user/1000/acme.sock
  qemu-system-x86_64 … -device '{"driver":"vfio-user-pci","socket":{"path":"/run/user/1000/acme.sock","type":"unix"}}'

Platform embedded: the guest is one in the process of pciback; it is made if there is none of that name.

  pciback detach included 03:00.0
  pciback attach acme 03:00.0,permissive,slot=05

Platform xen in mode stand-alone: the guest is a PV domain, by name or number, paused or running.

  pciback attach acme 03:00.0

In mode drop-in it is xl that gives devices.`,
  arguments: [
    { name: '<name>', description: 'what the guest is called in records and in the log' },
    { name: '<bdf>', description: 'address of the device: [DDDD:]BB:SS.F[,permissive][,slot=SS]' },
  ],
  options: [
    { flags: '--socket <path>', description: 'vfio-user: where the device is offered; it must be given' },
    { flags: '--permissive', description: 'as permissive=1 in a guest’s file; not on vfio-user' },
    ...controlOptions,
  ],
  run: async (context) => (await import('./attach-run.ts')).runAttach(context),
};

const detach: CommandDefinition = {
  name: 'detach',
  summary: 'take devices of the running pciback from a guest',
  details: `The devices are reset and come back. Platform vfio-user: their sockets go, and the clients end. Platform embedded: without a
device named the guest ends. Platform xen, in mode stand-alone: the guest lets go of them before, and goes on.`,
  arguments: [
    { name: '<name>', description: 'the guest, as it was attached; sockets of the rc file are called as their file' },
    { name: '[bdf]', description: 'address of one device; all of this guest if missing' },
  ],
  options: controlOptions,
  run: async (context) => (await import('./attach-run.ts')).runDetach(context),
};

/** Makes and ends guests where no toolstack does. */
export default definePlugin({
  name: 'commands/attach',
  api: '^1.0',
  apply: (host) => {
    host.parts.add('attach', {
      about: 'Gives devices to guests and takes them back, where no toolstack does.',
      needs: ['guests'],
      operations,
    });
    for (const command of [attach, detach]) host.commands.add(command);
  },
});
