// SPDX-License-Identifier: MIT

import { z } from 'zod';
import { formatBdf, parseBdf } from '../../core/bdf.ts';
import { describeError } from '../../core/errors/index.ts';
import { type DevicePattern, ID, idOf, parseDevicePatterns, withIds } from '../device-pattern.ts';
import { type Deadlines, defaultDeadlines } from '../kinds/kinds.ts';
import { defaults } from './defaults.ts';

/** Parses a text with one of the functions that throw errors of the catalogue. */
const parsed = <Output>(parse: (text: string) => Output, example: string) =>
  z.string({ error: `expected a text such as ${example}` }).transform((text, context): Output => {
    try {
      return parse(text);
    } catch (error) {
      context.addIssue({ code: 'custom', message: describeError(error) });
      return z.NEVER;
    }
  });

const id = () =>
  z
    .string({ error: 'expected four hexadecimal digits in quotes, for example "8086"' })
    .regex(ID, 'expected four hexadecimal digits in quotes, for example "8086"')
    .transform(idOf);

const patterns = () => parsed(parseDevicePatterns, '"0000:03:00.0" or "0000:03:00.*"');

const devicePatterns = () =>
  z.union(
    [
      patterns(),
      z
        .strictObject({
          vendor: id().describe('Vendor id, hexadecimal, as lspci -n prints it.'),
          device: id().optional().describe('Device id; missing: every device of the vendor.'),
          subvendor: id().optional().describe('Vendor id of the subsystem; missing: any.'),
          subdevice: id().optional().describe('Device id of the subsystem; missing: any.'),
        })
        .transform((ids): DevicePattern[] => [withIds(ids)]),
    ],
    { error: 'expected an address such as "0000:03:00.0" or "0000:03:00.*", or { vendor, device }' },
  );

/** What names devices: a list, or the text that the kernel module's `hide` takes. */
const deviceList = () =>
  z
    .union([patterns(), z.array(devicePatterns()).transform((all): DevicePattern[] => all.flat())], {
      error: 'expected a list of addresses, or a text such as "(0000:03:00.0)(04:00.*)"',
    })
    .default([]);

const word = () => z.string().min(1, 'expected a name');

const pluginEntry = () =>
  z.union([word(), z.tuple([word(), z.record(z.string(), z.unknown())])], {
    error: 'expected a name, or [name, { options }]',
  });

const outcome = () => z.enum(['quarantine', 'allow']);

const guestDevice = () =>
  z.strictObject({
    permissive: z
      .boolean()
      .optional()
      .describe('Overrides the list `permissive` for this device in this guest, both ways.'),
    allowInterruptControl: z
      .boolean()
      .optional()
      .describe('Overrides the list `allowInterruptControl` for this device in this guest, both ways.'),
  });

/** Keys by canonical address, so that a device is found under `formatBdf` of its address. */
const guestDevices = () =>
  z
    .record(z.string(), guestDevice())
    .transform((devices, context): Readonly<Record<string, z.output<ReturnType<typeof guestDevice>>>> => {
      const canonical: Record<string, z.output<ReturnType<typeof guestDevice>>> = {};
      const spellings = new Map<string, string>();
      for (const [key, value] of Object.entries(devices)) {
        try {
          const address = formatBdf(parseBdf(key));
          const other = spellings.get(address);
          if (other !== undefined) throw new Error(`it is the same address as "${other}", which stands here too`);
          spellings.set(address, key);
          canonical[address] = value;
        } catch (error) {
          context.addIssue({ code: 'custom', message: describeError(error), path: [key] });
        }
      }
      return canonical;
    });

const guest = () =>
  z.strictObject({
    slots: word().optional().describe('Slot mapper of this guest; missing: the general one.'),
    interrupts: word().optional().describe('Interrupt policy of this guest; missing: the general one.'),
    devices: guestDevices()
      .prefault({})
      .describe('Settings of single devices, by address. The toolstack decides which devices the guest gets.'),
  });

type DeadlineSchema = { readonly [Name in keyof Deadlines]: z.ZodDefault<z.ZodNumber> };

/** Deadlines that are not of a plugin's code. */
const otherDeadlines: Readonly<Record<string, string>> = {
  store:
    'Seconds that xenstore gets to answer a request when pciback starts or stops; while it serves it waits as long as it takes, and the log says so.',
  stop: 'Seconds that the whole end gets beside `shutdownSeconds`; what is not given back then is named and left.',
};

const seconds = (name: string, initial: number) =>
  z
    .number()
    .positive()
    .max(3600)
    .default(initial)
    .describe(otherDeadlines[name] ?? `Seconds that a plugin’s code gets for \`${name}\`.`);

/**
 * What an rc file can say to the core: the one source of types, checks and the reference page, a schema for each key. Other
 * keys are sections of plugins.
 */
export const keySchemas = {
  platform: () =>
    word()
      .default(defaults.platform)
      .describe('Where pciback runs: `embedded`, `xen`, `vfio-user`, or one that a plugin brings.'),
  native: () =>
    word()
      .optional()
      .describe('Foreign-function loader of platform `xen`: `koffi` or `ffi-napi`; missing: the first that loads.'),
  plugins: () =>
    z
      .array(pluginEntry())
      .default([])
      .describe(
        'Plugins to load, in order: a bundled name, a path that counts from the rc file (`.ts`, `.js`, `.mjs`, `.json`), or a package; with options as `[name, { … }]`.',
      ),
  without: () =>
    z
      .array(word())
      .default([])
      .describe(
        'Bundled plugins and quirks not to load, by name (`fields/power`, `intel/hda`), so that others can take their place.',
      ),
  quirks: () =>
    z.array(word()).default([]).describe('Quirk files to load, paths that count from the rc file: JSON or TypeScript.'),
  folders: () =>
    z
      .array(word())
      .optional()
      .describe(
        'Folders in which a file is enough: every plugin or quirk there is loaded. Of two with one name that of the rc file counts, then that of the first folder, then the bundled one. Missing: `/etc/pciback/plugins.d` and `/usr/share/pciback/quirks.d`; `[]`: none.',
      ),
  hide: () =>
    deviceList().describe(
      'Functions to seize at start, in any form of docs/reference/device-patterns.md: addresses (`0000:03:00.0`, `0000:03:00.*`, `0000:03:*.*`), ids (`8086:1533`, or `{ vendor, device }`), serial numbers, or the text of the kernel module’s `hide`.',
    ),
  fields: () =>
    z
      .enum(['kernel', 'full'])
      .default(defaults.fields)
      .describe(
        'Which bundled registers guests get: `kernel` those of the kernel’s back end, `full` also PCI Express, AER and the other capabilities.',
      ),
  backend: () =>
    z
      .boolean()
      .default(defaults.backend)
      .describe(
        'Whether guests are looked for and served. `false`: the stub alone, which seizes, resets and gives back devices for other back ends, and leaves xenstore alone.',
      ),
  slots: () =>
    word()
      .default(defaults.slots)
      .describe('Slot mapper: `vpci` packs devices on bus 0, `passthrough` keeps host addresses.'),
  watch: () =>
    word()
      .default(defaults.watch)
      .describe(
        'How long the answering thread of platform `xen` looks at guests’ pages for the next request: `adaptive`, `eager`, `never`, or what a plugin brings.',
      ),
  interrupts: () =>
    word()
      .default(defaults.interrupts)
      .describe(
        'Interrupt policy: who may switch MSI, MSI-X and INTx; docs/reference/interrupt-policies.md has the rules of each.',
      ),
  permissive: () =>
    deviceList().describe(
      'Devices, in the forms of `hide`, whose guests may write registers that no field describes. Only for guests you trust.',
    ),
  allowInterruptControl: () =>
    deviceList().describe(
      'Devices, in the forms of `hide`, whose guests may switch MSI, MSI-X and INTx by config writes, as the interrupt policy rules. Only for device models in stub domains; PV guests have requests for it.',
    ),
  allowInUse: () =>
    deviceList().describe(
      'Devices, in the forms of `hide`, that are seized although this host uses them: a mounted disk, the network that it is reached by, its console. Seizing such a device takes that from the host.',
    ),
  allowSharedPages: () =>
    deviceList().describe(
      'Devices, in the forms of `hide`, that guests get although a BAR of theirs lies in one page of memory with a BAR of another owner’s device. The guest can reach that one too (XSA-461).',
    ),
  sharedLines: () =>
    z
      .enum(['refuse', 'allow'])
      .default(defaults.sharedLines)
      .describe(
        'A device whose interrupt line a driver of the host, or another guest, uses too, where the host cannot be given a handler for it (platform `xen`): `refuse` keeps the device from its line, so that it works with MSI or MSI-X only; `allow` lets it use the line, at the risk that the host shuts the line down, or that one guest keeps interrupts from the other (XSA-461).',
      ),
  onReset: () =>
    z
      .strictObject({
        failed: outcome()
          .default(defaults.onReset.failed)
          .describe(
            'A reset was tried and failed: `quarantine` keeps the device from the next guest, `allow` only warns.',
          ),
        unsupported: outcome()
          .default(defaults.onReset.unsupported)
          .describe(
            'The device has no reset method: as above. Such a device can carry state from one guest to the next.',
          ),
      })
      .prefault({})
      .describe('What becomes of a device that could not be reset when it came back from a guest.'),
  deadlines: () =>
    z
      .strictObject(
        Object.fromEntries(
          Object.entries<number>(defaultDeadlines).map(([name, initial]) => [name, seconds(name, initial)]),
        ) as unknown as DeadlineSchema,
      )
      .prefault({})
      .describe(
        'How long code of plugins may take, where it is waited for; docs/reference/hooks.md says what happens then.',
      ),
  shutdownSeconds: () =>
    z
      .number()
      .min(0)
      .max(3600)
      .default(defaults.shutdownSeconds)
      .describe('Seconds that guests get to let go of their devices when pciback is stopped.'),
  log: () =>
    z
      .strictObject({
        level: z
          .enum(['debug', 'info', 'warn', 'error'])
          .default(defaults.log.level)
          .describe('Least level that is written.'),
      })
      .prefault({})
      .describe('What is written to the log.'),
  guests: () => z.record(z.string(), guest()).default({}).describe('Settings of single guests, by name.'),
} as const;
