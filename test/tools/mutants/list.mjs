// SPDX-License-Identifier: MIT

import { devices } from './devices.mjs';
import { guests } from './guests.mjs';
import { plugins } from './plugins.mjs';
import { registers } from './registers.mjs';
import { seedsOfDevices } from './seeds-of-devices.mjs';
import { seedsOfGuests } from './seeds-of-guests.mjs';
import { wall } from './wall.mjs';

/**
 * Mutants of the core: `name`, unique; `file` that is changed; `find`, a text that is in it exactly once; `replace`; `tests`
 * that have to notice; `titles` of those in them that all have to fail, missing: one does; `why` it matters.
 */
export const mutants = [...devices, ...guests, ...registers, ...plugins, ...wall, ...seedsOfGuests, ...seedsOfDevices];
