// SPDX-License-Identifier: MIT

import { Errno, type GrantTable, HostError, type MappedPage } from '../../../core/platform/index.ts';
import type { NativeLoader } from '../../kinds/native.ts';
import { libxengnttab } from './libraries.ts';
import { checked, opened } from './native-call.ts';

/** Grant mapping that can be given up as a whole. */
export interface XenGrants extends GrantTable {
  /** Unmaps what is still mapped and closes the handle. */
  close(): void;
}

const PAGE_BYTES = 4096;
/** PROT_READ | PROT_WRITE of mmap. */
const READ_WRITE = 3;

/**
 * Takes the memory away from every view of it, where the engine can (Node 22 and later): a late access then fails as an
 * error instead of ending the process.
 */
const detach = (memory: ArrayBuffer): void => {
  (memory as { transfer?: () => unknown }).transfer?.();
};

/**
 * Grants over libxengnttab.
 *
 * A mapping lives until `unmap` or `close`, never until garbage collection: the page's memory is not owned by its
 * ArrayBuffer.
 *
 * @throws PcibackError `NATIVE_LIBRARY_MISSING`, `NO_PRIVILEGE`, `PLATFORM_UNAVAILABLE`
 */
export const createGrants = (native: NativeLoader): XenGrants => {
  const library = native.bind(libxengnttab);
  const handle = opened(native, 'xengnttab_open', library.xengnttab_open(null, 0));
  const mapped = new Set<MappedPage>();
  let closed = false;

  return {
    map(domain, reference) {
      if (closed) throw new HostError('map of a grant', Errno.ENODEV, 'the platform is closed');
      const detail = `domain ${domain}, reference ${reference}`;
      const address = library.xengnttab_map_grant_ref(handle, domain, reference, READ_WRITE);
      if (address === null) throw new HostError('xengnttab_map_grant_ref', native.errno(), detail);
      const unmap = (): void => {
        checked(native, 'xengnttab_unmap', library.xengnttab_unmap(handle, address, 1), detail);
      };
      let memory: ArrayBuffer;
      try {
        memory = native.view(address, PAGE_BYTES);
      } catch (error) {
        unmap();
        throw error;
      }
      const page: MappedPage = {
        memory,
        reference: native.address(address),
        unmap() {
          if (!mapped.delete(page)) return;
          detach(memory);
          unmap();
        },
      };
      mapped.add(page);
      return page;
    },
    close() {
      if (closed) return;
      closed = true;
      for (const page of [...mapped]) page.unmap();
      checked(native, 'xengnttab_close', library.xengnttab_close(handle));
    },
  };
};
