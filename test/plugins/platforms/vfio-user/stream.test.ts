// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import { Command, Header, MAX_DESCRIPTORS, MAX_MESSAGE } from '../../../../plugins/platforms/vfio-user/messages.ts';
import { MessageStream } from '../../../../plugins/platforms/vfio-user/stream.ts';
import { message } from '../../../kit/vfio-user-client.ts';

const open = () => {
  const closed: number[] = [];
  const stream = new MessageStream(new Uint8Array(2 * MAX_MESSAGE), (fd) => closed.push(fd));
  const put = (bytes: Uint8Array, fds?: number[]) => {
    stream.buffer.set(bytes, stream.makeRoom());
    return stream.received(bytes.length, fds);
  };
  return { stream, put, closed };
};

const commandAt = (stream: MessageStream, start: ReturnType<MessageStream['take']>): number =>
  typeof start === 'number' && start >= 0 ? stream.view.getUint16(start + Header.command, true) : -1;

describe('a stream of messages', () => {
  it('gives a message when the whole of it is there, however it comes', () => {
    const { stream, put } = open();
    const whole = message(Command.dmaMap, new Uint8Array(32));
    for (const [i, byte] of whole.entries()) {
      expect(stream.take()).toBe(-1);
      put(Uint8Array.of(byte));
      if (i < whole.length - 1) expect(stream.take()).toBe(-1);
    }
    expect(commandAt(stream, stream.take())).toBe(Command.dmaMap);
    stream.done();
    expect(stream.hasMore).toBe(false);
  });

  it('gives several that came together one after the other', () => {
    const { stream, put } = open();
    put(
      Buffer.concat([
        message(Command.reset),
        message(Command.deviceInfo, new Uint8Array(16)),
        message(9).subarray(0, 7),
      ]),
    );
    for (const expected of [Command.reset, Command.deviceInfo]) {
      expect(commandAt(stream, stream.take())).toBe(expected);
      stream.done();
    }
    expect(stream.take()).toBe(-1);
    expect(stream.hasMore).toBe(true);
  });

  it.each([
    ['shorter than its header', 15],
    ['of no length', 0],
    ['longer than any', MAX_MESSAGE + 1],
    ['of 4 GiB', 0xffffffff],
  ])('ends at a message %s', (_, size) => {
    const { stream, put } = open();
    const bytes = message(Command.regionRead);
    bytes.writeUInt32LE(size, Header.size);
    put(bytes);
    expect(stream.take()).toBe('size');
  });

  it('ends at a reply: nothing was asked', () => {
    const { stream, put } = open();
    put(message(Command.dmaRead, new Uint8Array(0), 1, 1));
    expect(stream.take()).toBe('type');
  });

  it('takes the longest message behind any other, for as long as one likes', () => {
    const { stream, put } = open();
    const long = message(Command.regionWrite, new Uint8Array(MAX_MESSAGE - Header.bytes));
    const short = message(Command.reset);
    for (let round = 0; round < 8; round++) {
      put(Buffer.concat([short, long.subarray(0, 1000)]));
      expect(commandAt(stream, stream.take())).toBe(Command.reset);
      stream.done();
      put(long.subarray(1000));
      expect(commandAt(stream, stream.take())).toBe(Command.regionWrite);
      stream.done();
    }
  });

  it('gives each message the descriptors that came with it', () => {
    const { stream, put, closed } = open();
    put(Buffer.concat([message(Command.reset), message(Command.setInterrupts, new Uint8Array(20))]), [5, 6]);
    stream.take();
    expect(stream.descriptors()).toEqual([]);
    stream.done();
    stream.take();
    expect(stream.descriptors()).toEqual([5, 6]);
    stream.done();
    expect(closed).toEqual([]);
  });

  it('closes descriptors that nobody asks for, and what is left at the end', () => {
    const { stream, put, closed } = open();
    put(message(Command.reset), [7]);
    stream.take();
    stream.done();
    expect(closed).toEqual([7]);
    put(message(Command.setInterrupts).subarray(0, 3), [8, 9]);
    stream.end();
    expect(closed).toEqual([7, 8, 9]);
  });

  it('ends at more descriptors than a message may have, in however many pieces they come', () => {
    const { put } = open();
    for (let i = 0; i < MAX_DESCRIPTORS; i++) expect(put(Uint8Array.of(0), [i])).toBeUndefined();
    expect(put(Uint8Array.of(0), [MAX_DESCRIPTORS])).toBe('descriptors');
  });
});
