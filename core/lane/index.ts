// SPDX-License-Identifier: MIT

export { Lane, type LaneReport, type LaneStart, type LaneTerms } from './lane.ts';
export type { ReadHardware } from './lane-guest.ts';
export type { Bell } from './loop.ts';
export { Seat } from './seat.ts';
export {
  type DeviceView,
  type GuestView,
  type PageReference,
  USUAL_WAKE,
  type Watch,
  type WatchPolicy,
} from './shared.ts';
