// SPDX-License-Identifier: MIT

import { expect, it } from 'vitest';
import { USUAL_POLICY } from '../../../plugins/observe/explain-report.ts';
import { defaults } from '../../../plugins/program/defaults.ts';

it('the policy that is not worth a word is the one without an rc file', () => {
  expect(USUAL_POLICY).toBe(defaults.interrupts);
});
