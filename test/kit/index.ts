// SPDX-License-Identifier: MIT

export { parseDump, sample, sampleNames, samples } from '../../plugins/platforms/embedded/sources.ts';
export { type ContractCase, runContract } from './contract.ts';
export {
  type EmbeddedHost,
  type EmbeddedHostOptions,
  type LogLine,
  recordingLog,
  startEmbeddedHost,
} from './embedded-host.ts';
export { FakeDevice, FakeFunction, type FakeFunctionSettings } from './fake-function.ts';
export { type GuestView, guestView, viewOf } from './guest-view.ts';
export { type Decisions, decisionsOf } from './interrupt-decisions.ts';
export { createManualClock, type ManualClock } from './manual-clock.ts';
export { platformContract } from './platform-contract.ts';
