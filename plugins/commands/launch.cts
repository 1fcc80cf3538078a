#!/usr/bin/env node

// SPDX-License-Identifier: MIT
// Where the command begins. An engine that is too old cannot read the rest, so it is asked for its version first; what is
// written here, ten-year-old engines read too.

/** Of the package, whose compiled files lie one folder deeper than their sources. */
const { engines }: { engines: { node: string } } = require('../../../package.json');

const needed = engines.node.replace('>=', '');
const found = process.versions.node;

const isOlder = (one: string, other: string): boolean => {
  const [majorOne, minorOne] = one.split('.').map(Number) as [number, number];
  const [major, minor] = other.split('.').map(Number) as [number, number];
  return majorOne < major || (majorOne === major && minorOne < minor);
};

if (isOlder(found, needed)) {
  process.stderr.write(
    `pciback needs Node.js ${needed} or newer, and ${process.execPath} is ${found}; the package for Debian 12 brings its own.\n`,
  );
  process.exitCode = 1;
} else {
  void import('./main.ts');
}
