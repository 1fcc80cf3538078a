// SPDX-License-Identifier: MIT

/** Where notes are kept outside of tests: in memory, as what they tell of is. */
export const NOTES = '/run/pciback/stand-alone';
