// SPDX-License-Identifier: MIT

import { expect, it } from 'vitest';
import { deviceView, laneWorld } from './world.ts';

it('looks at the page of every guest, and has the control thread look too', () => {
  const world = laneWorld();
  world.show([deviceView(0x10d38086)]);
  let sleeps = 0;
  world.whileAsleep = () => {
    if (++sleeps > 1) {
      world.stop();
      return 0;
    }
    world.ask(0);
    // Events were lost, and nobody knows whose.
    return -1;
  };
  world.run();
  expect([world.answered, world.value]).toEqual([true, 0x10d38086]);
  expect(world.told[0]).toBe(0);
});
