// SPDX-License-Identifier: MIT

import { resolve } from 'node:path';
import { formatBdf, parseBdf } from '../../core/bdf.ts';
import { nearest } from '../../core/errors/nearest.ts';
import { fail } from '../errors.ts';
import type { CommandContext } from '../kinds/command.ts';
import type { AttachOperations } from './attach-operations.ts';

/** `05`: a slot, hexadecimal. */
const SLOT = /^[01]?[0-9a-f]$/i;

/**
 * A device as a guest is to have it: its address, and words behind commas as in the guest's file of a toolstack.
 *
 * @throws PcibackError `BDF_SYNTAX`, `BDF_RANGE`, `USAGE`
 */
export const parseDevice = (
  text: string,
): { readonly bdf: string; readonly permissive?: true; readonly slot?: number } => {
  const [address = '', ...words] = text.split(',').map((one) => one.trim());
  const bdf = formatBdf(parseBdf(address));
  let wanted: { readonly permissive?: true; readonly slot?: number } = {};
  for (const word of words) {
    const slot = word.startsWith('slot=') ? word.slice('slot='.length) : '';
    if (word === 'permissive' || word === 'permissive=1') wanted = { ...wanted, permissive: true };
    else if (SLOT.test(slot)) wanted = { ...wanted, slot: Number.parseInt(slot, 16) << 3 };
    else {
      const what = `"${word}" of ${text} is not understood: expected permissive, or slot=SS, hexadecimal up to 1f`;
      fail('USAGE', { what, nearest: nearest(word, ['permissive', 'slot=']) });
    }
  }
  return { bdf, ...wanted };
};

/**
 * Asks the running pciback to give a device to a guest.
 *
 * @throws PcibackError `BDF_SYNTAX`, `USAGE`, `DEVICE_NOT_FOUND`, `PLATFORM_UNAVAILABLE`, `CONTROL_UNREACHABLE`
 */
export const runAttach = async (context: CommandContext): Promise<number> => {
  const { options, print } = context;
  const [name = '', address = ''] = context.arguments;
  const device = parseDevice(address);
  const { socket, permissive } = options;
  const client = await context.control<AttachOperations>();
  const place = await client.require('attach', {
    name,
    ...device,
    ...(typeof socket === 'string' ? { socket: resolve(socket) } : {}),
    ...(permissive === true ? { permissive } : {}),
  });
  if (options.json === true) print(JSON.stringify(place, undefined, 2));
  else if (place.path !== undefined) print(`${place.bdf} offered to ${name} at ${place.path}`);
  else {
    const later = place.waits === true ? ', as soon as it looks' : '';
    print(`${place.bdf} given to ${name}, domain ${place.domain}, at ${place.vdev}${later}`);
  }
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
