// SPDX-License-Identifier: MIT

import {
  type Behaviour,
  bits,
  capability,
  defineQuirk,
  header,
  lacksCapability,
  onlyWhile,
  register,
  Status,
  stateOf,
} from '../index.ts';

/** The ticket that the guest took the semaphore with; 0: it does not hold it. */
const state = stateOf('ticket');

/** Hardware takes a ticket only while nobody holds the semaphore: what it reads back tells. */
const semaphore: Behaviour = {
  shared: state,
  write: (at, value) => {
    const now = at.read();
    if (value === 0 && now !== at.words[state.ticket]) {
      at.deny(now, 'somebody else holds the semaphore');
      return Status.success;
    }
    at.write(value);
    at.words[state.ticket] = value !== 0 && at.read() === value ? value : 0;
    return Status.success;
  },
};

const NOT_HELD = 'the guest does not hold the semaphore of the window';
const held: Behaviour = onlyWhile(({ words }) => words[state.ticket] !== 0, NOT_HELD, state);

/** ConnectX network adapters: the window of config space onto the firmware's spaces. */
export default defineQuirk({
  name: 'mellanox/firmware-window',
  source:
    'Linux driver mlx5 (vendor-specific capability: control, counter, semaphore, address with its flag in bit 31, data) ' +
    'and the tools mstflint (chips without it: address at 0x58, data at 0x5C). The driver takes a ticket from the ' +
    'counter, puts it into the semaphore, chooses a space, then moves words. The same spaces lie in the function’s BAR.',
  match: [{ vendor: 0x15b3, class: { value: 0x020000, mask: 0xff0000 } }],
  fields: [
    capability(0x09, 'firmware window', [
      register(0x04, 16, 'control: space').calls(held),
      register(0x06, 16, 'control: status').reserved(bits(15, 13)),
      register(0x08, 32, 'counter').readOnly(),
      register(0x0c, 32, 'semaphore').calls(semaphore),
      register(0x10, 32, 'address').calls(held),
      register(0x14, 32, 'data').calls(held),
    ]),
    header('legacy window', [0], [register(0x58, 32, 'address').writable(), register(0x5c, 32, 'data').writable()], {
      when: (device, base) => !device.identity.virtualFunction && lacksCapability(0x09)(device, base),
    }),
  ],
});
