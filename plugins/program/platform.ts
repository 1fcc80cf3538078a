// SPDX-License-Identifier: MIT

import { formatBdf } from '../../core/bdf.ts';
import type { Logger } from '../../core/log.ts';
import type { PciListing, Platform } from '../../core/platform/index.ts';
import type { PluginHost } from '../../core/plugin/loader.ts';
import { socketOf } from '../control/section.ts';
import { fail } from '../errors.ts';
import type { Config } from '../kinds/config.ts';
import { openNative } from '../open-native.ts';
import { readSection, sectionsOf } from '../read-section.ts';
import type { HostLock, LockWait } from './host-lock.ts';

/** The configured platform with what the rc file says to it. @throws PcibackError `CHOICE_UNKNOWN`, `CONFIG_INVALID` */
const chosen = (host: PluginHost, config: Config) => {
  const definition = host.registries.platforms.get(config.platform);
  const options = definition.options === undefined ? {} : readSection(config, config.platform, definition.options);
  return { definition, options, directory: sectionsOf(config).directory };
};

/** A configuration in which a section says something else. */
export const withSection = (config: Config, name: string, value: unknown): Config => {
  const sections = sectionsOf(config);
  return { ...config, sections: { ...sections, values: { ...sections.values, [name]: value } } };
};

/** Makes the configured platform. @throws PcibackError `CHOICE_UNKNOWN`, `CONFIG_INVALID` and what the platform throws. */
export const openPlatform = async (host: PluginHost, config: Config, log: Logger): Promise<Platform> => {
  const { definition, ...others } = chosen(host, config);
  const [answerer] = host.registries.answerers.things;
  return definition.create({
    native: () => openNative(host.registries, config.native),
    log,
    watch: host.registries.watches.get(config.watch),
    ...others,
    open: (name, section) => openPlatform(host, { ...withSection(config, name, section), platform: name }, log),
    ...(answerer === undefined ? {} : { answerer }),
  });
};

/**
 * Where the lock of the configured platform lies, and what it is taken with.
 *
 * @returns `undefined` for a platform without a lock
 * @throws PcibackError `CHOICE_UNKNOWN`, `CONFIG_INVALID`, `NATIVE_UNAVAILABLE` and what the platform throws
 */
export const lockPlace = async (host: PluginHost, config: Config) => {
  const { definition, ...settings } = chosen(host, config);
  if (definition.lock === undefined) return undefined;
  const [path, native] = await Promise.all([definition.lock(settings), openNative(host.registries, config.native)]);
  return { path, native };
};

/**
 * Takes the lock of the configured platform, for this process alone, and says who has it. To be called before anything of the
 * host is looked at.
 *
 * @param wait missing: a lock that somebody has is not waited for
 * @returns `undefined` for a platform without a lock
 * @throws PcibackError `HOST_LOCKED` with its owner, `CHOICE_UNKNOWN`, `CONFIG_INVALID`, `NATIVE_UNAVAILABLE` and what the
 * platform throws, `USAGE` when a lock that there is not is to be waited for; HostError
 */
export const lockHost = async (
  host: PluginHost,
  config: Config,
  log: Logger,
  wait?: LockWait,
): Promise<Pick<HostLock, 'release'> | undefined> => {
  const place = await lockPlace(host, config);
  if (place === undefined) {
    const what = `platform ${config.platform} has no lock that a second process could wait for`;
    return wait === undefined ? undefined : fail('USAGE', { what, nearest: undefined });
  }
  const { path, native } = place;
  const [{ takeLock }, { announceOwner, describeOwner }] = await Promise.all([
    import('./host-lock.ts'),
    import('./lock-owner.ts'),
  ]);
  const lock = await takeLock(path, native, wait);
  if (lock === undefined) return fail('HOST_LOCKED', { path, owner: describeOwner(path) });
  const socket = host.registries.parts.names.includes('control') ? socketOf(config) : false;
  const takeBack = announceOwner(path, socket === false ? undefined : socket, log);
  return {
    release: () => {
      takeBack();
      lock.release();
    },
  };
};

/**
 * What the rc file hides has to be there: a device that was meant to be kept from the host would not be.
 *
 * @throws PcibackError `DEVICE_NOT_FOUND`
 */
export const assertThere = (
  platform: Pick<Platform, 'name'>,
  hide: Config['hide'],
  functions: readonly PciListing[],
): void => {
  for (const { address } of hide) {
    if (address === undefined || functions.some(({ bdf }) => bdf === address)) continue;
    fail('DEVICE_NOT_FOUND', { bdf: formatBdf(address), platform: platform.name });
  }
};
