// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import { describeError } from '../../core/errors/index.ts';
import type { NativeLoader } from '../../plugins/kinds/native.ts';
import { createLoader as createFfiNapi } from '../../plugins/native/ffi-napi/index.ts';
import { createLoader as createKoffi } from '../../plugins/native/koffi/index.ts';
import { importOptional } from '../../plugins/native/loader.ts';
import { nativeContract } from '../kit/native-contract.ts';

const loaders = { koffi: createKoffi, 'ffi-napi': createFfiNapi };

const load = async (create: () => Promise<NativeLoader>): Promise<NativeLoader | string> => {
  try {
    return await create();
  } catch (error) {
    return describeError(error);
  }
};

for (const [name, create] of Object.entries(loaders)) {
  const loader = await load(create);
  if (typeof loader === 'string' && process.env.PCIBACK_NATIVE === 'required') {
    it(`native loader ${name} loads`, () => expect.fail(loader));
  } else if (typeof loader === 'string') {
    // The packages are optional; where they must be there the environment says so.
    describe.skip(`native loader ${name}, not run: ${loader}`, () => {
      it('cannot be loaded here', () => undefined);
    });
  } else {
    describe(`native loader ${name}`, () => {
      for (const { name: obligation, run } of nativeContract) it(obligation, () => run(loader));
      it('says its name', () => expect(loader.name).toBe(name));
    });
  }
}

describe('an optional package', () => {
  it('that is not installed is an error with a next step', async () => {
    await expect(importOptional('koffi', 'pciback-surely-not-installed')).rejects.toMatchObject({
      code: 'NATIVE_UNAVAILABLE',
      message: expect.stringContaining('pciback-surely-not-installed'),
      solve: expect.stringContaining('npm install'),
    });
  });
});
