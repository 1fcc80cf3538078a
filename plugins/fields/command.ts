// SPDX-License-Identifier: MIT

import {
  type Behaviour,
  bit,
  type DescribedWrites,
  type DeviceOperations,
  type IntxAnswer,
  type IntxState,
  Outcome,
  Status,
  stateOf,
} from '../../core/plugin/index.ts';

/** Bits of the command register (PCI Local Bus 3.0, §6.2.2). */
export const Command = {
  io: bit(0),
  memory: bit(1),
  master: bit(2),
  special: bit(3),
  invalidate: bit(4),
  vgaPalette: bit(5),
  parity: bit(6),
  wait: bit(7),
  serr: bit(8),
  fastBack: bit(9),
  intxDisable: bit(10),
} as const;

const DECODE = Command.io | Command.memory;
/** Bits that reach hardware in permissive mode only. */
const PERMISSIVE_ONLY = Command.special | Command.vgaPalette | Command.wait | Command.fastBack;
/** Bits that a guest sees as hardware has them, 0x02bc. All others it sees as it wrote them. */
export const GUEST_BITS = Command.master | Command.invalidate | PERMISSIVE_ONLY;

/**
 * The guest's own value, what hardware has in {@link PERMISSIVE_ONLY}, whether the device is switched on, and whether it has
 * still to be switched off.
 */
const state = stateOf('own', 'fixed', 'on', 'closing');
/** Bits that are the guest's alone: PARITY, SERR and the reserved ones. */
const FREE = ~(GUEST_BITS | DECODE | Command.intxDisable) & 0xffff;

/** Sizing a base address register, a guest switches decode off and on again around it, once for each. */
const intxAsked = {
  kind: 'gated',
  own: state.own,
  open: state.on,
  closing: state.closing,
  free: FREE,
  gate: DECODE,
  // Switching off clears MASTER, and switching on INTX_DISABLE: where they are set, doing neither would be seen.
  blockers: Command.master | Command.intxDisable,
  through: Command.master,
  real: GUEST_BITS,
} as const satisfies DescribedWrites;
/** Each kernel that finds the device sets INTX_DISABLE and clears it, to see whether it has the bit; drivers do it again. */
const intxFree: DescribedWrites = { ...intxAsked, free: FREE | Command.intxDisable };

const NO_INVALIDATE = 'the cache line size does not allow memory write and invalidate';
const NOT_BY_POLICY = 'the interrupt policy does not allow this change';
const NOT_PERMISSIVE = 'reaches hardware in permissive mode only';

const intxState = (value: number): IntxState => ((value & Command.intxDisable) === 0 ? 'enabled' : 'disabled');

/** What becomes of INTX_DISABLE; the policy is asked about a change only. */
const intxOf = (device: DeviceOperations, before: number, wanted: number): IntxAnswer =>
  ((wanted ^ before) & Command.intxDisable) === 0
    ? 'virtual'
    : device.decidesIntx(intxState(before), intxState(wanted));

/**
 * The command register of a guest.
 *
 * Decode can be switched on but never off, PARITY, SERR and the reserved bits never reach hardware (XSA-120): for those
 * the guest has a value of its own, read back as written. It starts as hardware's, and starts again for each guest
 * (D-C6). INTX_DISABLE reaches hardware as the interrupt policy decides; a write that it refuses does nothing at all.
 * A device whose cache line register is fixed refuses INVALIDATE each time it is asked; that is a denial and
 * never a log line (D-C19).
 */
const commandOf = (line: 'by policy' | 'own'): Behaviour => ({
  about: {
    read: "hardware for MASTER and what goes with it, else the guest's own value",
    write: 'IO and MEMORY switch the function on, decode never off; MASTER and INVALIDATE by the host; else own value',
  },
  words: state.words,
  steady: true,
  described: intxFree,
  describedNow: ({ device }) => (line === 'own' || device.keepsIntxVirtual ? intxFree : intxAsked),
  attach: (at) => {
    const now = at.read();
    at.words[state.own] = now;
    at.words[state.fixed] = now & PERMISSIVE_ONLY;
    // On already when the field comes, or comes back, under a running guest.
    at.words[state.on] = at.device.enabled ? 1 : 0;
  },
  read: (at) => (at.read() & GUEST_BITS) | ((at.words[state.own] as number) & ~GUEST_BITS),
  close: (at) => {
    at.device.disable();
    at.words[state.on] = 0;
  },
  write: (at, value) => {
    const { device, words } = at;
    const before = words[state.own] as number;
    let wanted = value;
    if ((wanted & DECODE) !== 0 && !device.enabled && device.powerState !== 0) return Outcome.asleep;
    const intx = line === 'own' ? 'virtual' : intxOf(device, before, wanted);
    if (intx === 'refused') {
      at.deny(Command.intxDisable, NOT_BY_POLICY);
      return Status.accessDenied;
    }

    // A failure of enable leaves as an exception: nothing else happens then, and the guest's value stays.
    if ((wanted & DECODE) !== 0) {
      if (!device.enabled) device.enable();
    } else if (device.enabled) {
      device.disable();
    }
    words[state.on] = device.enabled ? 1 : 0;
    // This write is newer than the one that left it.
    words[state.closing] = 0;

    const master = (wanted & Command.master) !== 0;
    if (master !== device.busMaster) device.setBusMaster(master ? 'on' : 'off');

    if (((wanted ^ before) & Command.invalidate) !== 0) {
      if ((wanted & Command.invalidate) === 0) {
        device.setInvalidate('off');
      } else if (!device.setInvalidate('on')) {
        wanted &= ~Command.invalidate;
        at.deny(Command.invalidate, NO_INVALIDATE);
      }
    }

    if (intx === 'hardware') device.setIntxDisabled((wanted & Command.intxDisable) === 0 ? 'off' : 'on');

    words[state.own] = wanted;
    if (device.permissive) {
      const now = at.read();
      if (now !== wanted) at.write((wanted & GUEST_BITS) | (now & ~GUEST_BITS));
      words[state.fixed] = wanted & PERMISSIVE_ONLY;
      return Status.success;
    }
    const refused = (wanted ^ (words[state.fixed] as number)) & PERMISSIVE_ONLY;
    if (refused !== 0) at.deny(refused, NOT_PERMISSIVE);
    return Status.success;
  },
});

/** The command register of a guest of Xen. */
export const command = commandOf('by policy');
/** The same, where a client of ours looks after the line interrupt: INTX_DISABLE is the guest's own, whoever asks. */
export const clientCommand = commandOf('own');
