// SPDX-License-Identifier: MIT

import type { NativeLoader } from '../../kinds/native.ts';
import type { Holder } from './holders.ts';
import { HostChanges } from './stand-alone-changes.ts';
import { noDriverHolder } from './stand-alone-holder.ts';
import { NOTES } from './stand-alone-notes.ts';
import { createPermissions } from './stand-alone-permissions.ts';
import type { StandAlonePlatform } from './stand-alone-platform.ts';
import type { WriteAttribute } from './sysfs-files.ts';

/** What the mode adds to a platform. */
export interface StandAloneTools {
  readonly standAlone: StandAlonePlatform['standAlone'];
  readonly holder: Holder;
}

/**
 * @param names of libxenctrl, best first
 * @param notes folder of what is changed
 * @throws PcibackError `NATIVE_LIBRARY_MISSING`, `NATIVE_SYMBOL_MISSING`
 */
export const openStandAlone = (
  native: NativeLoader,
  names: readonly string[],
  {
    sysfs,
    write,
    notes = NOTES,
  }: { readonly sysfs: string; readonly write: WriteAttribute; readonly notes?: string | undefined },
): StandAloneTools => {
  const standAlone = { changes: new HostChanges(notes), permissions: createPermissions(native, names), sysfs };
  return { standAlone, holder: noDriverHolder({ ...standAlone, write }) };
};
