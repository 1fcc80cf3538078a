// SPDX-License-Identifier: MIT

/** A call that cannot be carried out; its message says what to do instead. */
export class UsageError extends Error {}
