// SPDX-License-Identifier: MIT

import { read } from 'node:fs';
import { HostError } from '../../core/platform/index.ts';
import type { NativeLoader, NativePointer } from '../../plugins/kinds/native.ts';
import { libxenevtchn, libxengntshr } from '../../plugins/platforms/xen/libraries.ts';
import type { PeerPage, PeerPort, PlatformPeer } from './platform-fixture.ts';

/** A peer with handles of its own, to be closed. */
export interface XenPeer extends PlatformPeer {
  close(): Promise<void>;
}

const pageSize = 4096;

/**
 * A peer on a real Xen: domain `domain` grants pages to itself and offers ports to itself, so no guest is needed.
 * Needs the module xen-gntalloc.
 */
export const createXenPeer = (native: NativeLoader, domain: number): XenPeer => {
  const shr = native.bind(libxengntshr);
  const evtchn = native.bind(libxenevtchn);
  const refuse = (call: string): never => {
    throw new HostError(call, native.errno());
  };
  const present = (call: string, pointer: NativePointer | null): NativePointer => pointer ?? refuse(call);
  const positive = (call: string, result: number): number => (result < 0 ? refuse(call) : result);

  const shrHandle = present('xengntshr_open', shr.xengntshr_open(null, 0));
  const evtchnHandle = present('xenevtchn_open', evtchn.xenevtchn_open(null, 0));
  const fd = evtchn.xenevtchn_fd(evtchnHandle);
  const received = new Map<number, number>();
  const buffer = Buffer.alloc(pageSize);
  let stopping = false;
  let stopped: () => void;
  const idle = new Promise<void>((resolve) => {
    stopped = resolve;
  });

  const next = (): void => {
    read(fd, buffer, 0, buffer.length, null, (error, bytes) => {
      if (stopping) {
        stopped();
        return;
      }
      if (error) throw error;
      for (let offset = 0; offset < bytes; offset += 4) {
        const port = buffer.readUInt32LE(offset);
        const count = received.get(port);
        if (count === undefined) continue;
        received.set(port, count + 1);
        positive('xenevtchn_unmask', evtchn.xenevtchn_unmask(evtchnHandle, port));
      }
      next();
    });
  };
  const near = positive('xenevtchn_bind_unbound_port', evtchn.xenevtchn_bind_unbound_port(evtchnHandle, domain));
  const far = positive('xenevtchn_bind_interdomain', evtchn.xenevtchn_bind_interdomain(evtchnHandle, domain, near));
  next();

  return {
    domain,
    grant(): PeerPage {
      const references = new Uint32Array(1);
      const call = 'xengntshr_share_pages';
      const bytes = new Uint8Array(references.buffer);
      const address = present(call, shr.xengntshr_share_pages(shrHandle, domain, 1, bytes, 1));
      const memory = native.view(address, pageSize);
      new Uint8Array(memory).fill(0);
      return {
        reference: references[0] ?? 0,
        memory,
        end: () => {
          positive('xengntshr_unshare', shr.xengntshr_unshare(shrHandle, address, 1));
        },
      };
    },
    offerPort(): PeerPort {
      const call = 'xenevtchn_bind_unbound_port';
      const port = positive(call, evtchn.xenevtchn_bind_unbound_port(evtchnHandle, domain));
      received.set(port, 0);
      return {
        port,
        notify: () => {
          positive('xenevtchn_notify', evtchn.xenevtchn_notify(evtchnHandle, port));
        },
        received: () => received.get(port) ?? 0,
        close: () => {
          received.delete(port);
          positive('xenevtchn_unbind', evtchn.xenevtchn_unbind(evtchnHandle, port));
        },
      };
    },
    async close() {
      stopping = true;
      positive('xenevtchn_notify', evtchn.xenevtchn_notify(evtchnHandle, far));
      await idle;
      evtchn.xenevtchn_close(evtchnHandle);
      shr.xengntshr_close(shrHandle);
    },
  };
};
