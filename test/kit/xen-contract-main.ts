// SPDX-License-Identifier: MIT

// Shows the contracts of the loaders and of platform xen on a real dom0, as root:
//   node dist/test/kit/xen-contract-main.js --native koffi --device 0000:00:03.0 [--mode stand-alone] [--config-pages yes|no|required]
// In mode drop-in (the default) the device must be assignable: xl pci-assignable-add. With config pages that are required,
// a device without one is a failure; otherwise there is nothing to compare then.

import { parseArgs } from 'node:util';
import { parseBdf } from '../../core/bdf.ts';
import type { Logger } from '../../core/log.ts';
import type { NativeLoader } from '../../plugins/kinds/native.ts';
import { createLoader as createFfiNapi } from '../../plugins/native/ffi-napi/index.ts';
import { createLoader as createKoffi } from '../../plugins/native/koffi/index.ts';
import { createXenPlatform, diagnoseXen, storeAddresses, type XenMode } from '../../plugins/platforms/xen/index.ts';
import { type ContractResult, runContract } from './contract.ts';
import { nativeContract } from './native-contract.ts';
import { platformContract } from './platform-contract.ts';
import { storeContract } from './platform-contract-store.ts';
import type { PlatformFixture } from './platform-fixture.ts';
import { createXenPeer } from './xen-peer.ts';

const loaders: Readonly<Record<string, () => Promise<NativeLoader>>> = {
  koffi: createKoffi,
  'ffi-napi': createFfiNapi,
};

const { values } = parseArgs({
  options: {
    native: { type: 'string', default: 'koffi' },
    device: { type: 'string', default: '0000:00:03.0' },
    mode: { type: 'string', default: 'drop-in' },
    patience: { type: 'string', default: '150' },
    'config-pages': { type: 'string', default: 'yes' },
  },
});

const PAGE_BYTES = 4096;

/** What the platform says beside the results, such as why config space is read through its file. */
const say = (facts: object, message: string): void => console.log(`# ${message}: ${JSON.stringify(facts)}`);
const log: Logger = { debug: say, info: say, warn: say, error: say };

let passed = 0;
let failed = 0;
const reportAs =
  (prefix: string) =>
  ({ name, failure }: ContractResult): void => {
    if (failure === undefined) passed += 1;
    else failed += 1;
    console.log(`${failure === undefined ? 'ok' : 'not ok'} ${prefix}: ${name}`);
    if (failure !== undefined) console.log(`  ${failure instanceof Error ? failure.stack : String(failure)}`);
  };

const main = async (): Promise<void> => {
  const create = loaders[values.native];
  if (create === undefined) throw new Error(`--native is one of ${Object.keys(loaders).join(', ')}`);
  if (values.mode !== 'drop-in' && values.mode !== 'stand-alone') throw new Error('--mode is drop-in or stand-alone');
  const mode: XenMode = values.mode;
  const pages = values['config-pages'];
  if (!['yes', 'no', 'required'].includes(pages)) throw new Error('--config-pages is yes, no or required');

  for (const { what, ok, detail } of await diagnoseXen({
    loaders: Object.entries(loaders).map(([name, make]) => ({ name, create: make })),
  })) {
    console.log(`# ${ok ? ' ' : '!'} ${what}: ${detail}`);
  }

  const native = await create();
  await runContract(nativeContract, native, reportAs(native.name));

  const run = async (prefix: string, cases: typeof platformContract, candidates: readonly string[]): Promise<void> => {
    const platform = await createXenPlatform({
      native,
      mode,
      configPages: pages !== 'no',
      store: { candidates },
      log,
    });
    const peer = createXenPeer(native, platform.domain);
    const fixture: PlatformFixture = {
      platform,
      peer,
      folder: `/local/domain/${platform.domain}/pciback-contract`,
      device: parseBdf(values.device),
      patience: Number(values.patience),
      needsConfigPage: pages === 'required',
      memoryOf: (reference) =>
        typeof reference === 'bigint' ? native.view(native.pointer(reference), PAGE_BYTES) : reference,
    };
    console.log(`# ${prefix}: domain ${platform.domain}`);
    await runContract(cases, fixture, reportAs(prefix));
    await platform.xenstore.remove(fixture.folder);
    await peer.close();
    await platform.close();
  };
  await run(`xen, ${native.name}, ${mode}`, platformContract, storeAddresses().candidates);
  // The store again over the device, which has rules of its own.
  await run('xen, store over the device', storeContract, ['/dev/xen/xenbus']);
};

try {
  await main();
} catch (error) {
  failed += 1;
  console.log(`not ok ${error instanceof Error ? error.stack : String(error)}`);
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
