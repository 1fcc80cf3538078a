// SPDX-License-Identifier: MIT

import type { z } from 'zod';
import type { Bdf } from '../../core/bdf.ts';
import type { Logger } from '../../core/log.ts';
import type { PciBus, PciResource, Platform } from '../../core/platform/index.ts';
import type { AnswererFactory, WatchPolicy } from './answerer.ts';
import type { Config } from './config.ts';
import type { NativeFactory } from './native.ts';

/** What a platform is made with. */
export interface PlatformSettings<Options = Readonly<Record<string, unknown>>> {
  /** Loads the foreign-function loader that was asked for, or the first that loads. */
  readonly native: NativeFactory;
  /** The log of the running pciback. */
  readonly log: Logger;
  /** How long an answering thread watches guests' pages, where the platform has one. */
  readonly watch: WatchPolicy;
  /** Starts an answering thread, for a platform that can have one. Missing: no plugin brings one. */
  readonly answerer?: AnswererFactory;
  /** The platform's section of the rc file, checked; `{}` for a platform without a schema. */
  readonly options: Options;
  /** Absolute; paths in the options count from here. */
  readonly directory: string;
  /** Opens another platform, with this as its section: for one that has its devices from there. */
  readonly open: (name: string, section: unknown) => Promise<Platform>;
}

export type PlatformFactory = (settings: PlatformSettings) => Promise<Platform>;

/** A platform and its section of the rc file, which has the platform's name. */
export interface PlatformDefinition<Schema extends z.ZodType = z.ZodType> {
  /** One sentence for people. */
  readonly about: string;
  /** Schema of the section, which takes `undefined` too; missing: it has no section. */
  readonly options?: Schema;
  /** The file or device that one pciback of the host can have, absolute: locked before `create`. Missing: there is none. */
  lock?(settings: Pick<PlatformSettings<z.output<Schema>>, 'options' | 'directory'>): string | Promise<string>;
  /** Opens it, once, when it is chosen. */
  create(settings: PlatformSettings<z.output<Schema>>): Promise<Platform>;
  /** Looks at what it needs, for `pciback doctor`; changes nothing. Missing: there is nothing to look at. */
  diagnose?(settings: DiagnoseSettings): Promise<readonly Finding[]>;
}

/** What whoever holds a function for us has switched on for it. */
export interface HolderSwitches {
  readonly permissive: boolean;
  readonly allowInterruptControl: boolean;
}

/** A bus whose functions somebody else holds, who has switches: the kernel module, in drop-in mode. */
export interface BusWithSwitches extends PciBus {
  /** @throws HostError */
  switchesOf(address: Bdf): Promise<HolderSwitches>;
}

/** What the holder of a function has switched on; `undefined`: it has no switches. @throws HostError */
export const switchesOfHolder = async (
  { pci }: Pick<Platform, 'pci'>,
  address: Bdf,
): Promise<HolderSwitches | undefined> =>
  'switchesOf' in pci ? (pci as BusWithSwitches).switchesOf(address) : undefined;

/** A bus that can tell whether the host had a function between two processes that held it. */
export interface BusWithHoldings extends PciBus {
  /** Another text for each time that the function was put into our hands; missing: it is in nobody's, or nobody can tell. */
  holdingOf(address: Bdf): Promise<string | undefined>;
}

/** What tells this holding of a function from an earlier one; `undefined`: nobody can. */
export const holdingOf = async ({ pci }: Pick<Platform, 'pci'>, address: Bdf): Promise<string | undefined> =>
  'holdingOf' in pci ? (pci as BusWithHoldings).holdingOf(address) : undefined;

/** What can be known of a function that nobody has seized, beside what {@link PciBus.list} tells. */
export interface FunctionDetails {
  readonly subsystemVendor: number;
  readonly subsystemDevice: number;
  /** As `lspci -vv` prints it, in lower case. Missing: it has none, or it cannot be read. */
  readonly serial?: string;
  /** BARs 0..5 and the ROM at index 6. */
  readonly resources: readonly PciResource[];
}

/** A bus that tells more of functions; it only reads. */
export interface BusWithDetails extends PciBus {
  /** @throws PcibackError `DEVICE_NOT_FOUND`; HostError */
  detailsOf(address: Bdf): Promise<FunctionDetails>;
}

/** What there is to know of a function; `undefined`: the platform does not tell. Throws as {@link BusWithDetails.detailsOf}. */
export const detailsOf = async ({ pci }: Pick<Platform, 'pci'>, address: Bdf): Promise<FunctionDetails | undefined> =>
  'detailsOf' in pci ? (pci as BusWithDetails).detailsOf(address) : undefined;

/** A bus that tells what the host does with its functions. */
export interface BusWithUses extends PciBus {
  /**
   * What of the host works with the function now, a few words each: `/ is mounted from sda1`. Empty for one that no driver of the
   * host has, or that is held for guests already. It only reads.
   *
   * @throws HostError
   */
  usesOf(address: Bdf): Promise<readonly string[]>;
}

/** What the host does with a function; none where the platform has no host. @throws HostError */
export const usesOf = async ({ pci }: Pick<Platform, 'pci'>, address: Bdf): Promise<readonly string[]> =>
  'usesOf' in pci ? (pci as BusWithUses).usesOf(address) : [];

/** What a platform looks around with. */
export interface DiagnoseSettings {
  /** The foreign-function loaders that there are. */
  readonly loaders: readonly { readonly name: string; readonly create: NativeFactory }[];
  readonly config: Config;
}

/** One thing that was looked at. */
export interface Finding {
  /** Heading under which it is shown; missing: the platform's. Only findings under that say whether it is usable. */
  readonly section?: string;
  readonly what: string;
  /** `missing`: the platform cannot work without it, or would work badly with it. */
  readonly verdict: 'ok' | 'missing' | 'warning';
  readonly detail: string;
  /** What to do, where something is wrong. */
  readonly next?: string;
}
