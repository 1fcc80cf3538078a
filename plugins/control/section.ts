// SPDX-License-Identifier: MIT

import { resolve } from 'node:path';
import { z } from 'zod';
import type { Config } from '../kinds/config.ts';
import { readSection, sectionsOf } from '../read-section.ts';

/** Bytes of a socket's path, without the zero at its end (`sun_path`). */
export const LONGEST_PATH = 107;

export const tooLong = (bytes: number): string =>
  `a socket's path has at most ${LONGEST_PATH} bytes, and this one ${bytes}`;

/** The section `control` of the rc file. */
export const controlSection = z
  .union([z.string().min(1), z.literal(false)], { error: 'expected the path of a socket, or false' })
  .default('/run/pciback/control.sock')
  .describe(
    'Socket at which a running pciback takes `pciback explain` and `pciback quirk`, for its own user only; `false`: none.',
  );

/** The socket that a configuration names, as an absolute path. @throws PcibackError `CONFIG_INVALID` */
export const socketOf = (config: Config): string | false => {
  const path = readSection(config, 'control', controlSection);
  return path === false ? false : resolve(sectionsOf(config).directory, path);
};
