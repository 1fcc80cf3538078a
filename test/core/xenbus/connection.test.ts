// SPDX-License-Identifier: MIT

import { expect, it } from 'vitest';
import { Dispatcher, WORK_BYTES } from '../../../core/dispatcher/index.ts';
import type { Platform } from '../../../core/platform/index.ts';
import { Connection } from '../../../core/xenbus/connection.ts';
import { createEmbeddedPlatform } from '../../../plugins/platforms/embedded/index.ts';

it('an answering thread that cannot take a guest leaves neither its page mapped nor its channel bound', () => {
  const xen = createEmbeddedPlatform({ devices: [] });
  const guest = xen.hypervisor.createDomain();
  const keys = {
    grantReference: guest.grantAccess(0, guest.allocatePage()),
    eventChannel: guest.ports.allocUnbound(0, () => undefined).port,
  };
  const platform: Platform = {
    ...xen,
    grants: { map: (domain, reference) => ({ ...xen.grants.map(domain, reference), reference: 1n }) },
    answerer: {
      seat: () => {
        throw new Error('no seat left');
      },
    } as unknown as NonNullable<Platform['answerer']>,
  };
  const dispatcher = new Dispatcher({ lookup: () => undefined }, () => undefined, new SharedArrayBuffer(WORK_BYTES));
  const connect = () => new Connection(platform, keys, { domain: guest.domain, dispatcher, leftWork: () => undefined });
  expect(connect).toThrow('no seat left');
  expect(xen.hypervisor.ledger()).toMatchObject({ mapped: [], bound: [] });
  // So it can be tried again.
  expect(connect).toThrow('no seat left');
});
