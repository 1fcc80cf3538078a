// SPDX-License-Identifier: MIT
// report-main --logs FOLDER --out FILE --xen V --kernel V --pciback PACKAGE.JSON --settings "a=b …" GUEST…

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { compare, runOf, table } from './report.mjs';

const text = { type: 'string' };
const { values, positionals } = parseArgs({
  options: { logs: text, out: text, xen: text, kernel: text, pciback: text, settings: text },
  allowPositionals: true,
});

const consoleOf = (guest) => readFileSync(join(values.logs, `guest-${guest}.log`), 'utf8').replaceAll('\r', '');
const runs = positionals.map((guest) => runOf(guest, consoleOf(guest)));
const versions = {
  xen: values.xen,
  kernel: values.kernel,
  node: process.versions.node,
  pciback: JSON.parse(readFileSync(values.pciback, 'utf8')).version,
};
const settings = Object.fromEntries(values.settings.split(' ').map((word) => word.split('=')));
const comparison = compare(runs);
writeFileSync(values.out, `${JSON.stringify({ runs, ...comparison, versions, settings }, null, 2)}\n`);
console.log(table(comparison, runs.length / 2));
