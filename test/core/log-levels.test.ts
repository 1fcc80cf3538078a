// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import { RateLimit } from '../../core/log.ts';
import { Command } from '../../core/ring/layout.ts';
import { startEmbeddedHost } from '../kit/embedded-host.ts';

describe('the log', () => {
  it('says nothing per request at level info (seed 4969a3a2cd)', async () => {
    const host = await startEmbeddedHost();
    const nic = (await host.platform.pci.list()).find((one) => one.device === 0x10d3);
    if (nic === undefined) throw new Error('no sample');
    const guest = await host.guest([nic.bdf], { driver: 'none' });
    await guest.reached(4);
    const request = { cmd: Command.confRead, domain: 0, bus: 0, devfn: 0, offset: 0, size: 4, value: 0 };
    for (let i = 0; i < 100; i++) await guest.request(request);
    // From the start: the scan alone would use up what one guest may have of lines, and hide that there is one for each request.
    expect(host.pciback.guests()[0]?.requests.conf_read).toBeGreaterThan(300);
    expect(host.lines.filter((line) => line.level !== 'debug').length).toBeLessThan(30);
    await host.close();
  });
});

describe('a rate limit (XSA-43)', () => {
  it('lets a burst through, then as many per interval, and counts what it holds back', () => {
    let now = 0;
    const limit = new RateLimit(() => now, 10, 5000);
    const passed = (attempts: number): number =>
      Array.from({ length: attempts }, () => limit.allows()).filter(Boolean).length;
    expect(passed(100_000)).toBe(10);
    expect(limit.suppressed).toBe(99_990);
    now = 2500;
    expect(passed(100)).toBe(5);
    now = 1_000_000;
    expect(passed(100)).toBe(10);
  });
});
