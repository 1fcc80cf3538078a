// SPDX-License-Identifier: MIT

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { formatBdf } from '../../core/bdf.ts';
import { definePlugin } from '../../core/plugin/definition.ts';
import { Command, Status } from '../../core/ring/layout.ts';
import type { SlotMapper } from '../../core/slots.ts';
import { sample } from '../../plugins/platforms/embedded/sources.ts';
import { vpci } from '../../plugins/slots/vpci.ts';
import { type EmbeddedHost, startEmbeddedHost } from '../kit/embedded-host.ts';
import { plainFront } from '../kit/plain-front.ts';
import { until } from '../kit/until.ts';

/** The mapper `vpci`, with a record of what is asked of it; what `change` takes away is not there. */
const traced = (calls: string[], change: (map: object) => void = () => {}): SlotMapper => ({
  create: (domain) => {
    const map = vpci.create(domain);
    const call = (name: string, { identity }: { readonly identity: { readonly bdf: number } }) =>
      calls.push(`${name} ${formatBdf(identity.bdf as never)}`);
    const own = {
      add: (device: never, wanted?: number) => {
        call('add', device);
        return wanted === undefined ? map.add(device) : map.add(device, wanted);
      },
      remove: (device: never) => {
        call('remove', device);
        map.remove(device);
      },
      lookup: (segment: number, bus: number, devfn: number) => map.lookup(segment, bus, devfn) as never,
      find: (device: never) => map.find(device),
      roots: () => map.roots(),
    };
    change(own);
    return own;
  },
});

const bringing = (mapper: SlotMapper) =>
  definePlugin({ name: 'test/traced', api: '^1.0', apply: (host) => void host.slots.add('traced', mapper) });

const devices = [sample('e1000e', 0), sample('e1000e', 1)] as const;
const [first, second] = devices.map(({ bdf }) => formatBdf(bdf)) as [string, string];

describe('the slot mapper in use', () => {
  const calls: string[] = [];
  let host: EmbeddedHost;
  beforeEach(async () => {
    calls.length = 0;
    host = await startEmbeddedHost({
      devices,
      plugins: [bringing(traced(calls))],
      config: { slots: 'traced', shutdownSeconds: 0 },
    });
    for (const { bdf } of devices) await host.pciback.stub.seize(bdf);
  });
  afterEach(() => host.close());

  it('is told of each device that is released, and of no other (seed 6337a23992)', async () => {
    const domain = await host.platform.toolstack.create({ devices: devices.map(({ bdf }) => bdf) });
    const { ring, front, back } = await plainFront(host.platform, domain);
    const { xenstore } = host.platform;
    const reaches = (state: string) =>
      until(`state ${state}`, async () => (await xenstore.read(`${back}/state`)) === state);
    await reaches('4');
    await xenstore.write(`${front}/state`, '4');
    const statuses = async () =>
      Promise.all([
        await ring.request({ cmd: Command.confRead, devfn: 0, offset: 0, size: 2 }),
        await ring.request({ cmd: Command.confRead, devfn: 8, offset: 0, size: 2 }),
      ]).then((answers) => answers.map(({ err }) => err));
    expect(await statuses()).toEqual([Status.success, Status.success]);
    expect(calls).toEqual([`add ${first}`, `add ${second}`]);

    await xenstore.write(`${back}/state-0`, '5');
    await xenstore.write(`${back}/state`, '7');
    await xenstore.write(`${front}/state`, '7');
    await reaches('8');
    expect(calls.slice(2)).toEqual([`remove ${first}`]);
    expect(await statuses()).toEqual([Status.devNotFound, Status.success]);

    await host.pciback.stop();
    expect(calls.slice(3)).toEqual([`remove ${second}`]);
    expect(host.pciback.ledger()).toMatchObject({ assigned: 0 });
  });
});

/** Starts a host whose mapper makes maps without one of their parts, and a guest that needs one. */
const withoutPart = async (part: string): Promise<void> => {
  const mapper = traced([], (map) => Reflect.deleteProperty(map, part));
  let host: EmbeddedHost | undefined;
  try {
    host = await startEmbeddedHost({ devices, plugins: [bringing(mapper)], config: { slots: 'traced' } });
    await host.pciback.stub.seize(devices[0].bdf);
    await host.platform.toolstack.create({ devices: [devices[0].bdf] });
    const { lines } = host;
    const refused = (): boolean =>
      lines.some(
        (line) => /PLUGIN_(FAULT|REGISTRATION)|test\/traced/.test(JSON.stringify(line.facts)) && line.level === 'error',
      );
    await until('refused', refused);
    expect(host.pciback.stub.devices.every((device) => device.assignment === undefined)).toBe(true);
  } catch (error) {
    expect(error).toMatchObject({ code: expect.stringMatching(/^PLUGIN_(FAULT|REGISTRATION)$/) });
  } finally {
    await host?.close();
  }
};

describe('a slot mapper whose maps lack a part', () => {
  it.each(['add', 'remove', 'lookup', 'find', 'roots'])('%s is refused before a guest has a device', withoutPart);

  it.each([{}, undefined, { create: 'no function' }])(
    '%o, which cannot make one, is refused when it is added',
    async (none) => {
      const started = startEmbeddedHost({ devices, plugins: [bringing(none as unknown as SlotMapper)] });
      await expect(started).rejects.toMatchObject({
        code: 'PLUGIN_APPLY',
        message: expect.stringContaining('its slot mapper traced has no function create'),
      });
    },
  );
});
