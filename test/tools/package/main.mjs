// SPDX-License-Identifier: MIT
// Makes packages of the built program: npm run package -- [12] [13] [--rpm] [--out FOLDER] [--node FILE] [--try].

import { execFileSync, spawnSync } from 'node:child_process';
import { statSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { makeDeb, releases } from './deb.mjs';
import { makeRpm } from './rpm.mjs';
import { tryPackage } from './try.mjs';

const PROJECT = resolve(import.meta.dirname, '../../..');
const USAGE = `npm run package -- [RELEASE…] [options]
  RELEASE        of Debian: ${Object.keys(releases).join(', ')}; all if missing
  --out FOLDER   where a folder for each release is made (packages)
  --node FILE    the Node.js that the package for Debian 12 brings; the one that runs this if missing
  --rpm          a package for distributions with rpm instead; needs rpmbuild, which Debian has in the package rpm
  --try          installs each into a bare Debian below $PCIBACK_TRY (/var/tmp/pciback-try), looks at it there, removes it; boots
                 that Debian and does so under its systemd; needs root, debootstrap and a mirror of Debian`;

/** When the version was made: of its last commit, if the builder does not say (SOURCE_DATE_EPOCH). */
const dateOf = () => {
  const { SOURCE_DATE_EPOCH: said } = process.env;
  if (said !== undefined) return new Date(Number(said) * 1000);
  const { status, stdout } = spawnSync('git', ['log', '-1', '--format=%ct'], { cwd: PROJECT, encoding: 'utf8' });
  return status === 0 ? new Date(Number(stdout) * 1000) : statSync(join(PROJECT, 'CHANGELOG.md')).mtime;
};

const mebibytes = (bytes) => (bytes / 1024 ** 2).toFixed(1);

const main = async () => {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      out: { type: 'string', default: join(PROJECT, 'packages') },
      node: { type: 'string', default: process.execPath },
      rpm: { type: 'boolean', default: false },
      try: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    console.log(USAGE);
    return 0;
  }
  const terms = {
    project: PROJECT,
    dist: join(PROJECT, 'dist'),
    modules: join(PROJECT, 'node_modules'),
    date: dateOf(),
  };
  if (values.rpm) {
    if (positionals.length > 0 || values.try) throw new Error(`--rpm stands alone, or with --out\n${USAGE}`);
    const file = await makeRpm({ ...terms, out: resolve(values.out, 'rpm') });
    console.log(`${relative('.', file)}  ${mebibytes(statSync(file).size)} MiB`);
    return 0;
  }
  const unknown = positionals.filter((one) => !Object.hasOwn(releases, one));
  if (unknown.length > 0) throw new Error(`no package for Debian ${unknown.join(', ')}\n${USAGE}`);
  const wanted = positionals.length === 0 ? Object.keys(releases) : positionals;
  let status = 0;
  for (const release of wanted) {
    const file = await makeDeb(release, {
      ...terms,
      node: values.node,
      out: resolve(values.out, `debian${release}`),
    });
    const { size } = statSync(file);
    const installed = execFileSync('dpkg-deb', ['--field', file, 'Installed-Size'], { encoding: 'utf8' }).trim();
    console.log(`${relative('.', file)}  ${mebibytes(size)} MiB, installed ${(installed / 1024).toFixed(1)} MiB`);
    if (values.try) status = Math.max(status, await tryPackage(file, releases[release]));
  }
  return status;
};

try {
  process.exitCode = await main();
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
