// SPDX-License-Identifier: MIT

import { PlainRecords } from '../../core/journal.ts';
import { definePlugin } from '../../core/plugin/index.ts';
import type { JournalOffers, SwitchRecord } from '../journal-offers.ts';
import { type CommandDefinition, controlOptions } from '../kinds/command.ts';
import type { PartContext, RunningPart } from '../kinds/part.ts';
import type { SwitchOffers } from './attributes.ts';
import { operations } from './operations.ts';
import { SlotList } from './slot-list.ts';
import { Switches } from './switches.ts';

export const attribute: CommandDefinition = {
  name: 'attribute',
  summary: 'list, read and write the attributes that the kernel module’s driver has, of the running pciback',
  details: `  pciback attribute                          what there is
  pciback attribute permissive               the devices, and who says so
  pciback attribute permissive 03:00.0       for the guest that has it, or the next one
  pciback attribute permissive 03:00.0 --off
  pciback attribute quirks 03:00.0-e8:2:ffff --sysfs
                                             as echo … > /sys/bus/pci/drivers/pciback/quirks`,
  arguments: [
    { name: '[name]', description: 'the attribute; all if missing' },
    { name: '[text]', description: 'what is written; missing: it is read' },
  ],
  options: [
    { flags: '--sysfs', description: 'exactly what the kernel’s file says; refusals as its error numbers' },
    { flags: '--off', description: 'permissive, allow_interrupt_control: no longer' },
    ...controlOptions,
  ],
  run: async (context) => (await import('./run.ts')).runAttribute(context),
};

/** The switches of the kernel module's driver, at run time. */
export default definePlugin({
  name: 'switches',
  api: '^1.0',
  apply: (host) => {
    let running: Switches | undefined;
    host.parts.add('switches', {
      about: 'Switches what the kernel module’s attributes switch, and obeys permissive=1 of a guest’s file.',
      operations,
      start: async (context: PartContext): Promise<RunningPart> => {
        const { engine, config } = context;
        const own = new PlainRecords<SwitchRecord>();
        const switches = new Switches({
          engine,
          config,
          // A next process goes on with the guests of this one as they are.
          get records() {
            return (context.part('journal') as JournalOffers | undefined)?.switches ?? own;
          },
        });
        const offers: SwitchOffers = { switches, slots: await SlotList.of(config, engine) };
        engine.switched = switches.isOn;
        running = switches;
        return {
          offers,
          stop: () => {
            running = undefined;
          },
        };
      },
    });
    host.hooks.deviceAssigned.tap(async (device, guest) => running?.assigned(device, guest));
    host.hooks.deviceReturned.tap(async (device) => running?.returned(device));
    host.hooks.deviceReleased.tap(async (device) => running?.released(device));
    host.commands.add(attribute);
  },
});
