// SPDX-License-Identifier: MIT

import { Fence, GuestErrors } from '../plugins/recovery/index.ts';
import { type Bdf, formatBdf } from './bdf.ts';
import type { ChangeListener } from './changes.ts';
import type { Config } from './config/schema.ts';
import { describeError, fail } from './errors/index.ts';
import type { Hooks } from './hooks/index.ts';
import type { Logger } from './log.ts';
import type { ErrorSeverity, Platform, RecoveryReport } from './platform/index.ts';
import type { Registries } from './plugin/definition.ts';
import { interruptLimitsOf } from './quirk/interrupt-limits.ts';
import { isFor } from './quirk/limited-quirk.ts';
import type { Quirk } from './quirk/quirk.ts';
import type { Contribution } from './space/compile.ts';
import { type SeizedDevice, Stub, type Tenant } from './stub/index.ts';
import { Discovery, type GuestReport } from './xenbus/index.ts';

export type { GuestReport } from './xenbus/index.ts';

/** What a running pciback is made of. */
export interface PcibackSettings {
  readonly platform: Platform;
  readonly plugins: {
    readonly registries: Registries;
    readonly hooks: Hooks;
    /** Missing: nothing is loaded or unloaded while it runs. */
    onChange?(listener: ChangeListener): () => void;
  };
  readonly config: Config;
  readonly log: Logger;
}

/** What is still held for guests; all zero when everything was given back. */
export interface Ledger {
  /** Granted pages mapped. */
  readonly mapped: number;
  /** Event channels bound. */
  readonly bound: number;
  /** PIRQs mapped for guests. */
  readonly pirqs: number;
  /** Devices in the hands of guests. */
  readonly assigned: number;
}

/** The host side of PCI pass-through for every guest of one host. */
export class Pciback {
  /** Resolves when it cannot go on: the store is lost, or guests cannot be heard any more. */
  readonly failed: Promise<Error>;
  readonly stub: Stub;
  readonly #settings: PcibackSettings;
  readonly #discovery: Discovery;
  readonly #errors: GuestErrors;
  #stopping: Promise<Ledger> | undefined;
  #deaf: (() => void) | undefined;
  #heedless: (() => void) | undefined;

  /**
   * @throws PcibackError `CHOICE_UNKNOWN` for a slot mapper or interrupt policy that no plugin brings,
   * `FENCE_UNSUPPORTED` when the platform cannot do what `errors.onFailure` asks for
   */
  constructor(settings: PcibackSettings) {
    const { platform, plugins, config, log } = settings;
    const { registries, hooks } = plugins;
    this.#settings = settings;
    hooks.wall.useClock(platform.clock);
    this.failed = Promise.race([platform.xenstore.lost, ...(platform.failed === undefined ? [] : [platform.failed])]);
    // Names are checked now, not when the first guest comes.
    registries.slots.get(config.slots);
    registries.interrupts.get(config.interrupts);
    for (const guest of Object.values(config.guests)) {
      if (guest.slots !== undefined) registries.slots.get(guest.slots);
      if (guest.interrupts !== undefined) registries.interrupts.get(guest.interrupts);
    }
    const policy = {
      onReset: config.onReset,
      sharedLines: config.sharedLines,
      permissive: (device: SeizedDevice, guest: Tenant): boolean =>
        config.guests[guest.name]?.devices[formatBdf(device.bdf)]?.permissive ??
        config.permissive.some((pattern) => pattern.matches(device.bdf)),
      allowInterruptControl: (device: SeizedDevice, guest: Tenant): boolean =>
        config.guests[guest.name]?.devices[formatBdf(device.bdf)]?.allowInterruptControl ??
        config.allowInterruptControl.some((pattern) => pattern.matches(device.bdf)),
      interruptPolicy: (guest: Tenant) => config.guests[guest.name]?.interrupts ?? config.interrupts,
      interruptPolicyNamed: (name: string) => registries.interrupts.find(name),
      contributions: (device: SeizedDevice) => contributionsFor(device, registries),
      interruptLimits: (device: SeizedDevice) => interruptLimitsOf(quirksFor(device, registries)),
    };
    this.stub = new Stub(platform, hooks, policy, log);
    this.#discovery = new Discovery({
      platform,
      stub: this.stub,
      hooks,
      log,
      mapper: (guest) => registries.slots.find(config.guests[guest]?.slots ?? config.slots),
    });
    this.#errors = new GuestErrors({
      stub: this.stub,
      fence: new Fence({ platform, hooks, log, onFailure: config.errors.onFailure }),
      log,
      patience: config.errors.deadlineSeconds * 1000,
      guestOf: (device, { tenant }) => {
        const guests = this.#discovery.guests.filter((one) => one.guest.domain === tenant.domain);
        return guests.find((one) => one.has(device)) ?? guests[0];
      },
    });
  }

  /** Seizes what the rc file hides, then finds and serves guests until {@link stop}. */
  async start(): Promise<void> {
    const { platform, plugins, config, log } = this.#settings;
    this.#heedless = platform.errors?.subscribe(this.#errors.handle);
    this.#deaf = plugins.onChange?.((change) => this.stub.prepareChange(change));
    if (config.hide.length > 0) {
      for (const one of await platform.pci.list()) {
        if (!config.hide.some((pattern) => pattern.matches(one))) continue;
        try {
          await this.stub.seize(one.bdf);
        } catch (error) {
          log.error({ bdf: formatBdf(one.bdf), error: describeError(error) }, 'device not seized');
        }
      }
    }
    await this.#discovery.start();
  }

  /**
   * Rehearses an error: the function raises it, the host recovers, the guest is asked as it would be on hardware.
   *
   * @throws PcibackError `ERRORS_NOT_INJECTED` on a platform that cannot, `DEVICE_NOT_FOUND`
   */
  async injectError(address: Bdf, severity: ErrorSeverity): Promise<RecoveryReport> {
    const { errors, name } = this.#settings.platform;
    if (errors?.inject !== undefined) return errors.inject(address, severity);
    return fail('ERRORS_NOT_INJECTED', {
      bdf: formatBdf(address),
      why: `platform ${name} cannot make functions fail`,
    });
  }

  guests(): GuestReport[] {
    return this.#discovery.guests.map((guest) => guest.report());
  }

  /**
   * Ends the service: every guest is told and given `shutdownSeconds` to let go, then its page is unmapped, its channel
   * unbound, its devices returned. Calling it again waits for the same end.
   */
  stop(): Promise<Ledger> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<Ledger> {
    await this.#discovery.stop(this.#settings.config.shutdownSeconds * 1000);
    this.#deaf?.();
    this.#heedless?.();
    return this.ledger();
  }

  /** What is held for guests now. */
  ledger(): Ledger {
    const connected = this.#discovery.guests.filter((guest) => guest.isConnected).length;
    const assigned = this.stub.devices.flatMap((device) => device.assignment ?? []);
    return {
      mapped: connected,
      bound: connected,
      pirqs: assigned.reduce((sum, assignment) => sum + assignment.interrupts.mapped, 0),
      assigned: assigned.length,
    };
  }
}

const quirksFor = ({ identity }: SeizedDevice, { quirks }: Registries): readonly Quirk[] =>
  quirks.things.filter((quirk) => isFor(quirk, identity));

/** Field sets first, then the quirks for this device: where both claim a bit, the field keeps it. */
const contributionsFor = (device: SeizedDevice, registries: Registries): Contribution[] => [
  ...registries.fields.owned.map(({ plugin, thing }) => ({ owner: plugin, set: thing })),
  ...registries.surgery.owned.map(({ plugin, thing }) => ({ owner: plugin, surgery: thing })),
  ...quirksFor(device, registries).flatMap((quirk) => [
    ...quirk.sets.map((set) => ({ owner: quirk.name, set })),
    ...quirk.surgery.map((surgery) => ({ owner: quirk.name, surgery })),
  ]),
];
