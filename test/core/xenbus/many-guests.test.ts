// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import { Command, Status } from '../../../core/ring/layout.ts';
import { sample } from '../../../plugins/platforms/embedded/sources.ts';
import { startEmbeddedHost } from '../../kit/embedded-host.ts';
import { plainFront } from '../../kit/plain-front.ts';
import { until } from '../../kit/until.ts';

/** `GUESTS=… npx vitest run test/core/xenbus/many-guests.test.ts` asks for another number. */
const guests = Number(process.env.GUESTS ?? 256);

describe('many guests in one process', () => {
  it('each has its device, gets its answers, and everything is given back', { timeout: 120_000 }, async () => {
    const devices = Array.from({ length: guests }, (_, segment) => sample('e1000e', segment));
    const host = await startEmbeddedHost({ devices, config: { shutdownSeconds: 0 } });
    const { hypervisor, toolstack, xenstore } = host.platform;
    const served = await Promise.all(
      devices.map(async ({ bdf }, index) => {
        await host.pciback.stub.seize(bdf);
        // Its own mark, to see that no answer goes to another guest.
        host.platform.pci.model(bdf).poke(0x2e, 2, index);
        const domain = await toolstack.create({ devices: [bdf] });
        const front = await plainFront(host.platform, domain);
        return { domain, index, ...front };
      }),
    );
    await until('all attached', () => hypervisor.ledger().mapped.length === guests);
    expect(host.pciback.ledger()).toEqual({ mapped: guests, bound: guests, pirqs: 0, assigned: guests });
    await Promise.all(served.map(({ front }) => xenstore.write(`${front}/state`, '4')));

    const answers = await Promise.all(
      served.map(({ ring }) => ring.request({ cmd: Command.confRead, offset: 0x2e, size: 2 })),
    );
    expect(answers.map(({ err, value }) => [err, value])).toEqual(served.map(({ index }) => [Status.success, index]));
    const on = { offset: 0x04, size: 2, value: 0x0002 };
    await Promise.all(served.map(({ ring }) => ring.request({ cmd: Command.confWrite, ...on })));
    const vectors = await Promise.all(
      served.map(({ ring }) => ring.request({ cmd: Command.enableMsix, value: 2, entries: [0, 1] })),
    );
    expect(vectors.every(({ err }) => err === Status.success)).toBe(true);
    expect(host.pciback.ledger().pirqs).toBe(2 * guests);

    await Promise.all(
      served.map(async ({ domain, front }) => {
        await xenstore.write(`${front}/state`, '6');
        await toolstack.destroy(domain);
      }),
    );
    await until('all gone', () => host.pciback.guests().length === 0);
    expect(host.pciback.ledger()).toEqual({ mapped: 0, bound: 0, pirqs: 0, assigned: 0 });
    for (const device of host.pciback.stub.devices) await host.pciback.stub.release(device.bdf);
    expect(hypervisor.ledger()).toEqual({
      ...hypervisor.ledger(),
      domains: [0],
      mapped: [],
      bound: [],
      pirqs: [],
      assigned: [],
      prepared: [],
      illegal: [],
    });
    await host.close();
  });
});
