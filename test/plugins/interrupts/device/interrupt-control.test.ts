// SPDX-License-Identifier: MIT

import { afterEach, describe, expect, it } from 'vitest';
import { formatBdf } from '../../../../core/bdf.ts';
import { fail, isPcibackError } from '../../../../core/errors/index.ts';
import type {
  InterruptLimits,
  InterruptPolicy,
  InterruptPolicySource,
  InterruptType,
  PolicyFacts,
} from '../../../../core/interrupts.ts';
import { silent } from '../../../../core/log.ts';
import { Errno, HostError } from '../../../../core/platform/index.ts';
import { Command, Status } from '../../../../core/ring/layout.ts';
import { Request } from '../../../../core/ring/request.ts';
import { HostOperations } from '../../../../core/stub/index.ts';
import { Wall } from '../../../../core/wall/wall.ts';
import { statusOf } from '../../../../plugins/control/index.ts';
import { deviceInterrupts } from '../../../../plugins/interrupts/device/device-interrupts.ts';
import { InterruptControl } from '../../../../plugins/interrupts/device/interrupt-control.ts';
import { explainDevice } from '../../../../plugins/observe/explain-operations.ts';
import { printExplained } from '../../../../plugins/observe/explain-report.ts';
import { realClock } from '../../../../plugins/platforms/embedded/clock.ts';
import { sample } from '../../../../plugins/platforms/embedded/sources.ts';
import { type EmbeddedHost, startEmbeddedHost } from '../../../kit/embedded-host.ts';
import { FakeFunction } from '../../../kit/fake-function.ts';
import { interruptTerms } from '../../../kit/interrupt-terms.ts';
import { createManualClock } from '../../../kit/manual-clock.ts';
import { policyPlugin } from '../../../kit/policy-plugins.ts';
import { policyFacts } from '../../../plugins/interrupts/policies.ts';

const yes: InterruptPolicy = { allowsControlWord: () => true, decidesIntx: () => 'hardware' };

interface Setting {
  readonly allowed?: boolean;
  readonly limits?: InterruptLimits;
  readonly others?: Readonly<Record<string, InterruptPolicySource>>;
}

const control = (source: InterruptPolicySource, { allowed = true, limits = {}, others = {} }: Setting = {}) => {
  const failures: unknown[] = [];
  const known: Record<string, InterruptPolicySource> = { mine: source, ...others };
  const find = (name: string) => ({ name, plugin: 'acme', thing: known[name] ?? nobody(name) });
  const nobody = (name: string): never =>
    fail('CHOICE_UNKNOWN', { kind: 'interrupt policy', name, nearest: undefined, known: [] });
  const { device, guest, clock } = policyFacts();
  const terms = {
    device,
    guest,
    clock,
    allowed,
    limits,
    find,
    wall: new Wall({ ...silent, error: (facts) => void failures.push(facts) }),
  };
  return { it: new InterruptControl(terms, { name: 'mine', plugin: 'acme', thing: source }), failures, known };
};

const codeOf = (action: () => unknown): string | undefined => {
  try {
    action();
    return undefined;
  } catch (error) {
    return isPcibackError(error) ? error.code : String(error);
  }
};

describe('what no policy may change', () => {
  it.each<[InterruptType, boolean, boolean]>([
    ['none', true, true],
    ['intx', true, true],
    ['msi', true, false],
    ['msix', false, true],
    ['several', false, false],
  ])('while %s is on: MSI %s, MSI-X %s', (current, msi, msix) => {
    const one = control(yes).it;
    expect(one.allowsControlWord('msi', current, 0x0080, 0x0081)).toBe(msi);
    expect(one.allowsControlWord('msix', current, 0x0004, 0x8004)).toBe(msix);
    expect(one.refusesRequest('msi', current, 1) === undefined).toBe(msi);
    expect(one.refusesRequest('msix', current, 1) === undefined).toBe(msix);
    expect(one.allowsControlWord('msi', current, 0x0081, 0x0080)).toBe(true);
    expect(one.allowsControlWord('msix', current, 0x8004, 0x0004)).toBe(true);
  });

  it('a device whose INTX_DISABLE stops messages keeps it clear while they are on', () => {
    const one = control(yes, { limits: { disableStopsMessages: true } }).it;
    expect(one.decidesIntx('msi', 'enabled', 'disabled')).toBe('virtual');
    expect(one.decidesIntx('msi', 'disabled', 'enabled')).toBe('hardware');
    expect(one.decidesIntx('intx', 'enabled', 'disabled')).toBe('hardware');
  });

  it('a device whose line cannot be masked keeps its bit; a refusal stays one', () => {
    const limits = { maskingBroken: true };
    expect(control(yes, { limits }).it.decidesIntx('intx', 'enabled', 'disabled')).toBe('virtual');
    const no: InterruptPolicy = { ...yes, decidesIntx: () => 'refused' };
    expect(control(no, { limits }).it.decidesIntx('intx', 'enabled', 'disabled')).toBe('refused');
  });
});

describe('a device that does not answer', () => {
  it('counts as one for which no kind may come on, and may be switched off', () => {
    const hardware = new FakeFunction({
      image: [
        [0x06, 2, 0x0010],
        [0x34, 1, 0x50],
        [0x50, 2, 0x0005],
      ],
    });
    const warned: object[] = [];
    const terms = interruptTerms(yes, { hardware });
    const one = deviceInterrupts({ ...terms, warn: (facts) => warned.push(facts) });
    expect(one.allowsControlWord('msi', 0x0080, 0x0081)).toBe(true);
    hardware.beforeAccess = () => {
      throw new HostError('read', Errno.EIO);
    };
    expect(one.allowsControlWord('msi', 0x0080, 0x0081)).toBe(false);
    expect(one.allowsControlWord('msi', 0x0081, 0x0080)).toBe(true);
    expect(one.enableMsi(new Request())).toBe(Status.opFailed);
    expect(warned).toEqual([{ what: 'enable_msi', why: 'the other kind is on in hardware' }]);
  });
});

describe('questions to a policy', () => {
  it('carry what was read and what the administrator said', () => {
    const asked: unknown[] = [];
    const policy: InterruptPolicy = {
      allowsControlWord: (question) => asked.push(question) > 0,
      decidesIntx: (question) => (asked.push(question) > 0 ? 'hardware' : 'refused'),
      refusesRequest: (question) => void asked.push(question),
    };
    const one = control(policy, { allowed: false }).it;
    one.allowsControlWord('msix', 'intx', 0x0004, 0x8004);
    one.decidesIntx('msi', 'disabled', 'enabled');
    one.refusesRequest('msix', 'none', 5);
    expect(asked).toEqual([
      { kind: 'msix', current: 'intx', old: 0x0004, next: 0x8004, allowed: false },
      { current: 'msi', old: 'disabled', next: 'enabled', allowed: false },
      { kind: 'msix', current: 'none', vectors: 5, allowed: false },
    ]);
  });

  it('without an opinion on INTX_DISABLE the permission decides', () => {
    const silent: InterruptPolicy = { allowsControlWord: () => true };
    expect(control(silent, { allowed: true }).it.decidesIntx('intx', 'enabled', 'disabled')).toBe('hardware');
    expect(control(silent, { allowed: false }).it.decidesIntx('intx', 'enabled', 'disabled')).toBe('virtual');
    expect(control(silent).it.refusesRequest('msi', 'intx', 1)).toBeUndefined();
  });

  it('one that throws has refused, and is reported', () => {
    const boom = (): never => {
      throw new Error('boom');
    };
    const { it: one, failures } = control({ allowsControlWord: boom, decidesIntx: boom, refusesRequest: boom });
    expect(one.allowsControlWord('msi', 'none', 0, 1)).toBe(false);
    expect(one.decidesIntx('none', 'disabled', 'enabled')).toBe('refused');
    expect(one.refusesRequest('msi', 'none', 1)).toMatch(/failed/);
    expect(failures).toHaveLength(3);
  });

  it('an answer that is none of the words never reaches hardware', () => {
    const odd = { allowsControlWord: () => 'sure', decidesIntx: () => true } as unknown as InterruptPolicy;
    expect(control(odd).it.allowsControlWord('msi', 'none', 0, 1)).toBe(false);
    expect(control(odd).it.decidesIntx('none', 'disabled', 'enabled')).toBe('refused');
  });
});

describe('policies with state', () => {
  it('are made once for each assignment, from its facts', () => {
    const made: PolicyFacts[] = [];
    const source: InterruptPolicySource = (facts) => {
      made.push(facts);
      return yes;
    };
    const { it: one } = control(source, { allowed: false });
    one.allowsControlWord('msi', 'none', 0, 1);
    one.refusesRequest('msi', 'none', 1);
    expect(made).toHaveLength(1);
    const { device, guest } = policyFacts();
    expect(made[0]).toMatchObject({ allowed: false, guest, device: { bdf: device.bdf } });
  });

  it.each<[string, string, InterruptPolicySource]>([
    ['that throw when they are made', 'PLUGIN_FAULT', () => explode('boom')],
    ['that are no policy', 'PLUGIN_FAULT', {} as InterruptPolicy],
    ['whose factory gives nothing', 'PLUGIN_FAULT', (() => undefined) as unknown as InterruptPolicySource],
    ['inside of themselves', 'POLICY_FAILED', ({ policy }) => policy('mine')],
    ['inside of one that is inside of them', 'POLICY_FAILED', ({ policy }) => policy('round')],
    ['around one that nobody brings', 'CHOICE_UNKNOWN', ({ policy }) => policy('nowhere')],
  ])('%s: %s', (_what, code, source) => {
    const others = { round: (({ policy }) => policy('mine')) satisfies InterruptPolicySource };
    expect(codeOf(() => control(source, { others }))).toBe(code);
  });

  it('differ when they, or one inside of them, are replaced', () => {
    const outer: InterruptPolicySource = ({ policy }) => policy('inner');
    const { it: one, known } = control(outer, { others: { inner: yes, other: yes } });
    const mine = { name: 'mine', plugin: 'acme', thing: outer };
    expect(one.differsFrom(mine)).toBe(false);
    expect(one.differsFrom({ name: 'mine', plugin: 'acme', thing: yes })).toBe(true);
    expect(one.differsFrom({ name: 'other', plugin: 'acme', thing: outer })).toBe(true);
    known.inner = { allowsControlWord: () => false };
    expect(one.differsFrom(mine)).toBe(true);
    expect(one.allowsControlWord('msi', 'none', 0, 1)).toBe(true);
    one.prepare(mine)();
    expect(one.differsFrom(mine)).toBe(false);
    expect(one.allowsControlWord('msi', 'none', 0, 1)).toBe(false);
  });
});

describe('a policy that refuses control words unless the guest has the permission', () => {
  const refused: InterruptPolicy = { ...yes, controlWordsUnlessAllowed: 'refused' };

  it('is not asked about them without it, whatever it would say', () => {
    const { it: one } = control(refused, { allowed: false });
    expect(one.refusesControlWords).toBe(true);
    expect(one.allowsControlWord('msix', 'none', 0x0004, 0x8004)).toBe(false);
    expect(one.allowsControlWord('msix', 'msix', 0x8004, 0x0004)).toBe(false);
    // The rest is its own.
    expect(one.decidesIntx('intx', 'enabled', 'disabled')).toBe('hardware');
    expect(one.refusesRequest('msix', 'none', 1)).toBeUndefined();
  });

  it('is asked with it; so is one that says nothing, or something else', () => {
    const odd = { ...yes, controlWordsUnlessAllowed: true } as unknown as InterruptPolicy;
    const asked: InterruptPolicy = { ...yes, controlWordsUnlessAllowed: 'asked' };
    const all = [control(refused), ...[yes, asked, odd].map((one) => control(one, { allowed: false }))];
    for (const { it: one } of all) {
      expect(one.refusesControlWords).toBe(false);
      expect(one.allowsControlWord('msix', 'none', 0x0004, 0x8004)).toBe(true);
    }
  });

  it('is taken at its word of the time when it was made; the next one has a word of its own', () => {
    let word: InterruptPolicy['controlWordsUnlessAllowed'] = 'refused';
    const changing: InterruptPolicy = {
      ...yes,
      get controlWordsUnlessAllowed() {
        return word ?? 'asked';
      },
    };
    const { it: one } = control(changing, { allowed: false });
    word = 'asked';
    expect([one.refusesControlWords, one.allowsControlWord('msi', 'none', 0, 1)]).toEqual([true, false]);
    const take = one.prepare({ name: 'mine', plugin: 'acme', thing: changing });
    expect(one.refusesControlWords).toBe(true);
    take();
    expect([one.refusesControlWords, one.allowsControlWord('msi', 'none', 0, 1)]).toEqual([false, true]);
  });

  it('counts when it is around another one, not when it is inside', () => {
    const inside: InterruptPolicySource = ({ policy }) => ({ ...yes, about: policy('inner').about ?? '' });
    const around: InterruptPolicySource = ({ policy }) => ({ ...refused, about: policy('inner').about ?? '' });
    expect(control(inside, { allowed: false, others: { inner: refused } }).it.refusesControlWords).toBe(false);
    expect(control(around, { allowed: false, others: { inner: yes } }).it.refusesControlWords).toBe(true);
  });

  it('a device that no guest has refuses them all', () => {
    const operations = new HostOperations(new FakeFunction(), createManualClock());
    expect(operations.refusesControlWords).toBe(true);
    expect(operations.allowsControlWord('msi', 0, 1)).toBe(false);
  });
});

describe('INTX_DISABLE is the guest’s own', () => {
  const virtual: InterruptPolicy = { ...yes, intxUnlessAllowed: 'virtual' };
  const asksNobody = ({ it: one }: ReturnType<typeof control>) => [
    one.keepsIntxVirtual,
    one.decidesIntx('intx', 'enabled', 'disabled'),
  ];

  it('under a policy that says so, without the permission, and nobody asks it, whatever it would say', () => {
    const throwing: InterruptPolicy = { ...virtual, decidesIntx: () => explode('boom') };
    for (const policy of [virtual, throwing]) {
      const made = control(policy, { allowed: false });
      expect([asksNobody(made), made.failures]).toEqual([[true, 'virtual'], []]);
      // The rest is its own.
      expect(made.it.allowsControlWord('msi', 'none', 0, 1)).toBe(true);
    }
  });

  it('not with the permission, nor under one that says nothing, or something else', () => {
    const odd = { ...yes, intxUnlessAllowed: true } as unknown as InterruptPolicy;
    const asked: InterruptPolicy = { ...yes, intxUnlessAllowed: 'asked' };
    for (const made of [control(virtual), ...[yes, asked, odd].map((one) => control(one, { allowed: false }))]) {
      expect(asksNobody(made)).toEqual([false, 'hardware']);
    }
    // Of a line that cannot be masked it may still be refused.
    expect(control(yes, { limits: { maskingBroken: true } }).it.keepsIntxVirtual).toBe(false);
  });

  it('under one without an opinion, without the permission or where the line cannot be masked', () => {
    const silent: InterruptPolicy = { allowsControlWord: () => true, intxUnlessAllowed: 'asked' };
    const limits = { maskingBroken: true };
    expect(asksNobody(control(silent, { allowed: false }))).toEqual([true, 'virtual']);
    expect(asksNobody(control(silent, { limits }))).toEqual([true, 'virtual']);
    expect(asksNobody(control(silent, { limits: { disableStopsMessages: true } }))).toEqual([false, 'hardware']);
  });

  it('as was said when the policy was made; the next one has a word of its own', () => {
    const changing = { ...yes, intxUnlessAllowed: 'virtual' as 'virtual' | 'asked' };
    const made = control(changing, { allowed: false });
    changing.intxUnlessAllowed = 'asked';
    expect(asksNobody(made)).toEqual([true, 'virtual']);
    const take = made.it.prepare({ name: 'mine', plugin: 'acme', thing: changing });
    expect(asksNobody(made)).toEqual([true, 'virtual']);
    take();
    expect(asksNobody(made)).toEqual([false, 'hardware']);
  });

  it('of a device that no guest has', () => {
    expect(new HostOperations(new FakeFunction(), createManualClock()).keepsIntxVirtual).toBe(true);
  });
});

const explode = (why: string): never => {
  throw new Error(why);
};

describe('in a running host', () => {
  const nic = sample('e1000e').bdf;
  let host: EmbeddedHost;
  afterEach(() => host.close());

  const start = async (source: InterruptPolicySource) => {
    host = await startEmbeddedHost({
      devices: [sample('e1000e')],
      // The clock of the rate of log lines stands still, however long a test takes.
      clock: { ...realClock, now: () => 0 },
      plugins: [policyPlugin(source)],
      config: { interrupts: 'mine', allowInterruptControl: [formatBdf(nic)] },
    });
    return host.guest([nic], { driver: 'none' });
  };
  const refuse: InterruptPolicy = { allowsControlWord: () => false, refusesRequest: () => 'not now' };

  it('a policy that cannot be made keeps the device from the guest, and says why', async () => {
    await start(() => explode('no such thing'));
    const refused = () => host.lines.find(({ message }) => message === 'device not exported');
    while (refused() === undefined) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(String(refused()?.facts.error)).toMatch(
      /test\/policy failed in making interrupt policy mine .*: no such thing/,
    );
    expect(host.pciback.stub.devices[0]?.assignment).toBeUndefined();
  });

  it('status and explain show the policy and the permission, the page only what is not the rule', async () => {
    const guest = await start(yes);
    await guest.reached(4);
    expect(statusOf(host.pciback, []).devices[0]).toMatchObject({ interrupts: 'mine', allowInterruptControl: true });
    const explained = explainDevice(host.pciback, { bdf: formatBdf(nic), offset: 0, size: 1 });
    expect(explained).toMatchObject({ interrupts: 'mine', allowInterruptControl: true });
    const lines: string[] = [];
    printExplained(explained, (line) => lines.push(line));
    expect(lines.join(' ')).toContain(', interrupts: mine, also by config writes');
    printExplained({ ...explained, interrupts: 'strict', allowInterruptControl: false }, (line) => lines.push(line));
    expect(lines.filter((line) => line.includes('interrupts:'))).toHaveLength(1);
  });

  it('a policy is replaced under a running guest, between two of its requests', async () => {
    const guest = await start(refuse);
    await guest.reached(4);
    const enable = { cmd: Command.enableMsi, domain: 0, bus: 0, devfn: 0 };
    expect((await guest.request(enable)).err).toBe(Status.opFailed);
    const { table } = host.pciback.stub.devices[0]?.assignment?.space ?? {};
    const effect = await host.plugins.replace(
      policyPlugin(() => yes),
      undefined,
      'test',
    );
    expect(effect.devices).toBe(1);
    expect(host.pciback.stub.devices[0]?.assignment?.space.table).not.toBe(table);
    expect((await guest.request(enable)).err).toBe(Status.success);
    expect(host.pciback.stub.devices[0]?.assignment?.rules.policy.name).toBe('mine');
  });

  it('its guests keep a policy that is unloaded, and the log says so', async () => {
    const guest = await start(refuse);
    await guest.reached(4);
    const { failures } = host.plugins.unload('test/policy');
    expect(failures[0]?.why).toMatch(/no interrupt policy "mine"/);
    expect((await guest.request({ cmd: Command.enableMsi, domain: 0, bus: 0, devfn: 0 })).err).toBe(Status.opFailed);
  });

  it('a policy that throws at work: the guest is refused, the log is limited', async () => {
    const guest = await start({ allowsControlWord: () => explode('boom'), refusesRequest: () => explode('boom') });
    await guest.reached(4);
    const before = host.lines.length;
    for (let i = 0; i < 200; i++) {
      expect((await guest.request({ cmd: Command.enableMsi, domain: 0, bus: 0, devfn: 0 })).err).toBe(Status.opFailed);
    }
    const told = host.lines.slice(before).filter(({ level }) => level === 'error' || level === 'warn');
    expect(told.some(({ message }) => message === 'a plugin failed')).toBe(true);
    expect(told.length).toBeLessThanOrEqual(20);
  });
});
