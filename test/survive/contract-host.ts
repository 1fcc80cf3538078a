// SPDX-License-Identifier: MIT

// A host for the contract of platform `remote`, in a process of its own: says where it is, and ends with its input.

import { createLoader } from '../../plugins/native/koffi/index.ts';
import { samples } from '../../plugins/platforms/embedded/samples.ts';
import { createHost } from './host.ts';

const host = await createHost({
  native: await createLoader(),
  devices: samples(),
  more: (platform, fileOf) => {
    const guest = platform.hypervisor.createDomain();
    const ports = new Map<number, { readonly notify: () => void; readonly close: () => void; received: number }>();
    return {
      peer: () => guest.domain,
      grant: () => {
        const memory = guest.allocatePage();
        return { reference: guest.grantAccess(0, memory), file: fileOf(memory) };
      },
      endGrant: (reference: number) => guest.endAccess(reference),
      offer: () => {
        const channel = guest.ports.allocUnbound(0, () => {
          port.received += 1;
          channel.unmask();
        });
        const port = { notify: () => channel.notify(), close: () => channel.close(), received: 0 };
        ports.set(channel.port, port);
        return channel.port;
      },
      raise: (port: number) => ports.get(port)?.notify(),
      received: (port: number) => ports.get(port)?.received,
      withdraw: (port: number) => ports.get(port)?.close(),
    };
  },
});
console.log(host.folder);
process.stdin.resume();
process.stdin.on('end', () => void host.close().then(() => process.exit(0)));
