// SPDX-License-Identifier: MIT

/**
 * `pciback/testing`: what tests of plugins and quirks are written with, pciback's own too. It needs no test runner of a kind;
 * whatever is wrong is thrown.
 */

export { Command } from '../../core/ring/layout.ts';
export type { DeviceImage } from '../../plugins/platforms/embedded/image.ts';
export {
  type EmbeddedPlatform,
  type GuestOptions,
  type IncludedGuest,
  XenbusState,
} from '../../plugins/platforms/embedded/index.ts';
export {
  hostDevices,
  limitsOf,
  parseDump,
  readDump,
  type SampleName,
  sample,
  sampleNames,
  samples,
} from '../../plugins/platforms/embedded/sources.ts';
export { type BundledSet, bundledSets } from './bundled-sets.ts';
export {
  type CapabilitySettings,
  capabilityView,
  type ObservedBits,
  observeBits,
  readOnlyBits,
} from './capability-view.ts';
export { commandContext } from './command-context.ts';
export { type ContractCase, ContractError, type ContractResult, runContract } from './contract.ts';
export { dumpText, registers as configBytes, rowsOf } from './dump-text.ts';
export {
  type EmbeddedHost,
  type EmbeddedHostOptions,
  type LogLine,
  recordingLog,
  startEmbeddedHost,
} from './embedded-host.ts';
export { FakeDevice, FakeFunction, type FakeFunctionSettings, type ImagePart } from './fake-function.ts';
export {
  type Effect,
  effectOf,
  effects,
  type FaultName,
  type FaultyPlace,
  faultNames,
  faults,
  faultyPlaces,
  faultyPlugin,
} from './faults.ts';
export { type GuestView, guestView, type RefusedWrite, viewOf } from './guest-view.ts';
export { type Decisions, decisionsOf, rateLimitedDecisions } from './interrupt-decisions.ts';
export { createManualClock, type ManualClock } from './manual-clock.ts';
export { nativeContract } from './native-contract.ts';
export { placeable } from './placeable.ts';
export {
  type PeerPage,
  type PeerPort,
  type PlatformCase,
  type PlatformFixture,
  type PlatformPeer,
  platformContract,
} from './platform-contract.ts';
export { SeededRandom } from './seeded-random.ts';
export { type DeclaredAccess, type QuirkCase, type QuirkVerdict, testQuirk } from './test-quirk.ts';
