// SPDX-License-Identifier: MIT

import { definePlugin, type PlatformFactory } from '../../../core/plugin/index.ts';

/** Imports the platform when it is chosen. Not inside of the export: the compiler does not rewrite imports there. */
const create: PlatformFactory = async ({ native, answerer, watch, log, options }) => {
  const [{ createXenPlatform }, loader] = await Promise.all([import('./index.ts'), native()]);
  const mode = options.mode === 'stand-alone' ? 'stand-alone' : 'drop-in';
  const { lane, configPages, precedence } = options;
  return createXenPlatform({
    native: loader,
    mode,
    log,
    watch,
    ...(lane === false || answerer === undefined ? {} : { answerer }),
    configPages: configPages !== false,
    precedence: precedence !== false,
  });
};

/** A real dom0. */
export default definePlugin({
  name: 'platforms/xen',
  api: '^1.0',
  apply: (host) => {
    host.platforms.add('xen', create);
  },
});
