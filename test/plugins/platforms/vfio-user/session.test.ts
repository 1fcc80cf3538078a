// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import { Status } from '../../../../core/ring/layout.ts';
import { Outcome } from '../../../../core/space/outcome.ts';
import { BarMemory } from '../../../../plugins/platforms/vfio-user/bar-memory.ts';
import { ClientInterrupts } from '../../../../plugins/platforms/vfio-user/client-interrupts.ts';
import {
  Command,
  Header,
  MAX_MESSAGE,
  MAX_TRANSFER,
  MessageFlag,
  Refusal,
  Region,
} from '../../../../plugins/platforms/vfio-user/messages.ts';
import { LATER, Session } from '../../../../plugins/platforms/vfio-user/session.ts';
import { MessageStream } from '../../../../plugins/platforms/vfio-user/stream.ts';
import { message, regionBody, versionBody, words } from '../../../kit/vfio-user-client.ts';

const LIMITS = [1, 4, 5, 1, 1];

const open = (greeting: 'greeted' | 'silent' = 'greeted') => {
  const config = new Uint8Array(4096).map((_, i) => i & 0xff);
  const view = new DataView(config.buffer);
  const accesses: string[] = [];
  let answer: Outcome = Status.success;
  let isFenced = false;
  const unasked = (): number => expect.fail('nobody asked for this');
  const stream = new MessageStream(new Uint8Array(2 * MAX_MESSAGE), () => {});
  const space = {
    bits: 0,
    read: (offset: number, size: number): Outcome => {
      accesses.push(`r${offset.toString(16)}:${size}`);
      space.bits =
        size === 4 ? view.getInt32(offset, true) : size === 2 ? view.getUint16(offset, true) : view.getUint8(offset);
      return answer;
    },
    write: (offset: number, size: number, value: number): Outcome => {
      accesses.push(`w${offset.toString(16)}:${size}=${(value >>> 0).toString(16)}`);
      return answer;
    },
  };
  const out = new Uint8Array(MAX_MESSAGE);
  const session = new Session(
    {
      space,
      configSize: 4096,
      bars: [0x20000, 0, 2 ** 40, 0, 0, 0, 0x800],
      memory: new BarMemory(65536),
      vectors: LIMITS,
      interrupts: new ClientInterrupts({
        limits: LIMITS,
        device: { enableMsi: unasked, disableMsi: unasked, enableMsix: unasked, disableMsix: unasked },
        isEventfd: () => true,
        signal: () => true,
        close: () => {},
      }),
      get isFenced() {
        return isFenced;
      },
      follow: () => accesses.push('follow'),
      reset: () => answer,
    },
    stream,
    out,
  );
  /** What the reply is: its error number and body; a number when there is none. */
  const told = (length: number) => {
    if (length === LATER) return 'later' as const;
    stream.done();
    if (length === 0) return 'no reply' as const;
    const reply = Buffer.from(out.slice(0, length));
    expect(reply.readUInt32LE(Header.size)).toBe(length);
    const errno = reply.readUInt32LE(Header.errno);
    expect(reply.readUInt32LE(Header.flags)).toBe(
      errno === 0 ? MessageFlag.reply : MessageFlag.reply | MessageFlag.error,
    );
    return { id: reply.readUInt16LE(Header.id), errno, body: reply.subarray(Header.bytes) };
  };
  const send = (bytes: Uint8Array) => {
    stream.buffer.set(bytes, stream.makeRoom());
    stream.received(bytes.length);
    return told(session.handle(stream.take() as number));
  };
  const ask = (command: number, body?: Uint8Array) => {
    const reply = send(message(command, body));
    return typeof reply === 'string' ? expect.fail(reply) : reply;
  };
  if (greeting === 'greeted') ask(Command.version, versionBody());
  return {
    session,
    accesses,
    send,
    ask,
    told,
    answers: (next: Outcome) => {
      answer = next;
    },
    fence: () => {
      isFenced = true;
    },
  };
};

describe('the first message', () => {
  it('agrees on version 0, with what this end can do', () => {
    const { ask } = open('silent');
    const { errno, body } = ask(Command.version, Buffer.concat([Buffer.from([0, 0, 3, 0]), Buffer.from('{}\0')]));
    expect([errno, body.readUInt16LE(0), body.readUInt16LE(2), body.at(-1)]).toEqual([0, 0, 3, 0]);
    expect(JSON.parse(body.toString('utf8', 4, body.length - 1))).toEqual({
      capabilities: { max_msg_fds: 8, max_data_xfer_size: MAX_TRANSFER },
    });
  });

  it.each([
    ['another version', Buffer.from([1, 0, 0, 0])],
    ['nothing', Buffer.alloc(0)],
    ['a text that does not end', Buffer.from([0, 0, 0, 0, 0x7b, 0x7d])],
    ['no JSON', versionBody('{')],
    ['a list', versionBody('[]')],
    ['a text of 5000 bytes', versionBody(`{"a":"${'x'.repeat(5000)}"}`)],
  ])('is refused with %s, and so is everything after it', (_, body) => {
    const { ask } = open('silent');
    expect(ask(Command.version, body).errno).toBe(Refusal.invalid);
    expect(ask(Command.regionRead, regionBody(Region.config, 0, 4)).errno).toBe(Refusal.protocol);
    expect(ask(Command.deviceInfo, words(16, 0, 0, 0)).errno).toBe(Refusal.protocol);
  });

  it('comes once', () => {
    expect(open().ask(Command.version, versionBody()).errno).toBe(Refusal.invalid);
  });
});

describe('what a client is told about the device', () => {
  it('device, regions and interrupts', () => {
    const { ask } = open();
    const numbers = (command: number, body: Buffer): number[] => {
      const { body: reply } = ask(command, body);
      return Array.from({ length: reply.length / 4 }, (_, i) => reply.readUInt32LE(4 * i));
    };
    expect(numbers(Command.deviceInfo, words(16, 0, 0, 0))).toEqual([16, 3, 9, 5]);
    const region = (index: number) => numbers(Command.regionInfo, words(32, 0, index, 0, 0, 0, 0, 0));
    expect(region(0)).toEqual([32, 3, 0, 0, 0x20000, 0, 0, 0]);
    expect(region(1).slice(1, 6)).toEqual([0, 1, 0, 0, 0]);
    expect(region(2).slice(4, 6)).toEqual([0, 0x100]);
    expect(region(7).slice(1, 6)).toEqual([3, 7, 0, 4096, 0]);
    const interrupts = (index: number) => numbers(Command.interruptInfo, words(16, 0, index, 0));
    expect([0, 1, 2, 3, 4].map((index) => interrupts(index).slice(1))).toEqual([
      [7, 0, 1],
      [9, 1, 4],
      [9, 2, 5],
      [9, 3, 1],
      [9, 4, 1],
    ]);
  });

  it.each([
    [Command.deviceInfo, words(15, 0, 0, 0)],
    [Command.deviceInfo, words(16)],
    [Command.regionInfo, words(32, 0, 9, 0, 0, 0, 0, 0)],
    [Command.regionInfo, words(31, 0, 0, 0, 0, 0, 0, 0)],
    [Command.interruptInfo, words(16, 0, 5, 0)],
    [Command.dmaMap, words(0, 0, 0)],
    [Command.dmaMap, words(32, 4, 0, 0, 0x1000, 0, 0x1000, 0)],
    [Command.dmaMap, words(32, 3, 0, 0, 0, 0xffffffff, 0x1000, 0)],
    [Command.dmaUnmap, words(24, 0, 0)],
    [Command.setInterrupts, words(20, 0)],
    [Command.reset, words(0)],
  ])('command %i with a wrong body is refused', (command, body) => {
    expect(open().ask(command, body).errno).toBe(Refusal.invalid);
  });

  it.each([6, 11, 12, 14, 15, 16, 17, 18, 0, 0xffff])('command %i is not known', (command) => {
    const { ask, session } = open();
    expect(ask(command).errno).toBe(Refusal.notSupported);
    expect(session.refused).toBe(1);
  });
});

describe('config space', () => {
  it('is read by aligned accesses, as wide as they can be', () => {
    const { ask, accesses } = open();
    const { body } = ask(Command.regionRead, regionBody(Region.config, 0x41, 9));
    expect(accesses).toEqual(['r41:1', 'r42:2', 'r44:4', 'r48:2']);
    expect([...body.subarray(16)]).toEqual([0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49]);
    expect(body.subarray(0, 16)).toEqual(regionBody(Region.config, 0x41, 9));
  });

  it('as a whole', () => {
    const { ask } = open();
    const { body } = ask(Command.regionRead, regionBody(Region.config, 0, 4096));
    expect(body.length).toBe(16 + 4096);
    expect(body[16 + 0xabc]).toBe(0xbc);
  });

  it('is written by aligned accesses, and the interrupts follow each', () => {
    const { ask, accesses } = open();
    const data = Uint8Array.of(0xff, 2, 3, 0x84, 0x85, 0x86, 0xf7);
    expect(ask(Command.regionWrite, regionBody(Region.config, 0x3, 7, data))).toMatchObject({ errno: 0 });
    expect(accesses.filter((one) => one !== 'follow')).toEqual(['w3:1=ff', 'w4:4=85840302', 'w8:2=f786']);
    expect(accesses.filter((one) => one === 'follow')).toHaveLength(3);
  });

  it('waits for the device in the middle of a write, and goes on then', () => {
    const { send, accesses, answers, told, session } = open();
    answers(Outcome.later);
    const data = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);
    expect(send(message(Command.regionWrite, regionBody(Region.config, 0x40, 8, data)))).toBe('later');
    expect(accesses).toEqual(['w40:4=4030201']);
    answers(Status.success);
    expect(told(session.settled(Status.success))).toMatchObject({ errno: 0 });
    expect(accesses.filter((one) => one !== 'follow')).toEqual(['w40:4=4030201', 'w44:4=8070605']);
  });

  it.each([
    [Status.accessDenied, Refusal.noAccess],
    [Status.invalidOffset, Refusal.invalid],
    [Status.opFailed, Refusal.io],
  ])('status %i is error number %i', (status, errno) => {
    const { ask, answers, told, send, session } = open();
    answers(status);
    expect(ask(Command.regionRead, regionBody(Region.config, 0, 4)).errno).toBe(errno);
    expect(ask(Command.regionWrite, regionBody(Region.config, 0, 4, words(0))).errno).toBe(errno);
    answers(Outcome.later);
    send(message(Command.reset));
    expect(told(session.settled(status))).toMatchObject({ errno });
  });

  it.each([
    ['behind its end', Region.config, 4096, 1],
    ['over its end', Region.config, 4094, 4],
    ['of a BAR that is not there', 1, 0, 4],
    ['behind the end of the ROM', Region.rom, 0x800, 1],
    ['of a region that is not there', 9, 0, 4],
    ['of the last region of all', 0xffffffff, 0, 4],
    ['over the end of a BAR', 0, 0x1ffff, 2],
    ['longer than agreed', 2, 0, MAX_TRANSFER + 1],
    ['of 4 GiB', 2, 0, 0xffffffff],
    ['at the end of 64 bits', 2, (2 ** 32 - 1) * 2 ** 32, 4],
  ])('an access %s is refused', (_, region, offset, count) => {
    const { ask, accesses } = open();
    expect(ask(Command.regionRead, regionBody(region, offset, count)).errno).toBe(Refusal.invalid);
    const data = new Uint8Array(Math.min(count, 8));
    expect(ask(Command.regionWrite, regionBody(region, offset, count, data)).errno).toBe(Refusal.invalid);
    expect(accesses).toEqual([]);
  });

  it('of a device that was cut off answers nothing', () => {
    const { ask, fence } = open();
    fence();
    expect(ask(Command.regionRead, regionBody(Region.config, 0, 4)).errno).toBe(Refusal.io);
    expect(ask(Command.regionWrite, regionBody(0, 0, 1, Uint8Array.of(1))).errno).toBe(Refusal.io);
  });
});

describe('everything else', () => {
  it('BARs remember until the device is reset', () => {
    const { ask, answers, send, told, session } = open();
    ask(Command.regionWrite, regionBody(2, 2 ** 39, 4, words(0x12345678)));
    const read = () => ask(Command.regionRead, regionBody(2, 2 ** 39, 4)).body.readUInt32LE(16);
    expect(read()).toBe(0x12345678);
    answers(Outcome.later);
    expect(send(message(Command.reset))).toBe('later');
    expect(told(session.settled(Status.success))).toMatchObject({ errno: 0 });
    expect(read()).toBe(0);
  });

  it('the ROM reads zeros, and is not written', () => {
    const { ask } = open();
    expect(ask(Command.regionRead, regionBody(Region.rom, 0, 2)).body.readUInt16LE(16)).toBe(0);
    const body = regionBody(Region.rom, 0, 1, Uint8Array.of(1));
    expect(ask(Command.regionWrite, body).errno).toBe(Refusal.notPermitted);
  });

  it('a message that wants no reply gets none, refused or not', () => {
    const { send } = open();
    const quiet = (command: number, body?: Uint8Array) => send(message(command, body, 5, MessageFlag.noReply));
    expect(quiet(Command.regionWrite, regionBody(Region.config, 0, 4, words(1)))).toBe('no reply');
    expect(quiet(99)).toBe('no reply');
  });

  it('a reply has the number of its message', () => {
    expect(open().send(message(Command.deviceInfo, words(16, 0, 0, 0), 0xabcd))).toMatchObject({ id: 0xabcd });
  });

  it('memory is mapped and unmapped', () => {
    const { ask, session } = open();
    const map = (address: number, size: number) => ask(Command.dmaMap, words(32, 3, 0, 0, address, 0, size, 0)).errno;
    expect([map(0, 0x1000), map(0x1000, 0x1000), map(0x800, 0x10)]).toEqual([0, 0, Refusal.exists]);
    const body = words(24, 0, 0, 0, 0x2000, 0);
    expect(ask(Command.dmaUnmap, body)).toMatchObject({ errno: 0, body });
    expect(session.maps).toBe(0);
  });
});
