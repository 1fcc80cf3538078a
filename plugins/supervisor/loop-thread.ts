// SPDX-License-Identifier: MIT

// Imports nothing of pciback: the thread is small, and nothing that the control thread has loaded is needed here.

import { writeSync } from 'node:fs';
import { type Debugger, Session } from 'node:inspector';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parentPort, workerData } from 'node:worker_threads';

/** A plugin, and the URL of the file it was loaded from. */
export interface Culprit {
  readonly plugin: string;
  readonly file: string;
}

/** What it looks for, and what it does then. */
export interface LoopTerms {
  /** The loop stands still when no beat came for so long. */
  readonly seconds: number;
  /** The process takes too much memory above this. */
  readonly bytes: number;
  /** Status with which the process is to end then; missing: it goes on. */
  readonly status: number | undefined;
  readonly culprits: readonly Culprit[];
  /** The culprits are being loaded: which one makes a call into the host no stack says, but it is one of them. */
  readonly isLoading: boolean;
}

/** What the thread is started with. */
export interface LoopThreadStart extends LoopTerms {
  /** One word, which the control loop counts up. */
  readonly beats: SharedArrayBuffer;
  /** URL of the folder of pciback's own files. */
  readonly home: string;
  /** Event of `process`, on the control thread, that tells of a crash. */
  readonly event: string;
}

/** Milliseconds between two looks. Looks are counted, not time: a process that was stopped or a host that slept is no hang. */
const LOOK_MS = 250;
/** Milliseconds that the control thread may take until the debugger has it. Inside of a call into the host it never has. */
const PATIENCE_MS = 3000;
/** Milliseconds from the order to end until the debugger lets go: the order has to have begun. */
const RELEASE_MS = 200;
/** Milliseconds that a process may take to end. */
const END_MS = 2000;
const STDERR = 2;
/** How often it is stopped to find a plugin's frame. */
const MOST_TRIES = 20;
/** Frames that are shown. */
const MOST_FRAMES = 30;

const start = { ...(workerData as LoopThreadStart) };
const beats = new Int32Array(start.beats);
parentPort?.on('message', (told: LoopTerms | Culprit) =>
  Object.assign(start, 'plugin' in told ? { culprits: [...start.culprits, told] } : told),
);
// The port alone does not keep the thread: looking does.
parentPort?.unref();

/** Where the control thread is. */
interface Found {
  readonly stack: string;
  readonly plugin?: string;
  /** Where the plugin's code is. */
  readonly place?: string;
}

const isForeign = (url: string): boolean =>
  url !== '' && !/^(node:|internal|evalmachine)/.test(url) && !url.startsWith(start.home);

/** jiti names the files that it compiles by path. */
const asUrl = (url: string): string => (url.startsWith('/') ? `file://${url}` : url);

/** The plugin that has a file: it was loaded from there, or from the nearest folder above. */
const ownerOf = (url: string): string | undefined => {
  const folderOf = (file: string): string => file.slice(0, file.lastIndexOf('/') + 1);
  const near = start.culprits
    .filter(({ file }) => file === url || url.startsWith(folderOf(file)))
    .sort((one, other) => Number(other.file === url) - Number(one.file === url) || other.file.length - one.file.length);
  return near[0]?.plugin;
};

/** One frame of the control thread, with the file of its script. */
interface Frame {
  readonly name: string;
  readonly url: string;
  readonly line: number;
  readonly column: number;
}

const frameText = ({ name, url, line, column }: Frame): string =>
  `    at ${name === '' ? '(anonymous)' : name} (${url === '' ? 'native' : url}:${line}:${column})`;

/** The innermost frame that is not of pciback says whose code runs. */
const judge = (frames: readonly Frame[]): Found => {
  const stack = frames.slice(0, MOST_FRAMES).map(frameText).join('\n');
  const foreign = frames.find(({ url }) => isForeign(asUrl(url)));
  if (foreign === undefined) return { stack };
  const url = asUrl(foreign.url);
  const plugin = ownerOf(url);
  const place = `${url.startsWith('file:') ? fileURLToPath(url) : url}:${foreign.line}`;
  return { stack, place, ...(plugin === undefined ? {} : { plugin }) };
};

/** The control thread, held by a debugger. */
class Held {
  readonly #session = new Session();
  /** URLs of scripts; frames have only their numbers. */
  readonly #urls = new Map<string, string>();

  constructor() {
    this.#session.connectToMainThread();
    this.#session.on('Debugger.scriptParsed', ({ params }) => this.#urls.set(params.scriptId, params.url));
  }

  #post(method: string, params: object = {}): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#session.post(method, params, (error, answer) => (error === null ? resolve(answer) : reject(error)));
    });
  }

  async #stop(): Promise<Found> {
    const paused = new Promise<readonly Debugger.CallFrame[]>((resolve) => {
      this.#session.once('Debugger.paused', ({ params }) => resolve(params.callFrames));
    });
    await this.#post('Debugger.enable');
    await this.#post('Debugger.pause');
    return judge(
      (await paused).map(({ functionName: name, location: { scriptId, lineNumber, columnNumber = 0 } }) => ({
        name,
        url: this.#urls.get(scriptId) ?? '',
        line: lineNumber + 1,
        column: columnNumber + 1,
      })),
    );
  }

  /**
   * Stops it. Between two steps of a plugin no frame is the plugin's: then it goes on for a moment and is stopped again. Single
   * steps would come there sooner, but the engine was seen to end the process over them.
   *
   * @returns whose code it is in; `undefined`: inside of a call that no debugger ends
   */
  async find(): Promise<Found | undefined> {
    let found: Found | undefined;
    for (let tries = 1; tries <= MOST_TRIES; tries++) {
      const stopped = await Promise.race([this.#stop(), pause(PATIENCE_MS, undefined)]);
      if (stopped === undefined) return found;
      found = stopped;
      if (found.place !== undefined || tries === MOST_TRIES) break;
      await this.#post('Debugger.resume');
      await pause(tries);
    }
    return found;
  }

  /** Runs an expression on the control thread, outside of the code that it is held in. @returns its text */
  async evaluate(expression: string): Promise<string> {
    const answer = (await this.#post('Runtime.evaluate', { expression, returnByValue: true })) as {
      readonly result?: { readonly value?: unknown };
    };
    return String(answer.result?.value ?? '');
  }

  /** Lets it go on. */
  release(): void {
    this.#session.disconnect();
  }
}

/** One line to standard error, whatever state it is in; nothing else can be done about a line that cannot be written. */
const say = (text: string): void => {
  try {
    writeSync(STDERR, `${text}\n`);
  } catch {
    // Nobody reads it; the report says the same.
  }
};

const tell = (kind: 'loop' | 'memory', why: string, { stack, plugin }: Found): string => {
  const crash = JSON.stringify({ kind, why, stack, ...(plugin === undefined ? {} : { plugin }) });
  return `(() => { const crash = ${crash}; process.emit(${JSON.stringify(start.event)}, crash); return crash.report ?? ''; })()`;
};

const blame = ({ plugin, place }: Found): string => {
  if (place === undefined) return 'no plugin from elsewhere is on its stack';
  return plugin === undefined ? `in ${place}, which is of no loaded plugin` : `in plugin ${plugin}, ${place}`;
};

/** Ends the process from inside, so that what is called at its end is called; from outside where that does not work. */
const end = async (held: Held | undefined, status: number): Promise<void> => {
  if (held !== undefined) {
    void held.evaluate(`process.exit(${status})`).catch(() => undefined);
    // At its end a process waits until no debugger has it any more.
    await pause(RELEASE_MS);
    held.release();
    await pause(END_MS);
  }
  process.kill(process.pid, 'SIGABRT');
};

/** Says whose code runs, on standard error and in a report, and ends the process if it is to. */
const report = async (kind: 'loop' | 'memory', what: string): Promise<void> => {
  const held = new Held();
  const found = await held.find();
  const loading = start.isLoading ? `, while ${start.culprits.map(({ plugin }) => plugin).join(' or ')} is loaded` : '';
  const why = `${what}, ${found === undefined ? `inside of a call into the host${loading}` : blame(found)}`;
  say(`pciback: ${why}`);
  if (found !== undefined) {
    say(found.stack);
    const file = await Promise.race([held.evaluate(tell(kind, why, found)), pause(PATIENCE_MS, '')]);
    if (file !== '') say(`pciback: report in ${file}`);
  }
  if (start.status === undefined) held.release();
  else await end(found === undefined ? undefined : held, start.status);
};

const still = { beat: -1, looks: 0, isTold: false };
const memory = { isTold: false };

const look = async (): Promise<void> => {
  const beat = Atomics.load(beats, 0);
  if (beat !== still.beat) Object.assign(still, { beat, looks: 0, isTold: false });
  else still.looks++;
  const bytes = process.memoryUsage.rss();
  // It has to be well below the limit once before it is told again.
  if (bytes < 0.9 * start.bytes) memory.isTold = false;
  if (bytes > start.bytes && !memory.isTold) {
    memory.isTold = true;
    await report('memory', `the process takes ${Math.round(bytes / 2 ** 20)} MiB`);
  } else if (still.looks * LOOK_MS >= start.seconds * 1000 && !still.isTold) {
    still.isTold = true;
    await report('loop', `the control loop stands still for ${start.seconds} s`);
  }
};

for (;;) {
  await pause(LOOK_MS);
  await look();
}
