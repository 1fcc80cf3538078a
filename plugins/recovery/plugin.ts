// SPDX-License-Identifier: MIT

import { busOf, devfnOf, segmentOf } from '../../core/bdf.ts';
import type { GuestLog } from '../../core/budget.ts';
import { describeError } from '../../core/errors/index.ts';
import type { Xenstore } from '../../core/platform/index.ts';
import { definePlugin } from '../../core/plugin/index.ts';
import { changeDirectory, type GuestBackend } from '../../core/xenbus/index.ts';
import { type CommandDefinition, controlOptions } from '../kinds/command.ts';
import type { PartContext, RunningPart } from '../kinds/part.ts';
import { type AskedServer, ErrorRequests } from './error-requests.ts';
import { Fence } from './fence.ts';
import { type ErrorGuest, GuestErrors } from './guest-errors.ts';
import { operations } from './operations.ts';
import { type ErrorOptions, errorsSection } from './section.ts';

const injectError: CommandDefinition = {
  name: 'inject-error',
  summary: 'make a function of the running pciback raise a PCI Express error, to rehearse its recovery',
  details: `Platform embedded only. SEVERITY is correctable, nonfatal or fatal. Shows what each function under the same
port was told, and what its guest said; exit code 1 when the recovery failed.`,
  arguments: [
    { name: '<bdf>', description: 'address of the function: [DDDD:]BB:SS.F' },
    {
      name: '<severity>',
      description: 'correctable, nonfatal or fatal',
      words: ['correctable', 'nonfatal', 'fatal'],
    },
  ],
  options: controlOptions,
  run: async (context) => (await import('./inject-error-run.ts')).runInjectError(context),
};

/** Notes in the store that a device's error was not survived: in its own directory (D-X9), in a transaction. */
const markFailed = async (store: Xenstore, { directory }: GuestBackend, log: GuestLog): Promise<void> => {
  try {
    await changeDirectory(store, directory, (view) => view.write(`${directory}/aerState`, 'aerfail'));
  } catch (error) {
    // A guest that is gone, or was made anew, has no use for it.
    log.warn({ error: describeError(error) }, 'aerState not written');
  }
};

/** Guests as they can be asked about errors: each, as long as it is connected, one question after the other. */
const errorGuests = (store: Xenstore): ((guest: GuestBackend) => ErrorGuest) => {
  const connected = new WeakMap<AskedServer, ErrorRequests>();
  return (guest) => ({
    askAboutError: async (device, command, state, patience) => {
      const { server } = guest;
      if (server === undefined) return 'no ring';
      const vdev = guest.vdevOf(device);
      if (vdev === undefined) return 'no address';
      const questions = connected.get(server) ?? new ErrorRequests(server);
      connected.set(server, questions);
      const [segment, bus, devfn] = [segmentOf(vdev), busOf(vdev), devfnOf(vdev)];
      return questions.ask({ command, state, segment, bus, devfn }, patience);
    },
    markFailed: (log) => markFailed(store, guest, log),
  });
};

/** Takes part in the recoveries of the platform. @throws PcibackError `FENCE_UNSUPPORTED` */
const start = ({ engine, options, log }: PartContext<ErrorOptions>): RunningPart => {
  const { platform, stub } = engine;
  const asGuest = errorGuests(platform.xenstore);
  const errors = new GuestErrors({
    stub,
    fence: new Fence({ platform, stub, onFailure: options.onFailure }),
    log,
    patience: options.deadlineSeconds * 1000,
    guestOf: (device) => {
      const guest = engine.guestOf(device);
      return guest && asGuest(guest);
    },
  });
  const unsubscribe = platform.errors?.subscribe(errors.handle);
  return {
    health: () => (unsubscribe === undefined ? 'this platform does not hear of errors' : 'listening'),
    stop: () => unsubscribe?.(),
  };
};

/** The guests' part of recovering from PCI Express errors, and a command that rehearses it. */
export default definePlugin({
  name: 'recovery',
  api: '^1.0',
  apply: (host) => {
    host.parts.add('recovery', {
      about: 'Asks guests about errors of their devices, and cuts off those that give no answer or give up.',
      section: 'errors',
      options: errorsSection,
      // Without it a device that failed would stay in the hands of its guest.
      required: true,
      operations,
      start,
    });
    host.commands.add(injectError);
  },
});
