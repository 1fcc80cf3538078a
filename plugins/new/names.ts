// SPDX-License-Identifier: MIT

import { nearest } from '../../core/errors/nearest.ts';
import { fail } from '../errors.ts';

export const kindsOfPackages = ['quirk', 'policy', 'slots', 'fields', 'reset', 'platform', 'command', 'part'] as const;
export type KindOfPackage = (typeof kindsOfPackages)[number];

/** @throws PcibackError `USAGE` */
export const kindOf = (text: string): KindOfPackage => {
  const kind = kindsOfPackages.find((one) => one === text);
  if (kind !== undefined) return kind;
  const what = `there is no kind "${text}": ${kindsOfPackages.join(', ')}`;
  return fail('USAGE', { what, nearest: nearest(text, kindsOfPackages) });
};

/** What a new package and the thing in it are called. */
export interface Names {
  /** `pciback-acme-nic` or `@acme/pciback-nic`. */
  readonly package: string;
  /** `acme/nic`: the quirk's name. */
  readonly quirk: string;
  /** `nic`: what an rc file chooses it by. */
  readonly word: string;
}

const WORD = '[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?';
const SCOPED = new RegExp(`^@(${WORD})/pciback-(${WORD})$`);
const OF_VENDOR = new RegExp(`^(${WORD})/(${WORD})$`);
const ALONE = new RegExp(`^(?:pciback-)?(${WORD})$`);

const wrong = (what: string, near?: string): never => fail('USAGE', { what, nearest: near });

/**
 * The names that a package gets for what its author has written: `acme/nic` is package `pciback-acme-nic`,
 * `@acme/pciback-nic` is what it says, and `nic`, which is no name for a quirk, `pciback-nic`.
 *
 * @throws PcibackError `USAGE`
 */
export const namesOf = (text: string, kind: KindOfPackage): Names => {
  const [, scope, inScope] = SCOPED.exec(text) ?? [];
  if (scope !== undefined && inScope !== undefined) {
    return { package: text, quirk: `${scope}/${inScope}`, word: inScope };
  }
  const [, vendor, family] = OF_VENDOR.exec(text) ?? [];
  if (vendor !== undefined && family !== undefined) {
    return { package: `pciback-${vendor}-${family}`, quirk: text, word: family };
  }
  const [, word] = ALONE.exec(text) ?? [];
  if (word !== undefined) {
    if (kind === 'quirk') wrong(`"${text}": a quirk has the names of vendor and family, acme/nic or @acme/pciback-nic`);
    return { package: `pciback-${word}`, quirk: `${word}/${word}`, word };
  }
  const form = 'vendor/word, @scope/pciback-word or word, in lower case, digits and hyphens, at most 40 each';
  const lower = text.toLowerCase().replace(/^(@[^/]+)\/(?!pciback-)/, '$1/pciback-');
  const near = lower !== text && [SCOPED, OF_VENDOR, ALONE].some((one) => one.test(lower)) ? lower : undefined;
  return wrong(`"${text}" is no name: ${form}`, near);
};
