// SPDX-License-Identifier: MIT

import { definePlugin } from '../../../core/plugin/index.ts';
import type { NativeFactory } from '../../kinds/native.ts';

/** Imports the package when a platform asks for it. Not inside of the export: the compiler does not rewrite imports there. */
const create: NativeFactory = async () => (await import('./index.ts')).createLoader();

/** The foreign-function loader over the package `koffi`. */
export default definePlugin({
  name: 'native/koffi',
  api: '^1.0',
  apply: (host) => {
    host.natives.add('koffi', create);
  },
});
