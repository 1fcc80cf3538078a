// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import { readableLog } from '../../../plugins/commands/logger.ts';

const logged = (level: 'debug' | 'info' | 'warn' | 'error', colour = false) => {
  const lines: string[] = [];
  const log = readableLog(level, { write: (line) => void lines.push(line), colour });
  return { log, lines };
};

describe('the log for people', () => {
  it('has time, level, message and facts on one line', () => {
    const { log, lines } = logged('info');
    log.info({ guest: 1, why: 'two words', list: ['a'], size: 5n, empty: '', none: undefined }, 'guest connected');
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(
      /^\d\d:\d\d:\d\d\.\d{3} info {2}guest connected guest=1 why="two words" list=\["a"\] size="5" empty="" none=-\n$/,
    );
  });

  it('keeps what a guest can name on its line', () => {
    const { log, lines } = logged('info');
    log.info({ name: 'evil\n10:00:00.000 info  stopped', error: new Error('a\nb') }, 'guest found');
    expect(lines.join('').split('\n')).toHaveLength(2);
  });

  it.each([
    ['debug', 4],
    ['info', 3],
    ['warn', 2],
    ['error', 1],
  ] as const)('writes from level %s on', (level, count) => {
    const { log, lines } = logged(level);
    log.debug({}, 'd');
    log.info({}, 'i');
    log.warn({}, 'w');
    log.error({}, 'e');
    expect(lines).toHaveLength(count);
    expect(lines.at(-1)).toMatch(/ error e\n$/);
  });
});
