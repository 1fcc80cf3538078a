// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import { bdf } from '../../../../core/bdf.ts';
import type { DeviceError } from '../../../../core/platform/index.ts';
import { ChannelState, Verdict } from '../../../../core/ring/layout.ts';
import { createBus } from '../../../../plugins/platforms/embedded/bus.ts';
import { createErrors } from '../../../../plugins/platforms/embedded/errors.ts';
import { sample } from '../../../../plugins/platforms/embedded/sources.ts';

const port = bdf(0, 0, 0xe0);
const nic = bdf(0, 1, 0);
const second = bdf(0, 1, 1);
const conventional = bdf(0, 5, 0x20);
const unrelated = bdf(0, 3, 0);

const setup = () => {
  const images = [sample('root-port'), sample('e1000e'), { ...sample('e1000e'), bdf: second }, sample('nvme')];
  const events = { illegal: () => undefined, note: () => undefined };
  const bus = createBus([...images, sample('rtl8139')], events);
  const errors = createErrors(bus, () => undefined);
  const asked: DeviceError[] = [];
  errors.subscribe(async (error) => {
    asked.push(error);
    return error.stage === 'detected' ? Verdict.canRecover : Verdict.recovered;
  });
  return { bus, errors, asked };
};

/** Offsets of the capabilities of the e1000e sample. */
const aer = 0x100;
const deviceStatusOf = (bus: ReturnType<typeof setup>['bus']): number => {
  const model = bus.model(nic);
  return model.peek((model.capability(0x10) ?? 0) + 0x0a, 2);
};

describe('errors of the embedded platform’s functions', () => {
  it.each([
    ['correctable', 0x10, 0x1, 0x1],
    ['nonfatal', 0x04, 0x4000, 0x2],
    ['fatal', 0x04, 0x40000, 0x4],
  ] as const)('%s: shown by the registers while it is handled', async (severity, register, bit, status) => {
    const { bus, errors } = setup();
    const seen: number[] = [];
    for (const address of [nic, second]) await bus.seize(address);
    errors.subscribe(async () => Verdict.none);
    const look = (): void => {
      seen.push(bus.model(nic).peek(aer + register, 4), deviceStatusOf(bus) & 0x7);
    };
    const injected = errors.inject(nic, severity);
    look();
    await injected;
    expect(seen).toEqual([bit, status]);
  });

  it('concern every function below the port, and nobody else', async () => {
    const { bus, errors, asked } = setup();
    for (const address of [nic, second, unrelated]) await bus.seize(address);
    for (const from of [nic, port]) {
      asked.length = 0;
      expect((await errors.inject(from, 'nonfatal')).outcome).toBe('recovered');
      expect(asked.filter(({ stage }) => stage === 'resume').map((one) => one.bdf)).toEqual([nic, second]);
    }
    expect(bus.model(nic).peek(aer + 4, 4)).toBe(0);
  });

  it('a function without a driver that could be asked ends the recovery of its whole port', async () => {
    const { bus, errors, asked } = setup();
    await bus.seize(nic);
    expect((await errors.inject(nic, 'nonfatal')).outcome).toBe('failed');
    expect(asked.map(({ channel }) => channel)).toEqual([ChannelState.normal, ChannelState.permanentFailure]);
  });

  it('below one port they are handled one after the other', async () => {
    const { bus, errors, asked } = setup();
    for (const address of [nic, second]) await bus.seize(address);
    await Promise.all([errors.inject(nic, 'nonfatal'), errors.inject(second, 'nonfatal')]);
    const stages = asked.map(({ stage }) => stage);
    const once = ['detected', 'detected', 'mmioEnabled', 'mmioEnabled', 'resume', 'resume'];
    expect(stages).toEqual([...once, ...once]);
  });

  it('what cannot report errors is refused, and so is an error that is masked', async () => {
    const { bus, errors } = setup();
    await expect(errors.inject(conventional, 'nonfatal')).rejects.toThrow(/no PCI Express function/);
    await expect(errors.inject(bdf(0, 9, 0), 'nonfatal')).rejects.toMatchObject({ code: 'DEVICE_NOT_FOUND' });
    bus.model(nic).poke(aer + 8, 4, 0xffffffff);
    await expect(errors.inject(nic, 'fatal')).rejects.toThrow(/mask every fatal error/);
  });
});
