// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import { createXenstoreClient } from '../../../../plugins/platforms/xen/xenstore-client.ts';
import { type DeviceFile, deviceTransport } from '../../../../plugins/platforms/xen/xenstore-transport.ts';
import {
  encodeFrame,
  type Frame,
  FrameDecoder,
  MessageType,
  splitStrings,
  strings,
} from '../../../../plugins/platforms/xen/xenstore-wire.ts';

interface Device extends DeviceFile {
  readonly messages: Frame[];
  readonly state: { closed: boolean; outstanding: number };
}

/**
 * A device that answers as the kernel does: watches are confirmed without the number of the request, refused ones fail
 * the write, and a watch that is written while an answer is on its way locks everything up.
 */
const device = (refuse: Record<number, string> = {}): Device => {
  const queue: Buffer[] = [];
  const messages: Frame[] = [];
  const state = { closed: false, outstanding: 0 };
  let wake: (() => void) | undefined;
  const push = (frame: Frame): void => {
    queue.push(encodeFrame(frame));
    wake?.();
  };
  const take = (message: Buffer): void => {
    const [frame, ...more] = new FrameDecoder().push(message);
    if (frame === undefined || more.length > 0) throw new Error('one message per write');
    messages.push(frame);
    const watch = frame.type === MessageType.watch || frame.type === MessageType.unwatch;
    if (watch && state.outstanding > 0) throw new Error('the kernel is locked up');
    const code = refuse[frame.type];
    if (code !== undefined) throw Object.assign(new Error(code), { code });
    if (watch) {
      push({ ...frame, request: 0xdeadbeef, payload: strings('OK') });
      if (frame.type === MessageType.unwatch) return;
      push({ type: MessageType.watchEvent, request: 0xabad1dea, transaction: 0x777, payload: frame.payload });
      return;
    }
    state.outstanding += 1;
    setTimeout(() => {
      state.outstanding -= 1;
      push({ ...frame, payload: Buffer.from('7') });
    }, 5);
  };
  return {
    messages,
    state,
    async read(into) {
      while (queue.length === 0) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      return queue.shift()?.copy(into) ?? 0;
    },
    async write(message) {
      take(message);
    },
    writeNow: take,
    async close() {
      state.closed = true;
    },
  };
};

describe('the store over its device', () => {
  it('sends no request before the last one is answered', async () => {
    const file = device();
    const client = createXenstoreClient(deviceTransport('/dev/test', file));
    const watching = client.watch('/w', () => undefined);
    const answers = Promise.all([client.read('domid'), client.read('/b'), watching, client.read('/c')]);
    expect((await answers).filter((answer) => typeof answer === 'string')).toEqual(['7', '7', '7']);
    const [, , watch] = await answers;
    const reading = client.read('/d');
    await watch.close();
    expect(await reading).toBe('7');
    await client.close();
  });

  it('matches the confirmation of a watch by its type, and its events by token', async () => {
    const client = createXenstoreClient(deviceTransport('/dev/test', device()));
    const seen: string[] = [];
    const watch = await client.watch('/w', (path) => seen.push(path));
    await expect.poll(() => seen).toEqual(['/w']);
    await watch.close();
    await client.close();
  });

  it('takes the errno of a write for the refusal of that request alone', async () => {
    const client = createXenstoreClient(deviceTransport('/dev/test', device({ [MessageType.watch]: 'EINVAL' })));
    await expect(client.watch('bad//path', () => undefined)).rejects.toMatchObject({
      code: 'STORE_REFUSED',
      facts: { error: 'EINVAL' },
    });
    expect(await client.read('/a')).toBe('7');
    await client.close();
  });

  it('is lost when a write fails for a reason that is no refusal', async () => {
    const client = createXenstoreClient(deviceTransport('/dev/test', device({ [MessageType.write]: 'EBADF' })));
    await expect(client.write('/a', '1')).rejects.toMatchObject({ code: 'STORE_LOST' });
    expect(await client.lost).toMatchObject({ code: 'STORE_LOST' });
  });

  it('sends nothing longer than 4096 bytes, header and all', async () => {
    const file = device();
    const client = createXenstoreClient(deviceTransport('/dev/test', file));
    await expect(client.write('/a', 'x'.repeat(4078))).rejects.toMatchObject({ facts: { error: 'E2BIG' } });
    await client.write('/a', 'x'.repeat(4077));
    expect(splitStrings(file.messages[0]?.payload ?? new Uint8Array())[0]).toBe('/a');
    await client.close();
  });

  it('close gets the reader out of its wait by a harmless request, then closes the file', async () => {
    const before = process.listeners('exit').length;
    const file = device();
    const client = createXenstoreClient(deviceTransport('/dev/test', file));
    expect(process.listeners('exit')).toHaveLength(before + 1);
    await client.close();
    expect(file.state.closed).toBe(true);
    expect(file.messages.map(({ type }) => type)).toEqual([MessageType.read]);
    expect(process.listeners('exit')).toHaveLength(before);
  });

  it('is lost when the device ends', async () => {
    const file: DeviceFile = { ...device(), read: async () => 0 };
    const client = createXenstoreClient(deviceTransport('/dev/test', file));
    expect(await client.lost).toMatchObject({ message: expect.stringContaining('end of file') });
    await client.close();
  });
});
