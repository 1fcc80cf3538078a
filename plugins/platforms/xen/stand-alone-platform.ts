// SPDX-License-Identifier: MIT

import type { Platform } from '../../../core/platform/index.ts';
import type { LineHandlers } from './line-handlers.ts';
import type { HostChanges } from './stand-alone-changes.ts';
import type { Permissions } from './stand-alone-permissions.ts';

/** What a platform in this mode has beside what every platform has. */
export interface StandAlonePlatform extends Platform {
  readonly standAlone: {
    readonly changes: HostChanges;
    readonly permissions: Permissions;
    /** Handlers on lines that the host uses too. */
    readonly handlers: Pick<LineHandlers, 'lacks' | 'bind' | 'unbind' | 'wasMaster'>;
    /** Root of sysfs. */
    readonly sysfs: string;
  };
}

export const isStandAlone = (platform: Platform): platform is StandAlonePlatform => 'standAlone' in platform;
