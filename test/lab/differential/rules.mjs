// SPDX-License-Identifier: MIT
// The rows of docs/reference/deviations.md as tests on a difference. A difference that no rule explains is a defect; a
// rule that explains nothing in a run does not belong here.

/** @type {{ id: string, explains(difference: { kernel?: object, ours?: object }): boolean }[]} */
export const rules = [];
