// SPDX-License-Identifier: MIT

import { expect, it } from 'vitest';
import { entry, errorsOf, isPcibackError } from '../../../plugins/kinds/index.ts';

const { fail, problem } = errorsOf({
  ACME_FIRMWARE: entry(
    (facts: { found: string }) => `firmware ${facts.found} is too old`,
    (facts) => `Update ${facts.found}.`,
  ),
});

it('a plugin’s errors have a code, a message, a next step and a cause of their own', () => {
  const cause = new Error('read');
  const error = problem('ACME_FIRMWARE', { found: '1.2' }, cause);
  expect(error).toMatchObject({
    code: 'ACME_FIRMWARE',
    message: 'firmware 1.2 is too old',
    solve: 'Update 1.2.',
    facts: { found: '1.2' },
    cause,
  });
  expect(isPcibackError(error, 'ACME_FIRMWARE')).toBe(true);
  expect(isPcibackError(error, 'USAGE')).toBe(false);
  expect(() => fail('ACME_FIRMWARE', { found: '1.2' })).toThrow('firmware 1.2 is too old');
});
