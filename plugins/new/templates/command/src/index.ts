// SPDX-License-Identifier: MIT

import type { BundledOperations } from 'pciback';
import { type CommandDefinition, controlOptions, definePlugin } from 'pciback/plugin';

type Status = BundledOperations['status']['answers'];

/** A line for each device. */
export const linesOf = ({ devices }: Pick<Status, 'devices'>, wanted = ''): string[] =>
  devices.filter(({ bdf }) => bdf.endsWith(wanted)).map(({ bdf, guest }) => `${bdf}  ${guest ?? 'nobody'}`);

const command: CommandDefinition = {
  name: 'thing',
  summary: 'which guest has which device',
  details: 'Asks the running pciback.',
  arguments: [{ name: '[bdf]', description: 'only this device' }],
  options: controlOptions,
  run: async ({ arguments: [wanted], control, print }) => {
    const client = await control<BundledOperations>();
    for (const line of linesOf(await client.require('status', {}), wanted)) print(line);
    return 0;
  },
};

export default definePlugin({
  name: 'pciback-acme-thing',
  version: '0.1.0',
  api: '^1.1',
  apply: (host) => {
    host.commands.add(command);
  },
});
