// SPDX-License-Identifier: MIT

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { setTimeout as pause } from 'node:timers/promises';
import { createClient } from '../../../plugins/control/client.ts';
import type { ControlClient } from '../../../plugins/kinds/command.ts';
import type { BundledOperations } from '../../../plugins/program/operations.ts';
import { dist } from './built.ts';

const main = join(dist, 'plugins/commands/main.js');

/** Milliseconds in which everything that a test waits for has come, on a busy host too. */
const LONGEST_WAIT = 40_000;

/** Resolves when the test holds. */
export const until = async (what: string, holds: () => boolean | Promise<boolean>): Promise<void> => {
  const since = performance.now();
  while (!(await holds())) {
    if (performance.now() - since > LONGEST_WAIT) throw new Error(`never: ${what}`);
    await pause(20);
  }
};

/** Where standard output leads to. `terminal`: all three streams. */
export type Through = 'pipe' | 'fifo' | 'full' | 'small file' | 'closed' | 'terminal';

/** A `pciback serve` that runs, and what can happen to its streams. */
export interface Daemon {
  readonly end: Promise<{ readonly said: string; readonly status: number }>;
  /** Resolves when it answers at its control socket and its guests are connected. */
  serves(): Promise<void>;
  printed(text: string): Promise<void>;
  pid(): number;
  signal(name: NodeJS.Signals): void;
  /** Has it read its rc file anew, which it logs. */
  reload(): Promise<void>;
  /** Nobody reads its standard output any more. */
  closeOutput(): void;
  closeErrors(): void;
  stopReading(): void;
  goOnReading(): void;
  /** Of a fifo: another reader comes. */
  readAgain(): Promise<void>;
  closeTerminal(): void;
}

/** The shell that leads standard output there; the daemon takes its place, where there can be one process. */
const commandFor = (through: Through): readonly [string, readonly string[]] => {
  const start = `"${process.execPath}" "${main}" serve`;
  const run = `exec ${start}`;
  switch (through) {
    case 'fifo':
      return ['bash', ['-c', `${run} >fifo`]];
    case 'full':
      return ['bash', ['-c', `${run} >/dev/full`]];
    case 'small file':
      return ['bash', ['-c', `ulimit -f 64; ${run} >>out`]];
    case 'closed':
      return ['bash', ['-c', `${run} <&- >&- 2>&-`]];
    case 'terminal':
      // The shell outlives its terminal and tells the status, which nobody else sees.
      return ['script', ['-qec', `trap : HUP; ${start}; echo $? >status`, '/dev/null']];
    default:
      return [process.execPath, [main, 'serve']];
  }
};

/** Starts `pciback serve` in this directory, whose rc file names `control.sock`. */
export const serve = (
  directory: string,
  { through = 'pipe', guests = 1 }: { readonly through?: Through; readonly guests?: number } = {},
): Daemon => {
  if (through === 'fifo') execFileSync('mkfifo', [join(directory, 'fifo')]);
  const [file, words] = commandFor(through);
  const child: ChildProcess = spawn(file, words, { cwd: directory, stdio: ['ignore', 'pipe', 'pipe'] });
  const client = createClient(join(directory, 'control.sock')) as ControlClient<BundledOperations>;
  let said = '';
  let own = child.pid ?? 0;
  let reader: ChildProcess | undefined;
  const hear = (stream: Readable | null): void => {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
  };
  const read = (): void => {
    reader = spawn('cat', ['fifo'], { cwd: directory, stdio: ['ignore', 'pipe', 'ignore'] });
    hear(reader.stdout);
  };
  hear(child.stdout);
  hear(child.stderr);
  if (through === 'fifo') read();
  const isOver = new Promise<{ said: string; status: number }>((resolve) => {
    child.on('close', (status, signal) => {
      const file = through === 'small file' ? readFileSync(join(directory, 'out'), 'utf8') : '';
      resolve({ said: said + file, status: signal === 'SIGKILL' ? 137 : (status ?? -1) });
    });
  });
  const gone = (): boolean => {
    try {
      process.kill(own, 0);
      return false;
    } catch {
      return true;
    }
  };
  const daemon: Daemon = {
    end: through === 'terminal' ? isOver.then(() => endOfStranger()) : isOver,
    serves: async () => {
      const ask = async () => {
        const answer = await client.ask('status', {}).catch(() => undefined);
        own = answer?.pid ?? own;
        return answer?.guests.filter(({ state }) => state === 'Connected').length;
      };
      await until('it serves', async () => (await ask()) === guests);
    },
    printed: (text) => until(`"${text}" in\n${said}`, () => said.includes(text)),
    pid: () => own,
    signal: (name) => void process.kill(own, name),
    reload: async () => void (await client.require('reload', {})),
    closeOutput: () => {
      if (reader === undefined) child.stdout?.destroy();
      else reader.kill('SIGKILL');
    },
    closeErrors: () => void child.stderr?.destroy(),
    stopReading: () => void child.stdout?.pause(),
    goOnReading: () => void child.stdout?.resume(),
    readAgain: async () => {
      read();
      // Until somebody reads, opening it for writing at once is refused.
      const opens = (): boolean => {
        try {
          closeSync(openSync(join(directory, 'fifo'), 0o4001));
          return true;
        } catch {
          return false;
        }
      };
      await until('somebody reads', opens);
    },
    closeTerminal: () => void child.kill('SIGKILL'),
  };
  const endOfStranger = async () => {
    await until('it ends', gone);
    const file = join(directory, 'status');
    await until('its status is told', () => existsSync(file) && readFileSync(file, 'latin1').endsWith('\n'));
    return { said, status: Number(readFileSync(file, 'latin1')) };
  };
  return daemon;
};

/** Runs one command of pciback in a shell: `demo >/dev/full`. */
export const shell = (directory: string, line: string): Promise<{ readonly said: string; readonly status: number }> =>
  new Promise((resolve, reject) => {
    const child = spawn('bash', ['-c', `"${process.execPath}" "${main}" ${line}`], { cwd: directory, stdio: 'pipe' });
    let said = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        said += text;
      });
    }
    child.on('error', reject);
    child.on('close', (status) => resolve({ said, status: status ?? -1 }));
  });
