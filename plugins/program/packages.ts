// SPDX-License-Identifier: MIT

import { readdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { nearest } from '../../core/errors/nearest.ts';
import { resolveFrom } from '../imported.ts';
import { ownPackage } from '../package-folder.ts';

/**
 * The folder of packages that this pciback is one of, after `npm install -g` say: what was installed beside it is found
 * there. `undefined`: it runs from a clone.
 */
export const besidePciback = (): string | undefined => {
  const above = dirname(ownPackage().folder);
  return basename(above) === 'node_modules' ? above : undefined;
};

/** Where packages are looked for, in this order: above the directory, then beside pciback. */
export const packagePlaces = (directory: string, beside = besidePciback()): string[] => {
  const places: string[] = [];
  for (let at = directory; ; at = dirname(at)) {
    places.push(join(at, 'node_modules'));
    if (dirname(at) === at) break;
  }
  return beside === undefined || places.includes(beside) ? places : [...places, beside];
};

/** The file that a package is entered at; `undefined`: it is not installed where packages are looked for. */
export const entryOf = async (
  name: string,
  directory: string,
  beside = besidePciback(),
): Promise<string | undefined> => {
  const found = await resolveFrom(name, directory);
  return found ?? (beside === undefined ? undefined : resolveFrom(name, dirname(beside)));
};

/** A folder that is not there has nothing in it. */
const entriesOf = (folder: string): Promise<string[]> => readdir(folder).catch(() => []);

const installedIn = async (folder: string): Promise<string[]> => {
  const entries = await entriesOf(folder);
  const scopes = entries.filter((name) => name.startsWith('@'));
  const scoped = scopes.map(async (scope) => (await entriesOf(join(folder, scope))).map((name) => `${scope}/${name}`));
  return [...entries.filter((name) => !/^[.@]/.test(name)), ...(await Promise.all(scoped)).flat()];
};

/** `acme/nic` is a quirk's name; `pciback new` calls the package that brings it one of these. */
const packagesOf = (name: string): readonly string[] => {
  const [vendor, word] = name.split('/');
  return word === undefined ? [`pciback-${name}`] : [`pciback-${vendor}-${word}`, `@${vendor}/pciback-${word}`];
};

/** What may have been meant: a package that is installed in one of the places, or one of `others`. */
export const nearestPackage = async (
  name: string,
  places: readonly string[],
  others: readonly string[],
): Promise<string | undefined> => {
  const installed = (await Promise.all(places.map(installedIn))).flat();
  return packagesOf(name).find((one) => installed.includes(one)) ?? nearest(name, [...others, ...installed]);
};
