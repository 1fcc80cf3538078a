// SPDX-License-Identifier: MIT

export { PartRunner, type PartRunnerTerms } from './runner.ts';
export { checkSections, declaredSections, readSection, type Section, sectionsOf } from './sections.ts';
