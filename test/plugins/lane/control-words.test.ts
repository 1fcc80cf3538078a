// SPDX-License-Identifier: MIT

import { afterEach, describe, expect, it } from 'vitest';
import { formatBdf } from '../../../core/bdf.ts';
import type { InterruptPolicy, InterruptPolicySource } from '../../../core/interrupts.ts';
import { definePlugin } from '../../../core/plugin/index.ts';
import { Status } from '../../../core/ring/layout.ts';
import { Outcome } from '../../../core/space/outcome.ts';
import type { ConfigInput } from '../../../plugins/program/schema.ts';
import type { EmbeddedHost } from '../../kit/embedded-host.ts';
import { policyPlugin } from '../../kit/policy-plugins.ts';
import { nic, startWithPolicy } from './policy-host.ts';
import { deviceView, laneWorld } from './world.ts';

const MSIX = 0xa2;
const ON = 0x8004;
const WHY = 'the interrupt policy does not allow this change by a config write';

const no: InterruptPolicy = { allowsControlWord: () => false };
const refuses: InterruptPolicy = { ...no, controlWordsUnlessAllowed: 'refused' };

let host: EmbeddedHost | undefined;
afterEach(async () => {
  await host?.close();
  host = undefined;
});

const start = async (config: ConfigInput, source: InterruptPolicySource = no) => {
  const { host: one, lane, hardware } = await startWithPolicy(config, source);
  host = one;
  const tries = (value = ON): number => lane.write(MSIX, 2, value);
  const denials = () => one.pciback.guests()[0]?.denials ?? [];
  return { host: one, lane, hardware, tries, denials };
};

describe('the lane refuses a change of a control word', () => {
  it.each(['strict', 'guest-controlled', 'guest-controlled-2020', 'intx-only', 'msi-only', 'rate-limited'])(
    'under %s, and it is recorded as if the control thread had',
    async (interrupts) => {
      const { tries, denials, hardware } = await start({ interrupts });
      expect([tries(), tries(), tries(0x0004)]).toEqual([Status.accessDenied, Status.accessDenied, Status.success]);
      expect(denials()).toMatchObject([
        { bdf: nic, offset: MSIX, size: 2, value: ON, mask: 0x8000, count: 2, why: WHY },
      ]);
      expect(denials()[0]?.owner).toBe('fields/msix: msi-x / message control');
      expect(hardware().readConfig(MSIX, 2)).toBe(0x0004);
    },
  );

  it('where the policy says beforehand that it will, and the guest has no permission; else it is asked', async () => {
    const allow = { allowInterruptControl: [formatBdf(nic)] };
    const cases: readonly (readonly [ConfigInput, InterruptPolicy, number])[] = [
      [{ interrupts: 'mine' }, refuses, Status.accessDenied],
      [{ interrupts: 'mine' }, no, Outcome.needsCode],
      [{ interrupts: 'mine', ...allow }, refuses, Outcome.needsCode],
      [{ interrupts: 'strict', ...allow }, no, Outcome.needsCode],
      [{ interrupts: 'rate-limited', ...allow }, no, Outcome.needsCode],
      [{ permissive: [formatBdf(nic)] }, no, Outcome.needsCode],
    ];
    for (const [config, source, answer] of cases) {
      const { tries } = await start(config, source);
      expect([config, tries()]).toEqual([config, answer]);
      await host?.close();
    }
  });
});

describe('under a running guest', () => {
  it('the lane follows a policy that is replaced, and what it has left is recorded under the one before', async () => {
    const { host: one, lane, tries, denials } = await start({ interrupts: 'mine' }, refuses);
    expect(tries()).toBe(Status.accessDenied);
    await one.plugins.replace(policyPlugin(no), undefined, 'test');
    expect(denials()).toMatchObject([{ count: 1, why: WHY }]);
    expect(tries()).toBe(Outcome.needsCode);
    await one.plugins.replace(policyPlugin(refuses), undefined, 'test');
    expect(tries()).toBe(Status.accessDenied);
    lane.sleep();
    expect(denials()).toMatchObject([{ count: 2, why: WHY }]);
  });

  it('so it does when a policy inside of the chosen one is', async () => {
    const { host: one, tries } = await start({ interrupts: 'around' }, refuses);
    expect(tries()).toBe(Status.accessDenied);
    await one.plugins.replace(policyPlugin(no), undefined, 'test');
    expect(tries()).toBe(Outcome.needsCode);
  });

  it('it leaves them to the control thread while the table is permissive, or accesses are taken down', async () => {
    const { host: one, lane, tries, denials } = await start({ interrupts: 'strict' });
    expect(tries()).toBe(Status.accessDenied);
    const open = definePlugin({
      name: 'test/open',
      api: '^1.0',
      apply: ({ hooks }) => hooks.unhandledWrite.tap(() => 'permissive'),
    });
    await one.plugins.load(open, undefined, 'test');
    expect(denials()).toMatchObject([{ count: 1, why: WHY }]);
    expect(tries()).toBe(Outcome.needsCode);
    one.plugins.unload('test/open');
    expect(tries()).toBe(Status.accessDenied);
    const recorder = { access: () => undefined };
    const learn = definePlugin({
      name: 'test/learn',
      api: '^1.0',
      apply: ({ hooks }) => hooks.unhandledWrite.tap(() => ({ unhandled: 'drop' as const, recorder })),
    });
    await one.plugins.load(learn, undefined, 'test');
    expect([lane.seesDevice, tries()]).toEqual([false, Outcome.needsCode]);
    expect(denials()).toMatchObject([{ count: 2, why: WHY }]);
  });
});

it('a refusal with an error counts as the dispatcher counts it', () => {
  const world = laneWorld();
  const word = {
    base: 0,
    mask: -1,
    reach: -1,
    shift: 0,
    offset: 4,
    size: 4,
    writes: { kind: 'refused', why: WHY },
  } as const;
  const bits = (at4: number) => Int32Array.of(0, at4, 0);
  world.state.hardware = 4;
  const show = (file: number) =>
    world.show([
      {
        ...deviceView(1, file),
        shadowed: bits(0),
        answered: bits(0),
        coded: bits(-1),
        described: [null, word, null],
      },
    ]);
  show(31);
  world.askToWrite(4, ON);
  world.lane();
  expect([world.answered, world.err]).toEqual([true, Status.accessDenied]);
  world.askToWrite(4, 4);
  world.lane();
  expect([world.answered, world.err]).toEqual([true, Status.success]);
  world.settle();
  expect(world.dispatched).toEqual([]);
  expect(world.dispatcher.requests()).toEqual({ conf_write: 2 });
  expect(world.dispatcher.statuses()).toEqual({ access_denied: 1, success: 1 });
  expect(world.recorded).toEqual([{ offset: 4, value: ON, times: 1, dispatched: 0 }]);
  // Without a file nobody here knows what hardware has.
  show(-1);
  world.askToWrite(4, ON);
  world.settle();
  expect(world.dispatched).toEqual([4]);
});
