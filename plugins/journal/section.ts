// SPDX-License-Identifier: MIT

import { z } from 'zod';

/** The section `journal` of the rc file. */
export const journalSection = z
  .union([z.string().min(1), z.literal(false)], { error: 'expected the path of a folder, or false' })
  .optional()
  .describe(
    'Folder in which is noted what a next process needs to go on with the guests of this one; `false`: none. Missing: `/run/pciback` on platform `xen`, else none.',
  );
