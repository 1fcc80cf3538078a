#!/usr/bin/env node
// SPDX-License-Identifier: MIT
// `npm create pciback-plugin -- KIND NAME` is `pciback new KIND NAME`, where no pciback is installed.

import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';

const require = createRequire(import.meta.url);
const manifest = require.resolve('pciback/package.json');
const words = process.argv.slice(2);
process.argv.splice(2, words.length, 'new', ...(words.length === 0 ? ['--help'] : words));
await import(pathToFileURL(join(dirname(manifest), require(manifest).bin.pciback)).href);
