// SPDX-License-Identifier: MIT
// Names every source file without its SPDX line, and every one that is longer than this project allows.

import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';

const ROOT = resolve(import.meta.dirname, '../..');
const SOURCE = /\.(ts|mjs|js|sh|c)$|^\.ci\/run$|^test\/lab\/guest\/init$/;
const LINE = 'SPDX-License-Identifier: MIT';
const MOST_LINES = 400;
const MOST_LINES_OF_A_QUIRK = 200;

/** Files that git tracks or would offer to add; without git (a source archive) the check has nothing to go by. */
function sourceFiles() {
  const list = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: ROOT });
  const files = list.toString('utf8').split('\0');
  return files.filter((file) => SOURCE.test(file) && existsSync(resolve(ROOT, file)));
}

function faults(file) {
  const lines = readFileSync(resolve(ROOT, file), 'utf8').split('\n');
  const found = [];
  if (!lines.slice(0, 3).some((line) => line.includes(LINE))) found.push(`no "${LINE}" in its first 3 lines`);
  const most = file.startsWith('quirks/') ? MOST_LINES_OF_A_QUIRK : MOST_LINES;
  const count = lines.at(-1) === '' ? lines.length - 1 : lines.length;
  if (file.endsWith('.ts') && count > most) found.push(`${count} lines, at most ${most} are allowed`);
  return found.map((fault) => `${file}: ${fault}`);
}

const files = sourceFiles();
const all = files.flatMap(faults);
for (const fault of all) console.error(fault);
if (all.length > 0 || files.length === 0) {
  console.error(files.length === 0 ? 'no source files found' : `${all.length} faults in ${files.length} source files`);
  process.exitCode = 1;
} else {
  console.log(`${files.length} source files have their SPDX line and an allowed length`);
}
