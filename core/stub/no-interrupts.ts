// SPDX-License-Identifier: MIT

import { formatBdf } from '../bdf.ts';
import { fail } from '../errors/index.ts';
import type { DeviceInterrupts, SharedLines } from '../interrupts.ts';
import { Status } from '../ring/layout.ts';
import type { HostOperations } from './host-operations.ts';

const WHY = 'no plugin looks after interrupts';

/** A device that no plugin has an interrupt driver for: no interrupts, and no line that the host would hear unclaimed. */
export const noInterrupts = (operations: HostOperations, sharedLines: SharedLines): DeviceInterrupts => {
  const { identity, line } = operations.hardware;
  const bdf = formatBdf(identity.bdf);
  return {
    enableMsi: () => Status.notImplemented,
    disableMsi: () => Status.notImplemented,
    enableMsix: () => Status.notImplemented,
    disableMsix: () => Status.notImplemented,
    restore: () => {},
    teardown: () => 0,
    refusesControlWords: true,
    allowsControlWord: () => false,
    keepsIntxVirtual: true,
    decidesIntx: () => 'virtual',
    differsFrom: () => false,
    prepare: () => () => {},
    line: undefined,
    prepareLine: () => {
      if (sharedLines === 'allow' || line === 0 || identity.headerType !== 0) return;
      operations.holdIntx('on');
      if (!operations.intxHeld) fail('LINE_SHARED', { bdf, why: WHY });
    },
    follow: () => {},
    releaseLine: () => {},
    toggleLine: () => fail('LINE_HANDLER', { bdf, why: WHY }),
  };
};
