// SPDX-License-Identifier: MIT

import { z } from 'zod';
import { nearest } from '../../core/errors/nearest.ts';
import { fail } from '../errors.ts';
import { type OperationsOf, operation, type PartContext } from '../kinds/part.ts';
import { type Attribute, type AttributeContext, attributes, type Reading, type SwitchOffers } from './attributes.ts';

/** An attribute, as it can be used. */
export interface AttributeSummary {
  readonly name: string;
  /** As a file has it. */
  readonly mode: '0200' | '0444' | '0644';
  readonly about: string;
}

/** What an attribute says, as the kernel's text and as a table. */
export interface AttributeReading extends Reading {
  readonly name: string;
}

const table: Readonly<Record<string, Attribute>> = attributes;

/** @throws PcibackError `ATTRIBUTE_REFUSED` when there is none of this name */
const attributeNamed = (name: string): Attribute => {
  const found = Object.hasOwn(table, name) ? table[name] : undefined;
  if (found !== undefined) return found;
  const near = nearest(name, Object.keys(table));
  const next = `${near === undefined ? '' : `Perhaps you meant "${near}". `}\`pciback attribute\` lists them.`;
  return fail('ATTRIBUTE_REFUSED', { attribute: name, errno: 'ENOENT', why: 'there is none of this name', next });
};

const contextOf = (context: PartContext): AttributeContext => ({
  ...(context.part('switches') as SwitchOffers),
  context,
});

const refuse = (attribute: string, why: string, next: string): never =>
  fail('ATTRIBUTE_REFUSED', { attribute, errno: 'EACCES', why, next });

const modeOf = ({ read, write }: Attribute): AttributeSummary['mode'] =>
  read === undefined ? '0200' : write === undefined ? '0444' : '0644';

const name = () => z.string().describe('As the file is called: `permissive`.');

export const operations = {
  attributes: operation({
    about: 'The attributes that the kernel module’s driver has, in the order in which it makes them.',
    asks: z.strictObject({}),
    answer: (): { readonly attributes: readonly AttributeSummary[] } => ({
      attributes: Object.entries(table).map(([name, one]) => ({ name, mode: modeOf(one), about: one.about })),
    }),
  }),
  'attribute-read': operation({
    about: 'What an attribute says: `text` as the kernel module’s file has it, `rows` as a table.',
    asks: z.strictObject({ name: name() }),
    answer: async ({ name }, context): Promise<AttributeReading> => {
      const { read } = attributeNamed(name);
      if (read === undefined) return refuse(name, 'it can only be written', 'Give it a text: the address of a device.');
      return { name, ...(await read(contextOf(context))) };
    },
  }),
  'attribute-write': operation({
    about:
      'Writes to an attribute what could be written to the kernel module’s file; answers how many bytes that were.',
    asks: z.strictObject({
      name: name(),
      text: z.string().max(4096).describe('An address, or what the attribute takes.'),
      off: z.boolean().optional().describe('Takes the write back: `permissive` and `allow_interrupt_control`.'),
    }),
    answer: async ({ name, text, off }, context): Promise<{ readonly name: string; readonly written: number }> => {
      const attribute = attributeNamed(name);
      if (attribute.write === undefined)
        return refuse(
          name,
          'it can only be read',
          'new_slot and remove_slot change the slot list, irq_handler_state the handlers.',
        );
      const work = off === true ? attribute.clear : attribute.write;
      if (work === undefined) return refuse(name, 'what is written there cannot be switched off', 'Leave --off out.');
      await work(contextOf(context), text);
      return { name, written: Buffer.byteLength(text) };
    },
  }),
};

export type SwitchOperations = OperationsOf<typeof operations>;
