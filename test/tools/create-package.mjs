// SPDX-License-Identifier: MIT
// Makes the folder of the package create-pciback-plugin, ready to be packed or published: node test/tools/create-package.mjs FOLDER

import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '../..');
const [folder] = process.argv.slice(2);
if (folder === undefined) {
  console.error('node test/tools/create-package.mjs FOLDER');
  process.exit(2);
}
const { name, version, license, engines, os } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const manifest = {
  name: 'create-pciback-plugin',
  version,
  description: 'Writes the package of a plugin or quirk for pciback',
  keywords: ['xen', 'pciback', 'pciback-plugin'],
  license,
  type: 'module',
  engines,
  os,
  bin: { 'create-pciback-plugin': 'index.mjs' },
  files: ['index.mjs'],
  // The templates are those of this very pciback.
  dependencies: { [name]: version },
};
cpSync(join(root, 'plugins/new/create'), folder, { recursive: true });
cpSync(join(root, 'LICENSE'), join(folder, 'LICENSE'));
writeFileSync(join(folder, 'package.json'), `${JSON.stringify(manifest, undefined, 2)}\n`);
