// SPDX-License-Identifier: MIT

import { resolve } from 'node:path';
import { definePlugin } from '../../core/plugin/index.ts';
import { type CommandDefinition, controlOptions } from '../kinds/command.ts';
import type { PartContext, RunningPart } from '../kinds/part.ts';
import { operations } from './operations.ts';
import { controlSection } from './section.ts';

const status: CommandDefinition = {
  name: 'status',
  summary: 'what the running pciback serves: guests, devices, parts, and what watching for requests costs',
  options: controlOptions,
  run: async (context) => (await import('./status-run.ts')).runStatus(context),
};

const prepare = async (): Promise<void> => {
  await import('./server.ts');
};

const devices: CommandDefinition = {
  name: 'devices',
  summary: 'the seized devices: what they are, who has them, and what is out of the ordinary',
  options: controlOptions,
  run: async (context) => (await import('./status-run.ts')).runDevices(context),
};

const guests: CommandDefinition = {
  name: 'guests',
  summary: 'the guests: their devices, what they asked for, and what came of it',
  options: controlOptions,
  run: async (context) => (await import('./status-run.ts')).runGuests(context),
};

const watch: CommandDefinition = {
  name: 'watch',
  summary: 'requests and refused writes as they come, and how long requests take',
  details: `In a terminal the picture is drawn anew at each interval; elsewhere there is one line for each. Ctrl-C ends it, with
status 0. Times are those from the moment at which pciback sees a request until the guest is told, as the least power of two
of a microsecond that so many of them did not exceed. A pciback that ends is waited for.`,
  options: [
    ...controlOptions.map((option) =>
      option.flags === '--json' ? { ...option, description: 'print one JSON object a line for each interval' } : option,
    ),
    { flags: '--interval <seconds>', description: 'seconds from one look to the next; missing: 1' },
    { flags: '--count <number>', description: 'end after so many intervals' },
  ],
  run: async (context) => (await import('./watch-run.ts')).runWatch(context),
};

/** Opens the control socket. Without it nobody could ask what is served, or steer it: then nothing is. */
const start = async (context: PartContext<string | false>): Promise<RunningPart> => {
  const { options, directory, log } = context;
  if (options === false) return { health: () => 'no socket' };
  const path = resolve(directory, options);
  const { ControlServer } = await import('./server.ts');
  const server = await ControlServer.start(path, () => context.operations(), log);
  return {
    health: () => `socket ${path}`,
    counters: () => ({ clients: server.clients }),
    stop: () => server.close(),
  };
};

/** As what opens it refuses it; whether somebody listens there is no matter of the configuration. */
const check = async ({ options, directory }: Pick<PartContext<string | false>, 'options' | 'directory'>) => {
  if (options !== false) await (await import('./socket-file.ts')).assertRoom(resolve(directory, options));
};

/** The socket at which a running pciback answers the operations of all parts. */
export default definePlugin({
  name: 'control',
  api: '^1.0',
  apply: (host) => {
    host.parts.add('control', {
      about: 'Answers the operations of all parts at a socket for its own user.',
      // Before the first guest: what cannot be had is known before a device is touched.
      required: true,
      options: controlSection,
      operations,
      prepare,
      start,
      check,
    });
    for (const command of [status, devices, guests, watch]) host.commands.add(command);
  },
});
