// SPDX-License-Identifier: MIT

import { z } from 'zod';
import { describeError } from '../core/errors/index.ts';
import { type DeviceTest, noDevice, parseDeviceTest } from './device-test.ts';

const one = z.string({ error: 'expected a text such as "0000:03:00.0" or "8086:10d3"' }).transform((text, context) => {
  const refuse = (message: string): never => {
    context.addIssue({ code: 'custom', message });
    return z.NEVER;
  };
  try {
    return parseDeviceTest(text) ?? refuse('name it by its address or its ids');
  } catch (error) {
    return refuse(describeError(error));
  }
});

/** A list of devices as an option of a plugin; the empty one is {@link noDevice}. */
export const deviceOption = (about: string) =>
  z
    .array(one)
    .default([])
    .transform(
      (tests): DeviceTest => (tests.length === 0 ? noDevice : (identity) => tests.some((test) => test(identity))),
    )
    .describe(`${about} Addresses (\`0000:03:00.0\`, \`0000:03:00.*\`) or ids (\`8086:10d3\`, \`8086:*\`).`);
