// SPDX-License-Identifier: MIT

import { formatBdf } from '../../core/bdf.ts';
import type { PartContext } from '../kinds/part.ts';

/** What only a start puts in force. */
const atStart = ['parts', 'platforms', 'answerers', 'natives'] as const;

type Context = Pick<PartContext, 'engine' | 'config' | 'parts'>;
type Kind = keyof Context['engine']['plugins']['registries'];

const broughtBy = ({ engine }: Pick<Context, 'engine'>, kind: Kind, plugin: string): readonly string[] =>
  engine.plugins.registries[kind].owned.filter((one) => one.plugin === plugin).map(({ name }) => name);

/** What a plugin brings that would never come in force in a pciback that runs; `undefined`: nothing. */
export const bringsForStart = (context: Pick<Context, 'engine'>, plugin: string): string | undefined => {
  const { registries } = context.engine.plugins;
  for (const kind of atStart) {
    const names = broughtBy(context, kind, plugin);
    if (names.length > 0) return `${registries[kind].description.one} ${names.join(', ')}`;
  }
  return undefined;
};

/** Why a loaded plugin cannot go; `undefined`: nothing depends on it. */
export const neededFor = (context: Context, plugin: string): string | undefined => {
  const { engine, config, parts } = context;
  const { platform, plugins, stub } = engine;
  const has = (kind: Kind): readonly string[] => broughtBy(context, kind, plugin);
  if (has('platforms').includes(platform.name)) return `pciback runs on its platform ${platform.name}`;
  const running = parts().filter((one) => one.plugin === plugin && one.state === 'running');
  if (running.length > 0) return `its part ${running.map(({ name }) => name).join(', ')} runs`;
  if (has('natives').length > 0 && platform.name !== 'embedded') return 'libraries of the host are called through it';
  if (has('answerers').length > 0 && platform.answerer !== undefined) return 'its thread answers guests';
  if (has('watches').includes(config.watch)) return `the rc file says watch: ${config.watch}`;
  const choices = [config, ...Object.values(config.guests)];
  const slots = has('slots').find((name) => choices.some((one) => one.slots === name));
  if (slots !== undefined) return `the rc file chooses its slot mapper ${slots}`;
  const policy = has('interrupts').find((name) => choices.some((one) => one.interrupts === name));
  if (policy !== undefined) return `the rc file chooses its interrupt policy ${policy}`;
  const assigned = stub.devices.flatMap(({ bdf, assignment }) =>
    assignment === undefined ? [] : [{ bdf, assignment }],
  );
  const used = assigned.find(({ assignment }) => has('interrupts').includes(assignment.rules.policy.name));
  if (used !== undefined)
    return `guest ${used.assignment.tenant.domain} has ${formatBdf(used.bdf)} under its interrupt policy`;
  const [first] = assigned;
  if (first === undefined) return undefined;
  const guest = `guest ${first.assignment.tenant.domain} has ${formatBdf(first.bdf)}`;
  if (plugins.registries.interruptDrivers.owned[0]?.plugin === plugin)
    return `${guest}, whose interrupts it carries out`;
  const isBundled = plugins.loaded.some((one) => one.name === plugin && one.origin === 'bundled');
  if (isBundled && has('fields').length > 0) return `${guest}, whose registers it guards`;
  return undefined;
};
