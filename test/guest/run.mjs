// SPDX-License-Identifier: MIT
// `npm run guest`: builds, and hands on to what the package has, `pciback quirk dev --guest linux`.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { buildProject } from '../lab/setup.mjs';

const PROJECT = resolve(import.meta.dirname, '../..');

const HELP = `Usage: npm run guest -- DUMP… [options]

Boots a stock Debian kernel in an emulator, with these devices behind the sockets of platform vfio-user: no Xen, no hardware.
Shows what the kernel found, what its driver wrote and what became of each bit, and the kernel's log.

DUMP is a file made by lspci -xxxx, or the name of a bundled sample. Options are those of pciback quirk dev:

  --quirk FILE --driver MODULE --script FILE --interrupts N --reads --seconds N --setup`;

const several = { type: 'string', multiple: true, default: [] };
const options = {
  quirk: several,
  driver: several,
  script: { type: 'string' },
  interrupts: { type: 'string' },
  seconds: { type: 'string' },
  reads: { type: 'boolean' },
  setup: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
};

async function main(args) {
  const { values, positionals } = parseArgs({ args, options, allowPositionals: true });
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  buildProject(PROJECT, (text) => console.log(`guest: ${text}`));
  const words = ['quirk', 'dev', '--guest', 'linux'];
  if (positionals.length > 0) words.push('--dump', ...positionals);
  for (const [name, value] of Object.entries(values)) {
    if (value === true) words.push(`--${name}`);
    else if (value.length > 0) words.push(`--${name}`, ...[value].flat());
  }
  const command = join(PROJECT, 'dist/plugins/commands/main.js');
  const child = spawn(process.execPath, [command, ...words], { stdio: 'inherit' });
  // A terminal tells both of them.
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(name, () => child.kill(name));
  const [status] = await once(child, 'exit');
  return status ?? 1;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (!String(error.code).startsWith('ERR_PARSE_ARGS')) throw error;
  console.error(`guest: ${error.message}\nTry: npm run guest -- --help`);
  process.exitCode = 2;
}
