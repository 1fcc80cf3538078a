// SPDX-License-Identifier: MIT

import { readlinkSync } from 'node:fs';
import { Errno, HostError } from '../../../core/platform/index.ts';
import { type Bound, library, type NativeLoader, type NativePointer } from '../../kinds/native.ts';
import { libcNames } from '../../libc.ts';
import { MAX_DESCRIPTORS, MAX_MESSAGE } from './messages.ts';

/** What is called in the C library: Node's own sockets drop the descriptors that come beside a message. */
const libc = library({
  names: libcNames,
  package: 'libc6',
  functions: {
    socket: ['int', ['int', 'int', 'int']],
    bind: ['int', ['int', 'buffer', 'uint32']],
    listen: ['int', ['int', 'int']],
    accept4: ['int', ['int', 'pointer', 'pointer', 'int']],
    /** What it answers fits an int: no message here is longer. */
    recvmsg: ['int', ['int', 'pointer', 'int']],
    sendmsg: ['int', ['int', 'pointer', 'int']],
    poll: ['int', ['pointer', 'ulong', 'int']],
    sched_yield: ['int', []],
    eventfd: ['int', ['uint32', 'int']],
    read: ['int', ['int', 'pointer', 'size']],
    write: ['int', ['int', 'pointer', 'size']],
    fcntl: ['int', ['int', 'int', 'int']],
    close: ['int', ['int']],
    calloc: ['pointer', ['size', 'size']],
    free: ['void', ['pointer']],
  },
});

type Libc = Bound<typeof libc.functions>;

const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const MSG_CMSG_CLOEXEC = 0x40000000;
const F_SETFL = 4;
const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;

/** Connections that wait for a device whose client is still there. */
const BACKLOG = 128;
/** Longest path of a socket, and its place in the address. */
const PATH_BYTES = 107;

/** Events of a descriptor. */
export const PollEvent = { none: 0, in: 1, out: 4 } as const;

/** Layouts of C on 64-bit machines: sizes, and offsets of what is used. */
const MsgHdr = { iov: 16, iovLength: 24, control: 32, controlLength: 40, bytes: 56 } as const;
const IoVec = { base: 0, length: 8, bytes: 16 } as const;
const CmsgHdr = { length: 0, level: 8, type: 12, bytes: 16 } as const;
const PollFd = { fd: 0, events: 4, revents: 6, bytes: 8 } as const;

const CONTROL_BYTES = CmsgHdr.bytes + 4 * MAX_DESCRIPTORS;
/** Room for one message and the beginning of the next. */
const RECEIVE_BYTES = 2 * MAX_MESSAGE;

/** Where things lie in the memory of one connection. */
const Place = {
  receive: 0,
  receiveVector: 64,
  send: 80,
  sendVector: 144,
  control: 160,
  in: 160 + CONTROL_BYTES,
  out: 160 + CONTROL_BYTES + RECEIVE_BYTES,
  bytes: 160 + CONTROL_BYTES + RECEIVE_BYTES + MAX_MESSAGE,
} as const;

/** What {@link Connection.receive} and {@link Connection.send} answer beside a number of bytes. */
export const Io = { wait: -1, gone: -2 } as const;

/** Memory of the C library, with the address that its functions take. */
interface Memory {
  readonly pointer: NativePointer;
  readonly address: bigint;
  readonly bytes: Uint8Array;
  readonly view: DataView;
}

/** One client's socket. */
export class Connection {
  /** What was received lies here; see `MessageStream`. */
  readonly received: Uint8Array;
  /** What {@link send} sends. */
  readonly out: Uint8Array;
  readonly fd: number;
  /** Descriptors that came with what was received last. */
  fds: number[] | undefined;
  readonly #libc: Libc;
  readonly #errno: () => number;
  readonly #memory: Memory;
  readonly #receiveHeader: NativePointer;
  readonly #sendHeader: NativePointer;

  constructor(sockets: Sockets, fd: number) {
    this.fd = fd;
    this.#libc = sockets.libc;
    this.#errno = () => sockets.loader.errno();
    this.#memory = sockets.memory(Place.bytes);
    const { view, address, bytes } = this.#memory;
    const point = (at: number, place: number): void => view.setBigUint64(at, address + BigInt(place), true);
    point(Place.receive + MsgHdr.iov, Place.receiveVector);
    view.setBigUint64(Place.receive + MsgHdr.iovLength, 1n, true);
    point(Place.receive + MsgHdr.control, Place.control);
    point(Place.send + MsgHdr.iov, Place.sendVector);
    view.setBigUint64(Place.send + MsgHdr.iovLength, 1n, true);
    this.received = bytes.subarray(Place.in, Place.in + RECEIVE_BYTES);
    this.out = bytes.subarray(Place.out, Place.out + MAX_MESSAGE);
    this.#receiveHeader = sockets.loader.pointer(address + BigInt(Place.receive));
    this.#sendHeader = sockets.loader.pointer(address + BigInt(Place.send));
  }

  #place(at: number, place: number, length: number): void {
    const { view, address } = this.#memory;
    const low = Number(address & 0xffffffffn) + place;
    view.setUint32(at + IoVec.base, low >>> 0, true);
    view.setUint32(at + IoVec.base + 4, Number(address >> 32n) + (low > 0xffffffff ? 1 : 0), true);
    view.setUint32(at + IoVec.length, length, true);
  }

  /**
   * Receives what is there, into {@link received} from `offset` on, and descriptors into {@link fds}.
   *
   * @returns bytes, or one of {@link Io}
   */
  receive(offset: number): number {
    const { view } = this.#memory;
    this.#place(Place.receiveVector, Place.in + offset, RECEIVE_BYTES - offset);
    view.setUint32(Place.receive + MsgHdr.controlLength, CONTROL_BYTES, true);
    this.fds = undefined;
    const bytes = this.#libc.recvmsg(this.fd, this.#receiveHeader, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (view.getUint32(Place.receive + MsgHdr.controlLength, true) > 0 && bytes >= 0) this.fds = this.#rights();
    if (bytes > 0) return bytes;
    if (bytes === 0) return Io.gone;
    return this.#errno() === Errno.EAGAIN ? Io.wait : Io.gone;
  }

  #rights(): number[] | undefined {
    const { view } = this.#memory;
    const end = view.getUint32(Place.receive + MsgHdr.controlLength, true);
    if (end < CmsgHdr.bytes) return undefined;
    const length = view.getUint32(Place.control + CmsgHdr.length, true);
    const isRights =
      view.getUint32(Place.control + CmsgHdr.level, true) === SOL_SOCKET &&
      view.getUint32(Place.control + CmsgHdr.type, true) === SCM_RIGHTS;
    if (!isRights) return undefined;
    const fds: number[] = [];
    for (let at = CmsgHdr.bytes; at + 4 <= length && at + 4 <= CONTROL_BYTES; at += 4) {
      fds.push(view.getInt32(Place.control + at, true));
    }
    return fds;
  }

  /** Sends `length` bytes of {@link out} from `offset` on. @returns bytes that went, or one of {@link Io} */
  send(offset: number, length: number): number {
    this.#place(Place.sendVector, Place.out + offset, length);
    const bytes = this.#libc.sendmsg(this.fd, this.#sendHeader, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (bytes >= 0) return bytes;
    return this.#errno() === Errno.EAGAIN ? Io.wait : Io.gone;
  }

  /** Closes the socket. Nothing of its memory may be touched afterwards. */
  close(): void {
    this.#libc.close(this.fd);
    this.#libc.free(this.#memory.pointer);
  }
}

/** Waits for many descriptors at once. */
export class Poller {
  /** Ends a {@link later} that waits. */
  readonly #wakeFd: number;
  readonly #sockets: Sockets;
  readonly #memory: Memory;
  readonly #word: Memory;
  readonly #rest: NativePointer;
  #count = 1n;
  #size = 1;

  /** @param most descriptors */
  constructor(sockets: Sockets, most: number) {
    this.#sockets = sockets;
    this.#memory = sockets.memory(PollFd.bytes * (most + 1));
    // A number that is written to an eventfd, and where the eventfd is read to.
    this.#word = sockets.memory(16);
    this.#rest = sockets.loader.pointer(this.#word.address + 8n);
    this.#word.view.setUint32(0, 1, true);
    this.#wakeFd = sockets.check('eventfd', sockets.libc.eventfd(0, SOCK_NONBLOCK | SOCK_CLOEXEC));
    this.#put(0, this.#wakeFd, PollEvent.in);
  }

  #put(slot: number, fd: number, events: number): void {
    this.#memory.view.setInt32(PollFd.bytes * slot + PollFd.fd, fd, true);
    this.#memory.view.setInt32(PollFd.bytes * slot + PollFd.events, events, true);
  }

  /** Begins a new list of descriptors. */
  clear(): void {
    this.#size = 1;
  }

  /** Adds one. @returns its number, for {@link isReady} */
  add(fd: number, events: number): number {
    this.#put(this.#size, fd, events);
    return this.#size++;
  }

  isReady(slot: number): boolean {
    return this.#memory.view.getUint16(PollFd.bytes * slot + PollFd.revents, true) !== 0;
  }

  #counted(): bigint {
    // A number of 64 bits is an object: made when it is another one only.
    if (Number(this.#count) !== this.#size) this.#count = BigInt(this.#size);
    return this.#count;
  }

  /** Looks without waiting. @returns how many are ready */
  look(): number {
    return this.#drained(this.#sockets.libc.poll(this.#memory.pointer, this.#counted(), 0));
  }

  /** Waits on a thread of the process's pool, until one is ready or somebody called {@link wake}. */
  async later(): Promise<number> {
    const { libc } = this.#sockets;
    const { later } = libc.poll;
    if (later === undefined) throw new HostError('poll on another thread', Errno.EOPNOTSUPP);
    return this.#drained(await later(this.#memory.pointer, this.#counted(), -1));
  }

  #drained(found: number): number {
    if (found <= 0 || !this.isReady(0)) return found;
    this.#sockets.libc.read(this.#wakeFd, this.#rest, 8n);
    return found - 1;
  }

  wake(): void {
    this.#sockets.libc.write(this.#wakeFd, this.#word.pointer, 8n);
  }

  /** Not to be called while {@link later} waits. */
  close(): void {
    this.#sockets.libc.close(this.#wakeFd);
    this.#sockets.libc.free(this.#memory.pointer);
    this.#sockets.libc.free(this.#word.pointer);
  }
}

/** Sockets and descriptors of the host, by calls of the C library. */
export class Sockets {
  readonly loader: NativeLoader;
  readonly libc: Libc;
  readonly #one: Memory;
  /** One descriptor that is asked about. */
  readonly #asked: Memory;

  /** @throws PcibackError `NATIVE_LIBRARY_MISSING` */
  constructor(loader: NativeLoader) {
    this.loader = loader;
    this.libc = loader.bind(libc);
    this.#one = this.memory(8);
    this.#one.view.setUint32(0, 1, true);
    this.#asked = this.memory(PollFd.bytes);
  }

  /** Zeroed. @throws HostError `ENOMEM` */
  memory(bytes: number): Memory {
    const pointer = this.libc.calloc(1n, BigInt(bytes));
    if (pointer === null) throw new HostError('calloc', Errno.ENOMEM);
    const buffer = this.loader.view(pointer, bytes);
    return {
      pointer,
      address: this.loader.address(pointer),
      bytes: new Uint8Array(buffer, 0, bytes),
      view: new DataView(buffer, 0, bytes),
    };
  }

  /** @throws HostError for a negative answer */
  check(call: string, answer: number): number {
    if (answer < 0) throw new HostError(call, this.loader.errno());
    return answer;
  }

  /** Listens at a path that is free. @throws HostError */
  listen(path: string): number {
    const name = new TextEncoder().encode(path);
    if (name.length > PATH_BYTES) throw new HostError(`socket ${path}`, Errno.E2BIG, `at most ${PATH_BYTES} bytes`);
    const address = new Uint8Array(2 + PATH_BYTES + 1);
    address[0] = AF_UNIX;
    address.set(name, 2);
    const { socket, bind, listen } = this.libc;
    const fd = this.check('socket', socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    try {
      this.check(`bind ${path}`, bind(fd, address, address.length));
      this.check('listen', listen(fd, BACKLOG));
      return fd;
    } catch (error) {
      this.close(fd);
      throw error;
    }
  }

  /** @returns the next client that has not gone while it waited; `undefined`: there is none any more */
  accept(fd: number): Connection | undefined {
    let client: number;
    do {
      client = this.libc.accept4(fd, null, null, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (client < 0) return undefined;
    } while (this.#hasGone(client));
    try {
      return new Connection(this, client);
    } catch (error) {
      this.close(client);
      throw error;
    }
  }

  /** Whether the other end of a connection is closed; this one is closed then too. */
  #hasGone(fd: number): boolean {
    const { view, pointer } = this.#asked;
    view.setInt32(PollFd.fd, fd, true);
    // A descriptor that is asked for nothing tells that alone.
    view.setUint16(PollFd.events, PollEvent.none, true);
    const gone = this.libc.poll(pointer, 1n, 0) > 0;
    if (gone) this.close(fd);
    return gone;
  }

  /** Lets another program run if one wants this thread's processor. */
  yield(): void {
    this.libc.sched_yield();
  }

  readonly close = (fd: number): void => {
    this.libc.close(fd);
  };

  readonly isEventfd = (fd: number): boolean => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`) === 'anon_inode:[eventfd]';
    } catch {
      // No such descriptor: it is none then.
      return false;
    }
  };

  /** Adds one to an eventfd. Its owner could let a write wait for ever: that is taken away first. */
  readonly signal = (fd: number): boolean => {
    this.libc.fcntl(fd, F_SETFL, SOCK_NONBLOCK);
    return this.libc.write(fd, this.#one.pointer, 8n) === 8;
  };

  /** Nothing of it may be used afterwards. */
  end(): void {
    this.libc.free(this.#one.pointer);
    this.libc.free(this.#asked.pointer);
  }
}
