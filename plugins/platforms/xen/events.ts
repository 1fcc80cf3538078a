// SPDX-License-Identifier: MIT

import { Errno, type EventChannels, HostError } from '../../../core/platform/index.ts';
import { library, type NativeLoader } from '../../kinds/native.ts';
import { libcNames } from '../../libc.ts';
import { type EventReader, poolReader, RESET_REQUEST, type ReaderTerms } from './event-reader.ts';
import { libxenevtchn } from './libraries.ts';
import { checked, opened } from './native-call.ts';

/** Event channels that can be given up as a whole. */
export interface XenEvents extends EventChannels {
  /** Unbinds every channel, ends the reader and closes the handle. */
  close(): Promise<void>;
}

export interface EventOptions {
  /** This process's own domain, to which the channel that ends the reader is bound. */
  readonly domain: number;
  /** Called when events cannot be read any more. No guest can be heard then. */
  readonly onFailure: (error: Error) => void;
  /** Who reads the event device; a thread of the pool if not given. */
  readonly reader?: (terms: ReaderTerms) => EventReader;
}

interface Bound {
  readonly port: number;
  readonly listener: () => void;
  open: boolean;
}

const libc = library({
  names: libcNames,
  package: 'libc6',
  functions: { ioctl: ['int', ['int', 'ulong', 'ulong']] },
});

/**
 * Event channels over libxenevtchn: one handle, one reader for all channels.
 *
 * The reader waits inside a system call, on a thread of the pool or of its own. Only an event ends that. So the handle has
 * a channel to itself, which is notified when the reader has to stop: at `close`, and at the end of the process, which would
 * wait for the reader for ever otherwise.
 *
 * A port number is used again after a channel is closed. An event of the old channel that was read but not yet
 * delivered can then reach the new one as one event too many; that is harmless, a lost one would not be.
 *
 * @throws PcibackError `NATIVE_LIBRARY_MISSING`, `NO_PRIVILEGE`, `PLATFORM_UNAVAILABLE`; HostError
 */
export const createEvents = (native: NativeLoader, options: EventOptions): XenEvents => {
  const evtchn = native.bind(libxenevtchn);
  const handle = opened(native, 'xenevtchn_open', evtchn.xenevtchn_open(null, 0));
  const channels = new Map<number, Bound>();
  let stopping = false;

  const { domain: own } = options;
  const prepare = (): { fd: number; near: number; far: number } => {
    try {
      const fd = checked(native, 'xenevtchn_fd', evtchn.xenevtchn_fd(handle));
      const near = checked(native, 'xenevtchn_bind_unbound_port', evtchn.xenevtchn_bind_unbound_port(handle, own));
      const far = evtchn.xenevtchn_bind_interdomain(handle, own, near);
      return { fd, near, far: checked(native, 'xenevtchn_bind_interdomain', far, `own domain ${own}`) };
    } catch (error) {
      evtchn.xenevtchn_close(handle);
      throw error;
    }
  };
  const { fd, near, far } = prepare();
  const wake = (): void => {
    checked(native, 'xenevtchn_notify', evtchn.xenevtchn_notify(handle, far));
  };

  const deliver = (channel: Bound): void => {
    // Each listener runs by itself: if one throws, the events of other guests are delivered all the same.
    queueMicrotask(() => {
      if (channel.open) channel.listener();
    });
  };
  const deliverAll = (): void => {
    // Nobody knows whose events were lost. The listeners look for work and end their delivery by unmasking.
    for (const channel of channels.values()) deliver(channel);
  };
  const reader = (options.reader ?? poolReader)({
    fd,
    wakePort: near,
    deliver(port) {
      const channel = channels.get(port);
      if (channel !== undefined) deliver(channel);
    },
    overflowed() {
      checked(native, 'reset of the event queue', native.bind(libc).ioctl(fd, RESET_REQUEST, 0n));
      deliverAll();
    },
    failed(error) {
      process.off('exit', endReader);
      options.onFailure(error);
    },
    wake,
  });
  // The end of the process waits for the reader, which waits for an event.
  const endReader = (): void => reader.stop();

  process.on('exit', endReader);

  return {
    bindInterdomain(domain, remotePort, listener) {
      if (stopping) throw new HostError('bind of an event channel', Errno.ENODEV, 'the platform is closed');
      const detail = `domain ${domain}, port ${remotePort}`;
      const bound = evtchn.xenevtchn_bind_interdomain(handle, domain, remotePort);
      const port = checked(native, 'xenevtchn_bind_interdomain', bound, detail);
      const channel: Bound = { port, listener, open: true };
      channels.set(port, channel);
      // The number may belong to another channel once this one is closed, so a closed one does nothing.
      return {
        port,
        notify() {
          if (channel.open) checked(native, 'xenevtchn_notify', evtchn.xenevtchn_notify(handle, port), detail);
        },
        unmask() {
          if (channel.open) checked(native, 'xenevtchn_unmask', evtchn.xenevtchn_unmask(handle, port), detail);
        },
        close() {
          if (!channel.open) return;
          channel.open = false;
          channels.delete(port);
          checked(native, 'xenevtchn_unbind', evtchn.xenevtchn_unbind(handle, port), detail);
        },
      };
    },
    async close() {
      if (!stopping) {
        stopping = true;
        for (const channel of channels.values()) channel.open = false;
        channels.clear();
        process.off('exit', endReader);
        reader.stop();
        await reader.ended;
        checked(native, 'xenevtchn_close', evtchn.xenevtchn_close(handle));
      }
      await reader.ended;
    },
  };
};
