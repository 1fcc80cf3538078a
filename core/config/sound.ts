// SPDX-License-Identifier: MIT

import { type BdfPattern, formatBdf, parseBdf, parseBdfPattern } from '../bdf.ts';
import { defaults } from './defaults.ts';
import { atAddress, type DevicePattern, ID, idOf, withIds } from './device-pattern.ts';
import type { Config, PluginEntry } from './schema.ts';

/** What a value comes to; `undefined`: not accepted here, which leaves the word to the schema. */
type Sound<Output> = (value: unknown) => Output | undefined;

/** Sound values of the keys of a section. */
type Keys<Section> = { readonly [Key in keyof Section]-?: Sound<Exclude<Section[Key], undefined>> };

/**
 * As JSON would have it: anything else that an rc file of code may bring is a matter for the schema, which also has an
 * opinion of its own on an object with a key `constructor`.
 */
const isPlain = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' &&
  value !== null &&
  Object.getPrototypeOf(value) === Object.prototype &&
  !Object.hasOwn(value, '__proto__') &&
  !Object.hasOwn(value, 'constructor') &&
  Reflect.ownKeys(value).length === Object.keys(value).length;

const word: Sound<string> = (value) => (typeof value === 'string' && value !== '' ? value : undefined);

const flag: Sound<boolean> = (value) => (typeof value === 'boolean' ? value : undefined);

const oneOf =
  <Word extends string>(...words: readonly Word[]): Sound<Word> =>
  (value) =>
    words.find((one) => one === value);

const between =
  (least: number, most: number): Sound<number> =>
  (value) =>
    typeof value === 'number' && value >= least && value <= most ? value : undefined;

const list =
  <Element>(element: Sound<Element>): Sound<Element[]> =>
  (value) => {
    if (!Array.isArray(value)) return undefined;
    const said: Element[] = [];
    for (const one of value as unknown[]) {
      const sound = element(one);
      if (sound === undefined) return undefined;
      said.push(sound);
    }
    return said;
  };

const record =
  <Value>(element: Sound<Value>): Sound<Record<string, Value>> =>
  (value) => {
    if (!isPlain(value)) return undefined;
    const said: Record<string, Value> = {};
    for (const [key, one] of Object.entries(value)) {
      const sound = element(one);
      if (sound === undefined) return undefined;
      said[key] = sound;
    }
    return said;
  };

/** Keys that are not said are not in the result. */
const said =
  <Section>(keys: Keys<Section>): Sound<Partial<Section>> =>
  (value) => {
    if (!isPlain(value)) return undefined;
    const result: Record<string, unknown> = {};
    for (const [key, one] of Object.entries(value)) {
      if (!Object.hasOwn(keys, key)) return undefined;
      const sound = keys[key as keyof Section](one);
      if (sound === undefined) return undefined;
      result[key] = sound;
    }
    return result as Partial<Section>;
  };

/** @param usual made for each caller: what it holds is the caller's own */
const section =
  <Section>(keys: Keys<Section>, usual: () => Section): Sound<Section> =>
  (value) => {
    const result = said(keys)(value);
    return result === undefined ? undefined : { ...usual(), ...result };
  };

/** For functions that throw what the schema would say. */
const parsed = <Output>(parse: (text: string) => Output, value: unknown): Output | undefined => {
  if (typeof value !== 'string') return undefined;
  try {
    return parse(value);
  } catch {
    return undefined;
  }
};

const bdfPattern: Sound<BdfPattern> = (value) => parsed(parseBdfPattern, value);

const id: Sound<number> = (value) => (typeof value === 'string' && ID.test(value) ? idOf(value) : undefined);

const devicePattern: Sound<DevicePattern> = (value) => {
  if (typeof value === 'string') return parsed((text) => atAddress(parseBdfPattern(text)), value);
  const ids = said<{ vendor: number; device: number }>({ vendor: id, device: id })(value);
  return ids?.vendor === undefined ? undefined : withIds(ids.vendor, ids.device);
};

/** Options are the plugin's matter. */
const anything: Sound<object> = (value) => (value === undefined ? undefined : { value });

const pluginEntry: Sound<PluginEntry> = (value) => {
  if (!Array.isArray(value)) return word(value);
  const name = word(value[0]);
  const options: unknown = value[1];
  if (value.length !== 2 || name === undefined || record(anything)(options) === undefined) return undefined;
  return [name, { ...(options as Record<string, unknown>) }];
};

type Guest = Config['guests'][string];
type GuestDevices = Guest['devices'];

const guestDevices: Sound<GuestDevices> = (value) => {
  const keys: Keys<GuestDevices[string]> = { permissive: flag, allowInterruptControl: flag };
  const devices = record(section<GuestDevices[string]>(keys, () => ({})))(value);
  if (devices === undefined) return undefined;
  const canonical: Record<string, GuestDevices[string]> = {};
  for (const [key, one] of Object.entries(devices)) {
    const address = parsed(parseBdf, key);
    if (address === undefined) return undefined;
    canonical[formatBdf(address)] = one;
  }
  return canonical;
};

const guest = (value: unknown): Guest | undefined =>
  section<Guest>({ slots: word, interrupts: word, devices: guestDevices }, () => ({ devices: {} }))(value);

const outcome = oneOf('quarantine', 'allow');

const config: Keys<Config> = {
  platform: word,
  native: word,
  plugins: list(pluginEntry),
  quirks: list(word),
  hide: list(devicePattern),
  fields: oneOf('kernel', 'full'),
  slots: word,
  watch: word,
  interrupts: word,
  permissive: list(bdfPattern),
  allowInterruptControl: list(bdfPattern),
  sharedLines: oneOf('refuse', 'allow'),
  onReset: section<Config['onReset']>({ failed: outcome, unsupported: outcome }, () => defaults.onReset),
  errors: section<Config['errors']>(
    { deadlineSeconds: between(1, 300), onFailure: oneOf('fence', 'pause', 'destroy') },
    () => defaults.errors,
  ),
  shutdownSeconds: between(0, 3600),
  control: (value) => (value === false ? value : word(value)),
  log: section<Config['log']>({ level: oneOf('debug', 'info', 'warn', 'error') }, () => defaults.log),
  embedded: section<Config['embedded']>({ devices: list(word) }, () => ({ devices: [...defaults.embedded.devices] })),
  xen: section<Config['xen']>(
    { configPages: flag, lane: flag, mode: oneOf('drop-in'), precedence: flag },
    () => defaults.xen,
  ),
  guests: record(guest),
};

/**
 * What a sound rc file says, without the schema: loading and making that costs more than the rest of reading the file.
 * It only says yes. Whatever it does not know for certain, and every refusal, is the schema's.
 *
 * @returns `undefined`: ask the schema
 */
export const saidSoundly: Sound<Partial<Config>> = said(config);
