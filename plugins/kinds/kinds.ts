// SPDX-License-Identifier: MIT

import type { z } from 'zod';
import {
  type Deadlines as CoreDeadlines,
  type KindDescription,
  type Order,
  defaultDeadlines as ofCore,
} from '../../core/hooks/index.ts';
import type { AnswererFactory, WatchPolicy } from './answerer.ts';
import type { CommandDefinition } from './command.ts';
import type { GuestSystem } from './guest-system.ts';
import type { NativeFactory } from './native.ts';
import type { PartDefinition } from './part.ts';
import type { PlatformDefinition, PlatformFactory } from './platform.ts';

declare module '../../core/plugin/definition.ts' {
  interface ThingsOf {
    watches: WatchPolicy;
    answerers: AnswererFactory;
    platforms: PlatformDefinition;
    natives: NativeFactory;
    commands: CommandDefinition;
    parts: PartDefinition;
    guestSystems: GuestSystem;
  }
  interface PluginDefinition<Schema extends z.ZodType> {
    /**
     * Other plugins and quirks that have to be there, loaded before this one: names, with the semver range of the version; of a
     * quirk, which has none, `*`.
     */
    readonly needs?: Readonly<Record<string, string>>;
  }
  interface Plugin {
    /** See {@link PluginDefinition.needs}. */
    readonly needs?: Readonly<Record<string, string>>;
  }
  interface Host {
    /** How long a thread that answers guests looks at their pages for the next request. */
    readonly watches: Choices<WatchPolicy>;
    /** Threads that answer guests beside the control thread. The first is used where a platform can have one. */
    readonly answerers: Choices<AnswererFactory>;
    /** Where pciback runs. A function alone is a platform without options. */
    readonly platforms: {
      /** Registers it under this name, which its section of the rc file has too. @throws PcibackError `PLUGIN_REGISTRATION` */
      add<Schema extends z.ZodType>(
        name: string,
        platform: PlatformFactory | PlatformDefinition<Schema>,
        order?: Order,
      ): Undo;
    };
    /** How libraries of the host are called. */
    readonly natives: Choices<NativeFactory>;
    /** Commands of the command line. */
    readonly commands: Collection<CommandDefinition>;
    /** Real guests that devices are tried in. */
    readonly guestSystems: Choices<GuestSystem>;
    /** Pieces of the plugin that run as long as the daemon. */
    readonly parts: {
      /** Registers it under this name. @throws PcibackError `PLUGIN_REGISTRATION`; `PART_NEEDS` when pciback starts */
      add<Schema extends z.ZodType = z.ZodUndefined>(name: string, part: PartDefinition<Schema>, order?: Order): Undo;
    };
  }
}

const table = {
  watches: {
    one: 'watch policy',
    doc: 'How long the answering thread looks at guests’ pages for the next request. Chosen with `watch`; data, no code.',
  },
  answerers: {
    one: 'answerer',
    doc: 'A thread beside the control thread that answers what needs no code.',
  },
  platforms: {
    one: 'platform',
    doc: 'Where pciback runs. Chosen with `platform`.',
    accept: (platform: PlatformFactory | PlatformDefinition): PlatformDefinition =>
      typeof platform === 'function' ? { about: '', create: platform } : platform,
  },
  natives: {
    one: 'foreign-function loader',
    doc: 'How libraries of the host are called. Chosen with `native`; without a choice the first that loads, in order.',
  },
  commands: { one: 'command', doc: 'Commands of the command line.', isNamed: true },
  guestSystems: {
    one: 'guest system',
    doc: 'A real guest that devices are tried in. Chosen with `pciback quirk dev --guest`.',
  },
  parts: {
    one: 'part',
    doc: 'Pieces of a plugin that run as long as the daemon. Started in order of their needs, stopped in reverse. One that cannot start, or does not in time, costs what it does and nothing else.',
    deadlines: { partStart: 30, partStop: 10, operation: 300 },
  },
} as const satisfies Readonly<Record<string, KindDescription>>;

/** Kinds of things that plugins bring to the program; the core, which asks for none of them, does not know them. */
export const kinds: Readonly<Record<keyof typeof table, KindDescription>> = table;

/** What has a deadline in the rc file. `store`: xenstore; `stop`: the whole end. */
export type Deadlines = CoreDeadlines & Readonly<Record<'store' | 'stop' | keyof typeof table.parts.deadlines, number>>;

/** Every deadline in seconds, as it is without an rc file. */
export const defaultDeadlines: Deadlines = { ...ofCore, store: 10, stop: 100, ...table.parts.deadlines };
