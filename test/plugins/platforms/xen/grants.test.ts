// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import { HostError } from '../../../../core/platform/index.ts';
import { createGrants } from '../../../../plugins/platforms/xen/grants.ts';
import { createFakeNative, fakePointer } from './fake-native.ts';

const library = (map: (domain: unknown, reference: unknown) => unknown) => {
  const native = createFakeNative({
    xengnttab_open: () => fakePointer(),
    xengnttab_close: () => 0,
    xengnttab_map_grant_ref: (_handle, domain, reference) => map(domain, reference),
    xengnttab_unmap: () => 0,
  });
  return { native, unmaps: () => native.calls.filter((call) => call.startsWith('xengnttab_unmap')) };
};

describe('grants of platform xen', () => {
  it('map one page for reading and writing, and unmap it once', () => {
    const memory = new ArrayBuffer(4096);
    const { native, unmaps } = library(() => fakePointer(memory));
    const page = createGrants(native).map(7, 1234);
    expect(native.calls.at(-1)).toBe('xengnttab_map_grant_ref handle 7 1234 3');
    expect(page.memory).toBe(memory);
    page.unmap();
    page.unmap();
    expect(unmaps()).toEqual(['xengnttab_unmap handle handle 1']);
  });

  it('a refusal is a HostError with errno, domain and reference', () => {
    const { native } = library(() => {
      native.setErrno(22);
      return null;
    });
    expect(() => createGrants(native).map(7, 99)).toThrow(
      expect.objectContaining({ errno: 22, message: expect.stringContaining('domain 7, reference 99') }),
    );
  });

  it('a page that cannot be viewed is not left mapped', () => {
    const { native, unmaps } = library(() => fakePointer(new ArrayBuffer(1)));
    expect(() => createGrants(native).map(7, 99)).toThrow(RangeError);
    expect(unmaps()).toHaveLength(1);
  });

  it('close unmaps what is still mapped, closes the handle, and ends the mapping', () => {
    const { native, unmaps } = library(() => fakePointer());
    const grants = createGrants(native);
    const pages = [grants.map(7, 1), grants.map(7, 2), grants.map(8, 1)];
    pages[0]?.unmap();
    grants.close();
    grants.close();
    pages[1]?.unmap();
    expect(unmaps()).toHaveLength(3);
    expect(native.calls.at(-1)).toBe('xengnttab_close handle');
    expect(() => grants.map(7, 3)).toThrow(HostError);
  });

  it.each([
    [13, 'NO_PRIVILEGE'],
    [1, 'NO_PRIVILEGE'],
    [2, 'PLATFORM_UNAVAILABLE'],
  ])('open refused with errno %i is %s', (errno, code) => {
    const native = createFakeNative({
      xengnttab_open: () => {
        native.setErrno(errno);
        return null;
      },
      xengnttab_close: () => 0,
      xengnttab_map_grant_ref: () => null,
      xengnttab_unmap: () => 0,
    });
    expect(() => createGrants(native)).toThrow(expect.objectContaining({ code }));
  });
});
