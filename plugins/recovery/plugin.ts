// SPDX-License-Identifier: MIT

import type { GuestLog } from '../../core/budget.ts';
import { describeError } from '../../core/errors/index.ts';
import type { Xenstore } from '../../core/platform/index.ts';
import { definePlugin } from '../../core/plugin/index.ts';
import { changeDirectory, type GuestBackend } from '../../core/xenbus/index.ts';
import { type CommandDefinition, controlOptions } from '../kinds/command.ts';
import type { PartContext, RunningPart } from '../kinds/part.ts';
import { Fence } from './fence.ts';
import { GuestErrors } from './guest-errors.ts';
import { operations } from './operations.ts';
import { type ErrorOptions, errorsSection } from './section.ts';

const injectError: CommandDefinition = {
  name: 'inject-error',
  summary: 'make a function of the running pciback raise a PCI Express error, to rehearse its recovery',
  details: `Platform embedded only. SEVERITY is correctable, nonfatal or fatal. Shows what each function under the same
port was told, and what its guest said; exit code 1 when the recovery failed.`,
  arguments: [
    { name: '<bdf>', description: 'address of the function: [DDDD:]BB:SS.F' },
    { name: '<severity>', description: 'correctable, nonfatal or fatal' },
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

/** Takes part in the recoveries of the platform. @throws PcibackError `FENCE_UNSUPPORTED` */
const start = ({ engine, options, log }: PartContext<ErrorOptions>): RunningPart => {
  const { platform, stub } = engine;
  const errors = new GuestErrors({
    stub,
    fence: new Fence({ platform, stub, onFailure: options.onFailure }),
    log,
    patience: options.deadlineSeconds * 1000,
    guestOf: (device) => {
      const guest = engine.guestOf(device);
      if (guest === undefined) return undefined;
      return {
        askAboutError: (...question) => guest.askAboutError(...question),
        markFailed: (guestLog) => markFailed(platform.xenstore, guest, guestLog),
      };
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
