// SPDX-License-Identifier: MIT

import { afterEach, describe, expect, it } from 'vitest';
import { formatBdf } from '../../../core/bdf.ts';
import type { InterruptPolicy, InterruptPolicySource } from '../../../core/interrupts.ts';
import { Status } from '../../../core/ring/layout.ts';
import { Outcome } from '../../../core/space/outcome.ts';
import type { ConfigInput } from '../../../plugins/program/schema.ts';
import type { EmbeddedHost } from '../../kit/embedded-host.ts';
import { policyPlugin } from '../../kit/policy-plugins.ts';
import { nic, startWithPolicy } from './policy-host.ts';
import { type Access, bothDo, type Side, saysOfIntx, shared, side } from './shared-device.ts';

const COMMAND = 0x04;
const INTX_DISABLE = 0x0400;

const write = (value: number, size: 1 | 2 | 4 = 2): Access => ({ write: true, offset: COMMAND, size, value });
const writes = (...values: number[]): Access[] => values.map((value) => write(value));

describe('INTX_DISABLE that is the guest’s own', () => {
  it('is changed by the lane, alone and with whatever else it changes, and hardware keeps its bit', () => {
    const one = { write: true, offset: COMMAND + 1, size: 1 } as const;
    const { two } = bothDo([
      ...writes(0x103, 0x503, 0x103),
      ...writes(0x507, 0x103, 0x007, 0x503, 0x103),
      write(0x00100543, 4),
      { ...one, value: 0x01 },
      { ...one, value: 0x05 },
    ]);
    // The first has to switch the device on.
    expect([two.handed, two.device.calls]).toEqual([1, ['enable']]);
    expect(two.hardware.get(COMMAND, 2)).toBe(0x103);
  });

  it('is read back as written, whatever hardware has', () => {
    const masked = ({ hardware }: Side): void => hardware.put(COMMAND, 2, 0x503);
    const { two } = bothDo([write(0x103), masked, ...writes(0x503, 0x103, 0x507)]);
    expect([two.handed, two.hardware.get(COMMAND, 2)]).toEqual([1, 0x507]);
  });

  it('changes in a device that is off, and waits to be switched off', () => {
    expect(bothDo(writes(0x500, 0x100, 0x540)).two.handed).toBe(0);
    expect(bothDo(writes(0x103, 0x100, 0x500, 0x503, 0x103)).two.handed).toBe(1);
  });

  it.each([
    ['has to be switched on', [0x503]],
    ['is switched off while it is set', [0x103, 0x503, 0x500]],
    ['is switched off while it is set, with the bit', [0x103, 0x503, 0x100]],
  ])('is left to the control thread where the device %s', (_, values) => {
    const { two } = bothDo(writes(...values));
    expect(two.handed).toBe(values.length === 1 ? 1 : 2);
  });

  it('goes to the control thread with a bit that goes to hardware otherwise', () => {
    expect(bothDo(writes(0x103, 0x513, 0x103)).two.handed).toBe(3);
  });

  it('is a question for the policy otherwise', () => {
    for (const intx of ['asked in vain', 'hardware', 'refused'] as const) {
      const { two } = bothDo(writes(0x103, 0x503, 0x103, 0x107, 0x103), { intx });
      // Clearing a bit whose setting was refused changes nothing, as bus mastering does not.
      expect([intx, two.handed]).toEqual([intx, intx === 'refused' ? 2 : 3]);
    }
  });

  it('follows what the device view was made from; the words of the register stay where they are', () => {
    const promise = ({ device }: Side): void => saysOfIntx(device, 'virtual');
    const ask = ({ device }: Side): void => saysOfIntx(device, 'hardware');
    const { two } = bothDo([
      ...writes(0x103, 0x503),
      ask,
      ...writes(0x103, 0x503, 0x507, 0x103),
      promise,
      write(0x503),
    ]);
    expect([two.handed, two.hardware.get(COMMAND, 2) & INTX_DISABLE]).toEqual([4, 0]);
  });

  it('is everybody’s in a permissive table', () => {
    const two = shared(side());
    two.does(write(0x103));
    two.device.permissive = true;
    two.space.swap(two.compile('permissive', two.space.table));
    two.show();
    two.does(write(0x503));
    expect(two.handed).toBe(2);
  });
});

describe('on a host', () => {
  let host: EmbeddedHost | undefined;
  afterEach(async () => {
    await host?.close();
    host = undefined;
  });

  const asked: InterruptPolicy = { allowsControlWord: () => false, decidesIntx: () => 'virtual' };
  const promises: InterruptPolicy = { ...asked, intxUnlessAllowed: 'virtual' };
  const silent: InterruptPolicy = { allowsControlWord: () => false };

  const start = async (config: ConfigInput, source: InterruptPolicySource = asked) => {
    const { host: one, guest, lane, hardware } = await startWithPolicy(config, source);
    host = one;
    const slow = async (value: number): Promise<number> => {
      const request = { cmd: 1, domain: 0, bus: 0, devfn: 0, offset: COMMAND, size: 2 };
      return (await guest.request({ ...request, value })).err;
    };
    expect(await slow(0x0103)).toBe(Status.success);
    const masked = (): boolean => (hardware().readConfig(COMMAND, 2) & INTX_DISABLE) !== 0;
    return { host: one, slow, masked, lane, tries: (value = 0x0503) => lane.write(COMMAND, 2, value) };
  };

  it.each(['strict', 'guest-controlled', 'guest-controlled-2020', 'intx-only', 'msi-only', 'rate-limited'])(
    'under %s it is the guest’s own',
    async (interrupts) => {
      const { tries, masked, lane, slow } = await start({ interrupts });
      expect(tries()).toBe(Status.success);
      expect([lane.read(COMMAND, 2), masked()]).toEqual([[Status.success, 0x0503], false]);
      // The control thread goes on from what the lane has written.
      expect([await slow(0x0543), masked(), tries(0x0103)]).toEqual([Status.success, false, Status.success]);
      expect([lane.read(COMMAND, 2), masked()]).toEqual([[Status.success, 0x0103], false]);
    },
  );

  it('where that is certain beforehand, and the guest has no permission; else the policy is asked', async () => {
    const allow = { allowInterruptControl: [formatBdf(nic)] };
    const cases: readonly (readonly [ConfigInput, InterruptPolicy, number])[] = [
      [{ interrupts: 'mine' }, promises, Status.success],
      [{ interrupts: 'mine' }, silent, Status.success],
      [{ interrupts: 'around' }, promises, Status.success],
      [{ interrupts: 'mine' }, asked, Outcome.needsCode],
      [{ interrupts: 'mine', ...allow }, promises, Outcome.needsCode],
      [{ interrupts: 'mine', ...allow }, silent, Outcome.needsCode],
      [{ interrupts: 'strict', ...allow }, asked, Outcome.needsCode],
      [{ interrupts: 'rate-limited', ...allow }, asked, Outcome.needsCode],
      [{ permissive: [formatBdf(nic)] }, asked, Outcome.needsCode],
    ];
    for (const [config, source, answer] of cases) {
      const { tries } = await start(config, source);
      expect([config, tries()]).toEqual([config, answer]);
      await host?.close();
    }
  });

  it.each(['mine', 'around'])('the lane follows a policy that is replaced under a running guest: %s', async (name) => {
    const { host: one, tries, masked, slow } = await start({ interrupts: name }, promises);
    expect(tries()).toBe(Status.success);
    const writes: InterruptPolicy = { ...asked, decidesIntx: () => 'hardware' };
    await one.plugins.replace(policyPlugin(writes), undefined, 'test');
    expect(tries(0x0103)).toBe(Outcome.needsCode);
    // What it does not change is not asked about: the lane does it as before.
    expect([tries(0x0543), masked()]).toEqual([Status.success, false]);
    expect([await slow(0x0103), await slow(0x0503), masked()]).toEqual([Status.success, Status.success, true]);
    // The promise is kept whatever the policy would answer.
    await one.plugins.replace(policyPlugin({ ...writes, intxUnlessAllowed: 'virtual' }), undefined, 'test');
    expect([tries(0x0103), masked()]).toEqual([Status.success, true]);
    expect([await slow(0x0503), masked()]).toEqual([Status.success, true]);
  });

  it('the permission is that of the guest that has the device: the next one has its own', async () => {
    const devices = { [formatBdf(nic)]: { allowInterruptControl: true } };
    const first = await start({ interrupts: 'strict', guests: { guest: { devices } } });
    expect([first.tries(), await first.slow(0x0503), first.masked()]).toEqual([
      Outcome.needsCode,
      Status.success,
      true,
    ]);
    await host?.close();
    const other = await start({ interrupts: 'strict', guests: { other: { devices } } });
    expect([other.tries(), other.masked()]).toEqual([Status.success, false]);
  });
});
