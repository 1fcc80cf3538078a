// SPDX-License-Identifier: MIT

import { z } from 'zod';
import { describeError, fail, isPcibackError } from '../../core/errors/index.ts';
import { defineQuirk, type Quirk } from '../../core/quirk/quirk.ts';
import {
  capability,
  extendedCapability,
  type FieldSet,
  type Register,
  register,
} from '../../core/space/declaration.ts';
import { add, type CapabilityList, hide, limitConfigSize, relink, type Surgery } from '../../core/space/surgery.ts';
import { givers } from '../instead.ts';
import { explainIssue } from '../schema-issue.ts';

const hexNumber = z
  .string()
  .regex(/^(0x)?[0-9a-fA-F]{1,8}$/, 'a hexadecimal number in quotes, for example "0xe8"')
  .transform((text) => Number.parseInt(text.replace(/^0x/, ''), 16))
  .describe('A hexadecimal number as text, with or without 0x.');

const bytes = z.literal([8, 16, 32]);
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
  instead: z
    .enum(givers)
    .exactOptional()
    .describe('What the quirk claims of the bits of this field plugin is its own, but for bits with code behind them.'),
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
/** Throws; `where` is a place in the file. */
type Refuse = (where: string, why: string) => never;

/** Words about a register have its name, which stands in `where` already. */
const whyOf = (error: unknown): string =>
  isPcibackError(error) && typeof error.facts.why === 'string' ? error.facts.why : describeError(error);

/** What the language of quirks refuses is said of a place in the file. */
const at = <Made>(where: string, refuse: Refuse, make: () => Made): Made => {
  try {
    return make();
  } catch (error) {
    return isPcibackError(error, 'QUIRK_INVALID')
      ? refuse(String(error.facts.where), whyOf(error))
      : refuse(where, whyOf(error));
  }
};

const registerOf = (json: JsonRegister, path: string, refuse: Refuse): Register => {
  const { name, initial, value } = json;
  const where = (key = ''): string => `${path}${key} (${name})`;
  return at(where(), refuse, () => {
    if (initial !== undefined && json.emulated === undefined) refuse(where('.initial'), 'it belongs to emulated bits');
    if ((value === undefined) !== (json.shown === undefined))
      refuse(where('.value'), 'shown bits and their value go together');
    let declared = register(json.offset, json.width, name);
    for (const policy of ['writable', 'clearedByOne', 'readOnly', 'reserved'] as const) {
      const mask = json[policy];
      if (mask !== undefined) declared = declared[policy](mask);
    }
    if (json.emulated !== undefined) declared = declared.emulated(json.emulated, initial);
    if (json.shown !== undefined && value !== undefined) declared = declared.shows(value, json.shown);
    return declared;
  });
};

const registersOf = (registers: readonly JsonRegister[], path: string, refuse: Refuse): Register[] =>
  registers.map((one, index) => registerOf(one, `${path}.registers[${index}]`, refuse));

const fieldOf = (json: JsonRegister | z.output<typeof jsonSet>, where: string, refuse: Refuse): Register | FieldSet => {
  if (!('registers' in json)) return registerOf(json, where, refuse);
  const make = json.list === 'standard' ? capability : extendedCapability;
  const registers = registersOf(json.registers, where, refuse);
  return at(`${where} (${json.name})`, refuse, () => make(json.capability, json.name, registers));
};

const surgeryOf = (json: z.output<typeof jsonSurgery>, where: string, refuse: Refuse): Surgery =>
  at(where, refuse, () => {
    if ('limitConfigSize' in json) return limitConfigSize(json.limitConfigSize);
    const which: CapabilityList = json.list;
    if ('hide' in json) return hide(json.hide, which);
    if ('relink' in json) return relink(json.relink, json.offset, which);
    return add(json.add, json.offset, registersOf(json.registers, where, refuse), which);
  });

/**
 * A quirk from JSON: data only, so that no code of a vendor has to run in dom0. Numbers are hexadecimal texts, each
 * policy has a mask: `{ "offset": "0xe8", "width": 16, "name": "device control", "writable": "0x00ff" }`.
 *
 * @param origin file name for messages
 * @throws PcibackError `QUIRK_INVALID` naming the file, the quirk and the place in it
 */
export const quirkFromJson = (data: unknown, origin: string): Quirk => {
  const { name: given } = Object(data) as { readonly name?: unknown };
  const quirk = typeof given === 'string' ? `${origin} (${given})` : origin;
  const refuse: Refuse = (where, why) => fail('QUIRK_INVALID', { quirk, where, why });
  const parsed = jsonQuirk.safeParse(data, { reportInput: true, jitless: true });
  if (!parsed.success) {
    const { key, why, nearest } = explainIssue(jsonQuirk, parsed.error.issues[0]);
    return refuse(
      key === '' ? 'the file' : key,
      nearest === undefined ? why : `${why}; perhaps you meant "${nearest}"`,
    );
  }
  const { name, source, match, fields, instead, surgery, interruptLimits } = parsed.data;
  const made = {
    fields: fields.map((one, index) => fieldOf(one, `fields[${index}]`, refuse)),
    surgery: surgery.map((one, index) => surgeryOf(one, `surgery[${index}]`, refuse)),
  };
  return at('the file', refuse, () =>
    defineQuirk({ name, source, match, ...made, ...(instead === undefined ? {} : { instead }), interruptLimits }),
  );
};

/** The JSON schema of {@link quirkFromJson}'s files, for editors. */
export const quirkSchema = (): object => z.toJSONSchema(jsonQuirk, { io: 'input' });
