// SPDX-License-Identifier: MIT

import { expect, it } from 'vitest';
import type { ConfigInput } from '../../plugins/program/schema.ts';
import { startEmbeddedHost } from '../kit/embedded-host.ts';

it.each<[string, ConfigInput, string]>([
  ['the slot mapper', { slots: 'vcpi' }, 'vpci'],
  ['the interrupt policy', { interrupts: 'stritc' }, 'strict'],
  ['the slot mapper of one guest', { guests: { vm: { slots: 'vcpi' } } }, 'vpci'],
  ['the interrupt policy of one guest', { guests: { vm: { interrupts: 'stritc' } } }, 'strict'],
])('%s that no plugin brings is refused at the start, not when the first guest comes', async (_, config, nearest) => {
  await expect(startEmbeddedHost({ config })).rejects.toMatchObject({
    code: 'CHOICE_UNKNOWN',
    facts: { nearest },
  });
});
