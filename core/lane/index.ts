// SPDX-License-Identifier: MIT

export { Lane, type LaneReport, type LaneStart, type LaneTerms } from './lane.ts';
export type { LaneHardware } from './lane-guest.ts';
export type { Bell } from './loop.ts';
export { Refusals } from './refusals.ts';
export { RehearsalLane } from './rehearsal-lane.ts';
export { Seat } from './seat.ts';
export {
  type DeviceView,
  type GuestView,
  type PageReference,
  USUAL_WAKE,
  type Watch,
  type WatchPolicy,
  type WriteView,
} from './shared.ts';
