// SPDX-License-Identifier: MIT

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { formatBdf } from '../../../../core/bdf.ts';
import { Errno, HostError, type PciBus, type PciFunction, type Platform } from '../../../../core/platform/index.ts';
import type { GuestDoor } from '../../../../plugins/guest-door.ts';
import type { IncludedGuest } from '../../../../plugins/platforms/embedded/guest.ts';
import type { DeviceImage } from '../../../../plugins/platforms/embedded/image.ts';
import { createEmbeddedPlatform, type EmbeddedPlatform } from '../../../../plugins/platforms/embedded/index.ts';
import standAlone from '../../../../plugins/platforms/xen/stand-alone.ts';
import { type Change, HostChanges, isHosts } from '../../../../plugins/platforms/xen/stand-alone-changes.ts';
import { DOMID_IO, type Permissions } from '../../../../plugins/platforms/xen/stand-alone-permissions.ts';
import type { StandAlonePlatform } from '../../../../plugins/platforms/xen/stand-alone-platform.ts';
import type { RcFile } from '../../../../plugins/program/config.ts';
import { type RunningPciback, startPciback } from '../../../../plugins/program/start.ts';
import { type LogLine, recordingLog } from '../../../kit/embedded-host.ts';

/** The hypervisor's half, over the embedded one: what it permits is kept, and what it is asked is told. */
export interface FakePermissions extends Permissions {
  /** What domains may use now, as texts. */
  readonly permitted: Set<string>;
  /** Functions that are nobody's. */
  readonly quarantined: Set<string>;
  /** Errno with which a call is refused, by its name. */
  readonly refuse: Map<keyof Permissions, number>;
}

const fakePermissions = ({ hypervisor }: EmbeddedPlatform): FakePermissions => {
  const permitted = new Set<string>();
  const quarantined = new Set<string>();
  const refuse = new Map<keyof Permissions, number>();
  const ask = (call: keyof Permissions, domain: number): void => {
    const errno = refuse.get(call);
    if (errno !== undefined) throw new HostError(call, errno);
    if (domain !== DOMID_IO && !hypervisor.exists(domain)) throw new HostError(call, Errno.ESRCH);
  };
  const set = (call: keyof Permissions, domain: number, text: string, what: 'allow' | 'forbid'): void => {
    if (what === 'allow') {
      ask(call, domain);
      permitted.add(`${domain} ${text}`);
    } else permitted.delete(`${domain} ${text}`);
  };
  const tolerant = (work: () => void): void => {
    try {
      work();
    } catch (error) {
      if (!(error instanceof HostError)) throw error;
    }
  };
  return {
    permitted,
    quarantined,
    refuse,
    ports: (domain, first, count, what) => set('ports', domain, `ports ${first} ${count}`, what),
    frames: (domain, first, count, what) => set('frames', domain, `frames ${first} ${count}`, what),
    line: (domain, line, what) => set('line', domain, `line ${line}`, what),
    mapLine(domain, line) {
      ask('mapLine', domain);
      hypervisor.mapLine(domain, line);
    },
    unmapLine: (domain, line) => tolerant(() => hypervisor.unmapPirq(domain, line)),
    assign(domain, address) {
      ask('assign', domain);
      if (domain === DOMID_IO) quarantined.add(formatBdf(address));
      else {
        hypervisor.assign(domain, address);
        quarantined.delete(formatBdf(address));
      }
    },
    deassign(domain, address) {
      if (domain === DOMID_IO) quarantined.delete(formatBdf(address));
      else {
        tolerant(() => hypervisor.deassign(domain, address));
        quarantined.add(formatBdf(address));
      }
    },
    testAssign: (domain) => ask('testAssign', domain),
    close: () => undefined,
  };
};

/** Handlers of the host's kernel; `bound`: which functions have one. */
const fakeHandlers = (changes: HostChanges, bound: Set<string>): StandAlonePlatform['standAlone']['handlers'] => {
  const isHandler = (change: Change): change is Extract<Change, { what: 'handler' }> => change.what === 'handler';
  return {
    lacks: undefined,
    bind: (address, domain, line) =>
      changes.make(address, { what: 'handler', domain, line }, () => void bound.add(formatBdf(address))),
    unbind: (address) => changes.undo(address, isHandler, () => void bound.delete(formatBdf(address)), 'stop'),
    wasMaster: (address) => changes.of(address).find(isHandler)?.master === true,
  };
};

/** A host in stand-alone mode on an embedded Xen; one process after the other. */
export interface AloneHost {
  readonly xen: EmbeddedPlatform;
  readonly permissions: FakePermissions;
  readonly changes: HostChanges;
  /** Functions with a handler of the host's kernel on their line. */
  readonly bound: ReadonlySet<string>;
  readonly lines: LogLine[];
  readonly running: RunningPciback;
  readonly door: GuestDoor;
  start(config?: RcFile): Promise<RunningPciback>;
  /** As by `kill -9`. */
  kill(): void;
  /** A domain without devices; its guest runs unless it is paused. */
  domain(name: string, state?: 'paused'): Promise<{ readonly domain: number; readonly guest?: IncludedGuest }>;
  /** Ends a domain as its toolstack does, which knows nothing of devices and asks nobody. */
  destroy(domain: number): Promise<void>;
  close(): Promise<void>;
}

export const aloneHost = (devices: readonly DeviceImage[]): AloneHost => {
  const folder = mkdtempSync(join(tmpdir(), 'pciback-alone-'));
  const { log, lines } = recordingLog();
  const xen = createEmbeddedPlatform({ devices, duties: 'enforced' });
  const permissions = fakePermissions(xen);
  const bound = new Set<string>();
  const changes = new HostChanges(join(folder, 'notes'));
  /** The end of what the holder does on a real host. */
  const release = async (pci: PciBus, device: PciFunction): Promise<void> => {
    await pci.release(device);
    const { bdf } = device.identity;
    await changes.undo(bdf, isHosts, () => permissions.deassign(DOMID_IO, bdf), 'stop');
  };
  let running: RunningPciback | undefined;
  let kill: () => void = () => undefined;
  const host: AloneHost = {
    xen,
    permissions,
    changes,
    bound,
    lines,
    get running() {
      if (running === undefined) throw new Error('no pciback runs');
      return running;
    },
    get door() {
      return host.running.parts.offers('xen') as GuestDoor;
    },
    start: async (config = {}) => {
      const session = xen.session();
      kill = session.kill;
      const { pci } = session.platform;
      const platform: StandAlonePlatform = Object.create(session.platform as Platform, {
        pci: { value: Object.create(pci, { release: { value: (device: PciFunction) => release(pci, device) } }) },
        name: { value: 'xen' },
        close: { value: async () => undefined },
        standAlone: {
          value: { changes, permissions, handlers: fakeHandlers(changes, bound), sysfs: join(folder, 'sys') },
        },
      });
      running = await startPciback({
        config: {
          control: false,
          journal: join(folder, 'journal'),
          shutdownSeconds: 1,
          ...config,
        },
        platform,
        log,
        plugins: [standAlone],
      });
      return running;
    },
    kill: () => {
      kill();
      running = undefined;
    },
    domain: async (name, state) => {
      const domain = await xen.toolstack.create({ name });
      return state === 'paused' ? { domain } : { domain, guest: await xen.startGuest({ domain }) };
    },
    destroy: async (domain) => {
      xen.hypervisor.destroyDomain(domain);
      await xen.xenstore.remove(`/local/domain/${domain}`);
      xen.store.announce('@releaseDomain');
    },
    close: async () => {
      await running?.stop();
      await xen.close();
      rmSync(folder, { recursive: true });
    },
  };
  return host;
};
