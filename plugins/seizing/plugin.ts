// SPDX-License-Identifier: MIT

import { definePlugin } from '../../core/plugin/index.ts';
import { factsOf, patternsOf } from '../function-facts.ts';
import { type CommandDefinition, controlOptions } from '../kinds/command.ts';
import type { PartContext, RunningPart } from '../kinds/part.ts';
import { Consent } from './consent.ts';
import { operations, type SeizingOffers } from './operations.ts';

const forms = `  03:00.0, 0000:03:00.*, 03:*.*     an address, all functions of a slot, of a bus
  00:1c.0                           of a bridge: all that is below it
  00:1c.0/00.0                      below a bridge, whatever number its bus has
  8086:1533, 8086:1533:8086:0001    ids, and those of the subsystem; * for any
  00-1b-21-ff-ff-a5-3c-7e           a serial number, as lspci -vv prints it
  '(03:00.0)(04:00.*)'              several, as hide of the kernel’s module has them`;

export const seize: CommandDefinition = {
  name: 'seize',
  summary: 'take devices from this host, for guests to come',
  details: `A device is named as in \`hide\` of the rc file:

${forms}

What this host uses (a mounted disk, the network it is reached by, its console) is refused, unless --allow in-use says
otherwise. The status is 1 when something was refused.`,
  arguments: [{ name: '<bdf...>', description: 'the devices' }],
  options: [
    { flags: '--allow <what>', description: 'in-use, shared-page, or both with a comma: until they are released' },
    ...controlOptions,
  ],
  run: async (context) => (await import('./seizing-run.ts')).runSeize(context),
};

export const release: CommandDefinition = {
  name: 'release',
  summary: 'give seized devices back to this host',
  details: `A device is named as for \`pciback seize\`. Its driver of before gets it back, as it was before it was seized. What a
guest has is refused: detach it there first. The status is 1 when something was refused.`,
  arguments: [{ name: '<bdf...>', description: 'the devices' }],
  options: controlOptions,
  run: async (context) => (await import('./seizing-run.ts')).runRelease(context),
};

/** Seizing and releasing at run time, and what keeps a function from it. */
export default definePlugin({
  name: 'seizing',
  api: '^1.0',
  apply: (host) => {
    let running: { readonly context: PartContext; readonly consent: Consent } | undefined;
    host.parts.add('seizing', {
      about: 'Seizes and releases functions at run time, and refuses those that this host uses.',
      operations,
      required: true,
      start: (context: PartContext): RunningPart => {
        const { engine, log } = context;
        const consent = new Consent({ engine, log, config: context.config });
        const before = engine.stub.consent;
        engine.stub.consent = consent.ask;
        running = { context, consent };
        const offers: SeizingOffers = { consent };
        return {
          offers,
          stop: () => {
            engine.stub.consent = before;
            running = undefined;
          },
        };
      },
    });
    // One that came after the start: what the rc file says of it was not looked at yet.
    host.hooks.deviceSeized.tap(async (device) => {
      if (running === undefined) return;
      const { engine, config } = running.context;
      const { bdf, identity } = device;
      const listing = { ...identity, bdf, holder: 'pciback', seizable: true };
      const patterns = patternsOf(config);
      for (const one of await factsOf(engine.platform, [listing], patterns))
        for (const each of patterns) each.meet(one);
    });
    host.hooks.deviceReleased.tap(async ({ bdf }) => running?.consent.forget(bdf));
    host.commands.add(seize);
    host.commands.add(release);
  },
});
