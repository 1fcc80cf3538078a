// SPDX-License-Identifier: MIT

import { readFileSync } from 'node:fs';
import type { Census } from '../../../core/platform/index.ts';

const PAGE_BYTES = 4096;
/** `7f1c00000000-7f1c00001000 rw-s 00000000 00:06 312   /dev/xen/gntdev`. Source: proc_pid_maps(5). */
const MAPPING = /^([0-9a-f]+)-([0-9a-f]+) \S+ \S+ \S+ \d+\s+(\S+)$/;

/**
 * What the kernel tells about this process without a hypercall: the pages of grants are mappings of one device file. Ports
 * and PIRQs are told to privileged tools of the same Xen release only.
 *
 * @param maps a file like /proc/self/maps
 */
export const takeCensus = (maps = '/proc/self/maps', device = '/dev/xen/gntdev'): readonly Census[] => {
  let bytes = 0;
  for (const line of readFileSync(maps, 'utf8').split('\n')) {
    const [, from, to, path] = MAPPING.exec(line) ?? [];
    if (from === undefined || to === undefined || path !== device) continue;
    bytes += Number.parseInt(to, 16) - Number.parseInt(from, 16);
  }
  return [{ kind: 'page', count: bytes / PAGE_BYTES, source: `${maps}, mappings of ${device}` }];
};
