// SPDX-License-Identifier: MIT

import { read } from 'node:fs';
import {
  Errno,
  type EventChannel,
  type EventChannels,
  HostError,
  library,
  type NativeLoader,
} from '../../../core/platform/index.ts';
import { libxenevtchn } from './libraries.ts';
import { checked, opened } from './native-call.ts';

/** Event channels that can be given up as a whole. */
export interface XenEvents extends EventChannels {
  /** Unbinds every channel, ends the reader and closes the handle. */
  close(): Promise<void>;
}

/** Reads pending ports; replaceable, because only Xen has the device. Same contract as `fs.read` without position. */
export type ReadEvents = (
  fd: number,
  into: Buffer,
  done: (error: NodeJS.ErrnoException | null, bytes: number) => void,
) => void;

export interface EventOptions {
  /** This process's own domain, to which the channel that ends the reader is bound. */
  readonly domain: number;
  /** Called when events cannot be read any more. No guest can be heard then. */
  readonly onFailure: (error: Error) => void;
  readonly read?: ReadEvents;
}

interface Bound {
  readonly port: number;
  readonly listener: () => void;
  open: boolean;
}

/** The device gives at most a page of ports, 4 bytes each. */
const bufferSize = 4096;
/** IOCTL_EVTCHN_RESET: `_IOC(NONE, 'E', 5, 0)`; empties the queue after an overflow. No library function does it. */
const resetRequest = 0x4505n;
const libc = library({
  names: ['libc.so.6', 'libc.musl-x86_64.so.1', 'libc.musl-aarch64.so.1'],
  package: 'libc6',
  functions: { ioctl: ['int', ['int', 'ulong', 'ulong']] },
});

const readDevice: ReadEvents = (fd, into, done) => read(fd, into, 0, into.length, null, done);

/**
 * Event channels over libxenevtchn: one handle, one reader for all channels.
 *
 * The reader waits inside a system call on a pool thread. Only an event ends that, so the handle is bound to itself by
 * a channel that is notified when the reader has to stop: at `close`, and at the end of the process, which would hang
 * otherwise.
 *
 * A port number is used again after a channel is closed. An event of the old channel that was read but not yet
 * delivered can then reach the new one as one event too many; that is harmless, a lost one would not be.
 *
 * @throws PcibackError `NATIVE_LIBRARY_MISSING`, `NO_PRIVILEGE`, `PLATFORM_UNAVAILABLE`; HostError
 */
export const createEvents = (native: NativeLoader, options: EventOptions): XenEvents => {
  const evtchn = native.bind(libxenevtchn);
  const readEvents = options.read ?? readDevice;
  const handle = opened(native, 'xenevtchn_open', evtchn.xenevtchn_open(null, 0));
  const channels = new Map<number, Bound>();
  const buffer = Buffer.alloc(bufferSize);
  let stopping = false;
  let finished: () => void;
  const idle = new Promise<void>((resolve) => {
    finished = resolve;
  });

  const prepare = (): { fd: number; far: number } => {
    try {
      const fd = checked(native, 'xenevtchn_fd', evtchn.xenevtchn_fd(handle));
      const near = evtchn.xenevtchn_bind_unbound_port(handle, options.domain);
      checked(native, 'xenevtchn_bind_unbound_port', near);
      const far = evtchn.xenevtchn_bind_interdomain(handle, options.domain, near);
      return { fd, far: checked(native, 'xenevtchn_bind_interdomain', far, `own domain ${options.domain}`) };
    } catch (error) {
      evtchn.xenevtchn_close(handle);
      throw error;
    }
  };
  const { fd, far } = prepare();
  const wakeReader = (): void => {
    stopping = true;
    checked(native, 'xenevtchn_notify', evtchn.xenevtchn_notify(handle, far));
  };

  const deliver = (channel: Bound): void => {
    // In a turn of its own: what one guest's listener throws must not keep the events of the others from them.
    queueMicrotask(() => {
      if (channel.open) channel.listener();
    });
  };
  const takeEvents = (bytes: number): void => {
    for (let offset = 0; offset + 4 <= bytes; offset += 4) {
      const channel = channels.get(buffer.readUInt32LE(offset));
      if (channel !== undefined) deliver(channel);
    }
  };
  const recoverFromOverflow = (): void => {
    checked(native, 'reset of the event queue', native.bind(libc).ioctl(fd, resetRequest, 0n));
    // Nobody knows whose events were lost. The listeners look for work and end their delivery by unmasking.
    for (const channel of channels.values()) deliver(channel);
  };
  const stop = (): void => {
    process.off('exit', wakeReader);
    finished();
  };
  const next = (): void => {
    readEvents(fd, buffer, (error, bytes) => {
      if (stopping) return stop();
      try {
        if (error === null) takeEvents(bytes);
        else if (error.code === 'EFBIG') recoverFromOverflow();
        else if (error.code !== 'EINTR' && error.code !== 'EAGAIN') {
          throw new HostError('read of events', Math.abs(error.errno ?? Errno.EIO));
        }
        return next();
      } catch (failure) {
        stop();
        options.onFailure(failure instanceof Error ? failure : new Error(String(failure)));
      }
    });
  };

  const bind = (domain: number, remotePort: number, listener: () => void): EventChannel => {
    if (stopping) throw new HostError('bind of an event channel', Errno.ENODEV, 'the platform is closed');
    const detail = `domain ${domain}, port ${remotePort}`;
    const port = checked(
      native,
      'xenevtchn_bind_interdomain',
      evtchn.xenevtchn_bind_interdomain(handle, domain, remotePort),
      detail,
    );
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
  };

  process.on('exit', wakeReader);
  next();

  return {
    bindInterdomain: bind,
    async close() {
      if (!stopping) {
        for (const channel of channels.values()) channel.open = false;
        channels.clear();
        wakeReader();
        await idle;
        checked(native, 'xenevtchn_close', evtchn.xenevtchn_close(handle));
      }
      await idle;
    },
  };
};
