// SPDX-License-Identifier: MIT

import { fail } from '../errors/index.ts';
import { nearest } from '../errors/nearest.ts';
import type { InterruptPolicySource } from '../interrupts.ts';
import type { WatchPolicy } from '../platform/watch.ts';
import type { Quirk } from '../quirk/quirk.ts';
import type { SlotMapper } from '../slots.ts';
import type { FieldSet } from '../space/declaration.ts';
import type { Surgery } from '../space/surgery.ts';
import type { CommandDefinition } from './command.ts';
import type { NativeFactory, PlatformDefinition, Undo } from './definition.ts';
import type { PartDefinition } from './part.ts';

/** A named thing and the plugin that brought it. */
export interface Owned<Thing> {
  readonly name: string;
  readonly plugin: string;
  readonly thing: Thing;
}

/** Named things, each with the plugin that brought it. */
export class Registry<Thing> {
  readonly #kind: string;
  readonly #entries = new Map<string, Owned<Thing>>();

  /** @param kind for messages: `slot mapper` */
  constructor(kind: string) {
    this.#kind = kind;
  }

  /** @throws PcibackError `PLUGIN_REGISTRATION` */
  add(plugin: string, name: string, thing: Thing): Undo {
    const taken = this.#entries.get(name);
    if (taken) fail('PLUGIN_REGISTRATION', { name: plugin, kind: this.#kind, entry: name, owner: taken.plugin });
    const entry = { name, plugin, thing };
    this.#entries.set(name, entry);
    return () => {
      if (this.#entries.get(name) === entry) this.#entries.delete(name);
    };
  }

  /** @throws PcibackError `CHOICE_UNKNOWN` with the nearest known name. */
  get(name: string): Thing {
    const entry = this.#entries.get(name);
    if (entry) return entry.thing;
    const known = this.names;
    return fail('CHOICE_UNKNOWN', {
      kind: this.#kind,
      name,
      nearest: nearest(name, known),
      known,
    });
  }

  get names(): string[] {
    return [...this.#entries.keys()];
  }

  get things(): Thing[] {
    return [...this.#entries.values()].map((entry) => entry.thing);
  }

  /** Things with their names and the plugin that brought each. */
  get owned(): Owned<Thing>[] {
    return [...this.#entries.values()];
  }
}

/** Everything that plugins registered, by kind. */
export class Registries {
  readonly fields = new Registry<FieldSet>('field set');
  readonly quirks = new Registry<Quirk>('quirk');
  readonly surgery = new Registry<Surgery>('surgery');
  readonly slots = new Registry<SlotMapper>('slot mapper');
  readonly interrupts = new Registry<InterruptPolicySource>('interrupt policy');
  readonly watches = new Registry<WatchPolicy>('watch policy');
  readonly platforms = new Registry<PlatformDefinition>('platform');
  readonly natives = new Registry<NativeFactory>('foreign-function loader');
  readonly commands = new Registry<CommandDefinition>('command');
  readonly parts = new Registry<PartDefinition>('part');
}
