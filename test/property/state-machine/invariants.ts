// SPDX-License-Identifier: MIT

import { type Bdf, formatBdf } from '../../../core/bdf.ts';
import type { Pciback } from '../../../core/pciback.ts';
import { readState, stateName, XenbusState } from '../../../core/xenbus/nodes.ts';
import type { PciModel } from '../../../plugins/platforms/embedded/device.ts';
import { CapabilityId, ExtendedId } from '../../../plugins/platforms/embedded/image.ts';
import type { World } from './world.ts';

const { unknown, initialising, initWait, initialised, connected, closing, closed, reconfiguring, reconfigured } =
  XenbusState;

/** Why a served guest cannot stay with these states of both ends when nothing happens: the back end has a step to do. */
const unfinished = (back: number, front: number, isAttached: boolean): boolean =>
  back === unknown ||
  back === initialising ||
  back === initWait ||
  front === unknown ||
  (front === closing && back !== closing) ||
  (front === closed && back !== closed) ||
  (front === initialising && back === closed) ||
  (front === initialised && back === initialised) ||
  (front === reconfiguring && back === reconfiguring) ||
  (front === connected && back === reconfigured && isAttached);

/** Holds a world that has come to rest against what must always be true; what is not becomes a violation. */
export const checkInvariants = async (world: World): Promise<void> => {
  const { platform } = world.host;
  for (const line of platform.hypervisor.ledger().illegal) world.violations.push(`illegal host call: ${line}`);
  for (const { message, facts } of world.takeLines()) {
    if (message === 'guest state not handled' || message === 'guests not read')
      world.violations.push(`${message}: ${JSON.stringify(facts)}`);
  }
  const { pciback } = world;
  if (pciback === undefined) return;
  checkOwners(world, pciback);
  checkLedger(world, pciback);
  checkPristine(world, pciback);
  await checkStates(world, pciback);
};

const checkOwners = (world: World, pciback: Pciback): void => {
  const owners = new Map<Bdf, number>();
  for (const guest of pciback.guests()) {
    for (const { bdf } of guest.devices) {
      const other = owners.get(bdf);
      if (other !== undefined)
        world.violations.push(`${formatBdf(bdf)} belongs to domains ${other} and ${guest.domain}`);
      owners.set(bdf, guest.domain);
    }
  }
  for (const device of pciback.stub.devices) {
    const [said, held] = [device.assignment?.tenant.domain, owners.get(device.bdf)];
    if (said !== held) world.violations.push(`${formatBdf(device.bdf)}: stub says ${said}, its guest ${held}`);
  }
};

const checkLedger = (world: World, pciback: Pciback): void => {
  const ours = pciback.ledger();
  const theirs = world.host.platform.hypervisor.ledger();
  const messages = theirs.pirqs.filter((one) => one.kind !== 'line');
  // What a domain had is gone with it: its PIRQs are in our ledger until its device comes back.
  const isAlive = (domain: number | undefined): boolean => domain !== undefined && theirs.domains.includes(domain);
  const pirqs = world.host.platform.held().filter(({ kind, domain }) => kind === 'pirq' && isAlive(domain)).length;
  const pairs = [
    ['pages', ours.mapped, theirs.mapped.length],
    ['channels', ours.bound, theirs.bound.length],
    ['PIRQs', pirqs, messages.length],
  ] as const;
  for (const [what, our, their] of pairs) {
    if (our !== their) world.violations.push(`${what}: ${our} in our ledger, ${their} in that of the hypervisor`);
  }
  const owner = new Map(pciback.stub.devices.map((one) => [formatBdf(one.bdf), one.assignment?.tenant.domain]));
  for (const { bdf, domain, pirq } of messages) {
    if (owner.get(bdf) !== domain) world.violations.push(`PIRQ ${pirq} of ${bdf} is mapped for domain ${domain}`);
  }
};

/** Bytes where a function notes the errors that it met: they survive resets, and the host's error core clears them. */
const errorNotes = (model: PciModel): ReadonlySet<number> => {
  const express = model.capability(CapabilityId.express);
  const aer = model.extendedCapability(ExtendedId.aer);
  return new Set([
    ...(express === undefined ? [] : [express + 0x0a, express + 0x0b]),
    ...(aer === undefined ? [] : [0x04, 0x05, 0x06, 0x07, 0x10, 0x11, 0x12, 0x13].map((at) => aer + at)),
  ]);
};

/** Devices that no guest has are as the first seizing left them, but for those that could not be made clean. */
const checkPristine = (world: World, pciback: Pciback): void => {
  for (const { bdf, assignment, quarantine } of pciback.stub.devices) {
    const before = world.pristine(bdf);
    if (assignment !== undefined || quarantine !== undefined || before === undefined) continue;
    const model = world.host.platform.pci.model(bdf);
    // Without a reset a device carries state over, and the operator was told.
    if (model.resetMethods().length === 0 || world.frail.includes(bdf)) continue;
    const now = model.snapshot();
    const notes = errorNotes(model);
    const changed = [...now.keys()].filter((at) => now[at] !== before[at] && !notes.has(at));
    if (changed.length > 0)
      world.violations.push(`${formatBdf(bdf)} came back changed at ${changed.map((at) => at.toString(16))}`);
  }
};

const checkStates = async (world: World, pciback: Pciback): Promise<void> => {
  const { xenstore, hypervisor } = world.host.platform;
  const served = new Map(pciback.guests().map((guest) => [guest.domain, guest]));
  const attached = new Set(hypervisor.ledger().mapped.map((one) => one.domain));
  for (const name of (await xenstore.list('/local/domain/0/backend/pci')) ?? []) {
    const directory = `/local/domain/0/backend/pci/${name}/0`;
    const domain = Number(name);
    const back = await readState(xenstore, directory);
    const frontend = await xenstore.read(`${directory}/frontend`);
    const front = frontend === undefined ? unknown : await readState(xenstore, frontend);
    const states = `domain ${name}: back ${stateName(back)}, front ${stateName(front)}`;
    if (served.has(domain)) {
      if (unfinished(back, front, attached.has(domain))) world.violations.push(`${states}: a step was not done`);
    } else if (back === initialising && front !== unknown) world.violations.push(`${states}: not served`);
    served.delete(domain);
  }
  for (const domain of served.keys()) world.violations.push(`domain ${domain} is served without a directory`);
};

/** Ends everything there is; afterwards nothing may be held of anybody. */
export const checkEnd = async (world: World): Promise<void> => {
  for (const domain of [...world.domains.values()]) world.kill(domain);
  await world.settle();
  const { platform } = world.host;
  for (const name of (await platform.xenstore.list('/local/domain/0/backend/pci')) ?? []) {
    await platform.xenstore.remove(`/local/domain/0/backend/pci/${name}`);
  }
  await world.settle();
  await checkInvariants(world);
  const { pciback } = world;
  if (pciback === undefined) return void world.violations.push('the service did not come back');
  const guests = pciback.guests().map((guest) => guest.domain);
  if (guests.length > 0) world.violations.push(`domains ${guests} are served although they are gone`);
  world.beside('release of every device', async () => {
    const { stub } = pciback;
    // A physical function takes its virtual ones with it.
    for (let one = stub.devices[0]; one !== undefined; one = stub.devices[0]) await stub.release(one.bdf);
  });
  await world.settle();
  const left = platform.hypervisor.ledger();
  const held = [left.mapped, left.bound, left.pirqs, left.assigned, left.prepared, left.illegal].flat();
  if (held.length > 0) world.violations.push(`left at the end: ${JSON.stringify(held)}`);
  if (pciback.stub.devices.length > 0) world.violations.push('devices are still seized');
};
