// SPDX-License-Identifier: MIT

import { runLane } from '../../../plugins/lane/thread.ts';
import { SharedEvents } from './shared-bell.ts';

// The thread of a lane whose guests are threads of this process.
await runLane((memory: SharedArrayBuffer) => new SharedEvents(memory).bell());
