// SPDX-License-Identifier: MIT

export type { PageReference } from '../../core/platform/memory.ts';
export { USUAL_WAKE, type Watch, type WatchPolicy } from '../../core/platform/watch.ts';
export { Refusals } from '../../core/space/refusals.ts';
export type { DeviceView, GuestView } from '../../core/space/views.ts';
export { Lane, type LaneStart, type LaneTerms } from './lane.ts';
export type { LaneHardware } from './lane-guest.ts';
export type { Bell } from './loop.ts';
export { Seat } from './seat.ts';
