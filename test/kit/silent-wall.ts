// SPDX-License-Identifier: MIT

import { silent } from '../../core/log.ts';
import { Wall } from '../../core/wall/wall.ts';

/** A wall that logs nothing. */
export const silentWall = (): Wall => new Wall(silent);
