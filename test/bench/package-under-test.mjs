// SPDX-License-Identifier: MIT
// The package as it was built: what users run is what is measured.

import { existsSync, readdirSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { UsageError } from './usage.mjs';

/** The project's folder. */
export const PROJECT = resolve(import.meta.dirname, '../..');
/** Folder of the built package; another one can be measured by naming it. */
export const DIST = resolve(process.env.PCIBACK_DIST ?? join(PROJECT, 'dist'));
/** The command, as `bin` of package.json has it. */
export const MAIN = join(DIST, 'plugins/commands/main.js');

let files;
/** Paths of all modules of the built package. */
const builtFiles = () => {
  files ??= readdirSync(DIST, { recursive: true }).filter((file) => file.endsWith('.js'));
  return files;
};

/**
 * The file of a module of the built package. A package of another version may have it in another folder: then it is the
 * file that has the most last parts of the path in common, `core/lane/index.js` for `plugins/lane/index.js`.
 *
 * @param path as this version has it: `core/ring/ring.js`
 * @throws UsageError when there is no such file, or when several fit equally well
 */
export const fileOf = (path) => {
  const exact = join(DIST, path);
  if (existsSync(exact)) return exact;
  const parts = path.split('/');
  for (let from = 1; from < parts.length; from++) {
    const end = `/${parts.slice(from).join('/')}`;
    const found = builtFiles().filter((file) => file.endsWith(end) && !file.startsWith('chunks/'));
    // Of several, the one in the same top folder: core/space/quirk.js, not plugins/commands/quirk.js.
    const near = found.length === 1 ? found : found.filter((file) => file.startsWith(`${parts[0]}/`));
    if (near.length === 1) return join(DIST, near[0]);
    if (found.length > 0) throw new UsageError(`${DIST} has several files for ${path}: ${found.join(', ')}`);
  }
  throw new UsageError(`${DIST} has no file for ${path}.`);
};

/** The address by which a module of the built package is imported. */
export const urlOf = (path) => pathToFileURL(fileOf(path)).href;

/** Imports a module of the built package: `core/ring/ring.js`. */
export const built = async (path) => import(urlOf(path));

const newest = (folder) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .reduce((latest, entry) => Math.max(latest, statSync(join(entry.parentPath, entry.name)).mtimeMs), 0);

/** Refuses to measure what is not there; says so when it is older than its sources. */
export const checkBuild = (warn) => {
  if (!existsSync(MAIN)) throw new UsageError(`${MAIN} is not there: run "npm run build" first.`);
  // Another package has sources of its own.
  if (process.env.PCIBACK_DIST !== undefined) return;
  const sources = Math.max(...['core', 'plugins', 'quirks'].map((folder) => newest(join(PROJECT, folder))));
  // tsc writes a file only when it emits: the newest one tells when that was.
  const emitted = builtFiles().reduce((latest, file) => Math.max(latest, statSync(join(DIST, file)).mtimeMs), 0);
  if (emitted < sources) warn('the build is older than its sources; "npm run build" makes it anew');
};
