// SPDX-License-Identifier: MIT

import { constants } from 'node:fs';
import { access, readdir, stat } from 'node:fs/promises';
import { describeError, isPcibackError } from '../../../core/errors/index.ts';
import type { LibraryDeclaration, NativeLoader } from '../../kinds/native.ts';
import { describeRange, readRanges } from './ecam.ts';
import {
  controlNames,
  libraryFolders,
  libxencall,
  libxenctrl,
  libxenctrlToolstack,
  libxenevtchn,
  libxenforeignmemory,
  libxengnttab,
} from './libraries.ts';
import { addressOf, readText } from './sysfs-files.ts';
import { openXenstore, type StoreAddresses, storeAddresses } from './xenstore-client.ts';

/** One thing that was looked at. */
export interface Finding {
  readonly what: string;
  /** `false` only for what the platform cannot work without, or would work badly with. */
  readonly ok: boolean;
  readonly detail: string;
  /** What to do, where something is wrong. */
  readonly next?: string;
}

export interface DiagnoseOptions {
  /** In front of `/proc`, `/sys` and `/dev`; empty outside of tests. */
  readonly root?: string;
  /** The foreign-function loaders to try; the first that loads is used for the libraries. */
  readonly loaders?: readonly { readonly name: string; readonly create: () => Promise<NativeLoader> }[];
  readonly store?: StoreAddresses;
  /** What it is to run as; `drop-in` if not given. */
  readonly mode?: 'drop-in' | 'stand-alone';
  /** Numeric user id; the process's own if not given. */
  readonly user?: number;
}

const good = (what: string, detail: string): Finding => ({ what, ok: true, detail });
const bad = (what: string, detail: string, next: string): Finding => ({ what, ok: false, detail, next });

const exists = async (path: string): Promise<boolean> => {
  try {
    await stat(path);
    return true;
  } catch {
    // Whatever the reason, it cannot be used.
    return false;
  }
};

const text = async (path: string): Promise<string | undefined> => {
  try {
    return await readText(path);
  } catch (error) {
    return `unreadable: ${describeError(error)}`;
  }
};

const checkUser = (user: number): Finding =>
  user === 0
    ? good('root', 'running as root')
    : bad('root', `running as user ${user}`, 'Run it as root: sudo pciback doctor');

const checkXen = async (root: string): Promise<Finding[]> => {
  const type = await text(`${root}/sys/hypervisor/type`);
  const capabilities = await text(`${root}/proc/xen/capabilities`);
  return [
    type === 'xen'
      ? good('hypervisor', 'Xen')
      : bad('hypervisor', type ?? 'none', 'Boot the host under Xen; elsewhere use --platform embedded.'),
    capabilities === undefined
      ? bad('/proc/xen', 'not mounted', 'mount -t xenfs xenfs /proc/xen')
      : good('/proc/xen', capabilities.includes('control_d') ? 'this is dom0' : 'this is not dom0'),
  ];
};

const checkStore = async (addresses: StoreAddresses): Promise<Finding> => {
  try {
    const store = await openXenstore(addresses);
    try {
      const names = await store.list('/local/domain');
      return good('xenstore', `${store.address}, ${names?.length ?? 0} domains`);
    } finally {
      await store.close();
    }
  } catch (error) {
    const next = isPcibackError(error) ? error.solve : 'Check that xenstored runs.';
    return bad('xenstore', describeError(error), next);
  }
};

const deviceModules = { evtchn: 'xen-evtchn', gntdev: 'xen-gntdev', privcmd: 'xen-privcmd', xenbus: 'xenfs' } as const;

const checkDevice = async (root: string, name: keyof typeof deviceModules): Promise<Finding> => {
  const what = `/dev/xen/${name}`;
  try {
    await access(`${root}${what}`, constants.R_OK | constants.W_OK);
    return good(what, 'accessible');
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    return missing
      ? bad(what, 'not there', `modprobe ${deviceModules[name]}`)
      : bad(what, describeError(error), 'Run it as root.');
  }
};

/** Looks for a library without loading it. */
const findLibrary = async ({ names, package: wanted }: LibraryDeclaration): Promise<Finding> => {
  const [first = ''] = names;
  for (const name of names) {
    for (const folder of libraryFolders) {
      if (await exists(`${folder}/${name}`)) return good(name, `${folder} (not loaded: no loader)`);
    }
  }
  return bad(first, 'not found', `apt-get install ${wanted} (Debian) or your distribution's package`);
};

const loadLibrary = (loader: NativeLoader, declaration: LibraryDeclaration): Finding => {
  const [first = ''] = declaration.names;
  try {
    loader.bind(declaration);
    return good(first, `loads through ${loader.name}`);
  } catch (error) {
    const next = isPcibackError(error) ? error.solve : `apt-get install ${declaration.package}`;
    return bad(first, describeError(error), next);
  }
};

/** Whether config space can be read without a call. Nothing is mapped, and nothing is wrong without. */
const checkConfigPages = (root: string, loader: NativeLoader | undefined): Finding => {
  const what = 'config pages';
  try {
    const ranges = readRanges(`${root}/sys`, `${root}/proc/iomem`);
    if (loader === undefined) throw new Error('no foreign-function loader');
    loader.bind(libxenforeignmemory);
    return good(what, `mapped where the hypervisor agrees: ${ranges.map(describeRange).join(', ')}`);
  } catch (error) {
    return good(what, `none, config space is read through its files: ${describeError(error)}`);
  }
};

const checkNative = async (
  root: string,
  mode: DiagnoseOptions['mode'],
  loaders: DiagnoseOptions['loaders'] = [],
): Promise<Finding[]> => {
  const findings: Finding[] = [];
  let usable: NativeLoader | undefined;
  for (const { name, create } of loaders) {
    try {
      const loader = await create();
      usable ??= loader;
      findings.push(good(`native ${name}`, 'loads'));
    } catch (error) {
      const next = isPcibackError(error) ? error.solve : `npm install ${name}`;
      findings.push(bad(`native ${name}`, describeError(error), next));
    }
  }
  // One is enough: what the others lack is then no fault.
  const settled = findings.map((finding): Finding => (usable === undefined ? finding : { ...finding, ok: true }));
  const control = mode === 'drop-in' ? libxenctrl : libxenctrlToolstack;
  for (const declaration of [libxenevtchn, libxengnttab, libxencall, control(controlNames())]) {
    settled.push(usable === undefined ? await findLibrary(declaration) : loadLibrary(usable, declaration));
  }
  settled.push(checkConfigPages(root, usable));
  return settled;
};

const checkKernel = async (root: string): Promise<Finding[]> => {
  const driver = `${root}/sys/bus/pci/drivers/pciback`;
  const probe = await text(`${root}/sys/bus/xen-backend/drivers_autoprobe`);
  const loaded = await exists(driver);
  const backend = await exists(`${root}/sys/bus/xen-backend/drivers/xen-pciback`);
  const names = loaded ? await readdir(driver) : [];
  const devices = names.filter((name) => addressOf(name) !== undefined);
  const autoprobe = `drivers_autoprobe is ${probe ?? 'not there'}`;
  return [
    loaded
      ? good('xen-pciback', 'loaded: drop-in mode is possible')
      : bad(
          'xen-pciback',
          'not loaded',
          'modprobe xen-pciback; without it: xen: { mode: "stand-alone" } in the rc file',
        ),
    probe === '1' && backend
      ? good('kernel back end', `${autoprobe}: \`pciback serve\` switches it off while it runs`)
      : good('kernel back end', `${autoprobe}: it stays out of the way`),
    devices.length > 0 || !loaded
      ? good('seizable devices', devices.join(', ') || 'none without the module')
      : bad('seizable devices', 'none', 'xl pci-assignable-add BDF'),
  ];
};

/** Without the kernel's module a PVH dom0 has no line interrupts for guests. */
const checkStandAlone = async (root: string): Promise<Finding[]> => {
  const type = await text(`${root}/sys/hypervisor/guest_type`);
  return [
    type === 'PVH'
      ? bad('stand-alone mode', 'this dom0 is PVH', 'Use mode drop-in, or boot Xen without dom0=pvh.')
      : good('stand-alone mode', `a ${type ?? 'PV'} dom0; whether an IOMMU is in use is asked at the start`),
  ];
};

/** Looks at everything that platform xen needs. Never throws: what cannot be looked at is a finding. */
export const diagnoseXen = async (options: DiagnoseOptions = {}): Promise<Finding[]> => {
  const { root = '', mode = 'drop-in', store = storeAddresses(), user = process.getuid?.() ?? 0 } = options;
  const names = Object.keys(deviceModules) as (keyof typeof deviceModules)[];
  return [
    checkUser(user),
    ...(await checkXen(root)),
    await checkStore(store),
    ...(await Promise.all(names.map((name) => checkDevice(root, name)))),
    ...(await checkNative(root, mode, options.loaders)),
    ...(mode === 'drop-in' ? await checkKernel(root) : await checkStandAlone(root)),
  ];
};
