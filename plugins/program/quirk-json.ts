// SPDX-License-Identifier: MIT

import { z } from 'zod';
import { fail } from '../../core/errors/index.ts';
import { defineQuirk, type Quirk } from '../../core/quirk/quirk.ts';
import {
  capability,
  extendedCapability,
  type FieldSet,
  type Register,
  register,
} from '../../core/space/declaration.ts';
import { add, type CapabilityList, hide, limitConfigSize, relink, type Surgery } from '../../core/space/surgery.ts';

const hexNumber = z
  .string()
  .regex(/^(0x)?[0-9a-fA-F]{1,8}$/, 'a hexadecimal number in quotes, for example "0xe8"')
  .transform((text) => Number.parseInt(text.replace(/^0x/, ''), 16))
  .describe('A hexadecimal number as text, with or without 0x.');

const bytes = z.union([z.literal(8), z.literal(16), z.literal(32)]);
const list = z
  .enum(['standard', 'extended'])
  .default('standard')
  .describe('The list at 0x34, or the extended one at 0x100.');

const jsonRegister = z.strictObject({
  offset: hexNumber.describe('Bytes from the start of config space, or of the capability.'),
  width: bytes.describe('Bits of the register.'),
  name: z.string().min(1).describe('As the data sheet or the driver calls it.'),
  writable: hexNumber.optional().describe('Bits that go to hardware as written.'),
  clearedByOne: hexNumber.optional().describe('Bits of which a one goes to hardware, a zero never.'),
  emulated: hexNumber.optional().describe('Bits of which the guest has a value of its own; hardware never sees it.'),
  initial: hexNumber.optional().describe('What the emulated bits show at first; missing: what hardware has.'),
  shown: hexNumber.optional().describe('Bits that always show `value`; a write is refused.'),
  value: hexNumber.optional().describe('What the shown bits show.'),
  reserved: hexNumber.optional().describe('Bits whose writes are ignored, and not counted as refused.'),
  readOnly: hexNumber.optional().describe('Bits that show hardware; a write is refused.'),
});

const jsonSet = z.strictObject({
  capability: hexNumber.describe('Id of the capability that the offsets count from.'),
  list,
  name: z.string().min(1).describe('A word for the set.'),
  registers: z.array(jsonRegister).min(1),
});

const jsonSurgery = z.union([
  z.strictObject({ hide: hexNumber.describe('Id of a capability that the guest does not see.'), list }),
  z.strictObject({
    relink: hexNumber.describe('Id of a capability that firmware left out of the list.'),
    offset: hexNumber.describe('Where it lies.'),
    list,
  }),
  z.strictObject({
    add: hexNumber.describe('Id of a capability that hardware does not have.'),
    offset: hexNumber.describe('Where it is to lie.'),
    list,
    registers: z.array(jsonRegister).min(1).describe('Its body, behind the header; offsets count from the capability.'),
  }),
  z.strictObject({
    limitConfigSize: z.int().describe('Bytes; nothing is accessed at or beyond this offset. A multiple of 4.'),
  }),
]);

const jsonMatch = z.strictObject({
  vendor: hexNumber,
  device: hexNumber.exactOptional(),
  devices: z
    .strictObject({ from: hexNumber, to: hexNumber })
    .exactOptional()
    .describe('Instead of device: every id from the first to the last.'),
  subsystemVendor: hexNumber.exactOptional(),
  subsystemDevice: hexNumber.exactOptional(),
  class: z
    .strictObject({ value: hexNumber, mask: hexNumber })
    .exactOptional()
    .describe('24-bit class code, and the bits of it that count.'),
  function: z.int().min(0).max(7).exactOptional().describe('Number of the function in its slot.'),
  revisions: z
    .strictObject({ from: hexNumber, to: hexNumber })
    .exactOptional()
    .describe('Steppings, from the first to the last.'),
});

/** A quirk as JSON; the source of `docs/reference/quirk.schema.json`. */
export const jsonQuirk = z.strictObject({
  $schema: z.string().optional(),
  name: z.string().min(1).describe('vendor/family, in lower case, unique.'),
  source: z.string().min(1).describe('Where the facts come from: a data sheet, an erratum, a driver.'),
  match: z.array(jsonMatch).min(1).describe('The devices; every key that is given has to agree.'),
  fields: z
    .array(z.union([jsonRegister, jsonSet]))
    .default([])
    .describe('Registers at absolute offsets, or sets of registers at a capability.'),
  surgery: z.array(jsonSurgery).default([]).describe('Changes of the shape of config space.'),
  interruptLimits: z
    .strictObject({
      disableStopsMessages: z.literal(true).exactOptional().describe('Setting INTX_DISABLE stops MSI and MSI-X too.'),
      maskingBroken: z.literal(true).exactOptional().describe('INTX_DISABLE does not mask the line.'),
    })
    .default({})
    .describe('What is special about the line interrupt.'),
});

type JsonRegister = z.output<typeof jsonRegister>;

const registerOf = (json: JsonRegister, refuse: (where: string, why: string) => never): Register => {
  const { name, initial, value } = json;
  if (initial !== undefined && json.emulated === undefined) refuse(`${name}.initial`, 'it belongs to emulated bits');
  if ((value === undefined) !== (json.shown === undefined))
    refuse(`${name}.value`, 'shown bits and their value go together');
  let declared = register(json.offset, json.width, name);
  for (const policy of ['writable', 'clearedByOne', 'readOnly', 'reserved'] as const) {
    const mask = json[policy];
    if (mask !== undefined) declared = declared[policy](mask);
  }
  if (json.emulated !== undefined) declared = declared.emulated(json.emulated, initial);
  if (json.shown !== undefined && value !== undefined) declared = declared.shows(value, json.shown);
  return declared;
};

const setOf = (json: z.output<typeof jsonSet>, refuse: (where: string, why: string) => never): FieldSet =>
  (json.list === 'standard' ? capability : extendedCapability)(
    json.capability,
    json.name,
    json.registers.map((one) => registerOf(one, refuse)),
  );

const surgeryOf = (json: z.output<typeof jsonSurgery>, refuse: (where: string, why: string) => never): Surgery => {
  if ('limitConfigSize' in json) return limitConfigSize(json.limitConfigSize);
  const which: CapabilityList = json.list;
  if ('hide' in json) return hide(json.hide, which);
  if ('relink' in json) return relink(json.relink, json.offset, which);
  return add(
    json.add,
    json.offset,
    json.registers.map((one) => registerOf(one, refuse)),
    which,
  );
};

/** What is wrong, in the innermost place: of the forms that a key can have, the one that was nearest to right. */
const innermost = (issue: z.core.$ZodIssue, path: readonly PropertyKey[] = []): { where: string; why: string } => {
  const here = [...path, ...issue.path];
  if (issue.code === 'invalid_union' && issue.errors.length > 0) {
    const nearest = [...issue.errors].sort((one, other) => one.length - other.length)[0]?.[0];
    if (nearest !== undefined) return innermost(nearest, here);
  }
  return { where: here.length === 0 ? 'the file' : here.join('.'), why: issue.message };
};

/**
 * A quirk from JSON: data only, so that no code of a vendor has to run in dom0. Numbers are hexadecimal texts, each
 * policy has a mask: `{ "offset": "0xe8", "width": 16, "name": "device control", "writable": "0x00ff" }`.
 *
 * @param origin file name for messages
 * @throws PcibackError `QUIRK_INVALID` naming the file and the key; `FIELD_INVALID`, `FIELD_OVERLAP` for a mask.
 */
export const quirkFromJson = (data: unknown, origin: string): Quirk => {
  const refuse = (where: string, why: string): never => fail('QUIRK_INVALID', { quirk: origin, where, why });
  const parsed = jsonQuirk.safeParse(data);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const { where, why } = issue === undefined ? { where: 'the file', why: 'not a quirk' } : innermost(issue);
    return refuse(where, why);
  }
  const { name, source, match, fields, surgery, interruptLimits } = parsed.data;
  return defineQuirk({
    name,
    source,
    match,
    fields: fields.map((one) => ('registers' in one ? setOf(one, refuse) : registerOf(one, refuse))),
    surgery: surgery.map((one) => surgeryOf(one, refuse)),
    interruptLimits,
  });
};

/** The JSON schema of {@link quirkFromJson}'s files, for editors. */
export const quirkSchema = (): object => z.toJSONSchema(jsonQuirk, { io: 'input' });
