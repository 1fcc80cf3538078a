// SPDX-License-Identifier: MIT

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  encodeFrame,
  errorName,
  FrameDecoder,
  MessageType,
  splitStrings,
  strings,
  WireError,
} from '../../../../plugins/platforms/xen/xenstore-wire.ts';

describe('the wire format of the store', () => {
  it('has a header of four little-endian words', () => {
    const frame = { type: MessageType.read, request: 0x01020304, transaction: 0x05060708, payload: strings('/a') };
    expect(encodeFrame(frame).toString('hex')).toBe('02000000' + '04030201' + '08070605' + '03000000' + '2f6100');
  });

  it('any messages cut anywhere come out as they went in', () => {
    const message = fc.record({
      type: fc.integer({ min: 0, max: 26 }),
      request: fc.nat(0xffffffff),
      transaction: fc.nat(0xffffffff),
      payload: fc.uint8Array({ maxLength: 60 }),
    });
    const cuts = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 });
    fc.assert(
      fc.property(fc.array(message, { maxLength: 6 }), cuts, (messages, sizes) => {
        const bytes = Buffer.concat(messages.map(encodeFrame));
        const decoder = new FrameDecoder();
        const decoded = [];
        for (let at = 0, turn = 0; at < bytes.length; turn++) {
          const size = sizes[turn % sizes.length] ?? 1;
          decoded.push(...decoder.push(Uint8Array.from(bytes.subarray(at, at + size))));
          at += size;
        }
        expect(decoded.map((frame) => ({ ...frame, payload: [...frame.payload] }))).toEqual(
          messages.map((frame) => ({ ...frame, payload: [...frame.payload] })),
        );
      }),
    );
  });

  it('takes a payload of 4096 bytes and none of 4097, before it is there', () => {
    const header = (length: number): Uint8Array => new Uint8Array(Uint32Array.of(2, 1, 0, length).buffer);
    expect(new FrameDecoder().push(header(4096))).toEqual([]);
    expect(() => new FrameDecoder().push(header(4097))).toThrow(WireError);
    expect(() => new FrameDecoder().push(header(0xffffffff))).toThrow(WireError);
  });

  it('does not keep what it was given: the buffer of the reader is used again', () => {
    const decoder = new FrameDecoder();
    const bytes = encodeFrame({ type: 2, request: 1, transaction: 0, payload: Buffer.from('value') });
    const first = bytes.subarray(0, 18);
    expect(decoder.push(first)).toEqual([]);
    const second = Uint8Array.from(bytes.subarray(18));
    first.fill(0);
    expect(Buffer.from(decoder.push(second)[0]?.payload ?? []).toString()).toBe('value');
  });

  it('strings have a NUL behind each', () => {
    expect(strings('a', '', 'ü').toString('hex')).toBe('6100' + '00' + 'c3bc00');
    expect(splitStrings(strings('a', '', 'b'))).toEqual(['a', '', 'b']);
    expect(splitStrings(new Uint8Array())).toEqual([]);
    expect(splitStrings(Buffer.from('a\0b'))).toEqual(['a', 'b']);
  });

  it.each([
    ['ENOENT\0', 'ENOENT'],
    ['EAGAIN', 'EAGAIN'],
    ['EWHAT\0', 'EINVAL'],
    ['', 'EINVAL'],
    ['constructor\0', 'EINVAL'],
  ])('the error %j is %s', (payload, name) => expect(errorName(Buffer.from(payload))).toBe(name));
});
