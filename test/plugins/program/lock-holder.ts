// SPDX-License-Identifier: MIT
// A process that takes the lock on a file: `jiti lock-holder.ts FILE [wait]`. It says what came of it, and lives until it is
// killed.

import { silent } from '../../../core/log.ts';
import { createLoader } from '../../../plugins/native/koffi/index.ts';
import { takeLock } from '../../../plugins/program/host-lock.ts';
import { announceOwner } from '../../../plugins/program/lock-owner.ts';

const [path = '', how] = process.argv.slice(2);
const waiting = (): void => void process.stdout.write('waiting\n');
const lock = await takeLock(path, await createLoader(), how === 'wait' ? { everyMs: 2, waiting } : undefined);
if (lock !== undefined) announceOwner(path, '/run/first.sock', silent);
process.stdout.write(lock === undefined ? 'refused\n' : 'held\n');
setInterval(() => {}, 2 ** 31 - 1);
