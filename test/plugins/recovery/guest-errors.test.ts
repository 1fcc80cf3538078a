// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import { bdf } from '../../../core/bdf.ts';
import type { FenceReason } from '../../../core/facts.ts';
import type { SavedRegister } from '../../../core/journal.ts';
import { silent } from '../../../core/log.ts';
import type { DeviceError, RecoveryStage } from '../../../core/platform/index.ts';
import { ChannelState, type GuestVerdict, Verdict } from '../../../core/ring/layout.ts';
import { SerialQueue } from '../../../core/serial-queue.ts';
import type { Assignment, SeizedDevice, Stub } from '../../../core/stub/index.ts';
import type { AerOutcome } from '../../../plugins/recovery/error-requests.ts';
import { Fence, GuestErrors } from '../../../plugins/recovery/index.ts';
import { FakeFunction } from '../../kit/fake-function.ts';
import { tenantOf } from '../../kit/tenant.ts';

const { none, canRecover, needReset, disconnect, recovered, noDriver } = Verdict;
const address = bdf(0, 1, 0);

const fenceIt: Stub['fence'] = (_device, assignment, reason) => assignment.fence(reason);

type Answer = AerOutcome | 'no ring' | 'no address';

/** One device in the hands of a guest that answers like this. */
const setup = (answer: Answer | (() => Promise<Answer>)) => {
  const asked: { readonly command: number; readonly state: number }[] = [];
  const done: string[] = [];
  const assignment = {
    fenced: undefined as FenceReason | undefined,
    ended: false,
    tenant: tenantOf(1),
    interrupts: { restore: () => done.push('interrupts on') },
    fence(reason: FenceReason): string[] {
      assignment.fenced = reason;
      return [];
    },
    whileReset: async (work: () => Promise<unknown>): Promise<unknown> => {
      done.push('kept from others');
      const result = await work();
      done.push('looked at again');
      return result;
    },
  };
  const hardware = new FakeFunction();
  const device = {
    bdf: address,
    lock: new SerialQueue(),
    assignment: assignment as unknown as Assignment | undefined,
    operations: { hardware, keepIntxHeld: () => undefined, turnOff: () => done.push('off') },
    pristine: {
      registers: [] as SavedRegister[],
      restore: () => {
        done.push('pristine');
        return [];
      },
    },
    quarantine: undefined as string | undefined,
  };
  const devices = [device as unknown as SeizedDevice];
  const errors = new GuestErrors({
    stub: {
      devices,
      reset: async () => {
        done.push('reset');
        return { ok: true, method: 'flr' };
      },
    } as unknown as Stub,
    fence: new Fence({ platform: { name: 'test' }, stub: { fence: fenceIt }, onFailure: 'fence' }),
    log: silent,
    patience: 1000,
    guestOf: () => ({
      askAboutError: async (_, command, state) => {
        asked.push({ command, state });
        return typeof answer === 'function' ? answer() : answer;
      },
      markFailed: async () => {
        done.push('aerfail');
      },
    }),
  });
  const handle = (stage: RecoveryStage, channel: DeviceError['channel'] = ChannelState.normal) =>
    errors.handle({ bdf: address, stage, channel });
  return { asked, done, assignment, device, devices, handle, hardware };
};

const stages: readonly RecoveryStage[] = ['detected', 'mmioEnabled', 'slotReset', 'resume'];

describe('what a guest’s answer means, stage by stage', () => {
  type Row = readonly [Answer, GuestVerdict, FenceReason | undefined];
  /** Rows that are the same for the stages whose verdict counts, but for what the stage starts with. */
  const counted = (initial: GuestVerdict): Row[] => [
    ['no ring', initial, 'no ring'],
    ['closed', initial, 'no ring'],
    ['no address', none, 'no address'],
    ['time-out', disconnect, 'no answer'],
    [none, none, 'guest gave up'],
    [canRecover, canRecover, undefined],
    [needReset, needReset, undefined],
    [disconnect, disconnect, 'guest gave up'],
    [recovered, recovered, undefined],
    [noDriver, noDriver, undefined],
  ];
  const table: Readonly<Record<RecoveryStage, readonly Row[]>> = {
    detected: [...counted(canRecover), ['no handler', canRecover, 'no handler']],
    mmioEnabled: [...counted(recovered), ['no handler', recovered, undefined]],
    slotReset: [...counted(recovered), ['no handler', recovered, undefined]],
    resume: [
      ['no ring', none, 'no ring'],
      ['closed', none, 'no ring'],
      ['no handler', none, 'no handler'],
      ['no address', none, 'no address'],
      ['time-out', disconnect, 'no answer'],
      [none, none, undefined],
      [disconnect, disconnect, undefined],
      [recovered, recovered, undefined],
    ],
  };
  const rows = stages.flatMap((stage) => table[stage].map((row) => [stage, ...row] as const));

  it.each(rows)('%s, answer %s: verdict %s, fenced: %s', async (stage, answer, verdict, reason) => {
    const { handle, assignment, done } = setup(answer);
    expect(await handle(stage)).toBe(verdict);
    expect(assignment.fenced).toBe(reason);
    expect(done.includes('aerfail')).toBe(reason !== undefined);
  });

  it('each stage has its command; the state of the channel goes with the first', async () => {
    const { handle, asked } = setup(recovered);
    for (const stage of stages) await handle(stage, ChannelState.frozen);
    expect(asked).toEqual([
      { command: 6, state: 2 },
      { command: 8, state: 1 },
      { command: 9, state: 1 },
      { command: 7, state: 1 },
    ]);
  });

  it.each(stages)('%s of a device that nobody has: nobody is asked, nobody fenced', async (stage) => {
    const { handle, asked, device, assignment } = setup(disconnect);
    device.assignment = undefined;
    expect([canRecover, recovered, none]).toContain(await handle(stage));
    expect([asked.length, assignment.fenced]).toEqual([0, undefined]);
  });

  it('a fenced device is not asked about again', async () => {
    const { handle, asked } = setup('time-out');
    await handle('detected');
    expect(await handle('mmioEnabled')).toBe(recovered);
    expect(asked).toHaveLength(1);
  });

  it('a device that goes back while its guest thinks is not fenced for it', async () => {
    const { handle, device, assignment } = setup(async () => {
      device.assignment = undefined;
      return 'time-out';
    });
    expect(await handle('detected')).toBe(canRecover);
    expect(assignment.fenced).toBeUndefined();
  });

  it('a channel that is gone for good: the guest is told, then fenced whatever it says', async () => {
    const { handle, asked, assignment } = setup(recovered);
    expect(await handle('detected', ChannelState.permanentFailure)).toBe(disconnect);
    expect([asked, assignment.fenced]).toEqual([[{ command: 6, state: 3 }], 'host gave up']);
  });
});

describe('a device that was reset', () => {
  it('by its link: registers and interrupts are back before the guest is asked', async () => {
    const { handle, done, hardware } = setup(recovered);
    hardware.put(0x10, 4, 0xfebc0000);
    hardware.put(0x00, 4, 0x10d38086);
    await handle('detected', ChannelState.frozen);
    hardware.put(0x10, 4, 0);
    await handle('slotReset', ChannelState.frozen);
    expect(hardware.get(0x10, 4)).toBe(0xfebc0000);
    expect(done).toEqual(['kept from others', 'interrupts on', 'looked at again']);
  });

  it('by nobody yet: the stub resets it', async () => {
    const { handle, done, hardware } = setup(recovered);
    hardware.put(0x00, 4, 0x10d38086);
    await handle('detected');
    await handle('slotReset');
    expect(done).toEqual(['kept from others', 'reset', 'interrupts on', 'looked at again']);
  });

  it('one that did not answer when the error came gets the registers it was seized with', async () => {
    const { handle, done, hardware } = setup(recovered);
    for (const offset of [0x00, 0x08]) hardware.put(offset, 4, 0xffffffff);
    await handle('detected', ChannelState.frozen);
    for (const offset of [0x00, 0x08]) hardware.put(offset, 4, 0x10d38086);
    await handle('mmioEnabled', ChannelState.frozen);
    expect(done).toEqual(['kept from others', 'pristine', 'interrupts on', 'looked at again']);
  });

  it('one that was reset before anybody heard of the error gets the registers that its guest began with', async () => {
    const { handle, done, device, hardware } = setup(recovered);
    hardware.put(0x00, 4, 0x10d38086);
    hardware.put(0x10, 4, 0xfebc0000);
    device.pristine.registers.push({ offset: 0x10, size: 4, mask: 0xffffffff, kept: 0, value: 0xfebc0000 });
    // What an earlier error found is no better: the guest has gone on since.
    await handle('detected');
    hardware.put(0x10, 4, 0);
    await handle('detected', ChannelState.frozen);
    // Before the guest is asked: its driver lets go of its vectors then.
    const once = ['kept from others', 'pristine', 'interrupts on', 'looked at again'];
    expect(done).toEqual(once);
    await handle('slotReset', ChannelState.frozen);
    expect(done).toEqual([...once, ...once]);
  });

  it('one that does not answer after the reset of its link is cut off, and its guest not asked', async () => {
    const { handle, done, asked, assignment, hardware } = setup(recovered);
    for (const offset of [0x00, 0x08]) hardware.put(offset, 4, 0xffffffff);
    expect(await handle('slotReset', ChannelState.frozen)).toBe(disconnect);
    expect([asked, assignment.fenced]).toEqual([[], 'not reset']);
    expect(done).not.toContain('pristine');
  });

  it('is not asked for at all when memory was only switched on again', async () => {
    const { handle, done } = setup(recovered);
    await handle('mmioEnabled');
    expect(done).toEqual([]);
  });
});

describe('a device that nobody is asked about', () => {
  const lost: readonly (readonly [RecoveryStage, DeviceError['channel']])[] = [
    ['mmioEnabled', ChannelState.frozen],
    ['slotReset', ChannelState.frozen],
    ['slotReset', ChannelState.normal],
    // The link was reset, but another function's guest gave up.
    ['detected', ChannelState.permanentFailure],
  ];

  it.each(lost)(
    '%s, channel %i: one that no guest has is restored and switched off, under its lock',
    async (stage, channel) => {
      const { handle, done, device, hardware } = setup(recovered);
      hardware.put(0x00, 4, 0x10d38086);
      device.assignment = undefined;
      let unlock = (): void => undefined;
      const held = new Promise<void>((resolve) => {
        unlock = resolve;
      });
      void device.lock.run(() => held);
      const handled = handle(stage, channel);
      await new Promise((resolve) => setImmediate(resolve));
      expect(done).toEqual([]);
      unlock();
      await handled;
      expect(done).toEqual(['pristine', 'off']);
    },
  );

  it.each([
    ['detected', ChannelState.frozen],
    ['mmioEnabled', ChannelState.normal],
    ['resume', ChannelState.frozen],
  ] as const)('%s, channel %i: nothing was reset, nothing is done', async (stage, channel) => {
    const { handle, done, device } = setup(recovered);
    device.assignment = undefined;
    await handle(stage, channel);
    expect(done).toEqual([]);
  });

  it('one that does not answer any more is not given to anybody', async () => {
    const { handle, device, hardware } = setup(recovered);
    for (const offset of [0x00, 0x08]) hardware.put(offset, 4, 0xffffffff);
    device.assignment = undefined;
    expect(await handle('slotReset', ChannelState.frozen)).toBe(recovered);
    expect(device.quarantine).toMatch(/not restored after an error: .*does not answer/);
  });

  /** A device whose guest does not answer, and which the error costs BAR 0. @param ids its first dword @param kind its third */
  const fenced = async (ids: number, kind: number) => {
    const world = setup('time-out');
    const { handle, assignment, hardware } = world;
    hardware.put(0x00, 4, ids);
    hardware.put(0x08, 4, kind);
    hardware.put(0x10, 4, 0xfebc0000);
    await handle('detected', ChannelState.frozen);
    expect(assignment.fenced).toBe('no answer');
    hardware.put(0x10, 4, 0);
    await handle('mmioEnabled', ChannelState.frozen);
    // What was remembered of it, not what it was at seizing.
    expect(hardware.get(0x10, 4)).toBe(0xfebc0000);
    return world;
  };

  it('a virtual function, whose ids alone are ones, is one that answers', async () => {
    const { handle, done, device } = await fenced(0xffffffff, 0x02000001);
    device.assignment = undefined;
    await handle('slotReset', ChannelState.frozen);
    expect(done.slice(-2)).toEqual(['pristine', 'off']);
    expect(device.quarantine).toBeUndefined();
  });

  it('one that is fenced gets its registers back too, and stays cut off', async () => {
    const { done } = await fenced(0x10d38086, 0x02000000);
    // The assignment cuts it off again then.
    expect(done).toEqual(['aerfail', 'kept from others', 'looked at again']);
  });

  it('one that was released meanwhile is the host’s, and left alone', async () => {
    const { handle, done, device, devices } = setup(recovered);
    device.assignment = undefined;
    void device.lock.run(async () => {
      devices.length = 0;
    });
    await handle('slotReset', ChannelState.frozen);
    expect(done).toEqual([]);
  });
});
