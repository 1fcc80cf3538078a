// SPDX-License-Identifier: MIT
// Turns the files of this folder, and of those that build on it, into JavaScript that shares its modules with a built
// package: an error that platform `remote` throws is then one of the package that it runs in.

import { existsSync } from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { rolldown } from 'rolldown';

const HERE = import.meta.dirname;
const PROJECT = resolve(HERE, '../..');
const OWN = [HERE, resolve(HERE, '../soak')];

/** What lies outside of these folders is the package's. */
const fromPackage = (dist) => ({
  name: 'from-package',
  resolveId(source, importer) {
    if (importer === undefined || source.startsWith('node:')) return undefined;
    if (!source.startsWith('.')) return { id: import.meta.resolve(source), external: true };
    const file = resolve(dirname(importer), source);
    if (OWN.includes(dirname(file))) return undefined;
    const built = join(dist, relative(PROJECT, file).replace(/\.ts$/, '.js'));
    if (!existsSync(built)) throw new Error(`${built} is not there: run "npm run build" first.`);
    return { id: pathToFileURL(built).href, external: true };
  },
});

const bundle = async (folder, names, plugins) => {
  const input = Object.fromEntries(names.map((name) => [basename(name), join(HERE, `${name}.ts`)]));
  const build = await rolldown({ cwd: PROJECT, platform: 'node', input, plugins, external: /^koffi$/ });
  await build.write({ dir: folder, format: 'esm', entryFileNames: '[name].mjs', chunkFileNames: '[name].mjs' });
};

/**
 * For processes that share their modules with a package.
 *
 * @param dist folder of the built package
 * @param folder where the files go
 * @param names files from this folder, without their ending
 */
export const compileFor = (dist, folder, names = ['run', 'remote-plugin']) =>
  bundle(folder, names, [fromPackage(dist)]);

/** For a process that stands alone: all in one file. */
export const compileAlone = (folder, name) => bundle(folder, [name], []);
