// SPDX-License-Identifier: MIT

import { formatBdf, parseBdf } from './bdf.ts';
import type { GuestBudgets } from './budget.ts';
import type { EngineConfig, GuestDeviceConfig } from './config.ts';
import { describeError, fail, isPcibackError } from './errors/index.ts';
import type { Logger } from './log.ts';
import type { Holding, Platform } from './platform/index.ts';
import type { Registries } from './plugin/definition.ts';
import type { PluginHost } from './plugin/loader.ts';
import { interruptLimitsOf, matches, type Quirk } from './quirk/quirk.ts';
import type { Contribution } from './space/compile.ts';
import { type SeizedDevice, Stub, type Tenant } from './stub/index.ts';
import { Discovery, type GuestBackend, type GuestReport } from './xenbus/index.ts';

export type { GuestReport } from './xenbus/index.ts';

/** Granted pages mapped, event channels bound, PIRQs mapped, devices given to guests; zero when all was given back. */
export type Ledger = Readonly<Record<'mapped' | 'bound' | 'pirqs' | 'assigned', number>>;

/** What serves the guests, as parts see it. */
export type Engine = Pick<Pciback, 'platform' | 'stub' | 'plugins' | 'guests' | 'ledger' | 'guestOf' | 'switched'>;

/** Of the time before and after guests are served, or of the time in which they are. */
export type PartPhase = 'around guests' | 'with guests';

/** What runs beside the engine, as the engine sees it. */
export interface RunningParts {
  /** @throws PcibackError what a part that is required fails with */
  start(phase: PartPhase): Promise<void>;
  /** Never throws. */
  stop(phase: PartPhase): Promise<void>;
}

/** What a running pciback is made of. */
export interface PcibackSettings {
  readonly platform: Platform;
  readonly plugins: PluginHost;
  readonly config: EngineConfig;
  readonly log: Logger;
  readonly budgets: GuestBudgets;
  /** What runs beside it. Missing: nothing does. */
  parts?(engine: Engine): RunningParts;
}

/** The host side of PCI pass-through for every guest of one host. */
export class Pciback {
  /** Resolves when it cannot go on: the store is lost, or guests cannot be heard any more. */
  readonly failed: Promise<Error>;
  /** Where this pciback runs. */
  readonly platform: Platform;
  /** What is loaded. */
  readonly plugins: PluginHost;
  /** The devices that are seized. */
  readonly stub: Stub;
  /** Whether a key is switched on for a device and guest at run time; where the rc file has both, it decides. */
  switched: (key: keyof GuestDeviceConfig, device: SeizedDevice, guest: Tenant) => boolean = () => false;
  readonly #parts: RunningParts | undefined;
  readonly #settings: PcibackSettings;
  readonly #discovery: Discovery;
  #stopping: Promise<Ledger> | undefined;
  #deaf: (() => void) | undefined;

  /**
   * Slot mappers and interrupt policies are looked for when a guest comes: whoever reads a configuration checks their names.
   *
   * @throws PcibackError what `parts` throws
   */
  constructor(settings: PcibackSettings) {
    const { platform, plugins, config, log, budgets } = settings;
    const { registries, hooks } = plugins;
    this.#settings = settings;
    hooks.wall.useClock(platform.clock);
    this.platform = platform;
    this.plugins = plugins;
    this.failed = Promise.race([platform.xenstore.lost, ...(platform.failed === undefined ? [] : [platform.failed])]);
    const allows = (key: keyof GuestDeviceConfig) => (device: SeizedDevice, guest: Tenant) =>
      config.guests[guest.name]?.devices[formatBdf(device.bdf)]?.[key] ??
      (config[key].some((pattern) => pattern.matches(device.bdf)) || this.switched(key, device, guest));
    const policy = {
      onReset: config.onReset,
      sharedLines: config.sharedLines,
      permissive: allows('permissive'),
      allowInterruptControl: allows('allowInterruptControl'),
      interruptPolicy: (guest: Tenant) => config.guests[guest.name]?.interrupts ?? config.interrupts,
      interruptPolicyNamed: (name: string) => registries.interrupts.find(name),
      interruptDriver: () => registries.interruptDrivers.owned[0],
      contributions: (device: SeizedDevice) => contributionsFor(device, registries),
      interruptLimits: (device: SeizedDevice) => interruptLimitsOf(quirksFor(device, registries)),
    };
    this.stub = new Stub(platform, hooks, policy, log);
    this.#discovery = new Discovery({
      platform,
      stub: this.stub,
      hooks,
      log,
      budgets,
      mapper: (guest) => registries.slots.find(config.guests[guest]?.slots ?? config.slots),
    });
    this.#parts = settings.parts?.(this);
  }

  /**
   * Seizes what the rc file hides, then finds and serves guests until {@link stop}.
   *
   * @throws PcibackError `GUEST_LEFT` without a back end; what a part that is required fails with; `stop` gives back what was begun
   */
  async start(): Promise<void> {
    const { platform, plugins, config, log } = this.#settings;
    await this.#parts?.start('around guests');
    this.#deaf = plugins.onChange((change) => this.stub.prepareChange(change));
    if (config.backend) await this.#discovery.resume();
    else for (const [, { name }] of this.stub.journal.guests) fail('GUEST_LEFT', { guest: name });
    const hidden = config.hide.length === 0 ? [] : await platform.pci.list();
    const wanted = hidden.filter((one) => config.hide.some((pattern) => pattern.matches(one.bdf)));
    const earlier = [...this.stub.journal.devices].map(([name]) => parseBdf(name));
    for (const address of new Set([...earlier, ...wanted.map(({ bdf }) => bdf)])) {
      try {
        await this.stub.seize(address);
      } catch (error) {
        const next = isPcibackError(error) ? { next: error.solve } : {};
        log.error({ bdf: formatBdf(address), error: describeError(error), ...next }, 'device not seized');
      }
    }
    if (config.backend) await this.#discovery.start();
    await this.#parts?.start('with guests');
  }

  /** The guests that are known now. */
  guests(): GuestReport[] {
    return this.#discovery.guests.map((guest) => guest.report());
  }

  /** The guest that has the device; `undefined`: none, or its back end is gone. */
  guestOf(device: SeizedDevice): GuestBackend | undefined {
    const domain = device.assignment?.tenant.domain;
    const guests = this.#discovery.guests.filter((one) => one.guest.domain === domain);
    return guests.find((one) => one.has(device)) ?? guests[0];
  }

  /**
   * Ends the service: every guest is told and given `shutdownSeconds` to let go, then its page is unmapped, its channel
   * unbound, its devices returned. Calling it again waits for the same end.
   */
  stop(): Promise<Ledger> {
    const guests = () => this.#discovery.stop(this.#settings.config.shutdownSeconds * 1000);
    this.#stopping ??= this.#end(guests).then(() => this.ledger());
    return this.#stopping;
  }

  /** Lets go of all guests without a word to them, so that a next process goes on with them. */
  leave(): Promise<void> {
    return this.#end(() => this.#discovery.leave());
  }

  async #end(guests: () => Promise<void>): Promise<void> {
    await this.#parts?.stop('with guests');
    await guests();
    await this.#parts?.stop('around guests');
    this.#deaf?.();
  }

  /** What is held for guests now. */
  ledger(): Ledger {
    const held = this.platform.held?.() ?? [];
    const count = (kind: Holding['kind']): number => held.filter((one) => one.kind === kind).length;
    const assigned = this.stub.devices.filter(({ assignment }) => assignment !== undefined).length;
    return { mapped: count('page'), bound: count('channel'), pirqs: count('pirq'), assigned };
  }
}

const quirksFor = ({ identity }: SeizedDevice, { quirks }: Registries): readonly Quirk[] =>
  quirks.things.filter((quirk) => matches(quirk, identity));

/** Field sets first, then the quirks for this device: where both claim a bit, the field keeps it. */
const contributionsFor = (device: SeizedDevice, registries: Registries): Contribution[] => [
  ...registries.fields.owned.map(({ plugin, thing }) => ({ owner: plugin, set: thing })),
  ...registries.surgery.owned.map(({ plugin, thing }) => ({ owner: plugin, surgery: thing })),
  ...quirksFor(device, registries).flatMap((quirk) => [
    ...quirk.sets.map((set) => ({ owner: quirk.name, set })),
    ...quirk.surgery.map((surgery) => ({ owner: quirk.name, surgery })),
  ]),
];
