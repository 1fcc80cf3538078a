// SPDX-License-Identifier: MIT

import { readdirSync } from 'node:fs';
import { library } from '../../kinds/native.ts';

// The C signatures of the Xen libraries, from their public headers. Handles are opaque pointers; a logger may be null.
// Functions that answer int give -1 with errno unless told otherwise.

export const libxenevtchn = library({
  names: ['libxenevtchn.so.1', 'libxenevtchn.so'],
  package: 'libxenevtchn1',
  functions: {
    xenevtchn_open: ['pointer', ['pointer', 'uint32']],
    xenevtchn_close: ['int', ['pointer']],
    xenevtchn_fd: ['int', ['pointer']],
    /** The local port. */
    xenevtchn_bind_interdomain: ['int', ['pointer', 'uint32', 'uint32']],
    /** The local port, to which the domain may bind one of its own. */
    xenevtchn_bind_unbound_port: ['int', ['pointer', 'uint32']],
    xenevtchn_notify: ['int', ['pointer', 'uint32']],
    xenevtchn_unmask: ['int', ['pointer', 'uint32']],
    xenevtchn_unbind: ['int', ['pointer', 'uint32']],
  },
});

export const libxengnttab = library({
  names: ['libxengnttab.so.1', 'libxengnttab.so'],
  package: 'libxengnttab1',
  functions: {
    xengnttab_open: ['pointer', ['pointer', 'uint32']],
    xengnttab_close: ['int', ['pointer']],
    /** handle, domain, reference, protection as in mmap; null on failure. */
    xengnttab_map_grant_ref: ['pointer', ['pointer', 'uint32', 'uint32', 'int']],
    /** handle, address, number of pages as mapped. */
    xengnttab_unmap: ['int', ['pointer', 'pointer', 'uint32']],
  },
});

/** The granting side, which only tests take. */
export const libxengntshr = library({
  names: libxengnttab.names,
  package: libxengnttab.package,
  functions: {
    xengntshr_open: ['pointer', ['pointer', 'uint32']],
    xengntshr_close: ['int', ['pointer']],
    /** handle, domain, pages, references (out, one u32 per page), writable. */
    xengntshr_share_pages: ['pointer', ['pointer', 'uint32', 'int', 'buffer', 'int']],
    xengntshr_unshare: ['int', ['pointer', 'pointer', 'uint32']],
  },
});

export const libxencall = library({
  names: ['libxencall.so.1', 'libxencall.so'],
  package: 'libxencall1',
  functions: {
    xencall_open: ['pointer', ['pointer', 'uint32']],
    xencall_close: ['int', ['pointer']],
    /**
     * handle, hypercall, two arguments. The header has uint64_t for the second; it is declared as the address that is
     * passed here, which is the same on the 64-bit machines that Node runs on.
     */
    xencall2: ['int', ['pointer', 'uint32', 'uint64', 'pointer']],
    /** Memory that the hypervisor may be given the address of. */
    xencall_alloc_buffer: ['pointer', ['pointer', 'size']],
    xencall_free_buffer: ['void', ['pointer', 'pointer']],
  },
});

/** Memory of other domains; here that of nobody, the machine's own devices. */
export const libxenforeignmemory = library({
  names: ['libxenforeignmemory.so.1', 'libxenforeignmemory.so'],
  package: 'libxenforeignmemory1',
  functions: {
    xenforeignmemory_open: ['pointer', ['pointer', 'uint32']],
    xenforeignmemory_close: ['int', ['pointer']],
    /**
     * handle, domain, protection as in mmap, pages, frames (one u64 per page), errors (out, one negative int per page);
     * null on failure. Not null says nothing about a single page.
     */
    xenforeignmemory_map: ['pointer', ['pointer', 'uint32', 'int', 'size', 'buffer', 'buffer']],
    /** handle, address, number of pages as mapped. */
    xenforeignmemory_unmap: ['int', ['pointer', 'pointer', 'size']],
  },
});

/** Where distributions put shared libraries. */
export const libraryFolders: readonly string[] = [
  '/usr/lib/x86_64-linux-gnu',
  '/usr/lib/aarch64-linux-gnu',
  '/usr/lib64',
  '/usr/lib',
  '/lib64',
  '/lib',
  '/usr/local/lib64',
  '/usr/local/lib',
];

const listing = (folder: string): string[] => {
  try {
    return readdirSync(folder);
  } catch {
    // A folder that this distribution does not have is no news.
    return [];
  }
};

/**
 * File names of libxenctrl, best first. Its name carries the release of Xen it belongs to.
 *
 * @param running release of the running hypervisor, such as `4.17`: its library is preferred over a newer one, because
 * part of the interface is tied to the release
 */
export const controlNames = (running?: string, folders: readonly string[] = libraryFolders): string[] => {
  const minors = folders
    .flatMap(listing)
    .map((name) => /^libxenctrl\.so\.4\.(\d+)$/.exec(name)?.[1])
    .filter((minor) => minor !== undefined)
    .map(Number);
  const found = [...new Set(minors)].sort((a, b) => b - a).map((minor) => `libxenctrl.so.4.${minor}`);
  const preferred = running === undefined ? [] : [`libxenctrl.so.${running}`];
  return [...new Set([...preferred, ...found, 'libxenctrl.so'])];
};

const CONTROL_PACKAGE = 'libxenmisc4.17 (or the one of your Xen release)';
const controlHandle = {
  xc_interface_open: ['pointer', ['pointer', 'pointer', 'uint32']],
  xc_interface_close: ['int', ['pointer']],
} as const;

/** What maps and unmaps interrupts. These calls are the same in all releases. */
export const libxenctrl = (names: readonly string[]) =>
  library({
    names,
    package: CONTROL_PACKAGE,
    functions: {
      ...controlHandle,
      /** handle, domain, index, PIRQ (int, in and out), devfn, segment << 16 | bus, entry, table base (0: MSI). */
      xc_physdev_map_pirq_msi: ['int', ['pointer', 'uint32', 'int', 'buffer', 'int', 'int', 'int', 'uint64']],
      xc_physdev_unmap_pirq: ['int', ['pointer', 'uint32', 'int']],
    },
  });

/**
 * What a toolstack does for a guest with a passed-through device. These calls belong to one release of Xen.
 * The form of `xc_domain_irq_permission` is the one since Xen 4.17.
 */
export const libxenctrlToolstack = (names: readonly string[]) =>
  library({
    names,
    package: CONTROL_PACKAGE,
    functions: {
      ...controlHandle,
      /** handle, domain, GSI, PIRQ (int, in and out; negative on entry: the GSI's number is used). */
      xc_physdev_map_pirq: ['int', ['pointer', 'uint32', 'int', 'buffer']],
      xc_physdev_unmap_pirq: ['int', ['pointer', 'uint32', 'int']],
      xc_domain_irq_permission: ['int', ['pointer', 'uint32', 'uint32', 'bool']],
      /** handle, domain, first port, number of ports, allow. */
      xc_domain_ioport_permission: ['int', ['pointer', 'uint32', 'uint32', 'uint32', 'uint32']],
      /** handle, domain, first frame, number of frames, allow. */
      xc_domain_iomem_permission: ['int', ['pointer', 'uint32', 'ulong', 'ulong', 'uint8']],
      /** handle, domain, packed address, flags. */
      xc_assign_device: ['int', ['pointer', 'uint32', 'uint32', 'uint32']],
      xc_deassign_device: ['int', ['pointer', 'uint32', 'uint32']],
      xc_test_assign_device: ['int', ['pointer', 'uint32', 'uint32']],
    },
  });

/** What stops a guest that is not to be trusted with its device any more. These calls belong to one release of Xen. */
export const libxenctrlDomains = (names: readonly string[]) =>
  library({
    names,
    package: CONTROL_PACKAGE,
    functions: {
      ...controlHandle,
      xc_domain_pause: ['int', ['pointer', 'uint32']],
      /** handle, domain, reason. */
      xc_domain_shutdown: ['int', ['pointer', 'uint32', 'int']],
    },
  });
