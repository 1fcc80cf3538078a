// SPDX-License-Identifier: MIT
// What the benchmarks run on: real plugins on the embedded platform, with devices made for measuring.

import { built } from './package-under-test.mjs';

const { bdf } = await built('core/bdf.js');
const { RateLimit, silent } = await built('core/log.js');
const budgets = await built('plugins/guest-budgets.js').catch(() => undefined);
const { DenialRecord } = await built('core/space/denials.js');
const { Dispatcher } = await built('core/dispatcher/index.js');
const { Page } = await built('core/ring/layout.js');
const { definePlugin } = await built('core/plugin/definition.js');
const { defineQuirk, register } = await built('quirks/index.js');
const { vpci } = await built('plugins/slots/vpci.js');
const { image } = await built('plugins/platforms/embedded/image.js');
const { startEmbeddedHost } = await built('test/kit/embedded-host.js');

/** Ids that no bundled quirk is for. */
const VENDOR = 0x1b36;
const DEVICE = 0xbe0c;

/** Where the registers for measuring lie. */
export const Place = {
  /** Four dwords that reads find in the table. */
  shown: [0xc0, 0xc4, 0xc8, 0xcc],
  /** Four dwords that nobody claims: reads go to the device, writes are dropped. */
  free: [0xd0, 0xd4, 0xd8, 0xdc],
  /** Four dwords that a guest may write. */
  writable: [0xe0, 0xe4, 0xe8, 0xec],
};

/** A function with 4096 bytes of config space, PM, MSI and MSI-X, and nothing above 0x100. */
export const benchDevice = (index = 0, more = (made) => made) =>
  more(
    image({
      bdf: bdf(0, 1 + (index >> 3), index & 7),
      name: `bench ${index}`,
      vendor: VENDOR,
      device: DEVICE,
      class: 0x020000,
      configSize: 4096,
      subsystem: [VENDOR, 0x0001],
      functions: 'several',
      interrupt: { pin: 1, line: 11 },
      writable: Place.writable.map((offset) => ({ offset, size: 4, mask: 0xffffffff })),
    })
      .bar(0, { start: 0xf0000000n + 0x100000n * BigInt(index), size: 0x20000, kind: 'memory32' })
      .capability(0x40, 0x01, [0x03, 0xc8, 0x08, 0, 0, 0])
      .capability(0x50, 0x05, [0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
      .capability(0x70, 0x11, [0x04, 0, 0, 0, 0, 0, 0, 0x10, 0, 0])
      .set(Place.free[0], 4, 0xfeedf00d)
      .set(Place.free[1], 4, 0x00000001)
      .set(Place.free[2], 4, 0x80000000)
      .set(Place.free[3], 4, 0x7fffffff),
  ).build();

/** The registers at {@link Place}: half of the values have bit 31, as many registers of real devices do. */
export const placeQuirk = () =>
  defineQuirk({
    name: 'bench/place',
    source: 'made for measuring',
    match: [{ vendor: VENDOR, device: DEVICE }],
    fields: [
      ...Place.shown.map((offset, index) =>
        register(offset, 32, `shown ${index}`).shows([0xfeedf00d, 0x00000001, 0x80000000, 0x7fffffff][index]),
      ),
      ...Place.writable.map((offset, index) => register(offset, 32, `writable ${index}`).writable()),
    ],
  });

const policies = [
  (one) => one.writable(),
  (one) => one.shows(0x5a),
  (one) => one.emulated(0x0f, 0x03).readOnly(),
  (one) => one.clearedByOne(0x01).reserved(),
];

/** `count` one-byte registers from 0x100 on, `each` to a quirk. */
export const quirksWithFields = (count, each = count) => {
  const quirks = [];
  for (let first = 0; first < count; first += each) {
    const fields = Array.from({ length: Math.min(each, count - first) }, (_, index) => {
      const at = first + index;
      return policies[at % policies.length](register(0x100 + at, 8, `r${at}`));
    });
    quirks.push(
      defineQuirk({
        name: `bench/made-${first}`,
        source: 'made for measuring',
        match: [{ vendor: VENDOR, device: DEVICE }],
        fields,
      }),
    );
  }
  return quirks;
};

/** Plugins that each tap two hooks and bring a quirk for a device that is not there. */
export const idlePlugins = (count) =>
  Array.from({ length: count }, (_, index) =>
    definePlugin({
      name: `bench-plugin-${index}`,
      api: '^1.0',
      apply: (host) => {
        host.hooks.deniedWrite.tap(() => {});
        host.hooks.guestConnected.tap(() => {});
        host.quirks.add(
          defineQuirk({
            name: `bench/absent-${index}`,
            source: 'made for measuring',
            match: [{ vendor: 0x1b37, device: index }],
            fields: [register(0x80, 32, 'absent').writable()],
          }),
        );
      },
    }),
  );

/** A host with benchmark devices; `stop` ends it. */
export const startHost = ({ devices = [benchDevice()], plugins = [], config = {} } = {}) =>
  startEmbeddedHost({ devices, plugins: [placeQuirk(), ...plugins], config: { shutdownSeconds: 1, ...config } });

/** A package of version 0.1.0 or before has a record that explains a refusal itself, when it is new. */
const explains = DenialRecord.length > 1 ? [() => ({ owner: 'bench', why: 'measured' })] : [];

const clock = { now: () => performance.now(), after: () => () => {} };
/** What limits a guest's lines; a package of version 0.1.0 has one limit, and who logs asks it. */
const limits = budgets
  ? (domain) => ({ budget: budgets.guestBudgets(silent, clock).of(domain) })
  : () => ({ limit: new RateLimit(clock.now), warn: () => {} });

/** A guest as the stub knows it, without a ring. */
export const tenant = (domain = 1) => {
  return {
    domain,
    name: `bench ${domain}`,
    ...limits(domain),
    denials: new DenialRecord(domain, ...explains),
    refused: () => {},
    settled: () => {},
  };
};

/** A dispatcher with one device of the host at 00:00.0, as a guest's back end has it. */
export const dispatcherOn = async (host) => {
  const [listing] = await host.platform.pci.list();
  const guest = tenant();
  const device = await host.pciback.stub.assign(listing.bdf, guest);
  const slots = vpci.create(guest.domain);
  slots.add(device);
  const dispatcher = new Dispatcher(slots, (error) => {
    throw error;
  });
  return { dispatcher, device, giveBack: () => host.pciback.stub.giveBack(device) };
};

/** Index of a member of the page among the words of a request's private copy. */
export const wordAt = (member) => (Page[member] - Page.cmd) >> 2;

const { Pciback } = await built('core/pciback.js');

/**
 * A host of which deliveries, unmasks, delays and the back ends' own time are counted: the platform's event channels
 * and clock are wrapped where pciback gets them, pciback itself is as it is.
 */
export const watchedHost = async ({ devices, plugins = [], log = silent }) => {
  const made = await startHost({ devices, plugins });
  // The kit's own instance has no guest yet; a second one serves through the wrapped platform.
  await made.pciback.stop();
  const { platform, config } = made;
  const counts = new Map();
  let delay = 0;
  let spent = 0;
  const events = {
    bindInterdomain: (domain, port, listener) => {
      const count = counts.get(domain) ?? { deliveries: 0, unmasks: 0 };
      counts.set(domain, count);
      const channel = platform.events.bindInterdomain(domain, port, () => {
        count.deliveries += 1;
        const started = performance.now();
        listener();
        spent += performance.now() - started;
      });
      return {
        port: channel.port,
        notify: () => channel.notify(),
        unmask: () => {
          count.unmasks += 1;
          channel.unmask();
        },
        close: () => channel.close(),
      };
    },
  };
  const clock = {
    now: () => platform.clock.now(),
    after: (milliseconds, task) => {
      delay = milliseconds;
      return platform.clock.after(milliseconds, task);
    },
  };
  const pciback = new Pciback({
    platform: { ...platform, events, clock },
    plugins: made.plugins,
    config,
    log,
    budgets: budgets?.guestBudgets(log, clock),
  });
  await pciback.start();
  return {
    platform,
    pciback,
    /** Deliveries to a guest's back end and unmasks by it, so far. */
    watched: (domain) => () => ({ deliveries: 0, unmasks: 0, ...counts.get(domain) }),
    /** The delay that pciback asked for last, in milliseconds. */
    lastDelay: () => delay,
    /** Milliseconds that back ends have worked on events, so far. */
    spent: () => spent,
    guest: async (wanted, options = {}) => {
      for (const device of wanted) await pciback.stub.seize(device);
      const domain = await platform.toolstack.create({ devices: wanted });
      return platform.startGuest({ domain, ...options });
    },
    close: async () => {
      await pciback.stop();
      await platform.close();
    },
  };
};
