// SPDX-License-Identifier: MIT

import { afterEach, describe, expect, it } from 'vitest';
import type { ReaderTerms } from '../../../../plugins/platforms/xen/event-reader.ts';
import { createEvents } from '../../../../plugins/platforms/xen/events.ts';
import { EoiRun, type EventBench, eoiScenarios } from '../../../kit/late-eoi.ts';
import { createFakeNative, fakePointer } from './fake-native.ts';

/** The event code over a device that masks a port when it delivers it, as the kernel's does. */
const xenBench = (): EventBench => {
  let next = 10;
  let port = 0;
  let masked = false;
  let pending = false;
  let terms: ReaderTerms | undefined;
  const offer = (): void => {
    if (masked || !pending) return;
    masked = true;
    pending = false;
    setImmediate(() => terms?.deliver(port));
  };
  const native = createFakeNative({
    xenevtchn_open: () => fakePointer(),
    xenevtchn_close: () => 0,
    xenevtchn_fd: () => 77,
    xenevtchn_bind_unbound_port: () => next++,
    xenevtchn_bind_interdomain: (_handle, domain) => {
      const made = next++;
      if (domain === 1) port = made;
      return made;
    },
    xenevtchn_notify: () => 0,
    xenevtchn_unmask: (_handle, which) => {
      expect(which).toBe(port);
      masked = false;
      offer();
      return 0;
    },
    xenevtchn_unbind: () => 0,
    ioctl: () => 0,
  });
  const events = createEvents(native, {
    domain: 0,
    onFailure: (error) => {
      throw error;
    },
    reader: (given) => {
      terms = given;
      return { stop: () => undefined, ended: Promise.resolve() };
    },
  });
  return {
    events,
    domain: 1,
    port: 5,
    notify: () => {
      pending = true;
      offer();
    },
    settle: async () => {
      for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
    },
    close: () => events.close(),
  };
};

let bench: EventBench | undefined;
afterEach(() => bench?.close());

describe('late EOI, over the event code of platform xen', () => {
  it.each(eoiScenarios)('$name (seed c2711441bc)', async ({ steps, trace }) => {
    bench = xenBench();
    const run = await EoiRun.start(bench);
    for (const step of steps) await run.do(step);
    expect(run.trace).toEqual(trace);
    expect(run.count('unmask')).toBe(run.count('delivery'));
  });
});
