// SPDX-License-Identifier: MIT
// What of the project is installed: the built program and the packages that it loads, without what only developers read.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { EXECUTABLE, filesBelow } from './tree.mjs';

/** Packages that the bundle does not carry; ffi-napi, which has no prebuilt, is for those who install from npm. */
export const LOADED_LATE = ['jiti', 'koffi', 'pino'];

const COMMANDS = /^plugins\/commands\/(launch\.cjs|main\.js)$/;

/** Of the program: what nobody reads at run time. */
const NOT_OF_DIST = [/^test\//, /\.d\.[cm]?ts$/, /^chunks\/LICENSES\.txt$/];

/** Of every package: types, tests, words for developers, sources that were compiled or that are for browsers. */
const NOT_OF_PACKAGES = [
  /\.d\.[cm]?ts$/,
  /\.(md|map|ts|html|ico|sh|svg|ya?ml|cc|hh|inc|def|S|asm)$/,
  /(^|\/)(test|tests|docs?|bench(marks?)?|examples?|build|vendor|\.github)\//,
  /(^|\/)(CNAME|CMakeLists\.txt|\.[^/]+|[^/]*\.config\.js|tsconfig\.json|test\.[cm]?js|bench[^/]*\.[cm]?js)$/,
  /^(bin|browser)\.js$|(^|\/)(\.[^/]+\/|jiti-cli\.mjs$)/,
  /^(cnoke\.cjs|lib\/native\/|src\/koffi\/src\/trampolines|musl_)/,
];

/** A licence goes into the file `copyright`. */
const LICENCE = /^(licen[cs]e|copying)/i;

const manifestOf = (folder) => JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));

/** The packages with all that they depend on beside them, those that are not for this machine left out: folders by name. */
export const closure = (modules, names, found = new Map()) => {
  for (const name of names) {
    const folder = join(modules, name);
    if (found.has(name) || !existsSync(folder)) continue;
    found.set(name, folder);
    const { dependencies = {}, optionalDependencies = {} } = manifestOf(folder);
    const missing = Object.keys(dependencies).filter((one) => !existsSync(join(modules, one)));
    if (missing.length > 0) throw new Error(`${name} needs ${missing.join(', ')}: run npm ci`);
    closure(modules, [...Object.keys(dependencies), ...Object.keys(optionalDependencies)], found);
  }
  return found;
};

/** What an installed copy has to say of itself: nothing of how it is built and tested. */
const installedManifest = ({ name, version, description, license, type, engines, bin, exports }) => {
  const { './testing': _, ...doors } = exports;
  return { name, version, description, license, type, engines, bin, exports: doors };
};

/**
 * Writes the program to /usr/lib/pciback.
 *
 * @returns the licences of what is in it, as one text
 * @throws Error when a package is missing, or there is no koffi for this machine
 */
export const writeProgram = (tree, { project, dist, modules }) => {
  const home = 'usr/lib/pciback';
  tree.write(`${home}/package.json`, `${JSON.stringify(installedManifest(manifestOf(project)), undefined, 2)}\n`);
  for (const file of filesBelow(dist)) {
    if (NOT_OF_DIST.some((form) => form.test(file))) continue;
    tree.copy(join(dist, file), `${home}/dist/${file}`, COMMANDS.test(file) ? EXECUTABLE : undefined);
  }
  const packages = closure(modules, LOADED_LATE);
  const prebuilt = [...packages.keys()].filter((name) => name.startsWith('@koromix/koffi-'));
  if (prebuilt.length !== 1) throw new Error(`one prebuilt koffi is needed, there are ${prebuilt.length}: run npm ci`);
  const licences = [readFileSync(join(dist, 'chunks/LICENSES.txt'), 'utf8')];
  for (const [name, folder] of packages) {
    if (existsSync(join(folder, 'node_modules')))
      throw new Error(`${name} has packages of its own, which are not copied`);
    const { version, license } = manifestOf(folder);
    const text = readdirSync(folder).find((file) => LICENCE.test(file));
    licences.push(
      `${name} ${version}\n\n${text === undefined ? `License: ${license}` : readFileSync(join(folder, text), 'utf8').trim()}\n`,
    );
    for (const file of filesBelow(folder)) {
      if (LICENCE.test(file) || NOT_OF_PACKAGES.some((form) => form.test(file))) continue;
      tree.copy(join(folder, file), `${home}/node_modules/${name}/${file}`);
    }
  }
  return licences.join(`\n${'-'.repeat(80)}\n\n`);
};
