// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import { bdf } from '../../../../core/bdf.ts';
import { silent } from '../../../../core/log.ts';
import { HostError, type PciFunction } from '../../../../core/platform/index.ts';
import {
  createInterrupts,
  hasMsix,
  resetTeller,
  type XenInterrupts,
} from '../../../../plugins/platforms/xen/hypercalls.ts';
import { recordingLog } from '../../../kit/embedded-host.ts';
import { createFakeNative, type FakeNative, fakePointer } from './fake-native.ts';

const device = (bytes: Record<number, number>, line = 11): PciFunction => {
  const config = Buffer.alloc(256);
  for (const [offset, value] of Object.entries(bytes)) config[Number(offset)] = value;
  return {
    identity: { bdf: bdf(2, 0x3a, (4 << 3) | 1) },
    line,
    readConfig: (offset: number, size: 1 | 2 | 4) => config.readUIntLE(offset, size),
  } as unknown as PciFunction;
};
/** Power management at 0x40, MSI-X at 0x50. */
const withMsix = device({ 6: 0x10, 52: 0x40, 64: 0x01, 65: 0x50, 80: 0x11, 81: 0 });
const withoutMsix = device({ 6: 0x10, 52: 0x40, 64: 0x01, 65: 0x60, 96: 0x05, 97: 0 });

interface Fixture {
  readonly native: FakeNative;
  readonly interrupts: XenInterrupts;
  readonly argument: Uint8Array;
  result: number;
  errno: number;
  /** Answer of irq_status_query. */
  flags: number;
}

const create = (msixPreparedBy: 'kernel' | 'this-process' = 'this-process'): Fixture => {
  const memory = new ArrayBuffer(8);
  const answer = (): number => {
    native.setErrno(fixture.errno);
    return fixture.result;
  };
  const native = createFakeNative({
    xc_interface_open: () => fakePointer(),
    xc_interface_close: () => 0,
    xc_physdev_map_pirq_msi: (_xc, _domain, _index, pirq) => {
      const bytes = pirq as Uint8Array;
      const view = new DataView(bytes.buffer, bytes.byteOffset);
      expect(view.getInt32(0, true)).toBe(-1);
      if (fixture.result === 0) view.setInt32(0, 55, true);
      return answer();
    },
    xc_physdev_unmap_pirq: answer,
    xencall_open: () => fakePointer(),
    xencall_close: () => 0,
    xencall2: (_handle, _hypercall, command) => {
      if (command === 5n) {
        // What an answer does not say must not be left over from the one before.
        expect(new DataView(memory).getUint32(4, true)).toBe(0);
        new DataView(memory).setUint32(4, fixture.flags, true);
      }
      return answer();
    },
    xencall_alloc_buffer: () => fakePointer(memory),
    xencall_free_buffer: () => undefined,
  });
  const options = { controlNames: ['libxenctrl.so.4.17'], msixPreparedBy };
  const fixture: Fixture = {
    native,
    interrupts: createInterrupts(native, options),
    argument: new Uint8Array(memory),
    result: 0,
    errno: 0,
    flags: 0,
  };
  return fixture;
};

describe('interrupts of platform xen', () => {
  it('map one MSI vector: segment and bus in one number, no table', () => {
    const { interrupts, native } = create();
    expect(interrupts.mapMsi(7, withMsix)).toBe(55);
    // handle, domain, index, PIRQ, devfn, segment << 16 | bus, entry, table base
    expect(native.calls.at(-1)).toBe(`xc_physdev_map_pirq_msi handle 7 -1 <255 255 255 255> ${0x21} ${0x2003a} 0 0`);
  });

  it('map MSI-X vectors: one call per entry, with the address of the table', () => {
    const { interrupts, native } = create();
    expect(interrupts.mapMsix(7, withMsix, 3, 0xfe00_0000_1000n)).toBe(55);
    expect(native.calls.at(-1)).toMatch(new RegExp(` 3 ${0xfe00_0000_1000n}$`));
  });

  it('an MSI-X vector without a table address is refused, it would be mapped as MSI', () => {
    const { interrupts, native } = create();
    const before = native.calls.length;
    expect(() => interrupts.mapMsix(7, withMsix, 0, 0n)).toThrow(expect.objectContaining({ errno: 22 }));
    expect(native.calls.length).toBe(before);
  });

  it('a refused mapping is a HostError with the errno of the hypervisor', () => {
    const fixture = create();
    fixture.result = -1;
    fixture.errno = 61;
    expect(() => fixture.interrupts.mapMsi(7, withMsix)).toThrow(
      expect.objectContaining({ errno: 61, message: expect.stringContaining('0002:3a:04.1, domain 7') }),
    );
  });

  it('unmapping for a domain that is gone is no error, any other refusal is', () => {
    const fixture = create();
    fixture.interrupts.unmap(7, 55);
    expect(fixture.native.calls.at(-1)).toBe('xc_physdev_unmap_pirq handle 7 55');
    fixture.result = -1;
    for (const gone of [3, 19]) {
      fixture.errno = gone;
      fixture.interrupts.unmap(7, 55);
    }
    fixture.errno = 22;
    expect(() => fixture.interrupts.unmap(7, 55)).toThrow(HostError);
  });

  it('tell of the MSI-X table by hypercall 33, commands 30 and 31, with the address in place', () => {
    const { interrupts, native, argument } = create();
    interrupts.prepareMsix(withMsix);
    expect(native.calls.at(-1)).toBe('xencall2 handle 33 30 handle');
    expect([...argument.subarray(0, 4)]).toEqual([2, 0, 0x3a, 0x21]);
    interrupts.releaseMsix(withMsix);
    expect(native.calls.at(-1)).toBe('xencall2 handle 33 31 handle');
  });

  it('never make that call for a function without the capability: it would take the host down', () => {
    const { interrupts, native } = create();
    for (const call of [interrupts.prepareMsix, interrupts.releaseMsix]) {
      expect(() => call(withoutMsix)).toThrow(expect.objectContaining({ errno: 22 }));
    }
    expect(native.calls.filter((call) => call.startsWith('xencall2'))).toEqual([]);
  });

  it('leave it to the kernel where the kernel holds the device', () => {
    const { interrupts, native } = create('kernel');
    interrupts.prepareMsix(withMsix);
    interrupts.prepareMsix(withoutMsix);
    interrupts.releaseMsix(withMsix);
    expect(native.calls.filter((call) => call.startsWith('xencall2'))).toEqual([]);
  });

  it('a refused hypercall is a HostError with its errno', () => {
    const fixture = create();
    fixture.result = -1;
    fixture.errno = 16;
    expect(() => fixture.interrupts.prepareMsix(withMsix)).toThrow(expect.objectContaining({ errno: 16 }));
  });

  it('the line is the one recorded at seizure', () => {
    expect(create().interrupts.linePirq(device({}, 16))).toBe(16);
  });

  it('asks whether a PIRQ is shared by hypercall 33, command 5: the number in, flags out', () => {
    const fixture = create();
    const { interrupts, native, argument } = fixture;
    const view = new DataView(argument.buffer);
    for (const [flags, shared] of [
      [0, false],
      [1, false],
      [2, true],
      [3, true],
    ] as const) {
      fixture.flags = flags;
      expect(interrupts.isShared(0x113)).toBe(shared);
      expect(native.calls.at(-1)).toBe('xencall2 handle 33 5 handle');
      expect(view.getUint32(0, true)).toBe(0x113);
    }
    fixture.result = -1;
    fixture.errno = 22;
    expect(() => interrupts.isShared(19)).toThrow(
      expect.objectContaining({ errno: 22, message: expect.stringContaining('PIRQ 19') }),
    );
    interrupts.close();
    expect(() => interrupts.isShared(19)).toThrow(HostError);
  });

  it('messages are written again by PHYSDEVOP_restore_msi_ext, for a function that has them', () => {
    const fixture = create();
    const { interrupts, native, argument } = fixture;
    for (const one of [withMsix, device({ 6: 0x10, 52: 0x40, 64: 0x05 })]) {
      interrupts.restoreMessages?.(one);
      expect(native.calls.at(-1)).toBe('xencall2 handle 33 27 handle');
      // Segment, bus, device and function.
      expect([...argument.subarray(0, 4)]).toEqual([2, 0, 0x3a, 0x21]);
    }
    fixture.result = -1;
    fixture.errno = 6;
    expect(() => interrupts.restoreMessages?.(withMsix)).toThrow(
      expect.objectContaining({ errno: 6, message: expect.stringContaining('0002:3a:04.1') }),
    );
    const before = native.calls.length;
    const without = device({ 6: 0x10, 52: 0x40, 64: 0x01 });
    expect(() => interrupts.restoreMessages?.(without)).toThrow(/no message interrupts/);
    expect(native.calls.length).toBe(before);
  });

  it('nothing is called after close', () => {
    const { interrupts, native } = create();
    interrupts.close();
    interrupts.close();
    expect(native.calls.slice(-3)).toEqual([
      'xencall_free_buffer handle handle',
      'xencall_close handle',
      'xc_interface_close handle',
    ]);
    expect(() => interrupts.mapMsi(7, withMsix)).toThrow(HostError);
    expect(() => interrupts.unmap(7, 5)).toThrow(HostError);
    expect(() => interrupts.prepareMsix(withMsix)).toThrow(HostError);
  });
});

describe('a reset', () => {
  it('is told to the hypervisor, with its kind', () => {
    const { interrupts, native, argument } = create('kernel');
    const tell = resetTeller(interrupts, silent);
    for (const [method, flags] of [
      ['flr', 3],
      ['pm', 1],
      ['bus', 2],
    ] as const) {
      tell(bdf(2, 0x3a, (4 << 3) | 1), method);
      expect(native.calls.at(-1)).toBe('xencall2 handle 33 32 handle');
      expect([...argument]).toEqual([2, 0, 0x3a, 0x21, flags, 0, 0, 0]);
    }
  });

  it.each([38, 95])('is told no more, without a word, to one that knows no such call: errno %i', (errno) => {
    const fixture = create();
    Object.assign(fixture, { result: -1, errno });
    const { log, lines } = recordingLog();
    const tell = resetTeller(fixture.interrupts, log);
    tell(bdf(0, 3, 0), 'flr');
    const calls = fixture.native.calls.length;
    tell(bdf(0, 3, 0), 'flr');
    expect([fixture.native.calls.length - calls, lines]).toEqual([0, []]);
  });

  it('that the hypervisor refuses for one function is said, and the next one is told', () => {
    const fixture = create();
    Object.assign(fixture, { result: -1, errno: 19 });
    const { log, lines } = recordingLog();
    const tell = resetTeller(fixture.interrupts, log);
    tell(bdf(0, 3, 0), 'flr');
    tell(bdf(0, 4, 0), 'flr');
    expect(lines.map(({ level, facts }) => `${level} ${facts.bdf}`)).toEqual([
      'warn 0000:03:00.0',
      'warn 0000:04:00.0',
    ]);
  });
});

describe('the search for MSI-X', () => {
  it('finds it behind others', () => expect(hasMsix(withMsix)).toBe(true));
  it('does not take another capability for it', () => expect(hasMsix(withoutMsix)).toBe(false));
  it('needs the status bit', () => {
    expect(hasMsix(device({ 52: 0x50, 80: 0x11 }))).toBe(false);
  });
  it('ends in a loop', () => {
    expect(hasMsix(device({ 6: 0x10, 52: 0x40, 64: 1, 65: 0x40 }))).toBe(false);
  });
  it('ignores pointers into the header', () => {
    expect(hasMsix(device({ 6: 0x10, 52: 0x20, 32: 0x11 }))).toBe(false);
  });
  it('ignores the reserved low bits of pointers', () => {
    expect(hasMsix(device({ 6: 0x10, 52: 0x43, 64: 1, 65: 0x52, 80: 0x11 }))).toBe(true);
  });
  it('says no for a function that does not answer', () => {
    const gone = { readConfig: (_offset: number, size: number) => 2 ** (8 * size) - 1 } as unknown as PciFunction;
    expect(hasMsix(gone)).toBe(false);
  });
});
