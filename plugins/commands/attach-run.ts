// SPDX-License-Identifier: MIT

import { resolve } from 'node:path';
import { formatBdf, parseBdf } from '../../core/bdf.ts';
import type { CommandContext } from '../kinds/command.ts';
import type { AttachOperations } from './attach-operations.ts';

/**
 * Asks the running pciback to give a device to a guest.
 *
 * @throws PcibackError `BDF_SYNTAX`, `USAGE`, `DEVICE_NOT_FOUND`, `PLATFORM_UNAVAILABLE`, `CONTROL_UNREACHABLE`
 */
export const runAttach = async (context: CommandContext): Promise<number> => {
  const { options, print } = context;
  const [name = '', address = ''] = context.arguments;
  const bdf = formatBdf(parseBdf(address));
  const { socket, permissive } = options;
  const client = await context.control<AttachOperations>();
  const place = await client.require('attach', {
    name,
    bdf,
    ...(typeof socket === 'string' ? { socket: resolve(socket) } : {}),
    ...(permissive === true ? { permissive } : {}),
  });
  if (options.json === true) print(JSON.stringify(place, undefined, 2));
  else if (place.path !== undefined) print(`${place.bdf} offered to ${name} at ${place.path}`);
  else print(`${place.bdf} given to ${name}, domain ${place.domain}, at ${place.vdev}`);
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
  const client = await context.control<AttachOperations>();
  const gone = await client.require('detach', asks);
  print(options.json === true ? JSON.stringify(gone, undefined, 2) : `${gone.devices.join(', ')} taken from ${name}`);
  return 0;
};
