// SPDX-License-Identifier: MIT

/** What a signal or a fault of a standard stream comes to, for one command. */
export interface StreamFault {
  readonly fault: string;
  readonly command: string;
  readonly comes: string;
  /** Stands in what the command says, or in what another one says of it; missing: it says nothing. */
  readonly line?: string;
  /** At its end, which is asked for with SIGTERM where the fault is none. */
  readonly status: number;
}

const ORDERLY = 'stopped mapped=0 bound=0 pirqs=0 assigned=0';
const SERVES = 'serves on';
const LOST = 'lines of the output were not written: ENOSPC';

const ofServe: readonly Omit<StreamFault, 'command'>[] = [
  { fault: 'SIGTERM', comes: 'guests are told, everything is given back', line: ORDERLY, status: 0 },
  { fault: 'SIGINT', comes: 'the same', line: ORDERLY, status: 0 },
  {
    fault: 'SIGTERM twice, a hook hangs',
    comes: 'ends at once, and says what it leaves',
    line: 'ended at once; left: guest 1 (included, ',
    status: 1,
  },
  {
    fault: 'SIGTERM, a hook hangs',
    comes: 'the hook is given up after its deadline and named; the rest is given back',
    line: 'plugin acme/stuck failed in hook deviceReturned for 0000:01:00.0, domain 1: no answer within 0.2 s',
    status: 0,
  },
  {
    fault: 'SIGTERM, and it takes longer than `shutdownSeconds` and `deadlines.stop`',
    comes: 'what is left is named',
    line: 'error STOP_INCOMPLETE: the parts and guests did not end in time; left: guest 1 (included, ',
    status: 1,
  },
  {
    fault: 'SIGTERM, xenstore does not answer',
    comes: 'the store is given up after `deadlines.store`; the rest is given back',
    line: 'error STOP_INCOMPLETE: xenstore did not end in time; left: the states of the guests in it',
    status: 1,
  },
  { fault: 'SIGKILL', comes: 'ends; its lock is free, its socket is dead and is taken over', status: 137 },
  { fault: 'SIGPIPE', comes: SERVES, line: ORDERLY, status: 0 },
  { fault: 'SIGHUP', comes: `reads the rc file, ${SERVES}`, line: 'reloaded keys=[] file=', status: 0 },
  {
    fault: 'SIGHUP, the rc file says something else',
    comes: 'puts the difference in force',
    line: 'reloaded keys=["log","quirks"] file=',
    status: 0,
  },
  {
    fault: 'SIGHUP, a key cannot change in place',
    comes: `changes nothing, ${SERVES}`,
    line: 'not reloaded code=RELOAD_REFUSED why=',
    status: 0,
  },
  {
    fault: 'SIGHUP, the rc file is wrong',
    comes: `changes nothing, ${SERVES}`,
    line: 'not reloaded code=CONFIG_INVALID why=',
    status: 0,
  },
  { fault: 'the terminal is closed', comes: `reads the rc file, ${SERVES}; the log is lost`, status: 0 },
  { fault: 'stdout: its reader goes (EPIPE)', comes: `${SERVES}; the log is lost`, status: 0 },
  {
    fault: 'stdout: its reader goes and another comes',
    comes: `${SERVES}; what was lost is counted`,
    line: 'warn  lines were not written lines=',
    status: 0,
  },
  {
    fault: 'stdout: the disk is full (ENOSPC)',
    comes: `${SERVES}; the log is lost, which is said on stderr at the end`,
    line: LOST,
    status: 0,
  },
  {
    fault: 'stdout: no room, then room again',
    comes: `${SERVES}; what was lost is counted`,
    line: 'warn  lines were not written lines=',
    status: 0,
  },
  {
    fault: 'stdout: nobody reads, then somebody does',
    comes: `${SERVES}; at most 1 MiB waits, the rest is counted`,
    line: 'why="nobody reads them"',
    status: 0,
  },
  { fault: 'stderr: its reader goes (EPIPE)', comes: SERVES, line: ORDERLY, status: 0 },
  { fault: 'stdin, stdout and stderr are closed', comes: `${SERVES}; no file gets log lines`, status: 0 },
];

const FULL = 'stdout: the disk is full (ENOSPC)';
const GONE = 'stdout: its reader goes (EPIPE)';
const QUIET = 'says nothing more, ends with its own status';

/** Every row that `test/plugins/commands/stream-faults.test.ts` runs, on the page `docs/reference/streams.md`. */
export const streamFaults: readonly StreamFault[] = [
  ...ofServe.map((row) => ({ ...row, command: 'serve' })),
  ...['demo', 'status', '--help', 'doctor', 'plugins'].flatMap((command) => [
    { fault: FULL, command, comes: 'says so, on stderr', line: LOST, status: 1 },
    { fault: GONE, command, comes: QUIET, status: 0 },
  ]),
  { fault: 'stdout: its reader is slow', command: 'plugins', comes: 'everything arrives', status: 0 },
  { fault: 'stderr: the disk is full (ENOSPC)', command: 'status', comes: 'ends with its own status', status: 1 },
  { fault: 'stdin, stdout and stderr are closed', command: '--help', comes: 'ends with its own status', status: 0 },
  { fault: 'SIGTERM', command: 'demo', comes: 'ends at once', status: 143 },
  { fault: 'SIGHUP', command: 'demo', comes: 'ends at once', status: 129 },
];
