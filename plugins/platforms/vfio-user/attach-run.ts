// SPDX-License-Identifier: MIT

import { resolve } from 'node:path';
import { formatBdf, parseBdf } from '../../../core/bdf.ts';
import { fail } from '../../errors.ts';
import type { CommandContext } from '../../kinds/command.ts';
import type { VfioUserOperations } from './operations.ts';

/**
 * Asks the running pciback to offer a device at a socket.
 *
 * @throws PcibackError `BDF_SYNTAX`, `USAGE`, `DEVICE_NOT_FOUND`, `PLATFORM_UNAVAILABLE`, `CONTROL_UNREACHABLE`
 */
export const runAttach = async (context: CommandContext): Promise<number> => {
  const { options, print } = context;
  const [name = '', address = ''] = context.arguments;
  const bdf = formatBdf(parseBdf(address));
  const { socket } = options;
  if (typeof socket !== 'string') {
    return fail('USAGE', { what: `attach needs --socket: where ${bdf} is to be offered`, nearest: undefined });
  }
  const client = await context.control<VfioUserOperations>();
  const place = await client.require('attach', { name, bdf, socket: resolve(socket) });
  print(
    options.json === true ? JSON.stringify(place, undefined, 2) : `${place.bdf} offered to ${name} at ${place.path}`,
  );
  return 0;
};

/**
 * Asks the running pciback to take devices from a guest.
 *
 * @throws PcibackError `BDF_SYNTAX`, `USAGE`, `CONTROL_UNREACHABLE`
 */
export const runDetach = async (context: CommandContext): Promise<number> => {
  const { options, print } = context;
  const [name = '', address] = context.arguments;
  const asks = { name, ...(address === undefined ? {} : { bdf: formatBdf(parseBdf(address)) }) };
  const client = await context.control<VfioUserOperations>();
  const gone = await client.require('detach', asks);
  print(options.json === true ? JSON.stringify(gone, undefined, 2) : `${gone.devices.join(', ')} taken from ${name}`);
  return 0;
};
