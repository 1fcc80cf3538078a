// SPDX-License-Identifier: MIT

export { PartRunner, type PartRunnerTerms } from './runner.ts';
export { readSection, sectionsOf } from './sections.ts';
