// SPDX-License-Identifier: MIT

// Asks the hypervisor on a real dom0 to write the messages of a function again, as is done after a reset of its link:
//   node dist/test/kit/restore-messages-main.js --native koffi 0000:01:00.0

import { parseArgs } from 'node:util';
import { parseBdf } from '../../core/bdf.ts';
import { createLoader as createFfiNapi } from '../../plugins/native/ffi-napi/index.ts';
import { createLoader as createKoffi } from '../../plugins/native/koffi/index.ts';
import { createXenPlatform } from '../../plugins/platforms/xen/index.ts';

const { values, positionals } = parseArgs({
  options: { native: { type: 'string', default: 'koffi' } },
  allowPositionals: true,
});
const native = await (values.native === 'koffi' ? createKoffi() : createFfiNapi());
const platform = await createXenPlatform({ native, mode: 'drop-in' });
try {
  // The files of a function can be open twice: its guest goes on.
  const device = await platform.pci.seize(parseBdf(positionals[0] ?? ''));
  platform.interrupts.restoreMessages?.(device);
  console.log(`messages of ${positionals[0]} written again`);
} finally {
  await platform.close();
}
