// SPDX-License-Identifier: MIT

import { z } from 'zod';
import { fail } from '../errors/index.ts';
import { register } from './declaration.ts';
import { defineQuirk, type Quirk } from './quirk.ts';

const hexText = z.string().regex(/^(0x)?[0-9a-fA-F]{1,8}$/, 'a hexadecimal number in quotes, for example "0xe8"');

const jsonField = z.strictObject({
  offset: hexText,
  width: z.union([z.literal(8), z.literal(16), z.literal(32)]),
  name: z.string().min(1),
  writable: hexText.optional(),
  clearedByOne: hexText.optional(),
  emulated: hexText.optional(),
  readOnly: hexText.optional(),
});

const jsonQuirk = z.strictObject({
  $schema: z.string().optional(),
  name: z.string().min(1),
  source: z.string().min(1),
  match: z
    .array(
      z.strictObject({
        vendor: hexText,
        device: hexText.optional(),
        subsystemVendor: hexText.optional(),
        subsystemDevice: hexText.optional(),
      }),
    )
    .min(1),
  fields: z.array(jsonField).min(1),
});

/**
 * A quirk from JSON: data only, so that no code of a vendor has to run in dom0. Numbers are hexadecimal texts, each
 * policy has a mask: `{ "offset": "0xe8", "width": 16, "name": "device control", "writable": "0x00ff" }`.
 *
 * @param origin file name for messages
 * @throws PcibackError `QUIRK_INVALID` naming the file and the key.
 */
export const quirkFromJson = (data: unknown, origin: string): Quirk => {
  const parsed = jsonQuirk.safeParse(data);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    return fail('QUIRK_INVALID', {
      quirk: origin,
      where: issue === undefined || issue.path.length === 0 ? 'the file' : issue.path.join('.'),
      why: issue?.message ?? 'not a quirk',
    });
  }
  const number = (text: string): number => Number.parseInt(text.replace(/^0x/, ''), 16);
  return defineQuirk({
    name: parsed.data.name,
    source: parsed.data.source,
    match: parsed.data.match.map((one) => ({
      vendor: number(one.vendor),
      ...(one.device === undefined ? {} : { device: number(one.device) }),
      ...(one.subsystemVendor === undefined ? {} : { subsystemVendor: number(one.subsystemVendor) }),
      ...(one.subsystemDevice === undefined ? {} : { subsystemDevice: number(one.subsystemDevice) }),
    })),
    fields: parsed.data.fields.map((field) => {
      let declared = register(number(field.offset), field.width, field.name);
      for (const policy of ['writable', 'clearedByOne', 'emulated', 'readOnly'] as const) {
        const mask = field[policy];
        if (mask !== undefined) declared = declared[policy](number(mask));
      }
      return declared;
    }),
  });
};
