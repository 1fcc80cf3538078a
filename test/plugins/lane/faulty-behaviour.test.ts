// SPDX-License-Identifier: MIT

import { afterEach, expect, it } from 'vitest';
import { bdf } from '../../../core/bdf.ts';
import { definePlugin, header, register } from '../../../core/plugin/index.ts';
import { Status } from '../../../core/ring/layout.ts';
import { Outcome } from '../../../core/space/outcome.ts';
import { sample } from '../../../plugins/platforms/embedded/sources.ts';
import { type EmbeddedHost, startEmbeddedHost } from '../../kit/embedded-host.ts';
import { laneByHand } from '../../kit/lane-by-hand.ts';

const [first, second] = [bdf(0, 1, 0), bdf(0, 2, 0)];
const PLACE = 0x60;

let host: EmbeddedHost;
afterEach(() => host.close());

it('a behaviour that cannot say what is known of its writes keeps nothing from being done, and is asked about writes', async () => {
  let broken = false;
  const plugin = definePlugin({
    name: 'test/faulty',
    api: '^1.0',
    apply: ({ fields }) => {
      const described = { kind: 'refused', why: 'a test' } as const;
      const behaviour = {
        described,
        describedNow: () => {
          if (broken) throw new Error('boom');
          return described;
        },
        write: () => Status.accessDenied,
      } as const;
      fields.add(header('faulty', [0], [register(PLACE, 16, 'faulty').calls(behaviour)]));
    },
  });
  const device = (address: number) => {
    const found = host.pciback.stub.devices.find((one) => one.bdf === address);
    if (found?.assignment === undefined) throw new Error('not assigned');
    return { operations: found.operations, assignment: found.assignment };
  };
  const lane = laneByHand({
    read: (_file, offset, size) => device(first).operations.hardware.readConfig(offset, size),
    write: (_file, offset, size, value) => device(first).operations.hardware.writeConfig(offset, size, value),
  });
  host = await startEmbeddedHost({
    devices: [sample('root-port'), { ...sample('e1000e'), bdf: first }, { ...sample('e1000e'), bdf: second }],
    between: lane.between,
    plugins: [plugin],
    config: { shutdownSeconds: 0 },
  });
  const guest = await host.guest([first, second], { driver: 'none' });
  await guest.reached(4);
  const changed = ~device(first).operations.hardware.readConfig(PLACE, 2) & 0xffff;
  expect(lane.write(PLACE, 2, changed)).toBe(Status.accessDenied);
  broken = true;
  device(second).operations.setBusMaster('on');
  device(second).assignment.fence('no answer');
  expect(device(second).operations.busMaster).toBe(false);
  expect(lane.seesDevice).toBe(true);
  expect(lane.write(PLACE, 2, changed)).toBe(Outcome.needsCode);
  expect(host.lines.some(({ facts }) => String(facts.why).includes('boom'))).toBe(true);
});
