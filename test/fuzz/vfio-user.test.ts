// SPDX-License-Identifier: MIT

import { expect, it } from 'vitest';
import { bdf } from '../../core/bdf.ts';
import { Outcome } from '../../core/space/outcome.ts';
import { BarMemory } from '../../plugins/platforms/vfio-user/bar-memory.ts';
import { ClientInterrupts } from '../../plugins/platforms/vfio-user/client-interrupts.ts';
import { Header, MAX_DESCRIPTORS, MAX_MESSAGE, MessageFlag } from '../../plugins/platforms/vfio-user/messages.ts';
import { LATER, Session } from '../../plugins/platforms/vfio-user/session.ts';
import { MessageStream } from '../../plugins/platforms/vfio-user/stream.ts';
import { startEmbeddedHost } from '../kit/embedded-host.ts';
import { SeededRandom } from '../kit/seeded-random.ts';
import { tenantOf } from '../kit/tenant.ts';
import { message, versionBody } from '../kit/vfio-user-client.ts';

/** Messages of rubbish; a million in `npm run fuzz:vfio-user`. */
const MESSAGES = Number(process.env.MESSAGES ?? 20_000);
const SEED = Number(process.env.SEED ?? 1);
const VECTORS = [1, 4, 5, 1, 1];
const NIC = bdf(0, 1, 0);

/** Numbers that are near to something. */
const edges = [0, 1, 2, 3, 4, 7, 8, 9, 15, 16, 20, 24, 32, 255, 256, 4095, 4096, 0xffff, 0x10000, 0x10001];
const tops = [0x7fffffff, 0x80000000, 0xffffffff];

/** A message that is right in its length and in nothing else that it need not be. */
const rubbish = (random: SeededRandom, id: number): Buffer => {
  const words = Array.from({ length: random.below(10) }, () =>
    random.oneIn(3) ? random.word() : random.oneIn(8) ? random.pick(tops) : random.pick(edges),
  );
  const body = Buffer.alloc(4 * words.length + (random.oneIn(8) ? random.below(200) : 0));
  for (const [i, word] of words.entries()) body.writeUInt32LE(word, 4 * i);
  const command = random.oneIn(10) ? random.below(0x10000) : random.below(18);
  const flags = random.oneIn(10)
    ? MessageFlag.noReply
    : random.oneIn(50)
      ? (random.word() & ~MessageFlag.typeMask) >>> 0
      : 0;
  // Reads and writes of a region have the right length more often, or nothing would ever reach one.
  if ((command === 9 || command === 10) && !random.oneIn(4)) {
    const count = command === 9 ? random.below(5000) : random.below(64);
    const head = Buffer.alloc(16 + (command === 10 ? count : 0), random.below(256));
    head.writeUInt32LE(random.oneIn(2) ? random.below(4096) : random.pick(edges), 0);
    head.writeUInt32LE(random.oneIn(50) ? random.word() : 0, 4);
    head.writeUInt32LE(random.oneIn(3) ? random.below(11) : 7, 8);
    head.writeUInt32LE(count, 12);
    return message(command, head, id, flags);
  }
  return message(command, body, id, flags);
};

it(`the door takes ${MESSAGES} messages of rubbish and stays as it was`, { timeout: 3_600_000 }, async () => {
  const random = new SeededRandom(SEED);
  const host = await startEmbeddedHost();
  const before = host.pciback.ledger();
  let ended = 0;
  let replies = 0;
  const open = new Set<number>();
  let nextFd = 1;
  try {
    let settledStatus: number | undefined;
    const tenant = tenantOf(77);
    const device = await host.pciback.stub.assign(NIC, {
      ...tenant,
      // Resets are counted by a clock that stands still here: as many as are asked for may be done.
      budget: Object.create(tenant.budget, { takesReset: { value: async () => {} } }),
      settled: (status) => {
        settledStatus = status;
      },
    });
    const { assignment } = device;
    if (assignment === undefined) return expect.fail('not assigned');
    const close = (fd: number): void => {
      expect(open.delete(fd), `descriptor ${fd} closed once`).toBe(true);
    };
    const memory = new BarMemory(1 << 20);
    for (let sent = 0; sent < MESSAGES; ) {
      // A client of its own: until something ends it.
      const stream = new MessageStream(new Uint8Array(2 * MAX_MESSAGE), close);
      const out = new Uint8Array(MAX_MESSAGE);
      const view = new DataView(out.buffer);
      const interrupts = new ClientInterrupts({
        limits: VECTORS,
        device: { enableMsi: () => 0, disableMsi: () => 0, enableMsix: () => 0, disableMsix: () => 0 },
        isEventfd: (fd) => fd % 5 !== 0,
        signal: () => true,
        close,
      });
      const session = new Session(
        {
          space: assignment.space,
          configSize: 4096,
          bars: [0x20000, 0x20000, 0x20, 0x4000, 0, 0, 0x40000],
          memory,
          vectors: VECTORS,
          interrupts,
          isFenced: false,
          follow: () => assignment.interrupts.follow(),
          reset: () => (random.oneIn(20) ? device.operations.resetFunction() : 0),
        },
        stream,
        out,
      );
      const put = (bytes: Uint8Array, fds?: number[]) => {
        stream.buffer.set(bytes, stream.makeRoom());
        return stream.received(bytes.length, fds);
      };
      put(message(1, random.oneIn(20) ? Buffer.alloc(random.below(40), 0x7b) : versionBody()));
      let fault: string | undefined;
      let left = 1 + random.below(2000);
      while (fault === undefined && left-- > 0 && sent < MESSAGES) {
        const bytes = rubbish(random, sent & 0xffff);
        sent++;
        if (random.oneIn(3000)) bytes.writeUInt32LE(random.pick([...edges, ...tops]), Header.size);
        const fds = random.oneIn(10) ? Array.from({ length: random.below(MAX_DESCRIPTORS + 2) }, () => nextFd++) : [];
        for (const fd of fds) open.add(fd);
        // In two pieces at times, as a socket gives it.
        const cut = random.oneIn(4) ? random.below(bytes.length) : bytes.length;
        if (cut > 0) fault = put(bytes.subarray(0, cut), fds);
        else for (const fd of fds) close(fd);
        if (cut < bytes.length) fault ??= put(bytes.subarray(cut));
        for (let start = stream.take(); start !== -1 && fault === undefined; start = stream.take()) {
          if (typeof start === 'string') {
            fault = start;
            break;
          }
          settledStatus = undefined;
          let length = session.handle(start);
          for (let turns = 0; length === LATER; turns++) {
            if (turns > 1e6) expect.fail('never settled');
            if (settledStatus === undefined) await new Promise((resolve) => setTimeout(resolve, 1));
            else {
              const status: number = settledStatus;
              settledStatus = undefined;
              length = session.settled(status);
            }
          }
          expect(length).toBeLessThanOrEqual(MAX_MESSAGE);
          if (length > 0) {
            replies++;
            if (view.getUint32(Header.size, true) !== length) expect.fail('a reply with another length');
            if ((view.getUint32(Header.flags, true) & ~MessageFlag.error) !== MessageFlag.reply) expect.fail('flags');
          }
          stream.done();
        }
      }
      if (fault !== undefined) ended++;
      expect(interrupts.descriptors).toBeLessThanOrEqual(VECTORS.reduce((sum, one) => sum + one, 0));
      interrupts.end();
      stream.end();
      expect([...open]).toEqual([]);
    }
    expect(memory.used).toBeLessThanOrEqual(1 << 20);
    await host.pciback.stub.giveBack(device);
    expect(host.pciback.ledger()).toEqual(before);
    expect(host.pciback.stub.devices.find((one) => one.bdf === NIC)?.quarantine).toBeUndefined();
    expect(Outcome.later).toBeGreaterThan(0);
  } finally {
    await host.close();
  }
  process.stdout.write(
    `fuzz of vfio-user: ${MESSAGES} messages, ${replies} replies, ${ended} clients ended, seed ${SEED}\n`,
  );
  expect(replies).toBeGreaterThan(MESSAGES / 4);
});
