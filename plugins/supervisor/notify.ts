// SPDX-License-Identifier: MIT

import { definePlugin } from '../../core/plugin/index.ts';
import type { PartContext, RunningPart } from '../kinds/part.ts';

const start = async (context: PartContext): Promise<RunningPart> => {
  const { NOTIFY_SOCKET: name } = process.env;
  if (name === undefined || name === '') return { health: () => 'nobody asks for it' };
  return (await import('./notify-run.ts')).startNotifying(context, name, process.env);
};

/** The service manager that started this process, where it wants to hear how it is doing. */
export default definePlugin({
  name: 'supervisor/notify',
  api: '^1.0',
  apply: (host) => {
    host.parts.add('supervisor', {
      about: 'Tells the service manager (systemd) that guests are served, and that they can still be heard.',
      needs: ['guests'],
      start,
    });
  },
});
