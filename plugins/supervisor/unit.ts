// SPDX-License-Identifier: MIT

import { definePlugin } from '../../core/plugin/index.ts';
import type { CommandDefinition } from '../kinds/command.ts';

const unit: CommandDefinition = {
  name: 'unit',
  summary: 'print a unit of systemd that serves guests with this very pciback',
  details: `Nothing is installed. To do that:

  pciback unit --platform xen > /etc/systemd/system/pciback.service
  systemctl daemon-reload && systemctl enable --now pciback

How long a start and an end may take follows from the deadlines of the rc file: print it again when those change.`,
  options: [
    { flags: '--config <file>', description: 'the rc file, instead of searching for one; the unit names it' },
    { flags: '--platform <name>', description: 'the platform that the unit names' },
  ],
  run: async (context) => (await import('./unit-run.ts')).runUnit(context),
};

/** How a service manager runs pciback. */
export default definePlugin({
  name: 'supervisor/unit',
  api: '^1.0',
  apply: (host) => {
    host.commands.add(unit);
  },
});
