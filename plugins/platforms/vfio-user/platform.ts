// SPDX-License-Identifier: MIT

import {
  Errno,
  HostError,
  type InterruptMapper,
  type LineInterrupts,
  type Platform,
  type Xenstore,
} from '../../../core/platform/index.ts';

export const PLATFORM = 'vfio-user';

const nothing = (call: string): never => {
  throw new HostError(call, Errno.EOPNOTSUPP, 'there is no hypervisor here');
};

/** A store in which nobody ever announces a guest: clients of this platform come to sockets. */
const emptyStore = (): Xenstore => {
  const view = {
    read: async () => undefined,
    list: async () => undefined,
    write: async () => undefined,
    remove: async () => undefined,
    setPermissions: async () => undefined,
  };
  return {
    ...view,
    watch: async (path, listener) => {
      const first = setImmediate(() => listener(path));
      return { close: async () => clearImmediate(first) };
    },
    transaction: (work) => work(view),
    lost: new Promise(() => {}),
  };
};

/** Vectors are numbers that are counted: where an interrupt goes is known by whoever has the client's descriptors. */
const countedVectors = (): InterruptMapper => {
  let next = 1;
  const free: number[] = [];
  const take = (): number => free.pop() ?? next++;
  return {
    prepareMsix: () => {},
    releaseMsix: () => {},
    mapMsi: take,
    mapMsix: take,
    unmap: (_domain, vector) => void free.push(vector),
    linePirq: (device) => device.line,
  };
};

/** No line is shared with drivers of a host: each client has its device's to itself. */
const ownLines: LineInterrupts = {
  canClaim: true,
  claim: () => ({ release: () => {} }),
  isShared: () => false,
  hostUsers: () => [],
};

/**
 * A platform without a hypervisor, around the devices of another one.
 *
 * @param from whose PCI functions, errors and clock it has; closed with it
 */
export const vfioUserPlatform = (from: Platform): Platform => ({
  name: PLATFORM,
  domain: 0,
  xenstore: emptyStore(),
  grants: { map: () => nothing('map of a grant') },
  events: { bindInterdomain: () => nothing('bind of an event channel') },
  pci: from.pci,
  interrupts: countedVectors(),
  lines: ownLines,
  clock: from.clock,
  ...(from.errors === undefined ? {} : { errors: from.errors }),
  close: () => from.close(),
});
