// SPDX-License-Identifier: MIT

import { definePlugin, type InterruptPolicy, type PolicyFacts } from 'pciback/plugin';
import { z } from 'zod';

const options = z.strictObject({
  vectors: z.number().int().min(1).default(2).describe('MSI-X vectors that a guest may have for one device.'),
  policy: z.string().default('strict').describe('The policy that decides everything else.'),
});

/** One policy for each device in the hands of each guest: a factory, because it is put around another policy. */
const fewVectors = (inner: InterruptPolicy, vectors: number): InterruptPolicy => ({
  ...inner,
  about: 'MSI-X with few vectors.',
  refusesRequest: (question) => {
    if (question.kind === 'msix' && question.vectors > vectors) return `more than ${vectors} vectors`;
    return inner.refusesRequest?.(question);
  },
});

export default definePlugin({
  name: 'lab/few-vectors',
  api: '^1.0',
  options,
  apply: (host, { vectors, policy }) => {
    host.interrupts.add('few-vectors', (facts: PolicyFacts) => fewVectors(facts.policy(policy), vectors));
  },
});
