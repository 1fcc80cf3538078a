// SPDX-License-Identifier: MIT

/** What a plugin does that holds everybody up. */
export interface Hang {
  /** Where its code runs and what it does. */
  readonly what: string;
  /** Body of `apply(host)` of the plugin; `misbehave` is the code below. */
  readonly apply: string;
  /** Body of `misbehave()`. */
  readonly code: string;
  readonly kind: 'loop' | 'memory';
  /** Whether the report names the plugin. */
  readonly isNamed: boolean;
  /** How the process ends. */
  readonly end: 'status 70' | 'SIGABRT';
}

const later = 'host.hooks.guestConnected.tap(() => void setTimeout(() => misbehave(), 500));';
const forEver = 'for (;;);';
const named = { kind: 'loop', isNamed: true, end: 'status 70' } as const;

/** The kinds of code that hold the control loop or take all memory, each executed in a process of its own. */
export const hangs: readonly Hang[] = [
  { what: 'a timer loops for ever', apply: later, code: forEver, ...named },
  {
    what: 'a hook loops for ever',
    apply: 'host.hooks.guestConnected.tap(() => misbehave());',
    code: forEver,
    ...named,
  },
  {
    what: 'promises that never leave the loop a turn',
    apply: later,
    code: 'const again = () => Promise.resolve().then(again); again();',
    ...named,
  },
  {
    what: 'a regular expression that backtracks for ever',
    apply: later,
    code: '/^(a+)+$/.test("a".repeat(60) + "b");',
    ...named,
  },
  {
    what: 'a call into the host that does not return',
    apply: later,
    code: 'execFileSync("sleep", ["30"]);',
    kind: 'loop',
    isNamed: false,
    end: 'SIGABRT',
  },
  {
    what: 'a loop that allocates without end',
    apply: later,
    code: 'const all = []; for (;;) all.push(new Array(1e5).fill(1.5));',
    kind: 'memory',
    isNamed: true,
    end: 'status 70',
  },
];

/** The module of the plugin. */
export const hangingPlugin = ({ apply, code }: Hang): string => `
import { execFileSync } from 'node:child_process';
import { writeSync } from 'node:fs';
function misbehave() { writeSync(2, 'hangs since ' + Date.now() + '\\n'); ${code} }
export default { kind: 'plugin', name: 'acme/bad', version: '1.0.0', api: '^1.0', apply(host) { ${apply} } };
`;

/** Seconds after the hang within which the process has ended, on a host that is not busy. */
export const END_WITHIN_S = { 'status 70': 1, SIGABRT: 4 } as const;
