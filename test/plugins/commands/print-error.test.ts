// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import { reportError } from '../../../plugins/commands/print-error.ts';
import { problem } from '../../../plugins/errors.ts';

const known = problem('STORE_LOST', { why: 'gone' });

describe('reports of errors', () => {
  it('of the catalogue have code, message and next step', () => {
    expect(reportError(known, 'lines')).toEqual({
      text: `error STORE_LOST: ${known.message}\n  next: ${known.solve}`,
      status: 1,
    });
    expect(JSON.parse(reportError(known, 'json').text)).toEqual({
      error: { code: 'STORE_LOST', message: known.message, next: known.solve, facts: { why: 'gone' } },
    });
  });

  it('of the command line have a status of their own', () => {
    expect(reportError(problem('USAGE', { what: 'x', nearest: undefined }), 'lines').status).toBe(2);
  });

  it('of defects show the stack and ask for a report', () => {
    const { text, status } = reportError(new RangeError('bad'), 'lines');
    expect(text).toMatch(/^RangeError: bad\n {4}at .*\n {2}next: .*report it/s);
    expect(status).toBe(70);
    expect(JSON.parse(reportError('a text', 'json').text)).toMatchObject({
      error: { code: 'DEFECT', message: 'a text' },
    });
  });
});
