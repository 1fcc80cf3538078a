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

/** Imports a module of the built package: `core/ring/ring.js`. */
export const built = (path) => import(pathToFileURL(join(DIST, path)).href);

const newest = (folder) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .reduce((latest, entry) => Math.max(latest, statSync(join(entry.parentPath, entry.name)).mtimeMs), 0);

/** Refuses to measure what is not there; says so when it is older than its sources. */
export const checkBuild = (warn) => {
  if (!existsSync(MAIN)) throw new UsageError(`${MAIN} is not there: run "npm run build" first.`);
  const sources = Math.max(...['core', 'plugins', 'quirks'].map((folder) => newest(join(PROJECT, folder))));
  // tsc writes a file only when it emits: the newest one tells when that was.
  const emitted = readdirSync(DIST, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.name.endsWith('.js'))
    .reduce((latest, entry) => Math.max(latest, statSync(join(entry.parentPath, entry.name)).mtimeMs), 0);
  if (emitted < sources) warn('the build is older than its sources; "npm run build" makes it anew');
};
