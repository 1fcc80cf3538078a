// SPDX-License-Identifier: MIT

export { type AfterFence, Fence, type FenceTerms } from './fence.ts';
export { type ErrorGuest, GuestErrors, type GuestErrorTerms } from './guest-errors.ts';
export { type StageRule, stageRules } from './stages.ts';
