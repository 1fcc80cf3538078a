// SPDX-License-Identifier: MIT

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { formatBdf } from '../../../../core/bdf.ts';
import { runAttach, runDetach } from '../../../../plugins/commands/attach-run.ts';
import { sample } from '../../../../plugins/platforms/embedded/index.ts';
import { commandContext } from '../../../kit/command-context.ts';
import { type EmbeddedHost, startEmbeddedHost } from '../../../kit/embedded-host.ts';

const nic = sample('e1000e');
const card = sample('rtl8139');
const [first, second] = [formatBdf(nic.bdf), formatBdf(card.bdf)];

let home: string;
let host: EmbeddedHost;
const control = (): string => join(home, 'control.sock');
beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), 'pciback-attach-'));
  host = await startEmbeddedHost({ devices: [nic, card], config: { control: control() } });
});
afterEach(async () => {
  await host.close();
  rmSync(home, { recursive: true });
});

type Run = typeof runAttach;
const run = async (command: Run, words: readonly string[], options: object = {}): Promise<string> => {
  const { context, printed } = commandContext({ control: control(), ...options }, words);
  expect(await command(context)).toBe(0);
  return printed.join('\n');
};
const attach = (words: readonly string[], options?: object): Promise<string> => run(runAttach, words, options);
const detach = (...words: readonly string[]): Promise<string> => run(runDetach, words);
const guests = (): unknown[] =>
  host.pciback.guests().map(({ name, state, devices }) => [name, state, ...devices.map(({ bdf }) => formatBdf(bdf))]);

describe('pciback attach and detach, on platform embedded', () => {
  it('make a guest with its first device, give it another one, take both, and end it', async () => {
    expect(await attach(['acme', first.slice(5)])).toMatch(
      new RegExp(`^${first} given to acme, domain \\d+, at 0000:00:00\\.0$`),
    );
    expect(guests()).toEqual([['acme', 'Connected', first]]);
    expect(await attach(['acme', second])).toMatch(/at 0000:00:01\.0$/);
    expect(guests()).toEqual([['acme', 'Connected', first, second]]);
    expect(await detach('acme', first)).toBe(`${first} taken from acme`);
    expect(guests()).toEqual([['acme', 'Connected', second]]);
    expect(await detach('acme')).toBe(`${second} taken from acme`);
    await expect.poll(guests).toEqual([]);
    expect(host.pciback.ledger()).toEqual({ mapped: 0, bound: 0, pirqs: 0, assigned: 0 });
    // The name is free again.
    await attach(['acme', second]);
    expect(guests()).toEqual([['acme', 'Connected', second]]);
  });

  it('a guest without a device is still there for the next one', async () => {
    await attach(['acme', first]);
    const [domain] = host.pciback.guests().map((one) => one.domain);
    await detach('acme', first);
    await expect.poll(guests).toEqual([]);
    await attach(['acme', second]);
    expect(host.pciback.guests().map((one) => one.domain)).toEqual([domain]);
  });

  it('with --permissive as with permissive=1 of a guest’s file', async () => {
    await attach(['acme', first], { permissive: true });
    await attach(['acme', second]);
    const rules = host.pciback.stub.devices.map(({ assignment }) => assignment?.rules.unhandled);
    expect(rules).toEqual(['permissive', 'drop']);
  });

  it('with words behind the address, as in a guest’s file', async () => {
    expect(await attach(['acme', `${first},permissive,slot=0a`])).toMatch(/at 0000:00:0a\.0$/);
    expect(await attach(['acme', `${second}, slot=1f`])).toMatch(/at 0000:00:1f\.0$/);
    const rules = host.pciback.stub.devices.map(({ assignment }) => assignment?.rules.unhandled);
    expect(rules).toEqual(['permissive', 'drop']);
  });

  it('take devices from a guest that was there', async () => {
    const guest = await host.guest([nic.bdf], { name: 'included' });
    await guest.reached(4);
    expect(await detach('included', first)).toBe(`${first} taken from included`);
    await attach(['acme', first]);
    expect(guests()).toEqual([['acme', 'Connected', first]]);
  });

  it.each([
    ['a device of another guest', () => attach(['other', first]), { code: 'DEVICE_IN_USE' }],
    [
      'a device that it has',
      () => attach(['acme', first]),
      { message: expect.stringMatching(/guest "acme" has .* already/) },
    ],
    ['a device that is not there', () => attach(['acme', '7f:00.0']), { code: 'DEVICE_NOT_FOUND' }],
    ['a socket', () => attach(['acme', second], { socket: 'a.sock' }), { code: 'USAGE' }],
    ['no address', () => attach(['acme', 'nic']), { code: 'BDF_SYNTAX' }],
    ['a word', () => attach(['acme', `${second},permisive`]), { message: expect.stringContaining('"permissive"') }],
    ['a slot', () => attach(['acme', `${second},slot=20`]), { message: expect.stringContaining('up to 1f') }],
    [
      'a guest that nobody knows',
      () => detach('acmy'),
      { message: expect.stringContaining('Perhaps you meant "acme"') },
    ],
    ['a device that it has not', () => detach('acme', second), { code: 'USAGE' }],
  ])('refuse %s, and nothing has changed', async (_, refused, reason) => {
    await attach(['acme', first]);
    await expect(refused()).rejects.toMatchObject(reason);
    expect(guests()).toEqual([['acme', 'Connected', first]]);
  });
});
