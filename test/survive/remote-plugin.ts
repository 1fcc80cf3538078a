// SPDX-License-Identifier: MIT

import { join } from 'node:path';
import { z } from 'zod';
import { definePlugin } from '../../core/plugin/index.ts';
import { createRemotePlatform, LOCK_FILE } from './remote-platform.ts';

const section = z.strictObject({ folder: z.string() });

/** A host that is another process. */
export default definePlugin({
  name: 'pciback-platform-remote',
  api: '^1.0',
  apply: (host) => {
    host.platforms.add('remote', {
      about: 'A host in another process.',
      options: section,
      lock: ({ options }) => join(options.folder, LOCK_FILE),
      create: async ({ options, native }) => createRemotePlatform(options.folder, await native()),
    });
  },
});
