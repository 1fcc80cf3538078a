// SPDX-License-Identifier: MIT

import type { Shape } from '../wall/wall.ts';

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null;

const optional = (value: unknown, type: 'string' | 'boolean'): boolean => value === undefined || typeof value === type;

/** The outcome of a reset. */
export const resetShape: Shape = {
  expected: '{ ok: true, method } or { ok: false, reason: "failed" or "unsupported", detail }',
  fits: (answer) =>
    isRecord(answer) &&
    ((answer.ok === true && typeof answer.method === 'string') ||
      (answer.ok === false &&
        (answer.reason === 'failed' || answer.reason === 'unsupported') &&
        typeof answer.detail === 'string')),
};

/** The shape, or no answer. */
export const orNothing = (shape: Shape): Shape => ({
  expected: `${shape.expected}, or nothing`,
  fits: (answer) => answer === undefined || shape.fits(answer),
});

const isUnhandled = (value: unknown): boolean => value === 'drop' || value === 'permissive';

export const unhandledShape: Shape = {
  expected: '"drop", "permissive" or { unhandled, recorder }',
  fits: (answer) =>
    isUnhandled(answer) ||
    (isRecord(answer) &&
      (answer.unhandled === undefined || isUnhandled(answer.unhandled)) &&
      isRecord(answer.recorder) &&
      typeof answer.recorder.access === 'function'),
};

export const limitsShape: Shape = {
  expected: '{ disableStopsMessages, maskingBroken }',
  fits: (answer) =>
    isRecord(answer) && optional(answer.disableStopsMessages, 'boolean') && optional(answer.maskingBroken, 'boolean'),
};

export const refusalShape: Shape = {
  expected: '{ refused: why }',
  fits: (answer) => isRecord(answer) && typeof answer.refused === 'string',
};
