// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import { parseBdf } from '../../../../core/bdf.ts';
import { Errno } from '../../../../core/platform/index.ts';
import {
  createPermissions,
  isWithoutIommu,
  type Permissions,
} from '../../../../plugins/platforms/xen/stand-alone-permissions.ts';
import { createFakeNative, fakePointer } from './fake-native.ts';

const address = parseBdf('0001:03:00.1');

/** libxenctrl that answers every call with this; PIRQs become what they are asked for, or another one. */
const control = (result: number, errno = 0, pirq?: number) => {
  const answer = (): number => {
    native.setErrno(errno);
    return result;
  };
  const native = createFakeNative({
    xc_interface_open: () => fakePointer(),
    xc_interface_close: () => 0,
    xc_physdev_map_pirq: (...words) => {
      if (pirq !== undefined) new Int32Array((words[3] as Uint8Array).buffer)[0] = pirq;
      return answer();
    },
    xc_physdev_unmap_pirq: answer,
    xc_domain_irq_permission: answer,
    xc_domain_ioport_permission: answer,
    xc_domain_iomem_permission: answer,
    xc_assign_device: answer,
    xc_deassign_device: answer,
    xc_test_assign_device: answer,
  });
  return { native, permissions: createPermissions(native, ['libxenctrl.so']) };
};

type Ask = (of: Permissions) => void;
/** Each call, and what reaches the library. */
const calls: readonly (readonly [string, Ask, string])[] = [
  ['ports', (of) => of.ports(5, 0xc000, 32, 'allow'), 'xc_domain_ioport_permission handle 5 49152 32 1'],
  ['no ports', (of) => of.ports(5, 0xc000, 32, 'forbid'), 'xc_domain_ioport_permission handle 5 49152 32 0'],
  // 64 bits reach it whole (XSA-476).
  [
    'frames',
    (of) => of.frames(5, 0xfedcba9876543n, 16n, 'allow'),
    `xc_domain_iomem_permission handle 5 ${0xfedcba9876543n} 16 1`,
  ],
  [
    'no frames',
    (of) => of.frames(5, 0xfedcba9876543n, 16n, 'forbid'),
    `xc_domain_iomem_permission handle 5 ${0xfedcba9876543n} 16 0`,
  ],
  ['a line', (of) => of.line(5, 300, 'allow'), 'xc_domain_irq_permission handle 5 300 true'],
  ['no line', (of) => of.line(5, 300, 'forbid'), 'xc_domain_irq_permission handle 5 300 false'],
  ['a mapped line', (of) => of.mapLine(5, 20), 'xc_physdev_map_pirq handle 5 20 <20 0 0 0>'],
  ['an unmapped line', (of) => of.unmapLine(5, 20), 'xc_physdev_unmap_pirq handle 5 20'],
  ['a function', (of) => of.assign(5, address, 'strict'), `xc_assign_device handle 5 ${0x10301} 0`],
  ['a function, relaxed', (of) => of.assign(5, address, 'relaxed'), `xc_assign_device handle 5 ${0x10301} 1`],
  ['no function', (of) => of.deassign(5, address), `xc_deassign_device handle 5 ${0x10301}`],
  ['a try', (of) => of.testAssign(5, address), `xc_test_assign_device handle 5 ${0x10301}`],
];

describe('permissions of a domain', () => {
  it.each(calls)('%s', (_, ask, call) => {
    const { native, permissions } = control(0);
    ask(permissions);
    expect(native.calls).toEqual(['xc_interface_open null null 0', call]);
    permissions.close();
    expect(native.calls.at(-1)).toBe('xc_interface_close handle');
    expect(() => ask(permissions)).toThrow(expect.objectContaining({ errno: Errno.ENODEV }));
  });

  it.each(calls)('%s is refused by the hypervisor, which is said', (_, ask) => {
    const { permissions } = control(-1, Errno.EPERM);
    expect(() => ask(permissions)).toThrow(expect.objectContaining({ errno: Errno.EPERM }));
  });

  it.each(calls)('%s for a domain that is gone', (name, ask) => {
    const { permissions } = control(-1, Errno.ESRCH);
    const isGivenUp = name.startsWith('no ') || name.startsWith('an unmapped');
    if (isGivenUp) expect(() => ask(permissions)).not.toThrow();
    else expect(() => ask(permissions)).toThrow(expect.objectContaining({ errno: Errno.ESRCH }));
  });

  it('do not take a line for another one', () => {
    const { native, permissions } = control(0, 0, 21);
    expect(() => permissions.mapLine(5, 20)).toThrow('it became PIRQ 21');
    expect(native.calls.at(-1)).toBe('xc_physdev_unmap_pirq handle 5 21');
  });

  it.each([
    [Errno.ENOSYS, true],
    [Errno.EOPNOTSUPP, true],
    [Errno.EINVAL, false],
  ])('errno %i says that there is no IOMMU: %s', (errno, expected) => {
    const { permissions } = control(-1, errno);
    let seen: unknown;
    try {
      permissions.testAssign(0, address);
    } catch (error) {
      seen = error;
    }
    expect(isWithoutIommu(seen)).toBe(expected);
  });
});
