// SPDX-License-Identifier: MIT
// The engine that a package brings where the distribution's is too old.

import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** Where distributions and the engine's own archives put its licence, from its prefix. */
const LICENCES = ['LICENSE', 'share/doc/nodejs/LICENSE', 'share/doc/node/LICENSE'];

/**
 * @param file a `node`, linked to nothing but the C and C++ libraries
 * @returns its path, version and licence
 * @throws Error when it would not run on another machine, is too old, or has no licence beside it
 */
export const engineAt = (file, { needed }) => {
  const node = realpathSync(file);
  const other = '--node names another, for example the one of the package "node" of the npm registry';
  const linked = execFileSync('ldd', [node], { encoding: 'utf8' });
  if (/libnode|libuv|libcrypto/.test(linked)) throw new Error(`${node} needs libraries of this distribution: ${other}`);
  const version = execFileSync(node, ['-p', 'process.versions.node'], { encoding: 'utf8' }).trim();
  const [major, minor] = version.split('.').map(Number);
  const [majorNeeded, minorNeeded] = needed.split('.').map(Number);
  if (major < majorNeeded || (major === majorNeeded && minor < minorNeeded))
    throw new Error(`${node} is ${version}, ${needed} or newer is needed: ${other}`);
  const prefix = dirname(dirname(node));
  const licence = LICENCES.map((name) => join(prefix, name)).find((name) => existsSync(name));
  if (licence === undefined)
    throw new Error(`there is no licence of ${node} in ${prefix} (${LICENCES.join(', ')}): ${other}`);
  return { node, version, licence: readFileSync(licence, 'utf8') };
};

/** Takes the names of its own functions away, which nobody reads: a sixth of the file. Without binutils it stays as it is. */
export const strip = (file) => {
  const { error, status, stderr } = spawnSync('strip', ['--strip-unneeded', file], { encoding: 'utf8' });
  if (error !== undefined) console.error(`${file} is not stripped: ${error.message}`);
  else if (status !== 0) throw new Error(`strip ${file}: ${stderr}`);
};
