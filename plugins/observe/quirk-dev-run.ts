// SPDX-License-Identifier: MIT

import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { fail } from '../errors.ts';
import type { CommandContext } from '../kinds/command.ts';
import type { GuestSystem, TrialHost, TrialTerms } from '../kinds/guest-system.ts';

const usage = (what: string): never => fail('USAGE', { what, nearest: undefined });

/** Seconds of a guest when nobody says how long. */
const LONGEST = 120;

const listOf = (value: CommandContext['options'][string]): readonly string[] => (Array.isArray(value) ? value : []);

const numberOf = (context: CommandContext, name: string, missing: number): number => {
  const value = context.options[name];
  if (value === undefined) return missing;
  if (typeof value !== 'string' || !/^\d{1,4}$/.test(value)) return usage(`--${name} ${value} is not a number`);
  return Number(value);
};

/** @throws PcibackError `USAGE`, `CHOICE_UNKNOWN` */
const systemOf = async (context: CommandContext): Promise<GuestSystem> => {
  const { guestSystems } = (await context.plugins()).registries;
  const { guest } = context.options;
  if (typeof guest === 'string') return guestSystems.get(guest);
  return usage(`quirk dev needs --guest, what the devices are tried in: ${guestSystems.names.join(', ')}`);
};

/** A file beside whoever asks, or the name of a sample. */
const placed = (name: string): string => (existsSync(resolve(name)) ? resolve(name) : name);

const termsOf = (context: CommandContext): TrialTerms => {
  const [, first] = context.arguments;
  const { options } = context;
  const devices = listOf(options.dump).map(placed);
  if (devices.length === 0) usage('quirk dev needs --dump: dumps of the devices, or names of samples');
  const drivers = listOf(options.driver);
  return {
    devices,
    quirks: [...(first === undefined ? [] : [first]), ...listOf(options.quirk)].map((one) => resolve(one)),
    ...(drivers.length === 0 ? {} : { drivers: drivers.filter((one) => one !== 'none') }),
    ...(typeof options.script === 'string' ? { script: resolve(options.script) } : {}),
    showsReads: options.reads === true,
    interrupts: numberOf(context, 'interrupts', 0),
    seconds: numberOf(context, 'seconds', LONGEST),
  };
};

/**
 * Tries quirks on a dump, or in a real guest, and prints what came of it.
 *
 * @returns 0; 1 when the guest did not come to its end, or did not count every interrupt
 * @throws PcibackError `USAGE`, `CHOICE_UNKNOWN`, `GUEST_SYSTEM`, and what devices and quirks are refused for
 */
export const runDev = async (context: CommandContext): Promise<number> => {
  if (context.options.guest === undefined && context.options.setup !== true) {
    return (await import('./dev-run.ts')).runDevOnDump(context);
  }
  if (context.options.writes !== undefined || context.options.watch === true) {
    return usage('--writes and --watch are for a dump without a guest: leave --guest out, or take --script');
  }
  const system = await systemOf(context);
  const stop = new AbortController();
  void context.stop.then(() => stop.abort());
  const host: TrialHost = { print: context.print, stop: stop.signal };
  if (context.options.setup === true) {
    await system.prepare(host);
    return 0;
  }
  const { done, lost } = await system.try(termsOf(context), host);
  if (lost > 0) context.print(`${lost} interrupts were raised and not counted`);
  return done && lost === 0 ? 0 : 1;
};
