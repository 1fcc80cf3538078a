// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import { announce, type ChangeEffect, type ChangeListener } from '../../core/changes.ts';

const noEffect: ChangeEffect = { devices: 0, waiting: 0, ms: 0, failures: [] };

const change = { what: 'loaded', kind: 'quirk', name: 'acme/nic' } as const;

describe('a change of registrations', () => {
  it('is in force for nobody when one of those who are asked refuses it', () => {
    const trace: string[] = [];
    const agrees: ChangeListener = () => {
      trace.push('asked');
      return {
        commit: () => {
          trace.push('in force');
          return noEffect;
        },
      };
    };
    const refuses: ChangeListener = () => {
      throw new Error('not this one');
    };
    expect(() => announce([agrees, refuses, agrees], change)).toThrow('not this one');
    expect(trace).toEqual(['asked']);
    trace.length = 0;
    announce([agrees, agrees], change);
    expect(trace).toEqual(['asked', 'asked', 'in force', 'in force']);
  });

  it('has the effect of all together', () => {
    const effect =
      (devices: number, why: string): ChangeListener =>
      () => ({
        commit: () => ({ devices, waiting: devices * 2, ms: 0.5, failures: [{ bdf: '0000:03:00.0', why }] }),
      });
    expect(announce([effect(1, 'one'), effect(2, 'two')], change)).toEqual({
      devices: 3,
      waiting: 6,
      ms: 1,
      failures: [
        { bdf: '0000:03:00.0', why: 'one' },
        { bdf: '0000:03:00.0', why: 'two' },
      ],
    });
    expect(announce([], change)).toEqual(noEffect);
  });
});
