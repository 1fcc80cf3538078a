// SPDX-License-Identifier: MIT

import { formatBdf } from '../../../core/bdf.ts';
import { CapabilityId, capabilitiesOf, type DeviceImage, readsOnes } from './image.ts';

/** Names of some functions of many. */
const some = (images: readonly DeviceImage[]): string => {
  const names = images.map(({ bdf }) => formatBdf(bdf));
  return names.length > 3 ? `${names.slice(0, 3).join(', ')} and ${names.length - 3} more` : names.join(', ');
};

/**
 * What limits the picture that images give, and what to do: a function of this host was read without privilege, one of a dump
 * was printed in part only.
 */
export const limitsOf = (images: readonly DeviceImage[]): string[] => {
  const answering = images.filter(({ config }) => !readsOnes(config));
  const short = answering.filter(({ known }) => known < 256);
  const isHost = short.some(({ source }) => source === 'host');
  const listless = answering.filter(
    ({ source, config }) =>
      source !== 'host' &&
      config.length === 256 &&
      capabilitiesOf(config).some(({ id }) => id === CapabilityId.express),
  );
  const notes: string[] = [];
  if (isHost) notes.push('only 64 bytes of config space can be read: run it as root to see capabilities');
  else if (short.length > 0)
    notes.push(`only 64 bytes of config space are in the dump (${some(short)}): make it with lspci -xxxx, as root`);
  if (listless.length > 0)
    notes.push(
      `the dump has no extended capabilities (${some(listless)}): make it with lspci -xxxx, as root, for all 4096 bytes`,
    );
  return notes;
};
