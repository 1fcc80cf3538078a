// SPDX-License-Identifier: MIT

import { dirname } from 'node:path/posix';
import { type Bdf, formatBdf, parseBdf } from '../../core/bdf.ts';
import { isPcibackError } from '../../core/errors/index.ts';
import type { StoreView } from '../../core/platform/index.ts';

/** Directories of the one PCI device that a guest has in the store. */
export interface Ends {
  readonly back: string;
  readonly front: string;
}

/** @param backend domain of the back end */
export const endsOf = (backend: number, domain: number): Ends => ({
  back: `/local/domain/${backend}/backend/pci/${domain}/0`,
  front: `/local/domain/${domain}/device/pci/0`,
});

/** A device as the toolstack announces it. */
export interface Announced {
  readonly domain: number;
  /** What the guest is called. */
  readonly name: string;
  readonly bdf: Bdf;
  /** `permissive=1` of the guest's file. */
  readonly permissive?: boolean | undefined;
  /** The virtual slot that is asked for, as a devfn. */
  readonly slot?: number | undefined;
}

/** Most entries that a directory is believed to have. */
const MOST_ENTRIES = 1024;

/** Keys with an index, as libxl removes and shifts them. */
const INDEXED = ['state', 'key', 'dev', 'vdev', 'opts', 'vdevfn', 'name'] as const;

const readableBy = (backend: number, domain: number) =>
  [
    { domain: backend, access: 'none' },
    { domain, access: 'read' },
  ] as const;

/**
 * Writes the nodes of one more device, and both directories with the first one.
 *
 * @param plug `hot`: both ends are connected, and are told
 */
export const announce = async (
  view: StoreView,
  backend: number,
  device: Announced,
  plug: 'cold' | 'hot',
): Promise<void> => {
  const { domain, name, permissive, slot } = device;
  const { back, front } = endsOf(backend, domain);
  const text = formatBdf(device.bdf);
  const count = await view.read(`${back}/num_devs`);
  const index = Number(count ?? '0');
  if (count === undefined) {
    await view.remove(front);
    await view.remove(back);
    await view.write(front, '');
    await view.setPermissions(front, [
      { domain, access: 'none' },
      { domain: backend, access: 'read' },
    ]);
    await view.write(back, '');
    await view.setPermissions(back, readableBy(backend, domain));
    await view.write(`${back}/frontend`, front);
    await view.write(`${back}/frontend-id`, String(domain));
    await view.write(`${back}/online`, '1');
    await view.write(`${back}/state`, '1');
    await view.write(`${back}/domain`, name);
    await view.write(`${front}/backend`, back);
    await view.write(`${front}/backend-id`, String(backend));
    await view.write(`${front}/state`, '1');
  }
  await view.write(`${back}/key-${index}`, text);
  await view.write(`${back}/dev-${index}`, text);
  if (slot !== undefined) await view.write(`${back}/vdevfn-${index}`, slot.toString(16));
  const flag = permissive === true ? 1 : 0;
  await view.write(`${back}/opts-${index}`, `msitranslate=0,power_mgmt=0,permissive=${flag},rdm_policy=strict`);
  await view.write(`${back}/state-${index}`, '1');
  await view.write(`${back}/num_devs`, String(index + 1));
  if (plug === 'hot') await view.write(`${back}/state`, '7');
};

const countOf = async (view: StoreView, back: string): Promise<number> =>
  Math.min(Number((await view.read(`${back}/num_devs`)) ?? '0') || 0, MOST_ENTRIES);

/** The devices that a directory announces, in the order of their index; `undefined` where an entry has no address. */
export const announced = async (view: StoreView, back: string): Promise<(Bdf | undefined)[]> => {
  const found: (Bdf | undefined)[] = [];
  const count = await countOf(view, back);
  for (let index = 0; index < count; index += 1) found.push(addressIn(await view.read(`${back}/dev-${index}`)));
  return found;
};

const addressIn = (text: string | undefined): Bdf | undefined => {
  try {
    return text === undefined ? undefined : parseBdf(text);
  } catch (error) {
    if (isPcibackError(error)) return undefined;
    throw error;
  }
};

/** Index of a device's entry; -1: there is none. */
export const indexOf = async (view: StoreView, back: string, address: Bdf): Promise<number> =>
  (await announced(view, back)).indexOf(address);

/** Removes `key-index` and moves the higher ones down by one. */
const shift = async (view: StoreView, key: string, index: number, count: number): Promise<void> => {
  for (let at = index; at < count; at += 1) {
    const next = at + 1 < count ? await view.read(`${key}-${at + 1}`) : undefined;
    if (next === undefined) await view.remove(`${key}-${at}`);
    else await view.write(`${key}-${at}`, next);
  }
};

/** Removes a device's nodes, and with the last one both directories. One that has no entry has none afterwards too. */
export const withdraw = async (view: StoreView, { back, front }: Ends, address: Bdf): Promise<void> => {
  const index = await indexOf(view, back, address);
  if (index < 0) return;
  const count = await countOf(view, back);
  if (count > 1) {
    for (const key of INDEXED) await shift(view, `${back}/${key}`, index, count);
    await view.write(`${back}/num_devs`, String(count - 1));
    return;
  }
  // A guest has one device of this kind.
  await view.remove(dirname(back));
  await view.remove(dirname(front));
};
