// SPDX-License-Identifier: MIT

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Errno, HostError } from '../../../core/platform/index.ts';
import { Status } from '../../../core/ring/layout.ts';
import { Command, command, GUEST_BITS } from '../../../plugins/fields/command.ts';
import { endpointHeader } from '../../../plugins/fields/header.ts';
import type { FakeDevice } from '../../kit/fake-function.ts';
import { type GuestView, guestView, viewOf } from '../../kit/guest-view.ts';

const COMMAND = 0x04;

const view = (now = 0, prepare: (device: FakeDevice) => void = () => {}): GuestView =>
  guestView([endpointHeader], { image: [[COMMAND, 2, now]] }, prepare);

const hardware = (guest: GuestView): number => guest.hardware.get(COMMAND, 2);

describe('command register', () => {
  it('shows GUEST bits from hardware and all others as the guest wrote them', () => {
    expect(GUEST_BITS).toBe(0x02bc);
    const guest = view(0x0107);
    expect(guest.read(COMMAND, 2)).toBe(0x0107);
    guest.write(COMMAND, 2, 0xf947);
    expect(guest.read(COMMAND, 2)).toBe(0xf947);
    // Kept in memory, until the device was changed by something else than this register.
    guest.hardware.put(COMMAND, 2, 0xffff);
    expect(guest.read(COMMAND, 2)).toBe(0xf947);
    guest.space.refresh();
    expect(guest.read(COMMAND, 2)).toBe(0xf947 | GUEST_BITS);
    expect(guest.read(COMMAND, 1)).toBe((0xf947 | GUEST_BITS) & 0xff);
    expect(guest.read(COMMAND + 1, 1)).toBe((0xf947 | GUEST_BITS) >>> 8);
    expect(guest.read(COMMAND, 4) & 0xffff).toBe(0xf947 | GUEST_BITS);
  });

  describe('step 1: IO and MEMORY', () => {
    it.each([
      ['IO', 0x0001],
      ['MEMORY', 0x0002],
      ['both', 0x0003],
    ])('%s enables the device', (_name, value) => {
      const guest = view();
      expect(guest.write(COMMAND, 2, value)).toBe(0);
      expect(guest.device.calls).toEqual(['enable']);
      expect(guest.read(COMMAND, 2)).toBe(value);
    });

    it('does nothing more to a device that is enabled', () => {
      const guest = view(0, (device) => {
        device.enabled = true;
      });
      guest.write(COMMAND, 2, 0x0003);
      expect(guest.device.calls).toEqual([]);
    });

    it('a failure ends the write: the guest keeps its value and nothing else is done', () => {
      const guest = view();
      const error = new HostError('enable', Errno.EINVAL);
      guest.device.enableError = error;
      expect(guest.write(COMMAND, 2, 0x0547)).toBe(Status.opFailed);
      expect(guest.failures).toEqual([error]);
      expect(guest.device.calls).toEqual(['enable']);
      expect(guest.read(COMMAND, 2)).toBe(0);
      guest.device.enableError = undefined;
      expect(guest.write(COMMAND, 2, 0x0547)).toBe(Status.success);
      expect(guest.read(COMMAND, 2)).toBe(0x0547);
    });

    it('neither disables it: bus mastering ends, decode stays', () => {
      const guest = view();
      guest.write(COMMAND, 2, 0x0007);
      guest.write(COMMAND, 2, 0x0004);
      expect(guest.device.calls).toEqual(['enable', 'setBusMaster on', 'disable', 'setBusMaster on']);
      guest.write(COMMAND, 2, 0x0000);
      expect(hardware(guest)).toBe(0x0003);
      expect(guest.read(COMMAND, 2)).toBe(0);
      expect(guest.refused).toEqual([]);
    });

    it('a byte write merges with what the guest sees', () => {
      const guest = view(0x0107);
      expect(guest.write(COMMAND, 1, 0x43)).toBe(0);
      expect(guest.read(COMMAND, 2)).toBe(0x0143);
      expect(guest.write(COMMAND + 1, 1, 0x04)).toBe(0);
      expect(guest.read(COMMAND, 2)).toBe(0x0443);
    });
  });

  it('step 2: MASTER follows the guest, also without decode', () => {
    const guest = view();
    guest.write(COMMAND, 2, 0x0004);
    expect(hardware(guest)).toBe(0x0004);
    guest.write(COMMAND, 2, 0x0004);
    guest.write(COMMAND, 2, 0x0000);
    expect(hardware(guest)).toBe(0x0000);
    expect(guest.device.calls).toEqual(['setBusMaster on', 'setBusMaster off']);
  });

  describe('step 3: INVALIDATE', () => {
    it('follows the guest where the cache line size allows it', () => {
      const guest = view();
      guest.write(COMMAND, 2, 0x0010);
      expect(guest.read(COMMAND, 2)).toBe(0x0010);
      guest.write(COMMAND, 2, 0x0010);
      guest.write(COMMAND, 2, 0x0000);
      expect(guest.read(COMMAND, 2)).toBe(0x0000);
      expect(guest.device.calls).toEqual(['setInvalidate on', 'setInvalidate off']);
    });

    it('D-C19: elsewhere the bit is taken out and the refusal recorded, each time it is asked', () => {
      const guest = view();
      guest.device.invalidateWorks = false;
      for (let i = 0; i < 3; i++) expect(guest.write(COMMAND, 2, 0x0010)).toBe(0);
      expect(guest.read(COMMAND, 2)).toBe(0x0000);
      expect(guest.refused.map(({ mask }) => mask)).toEqual([0x10, 0x10, 0x10]);
      expect(new Set(guest.refused.map(({ why }) => why)).size).toBe(1);
    });
  });

  it.each([
    ['no', 'no', 0x0000, 0x0400, []],
    ['no', 'yes', 0x0000, 0x0400, ['setIntxDisabled on']],
    ['no', 'yes', 0x0400, 0x0000, ['setIntxDisabled off']],
    ['no', 'yes', 0x0400, 0x0400, []],
    ['yes', 'no', 0x0000, 0x0400, []],
  ])(
    'step 4: INTX_DISABLE; permissive %s, allow_interrupt_control %s, %i to %i',
    (permissive, allow, from, to, calls) => {
      const guest = view(from, (device) => {
        device.permissive = permissive === 'yes';
        device.allowInterruptControl = allow === 'yes';
      });
      expect(guest.write(COMMAND, 2, to)).toBe(0);
      expect(guest.device.calls).toEqual(calls);
      expect(guest.read(COMMAND, 2)).toBe(to);
      expect(hardware(guest)).toBe(calls.length === 0 ? from : to);
      expect(guest.refused).toEqual([]);
    },
  );

  describe('steps 6 and 7: permissive mode', () => {
    const passive = Command.special | Command.vgaPalette | Command.wait | Command.fastBack;

    it('off: SPECIAL, VGA_PALETTE, WAIT and FAST_BACK stay, and the refusal is recorded', () => {
      const guest = view(Command.wait);
      expect(guest.write(COMMAND, 2, passive)).toBe(0);
      expect(hardware(guest)).toBe(Command.wait);
      expect(guest.read(COMMAND, 2)).toBe(Command.wait);
      expect(guest.refused.map(({ mask }) => mask)).toEqual([passive & ~Command.wait]);
      guest.write(COMMAND, 2, 0);
      expect(guest.refused.map(({ mask }) => mask)).toEqual([passive & ~Command.wait, Command.wait]);
    });

    it('on: GUEST bits arrive, all others keep what hardware has', () => {
      const guest = view(0x0143, (device) => {
        device.permissive = true;
        device.enabled = true;
      });
      expect(guest.write(COMMAND, 2, 0xfebf)).toBe(0);
      expect(hardware(guest)).toBe((0xfebf & GUEST_BITS) | (0x0143 & ~GUEST_BITS));
      expect(guest.read(COMMAND, 2)).toBe(0xfebf);
      expect(guest.refused).toEqual([]);
    });

    it('switched off again: what permissive mode left in hardware is no refusal', () => {
      const guest = view(0, (device) => {
        device.permissive = true;
      });
      guest.write(COMMAND, 2, Command.special);
      guest.device.permissive = false;
      guest.write(COMMAND, 2, Command.special);
      expect(guest.refused).toEqual([]);
      guest.write(COMMAND, 2, 0);
      expect(guest.refused.map(({ mask }) => mask)).toEqual([Command.special]);
    });

    it('on: nothing is written when hardware has the value already', () => {
      const guest = view(0x0007, (device) => {
        device.permissive = true;
        device.enabled = true;
      });
      guest.write(COMMAND, 2, 0x0007);
      expect(guest.hardware.writes).toEqual([]);
    });
  });

  it('D-C6: the next guest starts from what hardware has', () => {
    const first = view(0x0100);
    first.write(COMMAND, 2, 0xfd43);
    expect(first.read(COMMAND, 2)).toBe(0xfd43);
    first.device.enabled = false;
    first.hardware.put(COMMAND, 2, 0x0100);
    const second = viewOf(first.device, [endpointHeader]);
    expect(second.read(COMMAND, 2)).toBe(0x0100);
  });

  it('D-C16: a hardware read that fails gives the error and 0', () => {
    const guest = view(0x0107);
    guest.hardware.beforeAccess = () => {
      throw new HostError('read', Errno.EIO);
    };
    // The status half comes from hardware, the command half from memory until it has to be read again.
    expect(guest.space.read(COMMAND, 4)).toBe(Status.opFailed);
    expect(guest.space.value).toBe(0);
    expect(guest.space.read(COMMAND, 2)).toBe(Status.success);
    guest.space.refresh();
    expect(guest.space.read(COMMAND, 2)).toBe(Status.opFailed);
    expect(guest.space.value).toBe(0);
  });

  it('asks for its state words', () => {
    expect(command.words).toBe(4);
  });
});

describe('XSA-120: what a guest cannot do to the command register', () => {
  const DECODE = 0x0003;
  const INTX_DISABLE = 0x0400;

  /** Checks one write; returns nothing, throws what is wrong. */
  const check = (guest: GuestView, value: number): void => {
    const { device } = guest;
    const before = hardware(guest);
    const wasEnabled = device.enabled;
    expect(guest.write(COMMAND, 2, value)).toBe(0);
    const after = hardware(guest);
    const enabling = !wasEnabled && (value & DECODE) !== 0;
    let mayRise = 0;
    let mayFall = 0;
    if (enabling) {
      mayRise |= DECODE;
      mayFall |= INTX_DISABLE;
    }
    if (device.allowInterruptControl) {
      mayRise |= INTX_DISABLE;
      mayFall |= INTX_DISABLE;
    }
    const open = device.permissive ? GUEST_BITS : Command.master | Command.invalidate;
    const wrong = ((~before & after & ~mayRise) | (before & ~after & ~mayFall)) & ~open & 0xffff;
    if (wrong !== 0) {
      throw new Error(
        `0x${before.toString(16)}, written 0x${value.toString(16)}: bits 0x${wrong.toString(16)} changed`,
      );
    }
  };

  const word = fc.integer({ min: 0, max: 0xffff });

  it('for any start state, mode and sequence of writes', () => {
    fc.assert(
      fc.property(
        word,
        fc.array(word, { minLength: 1, maxLength: 6 }),
        fc.record({
          permissive: fc.boolean(),
          allowInterruptControl: fc.boolean(),
          enabled: fc.boolean(),
          invalidateWorks: fc.boolean(),
        }),
        (start, values, modes) => {
          const guest = view(start, (device) => Object.assign(device, modes));
          for (const value of values) check(guest, value);
        },
      ),
      { numRuns: 3000 },
    );
  });

  it.each([
    [0x0000, false],
    [0xffff, false],
    [0x0547, false],
    [0x0107, true],
    [0xfd43, true],
  ])('for each of the 65536 values, from %i, permissive %s', (start, permissive) => {
    const guest = view(start, (device) => {
      device.permissive = permissive;
    });
    for (let value = 0; value <= 0xffff; value++) {
      guest.hardware.put(COMMAND, 2, start);
      guest.device.enabled = (value & 0x10) === 0;
      guest.device.calls.length = 0;
      guest.hardware.forget();
      guest.refused.length = 0;
      check(guest, value);
    }
  });
});
