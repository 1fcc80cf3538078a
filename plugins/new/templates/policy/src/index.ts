// SPDX-License-Identifier: MIT

import { definePlugin, type InterruptPolicy, type PolicyFacts } from 'pciback/plugin';
import { z } from 'zod';

const options = z
  .strictObject({
    vectors: z.number().int().min(1).default(2).describe('MSI-X vectors that a guest may have for one device.'),
    policy: z.string().default('strict').describe('The policy that decides everything else.'),
  })
  .prefault({});

/** Decides, and does nothing: what is checked, mapped and undone around it is not its business. */
const fewVectors = (inner: InterruptPolicy, vectors: number): InterruptPolicy => ({
  ...inner,
  about: 'MSI-X with few vectors.',
  refusesRequest: (question) => {
    if (question.kind === 'msix' && question.vectors > vectors) return `more than ${vectors} vectors`;
    return inner.refusesRequest?.(question);
  },
});

export default definePlugin({
  name: 'pciback-acme-thing',
  version: '0.1.0',
  api: '^1.1',
  options,
  apply: (host, { vectors, policy }) => {
    host.interrupts.add('thing', (facts: PolicyFacts) => fewVectors(facts.policy(policy), vectors));
  },
});
