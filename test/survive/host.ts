// SPDX-License-Identifier: MIT

import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Bdf } from '../../core/bdf.ts';
import type { Clock, PciFunction } from '../../core/platform/index.ts';
import type { NativeLoader } from '../../plugins/kinds/native.ts';
import type { DeviceImage } from '../../plugins/platforms/embedded/image.ts';
import { createEmbeddedPlatform, type EmbeddedPlatform } from '../../plugins/platforms/embedded/index.ts';
import { type CallGuard, type HostServiceTerms, serveHost } from './host-service.ts';
import { createNativeMemory } from './native-memory.ts';
import { HOST_SOCKET, LOCK_FILE, STORE_SOCKET } from './remote-platform.ts';
import { type StoreGuard, serveStore } from './store-service.ts';

const PAGE_BYTES = 4096;
/** Memory that is a file, where there is such a file system. */
const MEMORY = '/dev/shm';

export interface HostTerms {
  readonly native: NativeLoader;
  readonly devices: readonly DeviceImage[];
  readonly guard?: CallGuard;
  readonly storeGuard?: StoreGuard;
  /** What the store waits for before it answers a process: a store that is slow, or stands still. */
  readonly storeWait?: () => Promise<void> | undefined;
  /** Milliseconds that each half of a reset takes. */
  readonly resetMs?: number;
  /** How many times slower the clock of guests and toolstack goes, on a machine that is. */
  readonly stretch?: number;
  readonly more?: (platform: EmbeddedPlatform, fileOf: HostServiceTerms['fileOf']) => HostServiceTerms['more'];
}

/** A host whose hypervisor, store and devices are in this process, for one that serves guests in another. */
export interface Host {
  readonly platform: EmbeddedPlatform;
  /** Where its sockets and pages are, for this user alone. */
  readonly folder: string;
  /** The host takes a function away from the process that has it, and gives it back: it can be seized anew. */
  rebind(address: Bdf): void;
  close(): Promise<void>;
}

/** What a kernel module does when the host starts: it holds every function that can be passed through. */
const holdAll = async (platform: EmbeddedPlatform): Promise<ReadonlyMap<Bdf, PciFunction>> => {
  const held = new Map<Bdf, PciFunction>();
  for (const model of platform.pci.models()) {
    if (model.identity.headerType !== 0) continue;
    const fn = await platform.pci.seize(model.bdf);
    if (model.msix !== undefined) platform.interrupts.prepareMsix(fn);
    held.set(model.bdf, fn);
  }
  return held;
};

const stretched = (times: number): Clock => ({
  now: () => performance.now() / times,
  after: (milliseconds, callback) => {
    const timer = setTimeout(callback, milliseconds * times);
    return () => clearTimeout(timer);
  },
});

export const createHost = async (terms: HostTerms): Promise<Host> => {
  const { native, devices, guard = () => 'go on', storeGuard = () => 'go on', resetMs = 1, stretch = 1 } = terms;
  const { storeWait = () => undefined } = terms;
  const folder = mkdtempSync(join(existsSync(MEMORY) ? MEMORY : tmpdir(), 'pciback-survive-'));
  writeFileSync(join(folder, LOCK_FILE), '', { mode: 0o600 });
  const memory = createNativeMemory(native);
  const files = new Map<ArrayBufferLike, string>();
  const pages = (): ArrayBufferLike => {
    const file = join(folder, `page-${files.size}`);
    writeFileSync(file, Buffer.alloc(PAGE_BYTES), { mode: 0o600 });
    const page = memory.map(file);
    files.set(page.memory, file);
    return page.memory;
  };
  const fileOf = (page: ArrayBufferLike): string => files.get(page) ?? '';
  const platform = createEmbeddedPlatform({ devices, pages, clock: stretched(stretch) });
  const held = await holdAll(platform);
  const more = terms.more?.(platform, fileOf);
  const service = { platform, held, fileOf, guard, resetMs, ...(more === undefined ? {} : { more }) };
  const served = await serveHost(service, join(folder, HOST_SOCKET));
  const closeStore = await serveStore(platform.store, join(folder, STORE_SOCKET), storeGuard, storeWait);
  return {
    platform,
    folder,
    rebind: (address) => served.rebind(address),
    close: async () => {
      served.close();
      closeStore();
      await platform.close();
      rmSync(folder, { recursive: true });
    },
  };
};
