// SPDX-License-Identifier: MIT
// After `tsc`: bundles what a start loads, brings the templates and makes the command executable. A command without its first line would be
// run by the shell. The folder that the compiler wrote to may be given; dist if not.

import { chmodSync, cpSync, existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { bundle } from './bundle.mjs';
import { namesOfSources } from './names-of-sources.mjs';

const FIRST_LINE = '#!/usr/bin/env node';
const dist = resolve(process.argv[2] ?? join(import.meta.dirname, '../../dist'));
const commands = ['main.js', 'launch.cjs'].map((name) => resolve(dist, 'plugins/commands', name));

if (commands.every((file) => existsSync(file))) {
  for (const line of namesOfSources(dist)) {
    console.error(`${line}: there is no such file in what is built; the compiler has left the ending as it is`);
    process.exitCode = 1;
  }
  await bundle(dist);
  // What `pciback new` writes: sources, not compiled here.
  cpSync(join(import.meta.dirname, '../../plugins/new/templates'), join(dist, 'plugins/new/templates'), {
    recursive: true,
  });
  for (const file of commands) {
    const line = readFileSync(file, 'utf8').split('\n', 1)[0];
    if (line === FIRST_LINE) chmodSync(file, 0o755);
    else {
      console.error(`${file}: the first line is "${line}", expected "${FIRST_LINE}".`);
      console.error('Put it at the top of its source in plugins/commands; tsc keeps it.');
      process.exitCode = 1;
    }
  }
}
