// SPDX-License-Identifier: MIT

import { formatBdf } from '../../../core/bdf.ts';
import { describeError } from '../../../core/errors/index.ts';
import type { Finding } from '../../kinds/platform.ts';
import { HostChanges, isGuests } from './stand-alone-changes.ts';
import { NOTES } from './stand-alone-notes.ts';

/** What processes before have changed on the host and not put back. */
export const findings = (folder = NOTES): readonly Finding[] => {
  const section = 'stand-alone';
  const changes = new HostChanges(folder);
  try {
    return changes.addresses.map((address): Finding => {
      const noted = changes.of(address);
      const domain = noted.find(isGuests)?.domain;
      const whose = domain === undefined ? 'no guest has it' : `given to domain ${domain}`;
      return {
        section,
        what: formatBdf(address),
        verdict: 'ok',
        detail: `held without a driver; ${whose}; noted: ${noted.map(({ what }) => what).join(', ')}`,
        next: 'A pciback that runs in mode stand-alone goes on with it, and puts it back when it is stopped.',
      };
    });
  } catch (error) {
    return [{ section, what: folder, verdict: 'warning', detail: describeError(error) }];
  }
};
