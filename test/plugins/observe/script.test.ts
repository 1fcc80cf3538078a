// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import { formatRecording } from '../../../plugins/observe/recording.ts';
import { parseScript } from '../../../plugins/observe/script.ts';
import { placeText } from '../../../plugins/observe/script-terms.ts';

const short = (text: string, device?: string): string[] =>
  parseScript(text, 'script.txt', device).steps.map(
    ({ kind, place, size, value, mask }) =>
      `${kind} ${placeText(place)}:${size}${value === undefined ? '' : ` ${value.toString(16)}`}${mask === undefined ? '' : `/${mask.toString(16)}`}`,
  );

describe('accesses as people write them', () => {
  it('are writes, reads and what is expected of them', () => {
    const { form, steps } = parseScript(
      `# a driver
       w 0xe8 2 0x0003
       expect accepted
       expect 3
       r e8 2
       expect 0x0003
       write 0xf0 4 ffffffff
       expect denied 0xffff0000
       expect 0x34 1 c8
       w CAP09+4 4 1
       expect denied`,
      'script.txt',
    );
    expect(form).toBe('plain');
    expect(steps.map(({ line, kind, expects }) => [line, kind, expects.map((one) => one.kind)])).toEqual([
      [2, 'write', ['accepted', 'shows']],
      [5, 'read', ['shows']],
      [7, 'write', ['denied']],
      [9, 'read', ['shows']],
      [10, 'write', ['denied']],
    ]);
    expect(steps[4]?.place).toEqual({ capability: { list: 'standard', id: 9 }, offset: 4 });
  });

  it.each([
    ['', /line 1: there is no access/],
    ['# nothing\n\n', /no access/],
    ['w 0xe8 2', /line 1: write "w OFFSET SIZE VALUE"/],
    ['r 0xe8 2\nw 0xe8 3 1', /line 2: write "w OFFSET/],
    ['w 0xe8 2 0x10000', /line 1: write "w OFFSET/],
    ['w 0x1000 2 1', /line 1/],
    ['w 0xe9 2 1', /line 1: the access is not aligned/],
    ['expect 3', /line 1: there is no access before it/],
    ['r e8 2\nexpect accepted', /line 2: a read is never refused/],
    ['w e8 2 3\nexpect refused', /line 2: write "expect accepted"/],
    ['x', /line 1: write/],
  ])('%j is refused', (text, why) => {
    expect(() => parseScript(text, 'script.txt')).toThrow(why);
    expect(() => parseScript(text, 'script.txt')).toThrow(expect.objectContaining({ code: 'SCRIPT_INVALID' }));
  });
});

describe('traces of QEMU', () => {
  it('of vfio, with whatever the log puts before a line, also from a mail', () => {
    expect(
      short(`4711@1700000000.000001:vfio_realize  (0000:65:00.0) group 7
4711@1700000000.000002:vfio_pci_read_config  (0000:65:00.0, @0x0, len=0x2) 0x8086
vfio_pci_write_config  (0000:65:00.0, @0xe8, 0x3, len=0x2)
vfio_pci_write_config  (0000:65:00.0, @0xe8, 0xffffffff, len=0x4)
vfio_pci_read_config  (0000:65:00.0, @0x44, len=3D0x1) 0x8`),
    ).toEqual(['read 0x00:2 8086', 'write 0xe8:2 3', 'write 0xe8:4 ffffffff', 'read 0x44:1 8']);
  });

  it('of pci_cfg, whose sizes are the least that hold what was seen', () => {
    const text = `pci_cfg_read e1000e 00:02.0 @0xe8 -> 0x12345
pci_cfg_write e1000e 00:02.0 @0xe8 <- 0x3
pci_cfg_write e1000e 00:02.0 @0xec <- 0x103
pci_cfg_write e1000e 00:02.0 @0x3c <- 0xb`;
    expect(short(text)).toEqual(['read 0xe8:4 12345', 'write 0xe8:4 3', 'write 0xec:2 103', 'write 0x3c:1 b']);
    expect(parseScript(text, 'a')).toMatchObject({ form: 'QEMU trace', device: 'e1000e 00:02.0' });
    expect(parseScript(text, 'a').notes.join()).toMatch(/do not tell sizes/);
    expect(short('pci_cfg_write rtl8139 02:0 @0x40 <- 0x1')).toEqual(['write 0x40:1 1']);
  });

  it('of several devices want one of them', () => {
    const text = `pci_cfg_write e1000e 00:02.0 @0x40 <- 0x1
pci_cfg_write nvme 00:03.0 @0x44 <- 0x2`;
    expect(short(text, '00:03.0')).toEqual(['write 0x44:1 2']);
    expect(() => short(text)).toThrow(/several devices: choose one with --device, of "e1000e 00:02.0", "nvme 00:03.0"/);
    expect(() => short(text, '00:04.0')).toThrow(/no access of "00:04.0"/);
    const vfio = 'vfio_pci_write_config  (0000:65:00.0, @0xe8, 0x3, len=0x2)';
    expect(short(vfio, '65:00.0')).toEqual(['write 0xe8:2 3']);
  });

  it('leave out what no guest can do', () => {
    const { steps, notes } = parseScript(
      `vfio_pci_write_config  (0000:65:00.0, @0xe9, 0x3, len=0x2)
vfio_pci_write_config  (0000:65:00.0, @0xe8, 0x3, len=0x8)
vfio_pci_write_config  (0000:65:00.0, @0xe8, 0x3, len=0x2)`,
      'a',
    );
    expect(steps).toHaveLength(1);
    expect(notes).toEqual(['2 accesses are left out: unaligned, or outside of config space']);
  });
});

describe('commands of setpci', () => {
  it('with addresses, names, capabilities, masks and several values', () => {
    expect(
      short(`sudo setpci -v -s 01:00.0 e8.w=0003 e8.w
setpci -s 01:00.0 COMMAND=0407:0400
setpci -s 01:00.0 CAP_EXP+8.w=2810
setpci -s 01:00.0 ECAP_AER+4.l CAP09+4.b=1,2`),
    ).toEqual([
      'write 0xe8:2 3',
      'read 0xe8:2',
      'write 0x04:2 407/400',
      'write CAP10+8:2 2810',
      'read ECAP0001+4:4',
      'write CAP09+4:1 1',
      'write CAP09+5:1 2',
    ]);
  });

  it('also without the command', () => {
    expect(short('e8.w=3\n44.B')).toEqual(['write 0xe8:2 3', 'read 0x44:1']);
  });

  it.each([
    ['setpci -s 1:0.0 e8=3', /width .B, .W or .L is missing/],
    ['setpci -s 1:0.0 NOTHING=3', /no such register/],
    ['setpci -s 1:0.0 e9.w=3', /not aligned/],
    ['setpci -s 1:0.0 e8.b=100', /not a hexadecimal value of 1 bytes/],
    ['setpci -s 1:0.0 e8.b=1\nsetpci -s 2:0.0 e8.b=1', /line 2: one device only/],
  ])('%j is refused', (text, why) => {
    expect(() => short(text)).toThrow(why);
  });
});

describe('a recorded session', () => {
  it('is its accesses', () => {
    const text = formatRecording({
      device: { bdf: '0000:01:00.0', vendor: 0x8086, device: 0x10d3, subsystemVendor: 0, subsystemDevice: 0 },
      guest: 'work',
      accesses: [{ kind: 'write', offset: 0xe8, size: 2, value: 3, status: 0, denied: 3, wanted: 3 }],
      unrecorded: 4,
    });
    expect(short(text)).toEqual(['write 0xe8:2 3']);
    expect(parseScript(text, 'a')).toMatchObject({
      form: 'recording',
      notes: ['4 accesses found no place in the record'],
    });
  });
});
