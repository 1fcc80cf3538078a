// SPDX-License-Identifier: MIT

import { formatBdf, parseBdf } from '../../core/bdf.ts';
import type { SeizedDevice } from '../../core/stub/index.ts';
import { fail } from '../errors.ts';
import type { PartContext } from '../kinds/part.ts';
import { quirkFields, quirksText } from './quirk-fields.ts';
import type { SlotList } from './slot-list.ts';
import type { Switches, SwitchKey } from './switches.ts';

/** What the part `switches` offers to its own operations. */
export interface SwitchOffers {
  readonly switches: Switches;
  readonly slots: SlotList;
}

/** What an attribute is read and written with. */
export interface AttributeContext extends SwitchOffers {
  readonly context: PartContext;
}

/** One line of a table, by its columns. */
export type AttributeRow = Readonly<Record<string, string | number | boolean>>;

/** What an attribute says. */
export interface Reading {
  /** As the kernel module's file says it. */
  readonly text: string;
  readonly rows: readonly AttributeRow[];
}

/** One attribute of the kernel module's driver, `/sys/bus/pci/drivers/pciback/NAME`. */
export interface Attribute {
  readonly about: string;
  read?(of: AttributeContext): Reading | Promise<Reading>;
  /** @throws PcibackError why it is refused; nothing has changed then */
  write?(of: AttributeContext, text: string): unknown;
  /** Takes a write back; the kernel module has no such thing. Throws as `write`. */
  clear?(of: AttributeContext, text: string): unknown;
}

/** The handler on a line, as the part `irq` tells it. */
interface LineHandler {
  readonly bdf: string;
  readonly on: boolean;
  readonly acknowledging: boolean;
  readonly handled: number;
}

/** Asks another part: what it does is done in one place. */
const ask = async (attribute: string, { context }: AttributeContext, name: string, args: object): Promise<unknown> => {
  const found = context.operations().get(name);
  if (found !== undefined) return found.answer({ ...args });
  const why = `operation ${name} is not there`;
  return fail('ATTRIBUTE_REFUSED', {
    attribute,
    errno: 'EOPNOTSUPP',
    why,
    next: 'Its plugin stands in `without` of the rc file: take it out there.',
  });
};

const guestOf = ({ assignment }: SeizedDevice): string =>
  assignment === undefined ? '-' : String(assignment.tenant.domain);

const lines = (rows: readonly string[]): string => rows.map((row) => `${row}\n`).join('');

/** A flag of devices; `name` is the attribute's, `key` that of the rc file. */
const flag = (name: string, key: SwitchKey, about: string): Attribute => ({
  about,
  read: ({ context: { engine }, switches }) => {
    const devices = engine.stub.devices.map((device) => ({ device, ...switches.state(key, device) }));
    return {
      text: lines(devices.flatMap(({ device, on }) => (on ? [formatBdf(device.bdf)] : []))),
      rows: devices.map(({ device, on, from }) => ({
        device: formatBdf(device.bdf),
        guest: guestOf(device),
        [name]: on ? 'yes' : 'no',
        from: from ?? '-',
      })),
    };
  },
  write: ({ switches }, text) => switches.set(name, key, text, 'on'),
  clear: ({ switches }, text) => switches.set(name, key, text, 'off'),
});

const handlersOf = async (of: AttributeContext): Promise<readonly LineHandler[]> => {
  const { handlers } = (await ask('irq_handlers', of, 'irq-handlers', {})) as {
    readonly handlers: readonly LineHandler[];
  };
  return of.context.engine.stub.devices.map(({ bdf }) => {
    const none = { bdf: formatBdf(bdf), on: false, acknowledging: false, handled: 0 };
    return handlers.find((one) => one.bdf === none.bdf) ?? none;
  });
};

/** In the order in which the kernel module makes them. */
export const attributes = {
  new_slot: {
    about: 'adds addresses to the slot list; nothing is seized',
    write: ({ slots }, text) => slots.add(text),
  },
  remove_slot: {
    about: 'takes addresses out of the slot list; nothing is released',
    write: ({ slots }, text) => slots.remove(text),
  },
  slots: {
    about: 'addresses of functions that `bind` seizes',
    read: ({ slots, context: { engine } }) => {
      const names = slots.addresses.map(formatBdf);
      const seized = new Map(engine.stub.devices.map((device) => [formatBdf(device.bdf), guestOf(device)]));
      const rows = names.map((slot) => ({
        slot,
        seized: seized.has(slot) ? 'yes' : 'no',
        guest: seized.get(slot) ?? '-',
      }));
      return { text: lines(names), rows };
    },
  },
  quirks: {
    about: 'registers of each device; written, a register that is opened',
    read: ({ context: { engine } }) => {
      const devices = engine.stub.devices.map((device) => ({ device, fields: quirkFields(engine, device) }));
      return {
        text: devices.map(({ device, fields }) => quirksText(device, fields)).join(''),
        rows: devices.flatMap(({ device, fields }) =>
          fields.map(({ offset, size, mask, owner }) => ({
            device: formatBdf(device.bdf),
            register: `0x${offset.toString(16).padStart(2, '0')}`,
            bytes: size,
            opened: mask === 0 ? '-' : `0x${mask.toString(16)}`,
            owner,
          })),
        ),
      };
    },
    write: (of, text) => ask('quirks', of, 'quirk-text', { text }),
  },
  permissive: flag('permissive', 'permissive', 'devices whose guest writes what no field covers'),
  allow_interrupt_control: flag(
    'allow_interrupt_control',
    'allowInterruptControl',
    'devices whose guest may switch interrupts itself',
  ),
  irq_handlers: {
    about: 'the handler on the interrupt line of each device',
    read: async (of) => {
      const handlers = await handlersOf(of);
      const text = handlers.map(
        ({ bdf, on, acknowledging, handled }) =>
          `${bdf}:${on ? 'on' : 'off'}:${acknowledging ? 'ack' : 'not ack'}ing:${handled}`,
      );
      const rows = handlers.map(({ bdf, on, acknowledging, handled }) => ({
        device: bdf,
        handler: on ? 'on' : 'off',
        acknowledging: acknowledging ? 'yes' : 'no',
        handled,
      }));
      return { text: lines(text), rows };
    },
  },
  irq_handler_state: {
    about: 'takes the handler off the line of a device, or puts it on',
    write: (of, text) => ask('irq_handler_state', of, 'irq-toggle', { bdf: text }),
  },
  bind: {
    about: 'seizes a function of the slot list',
    write: async ({ slots, context: { engine } }, text) => {
      const address = parseBdf(text);
      if (!(await slots.matches(address, engine))) {
        fail('ATTRIBUTE_REFUSED', {
          attribute: 'bind',
          errno: 'ENODEV',
          why: `neither ${formatBdf(address)} nor a bridge above it is in the slot list`,
          next: `Add it: pciback attribute new_slot ${formatBdf(address)}`,
        });
      }
      await engine.stub.seize(address);
    },
  },
  unbind: {
    about: 'gives a function back to the host',
    write: ({ context: { engine } }, text) => engine.stub.release(parseBdf(text)),
  },
} as const satisfies Readonly<Record<string, Attribute>>;

export type AttributeName = keyof typeof attributes;
