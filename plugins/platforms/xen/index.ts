// SPDX-License-Identifier: MIT

import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { getPriority } from 'node:os';
import { describeError, isPcibackError } from '../../../core/errors/index.ts';
import { type Logger, silent } from '../../../core/log.ts';
import type { Answerer, Clock, PciListing, Platform } from '../../../core/platform/index.ts';
import { systemClock, within } from '../../../core/wall/wall.ts';
import { fail } from '../../errors.ts';
import type { AnswererFactory, WatchPolicy } from '../../kinds/answerer.ts';
import type { NativeLoader } from '../../kinds/native.ts';
import { Holdings } from '../holdings.ts';
import { startAnsweringReader } from './answering-reader.ts';
import { takeCensus } from './census.ts';
import { createConfigPages } from './config-pages.ts';
import { createDomains } from './domains.ts';
import { createErrors } from './errors.ts';
import { poolReader } from './event-reader.ts';
import { createEvents } from './events.ts';
import { createGrants } from './grants.ts';
import { kernelStubHolder } from './holders.ts';
import { createInterrupts, resetTeller } from './hypercalls.ts';
import { controlNames } from './libraries.ts';
import { createLines } from './lines.ts';
import { unavailable } from './native-call.ts';
import { type Precedence, paceOf, takePrecedence } from './precedence.ts';
import { createSysfsBus } from './sysfs-bus.ts';
import { createWriter, readText } from './sysfs-files.ts';
import { createXenstoreClient, openXenstore, type StoreAddresses, storeAddresses } from './xenstore-client.ts';
import { openDevice } from './xenstore-transport.ts';

export { type DiagnoseOptions, diagnoseXen, type Finding } from './diagnose.ts';
export { sharedLine } from './lines.ts';
export { openXenstore, storeAddresses, type XenstoreClient } from './xenstore-client.ts';

/**
 * Who prepares devices and guests. `drop-in`: the kernel module holds the devices and an unmodified toolstack does the
 * rest. `stand-alone`: this process takes the devices itself.
 */
export type XenMode = 'drop-in' | 'stand-alone';

export interface XenPlatformOptions {
  readonly native: NativeLoader;
  readonly mode: XenMode;
  /** `/sys` if not given. */
  readonly sysfsRoot?: string;
  /** Folder of the device files, `/dev/xen` if not given. */
  readonly deviceRoot?: string;
  /** Where the store is looked for; the usual places if not given. */
  readonly store?: StoreAddresses;
  /** How long pages are looked at for the next request; never if not given. */
  readonly watch?: WatchPolicy;
  /** Starts a thread of its own that answers what needs no code of a plugin. Missing: the control thread answers everything. */
  readonly answerer?: AnswererFactory;
  /** Whether threads that guests wait for go before other programs of the host; `none` if not given. */
  readonly precedence?: Precedence;
  /** Whether config space is read from its page where it can be mapped. */
  readonly configPages?: boolean;
  /** What the kernel tells of addresses, `/proc/iomem` if not given. */
  readonly iomem?: string;
  /** Where stand-alone mode notes what it changes; the usual place if not given. */
  readonly notes?: string;
  /** Own domain id; asked of the store if not given. */
  readonly domain?: number;
  /** Missing: says nothing. */
  readonly log?: Logger;
}

const clock: Clock = {
  now: () => performance.now(),
  after(milliseconds, callback) {
    const timer = setTimeout(callback, milliseconds);
    return () => clearTimeout(timer);
  },
};

/** Folder of the device files. */
const DEVICE_ROOT = '/dev/xen';

/**
 * The node that the one back end of this host has the lock on: every back end has to open it, and it is the same one whatever
 * files each of them sees beside it.
 *
 * @throws PcibackError `PLATFORM_UNAVAILABLE` without Xen, `NO_PRIVILEGE`
 */
export const lockedNode = async (folder = DEVICE_ROOT): Promise<string> => {
  await checkDevices(folder);
  return `${folder}/evtchn`;
};

/** The libraries print their own complaints, so what they open is looked at first. */
const checkDevices = async (folder: string): Promise<void> => {
  for (const name of ['evtchn', 'gntdev', 'privcmd']) {
    const file = `${folder}/${name}`;
    try {
      await access(file, constants.R_OK | constants.W_OK);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EACCES' || code === 'EPERM') fail('NO_PRIVILEGE', { what: file, why: code }, error);
      unavailable(`there is no ${file}`);
    }
  }
};

/** Milliseconds that the store gets to say who asks. */
const STORE_PATIENCE = 10_000;

/** Own domain id: only the device knows who asks, so its relative path is the only way to be told. */
const askDomain = async (device: string): Promise<number> => {
  try {
    await stat(device);
  } catch {
    // Without the device this is a dom0 whose store runs beside us.
    return 0;
  }
  const client = createXenstoreClient(await openDevice(device));
  let text: string | undefined;
  try {
    text = await within(systemClock, STORE_PATIENCE, client.read('domid'));
  } catch (error) {
    if (isPcibackError(error)) throw error;
    // Nor would it answer what ends the reader, so the connection stays.
    return fail('STORE_UNREACHABLE', { tried: [device], why: describeError(error) });
  }
  await client.close();
  return text !== undefined && /^\d{1,5}$/.test(text) ? Number(text) : 0;
};

/** Every answer is followed by sleep. */
const never: WatchPolicy = { longest: 0, wakeUps: 0, shortest: 0, patience: 0 };

/** A look changes nothing. */
const refuseToWrite = async (path: string): Promise<never> => {
  throw new Error(`${path} would have been written`);
};

/** The functions of this host as a mode sees them, with or without Xen; for a look only. */
export const listFunctions = async (mode: XenMode = 'drop-in', sysfsRoot = '/sys'): Promise<PciListing[]> => {
  const stub = kernelStubHolder(sysfsRoot);
  const holder = mode === 'drop-in' ? stub : { ...stub, describe: (await import('./stand-alone-holder.ts')).describe };
  const bus = createSysfsBus(sysfsRoot, holder, refuseToWrite);
  try {
    return await bus.list();
  } finally {
    bus.close();
  }
};

/** `4.17`: the release of the running hypervisor, if it tells. */
const runningRelease = async (sysfs: string): Promise<string | undefined> => {
  const [major, minor] = await Promise.all([
    readText(`${sysfs}/hypervisor/version/major`),
    readText(`${sysfs}/hypervisor/version/minor`),
  ]);
  return major === undefined || minor === undefined ? undefined : `${major}.${minor}`;
};

/**
 * The platform on a real dom0 or driver domain.
 *
 * @throws PcibackError `PLATFORM_UNAVAILABLE` without Xen, `NO_PRIVILEGE`, `STORE_UNREACHABLE`,
 * `NATIVE_LIBRARY_MISSING`, `NATIVE_SYMBOL_MISSING`
 */
export const createXenPlatform = async (options: XenPlatformOptions): Promise<Platform> => {
  const { native, mode, sysfsRoot = '/sys', deviceRoot = DEVICE_ROOT, log = silent } = options;
  await checkDevices(deviceRoot);
  const closers: (() => void | Promise<void>)[] = [];
  const closeAll = async (): Promise<void> => {
    const failures: unknown[] = [];
    for (let close = closers.pop(); close !== undefined; close = closers.pop()) {
      try {
        await close();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw new AggregateError(failures, 'the platform could not be closed in order');
  };
  const keep = <Part extends { close(): void | Promise<void> }>(part: Part): Part => {
    closers.push(() => part.close());
    return part;
  };

  try {
    // Before the events, whose thread then ends first: it begins with what this one has.
    const { precedence = 'none' } = options;
    const usual = getPriority();
    if (precedence === 'full') keep(takePrecedence(log));
    const domain = options.domain ?? (await askDomain(`${deviceRoot}/xenbus`));
    const xenstore = keep(await openXenstore(options.store ?? storeAddresses()));
    const names = controlNames(await runningRelease(sysfsRoot));
    const interrupts = keep(
      createInterrupts(native, {
        controlNames: names,
        msixPreparedBy: mode === 'drop-in' ? 'kernel' : 'this-process',
      }),
    );
    const grants = keep(createGrants(native));
    const write = createWriter();
    const alone = mode === 'drop-in' ? undefined : (await import('./stand-alone-open.ts')).openStandAlone;
    const opened = alone?.(native, names, { sysfs: sysfsRoot, write, log, notes: options.notes });
    const { standAlone, holder = kernelStubHolder(sysfsRoot) } = opened ?? {};
    if (opened !== undefined) {
      keep(opened.standAlone.permissions);
      keep(opened.handlers);
    }
    const pageOptions = { sysfsRoot, log, ...(options.iomem === undefined ? {} : { iomem: options.iomem }) };
    const pages = options.configPages === true ? keep(createConfigPages(native, pageOptions)) : undefined;
    // Before the events, so that it is closed after them: the answering thread reads files and pages until it has ended.
    const pci = keep(createSysfsBus(sysfsRoot, holder, write, pages, { log, tell: resetTeller(interrupts, log) }));
    let deaf: (error: Error) => void = () => undefined;
    const failed = new Promise<Error>((resolve) => {
      deaf = resolve;
    });
    let answerer: Answerer | undefined;
    const events = keep(
      createEvents(native, {
        domain,
        onFailure: (error) => deaf(error),
        reader: (terms) => {
          const { answerer: start, watch: policy = never } = options;
          const started =
            start && startAnsweringReader(terms, native, { start, policy, pace: paceOf(precedence, usual) });
          answerer = started?.answerer;
          return started ?? poolReader(terms);
        },
      }),
    );
    const domains = keep(createDomains(native, names));
    const holdings = new Holdings();
    const errors = keep(createErrors({ sysfsRoot, clock, log, bridgesAbove: (address) => pci.bridgesAbove(address) }));
    return {
      name: 'xen',
      domain,
      xenstore: holdings.store(xenstore),
      grants: holdings.grants(grants),
      events: holdings.events(events),
      pci,
      interrupts: holdings.interrupts(interrupts),
      lines: createLines(sysfsRoot, (pirq) => interrupts.isShared(pirq), opened?.handlers),
      clock,
      errors,
      domains,
      ...(answerer === undefined ? {} : { answerer }),
      ...(standAlone === undefined ? {} : { standAlone }),
      failed,
      held: () => holdings.all,
      census: () => takeCensus(),
      close: closeAll,
    };
  } catch (error) {
    // What failed first is what the operator must know.
    await closeAll().catch((secondary: unknown) => process.emitWarning(String(secondary)));
    throw error;
  }
};
