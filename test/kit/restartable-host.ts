// SPDX-License-Identifier: MIT

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Bdf } from '../../core/bdf.ts';
import type { Clock } from '../../core/platform/index.ts';
import type { Plugin } from '../../core/plugin/definition.ts';
import type { Quirk } from '../../core/quirk/quirk.ts';
import type { GuestOptions, IncludedGuest } from '../../plugins/platforms/embedded/guest.ts';
import type { DeviceImage } from '../../plugins/platforms/embedded/image.ts';
import {
  type Called,
  createEmbeddedPlatform,
  type EmbeddedPlatform,
  type Session,
} from '../../plugins/platforms/embedded/index.ts';
import type { RcFile } from '../../plugins/program/config.ts';
import { type RunningPciback, startPciback } from '../../plugins/program/start.ts';
import { type LogLine, recordingLog } from './embedded-host.ts';

/** What every process on the host is started with. */
export interface ProcessOptions {
  readonly config?: RcFile;
  readonly plugins?: readonly (Plugin | Quirk)[];
}

/** An embedded Xen on which one pciback after the other runs, each of which goes on where the one before was killed. */
export interface RestartableHost {
  readonly xen: EmbeddedPlatform;
  /** Folder of the journal. */
  readonly folder: string;
  /** What all processes logged. */
  readonly lines: LogLine[];
  /** The one that runs. @throws Error when none does */
  readonly running: RunningPciback;
  /** Told before each call of the process that runs to its host. */
  called: Called;
  start(options?: ProcessOptions): Promise<RunningPciback>;
  kill(): void;
  /**
   * Kills the one that runs in the middle of its work. What it does on its way out, in memory that outlives it, is undone when
   * this resolves: a real one does nothing any more.
   */
  killInside(guest?: IncludedGuest): Promise<void>;
  /** Kills the one that runs and starts the next. */
  restart(options?: ProcessOptions): Promise<RunningPciback>;
  /** Makes a domain that has these devices and starts its guest. */
  guest(devices: readonly Bdf[], options?: Omit<GuestOptions, 'domain'>): Promise<IncludedGuest>;
  close(): Promise<void>;
}

export const createRestartableHost = (devices: readonly DeviceImage[], clock?: Clock): RestartableHost => {
  const folder = mkdtempSync(join(tmpdir(), 'pciback-journal-'));
  const { log, lines } = recordingLog();
  const xen = createEmbeddedPlatform({ devices, ...(clock === undefined ? {} : { clock }) });
  let session: Session | undefined;
  let running: RunningPciback | undefined;
  const host: RestartableHost = {
    xen,
    folder,
    lines,
    get running() {
      if (running === undefined) throw new Error('no pciback runs');
      return running;
    },
    called: () => undefined,
    start: async ({ config, ...options } = {}) => {
      session = xen.session((call, when) => host.called(call, when));
      running = await startPciback({
        config: { control: false, journal: folder, shutdownSeconds: 0, ...config },
        platform: session.platform,
        log,
        ...options,
      });
      return running;
    },
    kill: () => {
      session?.kill();
      session = undefined;
      running = undefined;
    },
    killInside: (guest) => {
      const page = new Uint8Array(guest?.page() ?? new SharedArrayBuffer(0));
      const before = page.slice();
      const files = ['journal', 'words'].map((name) => [join(folder, name), readFileSync(join(folder, name))] as const);
      host.kill();
      return new Promise((resolve) => {
        setImmediate(() => {
          page.set(before);
          for (const [path, bytes] of files) writeFileSync(path, bytes, { flag: path.endsWith('words') ? 'r+' : 'w' });
          resolve();
        });
      });
    },
    restart: (options) => {
      host.kill();
      return host.start(options);
    },
    guest: async (wanted, options = {}) => {
      for (const device of wanted) await host.running.engine.stub.seize(device);
      const domain = await xen.toolstack.create({ devices: wanted });
      return xen.startGuest({ domain, ...options });
    },
    close: async () => {
      await running?.stop();
      await xen.close();
      rmSync(folder, { recursive: true });
    },
  };
  return host;
};
