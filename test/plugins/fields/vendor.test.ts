// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import { capability, register } from '../../../core/space/declaration.ts';
import plugin, {
  designatedVendorSpecific,
  vendorSpecific,
  vendorSpecificExtended,
} from '../../../plugins/fields/vendor.ts';
import { capabilityView, observeBits, placeOf, readOnlyBits } from '../../kit/capability-view.ts';
import { testClosed } from '../../kit/closed-capability.ts';

const standard = { list: 'standard', id: 0x09 } as const;
const extended = { list: 'extended', id: 0x000b } as const;
const sets = [vendorSpecific, vendorSpecificExtended, designatedVendorSpecific];

describe('designated vendor specific', () => {
  testClosed(sets, { list: 'extended', id: 0x0023 }, [
    [0x04, 4],
    [0x08, 2],
  ]);

  it('the body is shown and not written', () => {
    expect(observeBits(sets, { list: 'extended', id: 0x0023 }, 0x0a, 2)).toEqual(readOnlyBits(2));
  });
});

describe('vendor specific', () => {
  it('length and vendor header are read-only', () => {
    expect(observeBits(sets, standard, 0x02, 1)).toEqual(readOnlyBits(1));
    expect(observeBits(sets, extended, 0x04, 4)).toEqual(readOnlyBits(4));
  });

  it('the body is shown and not written, as in the kernel’s back end', () => {
    expect(observeBits(sets, standard, 0x04, 4)).toEqual(readOnlyBits(4));
    expect(observeBits(sets, extended, 0x08, 4)).toEqual(readOnlyBits(4));
  });

  it('nobody claims the body: a quirk opens what a driver needs', () => {
    const doorbell = capability(0x09, 'doorbell', [register(0x04, 32, 'doorbell').writable()]);
    const guest = capabilityView([...sets, doorbell], standard);
    expect(guest.skipped).toEqual([]);
    guest.write(placeOf('standard') + 4, 4, 0x1234_5678);
    expect(guest.hardware.get(placeOf('standard') + 4, 4)).toBe(0x1234_5678);
  });

  it('the plugin is a plugin', () => {
    expect(plugin).toMatchObject({ kind: 'plugin', name: 'fields/vendor', api: '^1.0' });
  });
});
