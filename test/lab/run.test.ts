// SPDX-License-Identifier: MIT

import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const HERE = import.meta.dirname;
const SCENARIOS = join(HERE, 'scenarios');
const names = readdirSync(SCENARIOS).map((file) => file.replace(/\.(sh|mjs)$/, ''));

/** The lab's own modules are plain JavaScript; this is the part of them that is used here. */
interface Emulator {
  runUntilReported(run: object, newLogs: () => string, say: (text: string) => void): Promise<{ status: number }>;
}
interface Locks {
  lockFolder(folder: string): () => void;
}
const load = (file: string): Promise<unknown> => import(/* @vite-ignore */ join(HERE, file));

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'lab-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

const lab = (...args: string[]) =>
  spawnSync(process.execPath, [join(HERE, 'run.mjs'), ...args], { encoding: 'utf8', env: { PCIBACK_LAB: folder } });

describe('npm run lab', () => {
  it('lists every scenario with a summary', () => {
    const { stdout, status } = lab('--list');
    expect(status).toBe(0);
    for (const name of names) expect(stdout).toMatch(new RegExp(`^${name} +\\S`, 'm'));
  });

  it.each([
    [['drop-inn'], 'unknown scenario "drop-inn". Did you mean "drop-in"?'],
    [['drop-in', '--slot', 'vpci'], 'unknown option of drop-in "--slot". Did you mean "--slots"?'],
    [['drop-in', '--slots', 'vcpi'], 'unknown value of --slots "vcpi". Did you mean "vpci"?'],
    [
      ['drop-in', '--host', 'debian12'],
      'unknown value of --host "debian12". Did you mean "debian13"? Known: own, debian13.',
    ],
    [['drop-in', '--host'], '--host needs a value: own or debian13.'],
    [['drop-in', '--slots'], '--slots needs a value: vpci or passthrough.'],
    [['drop-in', 'terminate'], 'one scenario at a time'],
    [[], 'no scenario given'],
  ])('refuses %j with status 2', (args, text) => {
    const { stderr, status } = lab(...args);
    expect(status).toBe(2);
    expect(stderr).toContain(text);
    expect(readdirSync(folder)).toEqual([]);
  });

  it('refuses a folder that another run holds, and says which', () => {
    const stat = readFileSync(`/proc/${process.pid}/stat`, 'utf8');
    const started = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
    writeFileSync(join(folder, 'lock'), `${process.pid} ${started}\n`);
    const { stderr, status } = lab('kernel-baseline');
    expect(status).toBe(2);
    expect(stderr).toContain(`${folder} is in use by another lab run (process ${process.pid})`);
  });
});

it('the lab is told how patient to be in whole numbers', () => {
  const env = { PCIBACK_LAB: folder, PCIBACK_LAB_PATIENCE: '1.5' };
  const { stderr, status } = spawnSync(process.execPath, [join(HERE, 'run.mjs'), 'drop-in'], { encoding: 'utf8', env });
  expect({ stderr, status }).toMatchObject({ stderr: expect.stringContaining('is "1.5": a whole number'), status: 2 });
});

describe('the lock', () => {
  it('is taken over from a process that is gone, and given back', async () => {
    const { lockFolder } = (await load('lock.mjs')) as Locks;
    // The number is in use, by a process that started at another time: it was given out again.
    writeFileSync(join(folder, 'lock'), `${process.pid} 1\n`);
    const unlock = lockFolder(folder);
    expect(() => lockFolder(folder)).toThrow('in use by another lab run');
    unlock();
    expect(readdirSync(folder)).toEqual([]);
  });
});

describe('an emulator run', () => {
  const run = async (
    program: string,
    disks: ReadonlyMap<string, string> = new Map(),
  ): Promise<{ status: number; attempts: number; said: readonly string[] }> => {
    const qemu = join(folder, 'qemu');
    // Of the arguments only the log folder matters: it is in the one that ends in mount_tag=out,….
    writeFileSync(
      qemu,
      `#!/bin/bash\nfor a; do case $a in *mount_tag=out,*) a=\${a#*path=}; OUT=\${a%%,*};; esac; done\n${program}`,
    );
    chmodSync(qemu, 0o755);
    const { runUntilReported } = (await load('emulator.mjs')) as Emulator;
    const said: string[] = [];
    let attempts = 0;
    const newLogs = (): string => join(folder, `logs-${++attempts}`);
    const scenario = { path: join(SCENARIOS, 'contract.sh'), seconds: 5, devices: [], disks };
    const machine = { folder, root: '/', kernel: '6' };
    const call = { machine, emulator: [qemu], scenario, environment: { A: "it's" }, keep: false };
    const signal = new AbortController().signal;
    const { status } = await runUntilReported({ ...call, signal }, newLogs, (text) => said.push(text));
    return { status, attempts, said };
  };

  it('that reports is the result, whatever its status', async () => {
    expect(await run('echo 3 > $OUT/status')).toEqual({ status: 3, attempts: 1, said: [] });
  });

  it('that never reports is tried three times and said so twice', async () => {
    const { status, attempts, said } = await run('echo booting; exit 1');
    expect({ status, attempts, said: said.length }).toEqual({ status: 125, attempts: 3, said: 2 });
  });

  it('that dies after a failed assertion is not tried again', async () => {
    const { status, attempts } = await run('echo "not ok - pings" > $OUT/checks; exit 1');
    expect({ status, attempts }).toEqual({ status: 1, attempts: 1 });
  });

  it('whose hypervisor panics under the scenario has failed', async () => {
    const { status, attempts } = await run('touch $OUT/up; echo "(XEN) Panic on CPU 1:"');
    expect({ status, attempts }).toEqual({ status: 1, attempts: 1 });
    expect(readFileSync(join(folder, 'logs-1/checks'), 'utf8')).toContain('not ok - the host survives');
  });

  it('has the disks of the scenario, as files of the log folder', async () => {
    await run(
      'echo "$*" > $OUT/arguments; stat -c %s $OUT/d0.img > $OUT/size; echo 0 > $OUT/status',
      new Map([['d0', '2']]),
    );
    const read = (name: string): string => readFileSync(join(folder, 'logs-1', name), 'utf8');
    expect(read('arguments')).toContain(`-drive if=none,id=d0,file=${join(folder, 'logs-1/d0.img')},format=raw`);
    expect(read('size')).toBe(`${2 * 2 ** 20}\n`);
  });

  it('hands the environment to dom0 word for word', async () => {
    await run('. $OUT/env.sh; [ "$A" = "it\'s" ] && echo 0 > $OUT/status || echo 9 > $OUT/status');
    expect(readFileSync(join(folder, 'logs-1/status'), 'utf8')).toBe('0\n');
  });
});

describe('the helpers of scenarios', () => {
  const dom0 = (script: string): string => {
    const environment = {
      OUT: folder,
      PCI: join(folder, 'pci'),
      SHOWN: join(folder, 'shown'),
      DAEMON_LOG: join(folder, 'daemon.log'),
      GUEST_LOGS: folder,
    };
    const env = { ...process.env, ...environment };
    const { stdout, stderr, status } = spawnSync('bash', ['-c', `. ${join(HERE, 'dom0/lib.sh')}\n${script}`], {
      encoding: 'utf8',
      env,
    });
    return `${stdout}${stderr}status ${status}`;
  };
  const device = (bytes: ReadonlyMap<number, number>): Buffer => {
    const space = Buffer.alloc(256);
    space[0x34] = 0x40; // one capability: PCI Express
    space[0x40] = 0x10;
    for (const [offset, value] of bytes) space[offset] = value;
    return space;
  };

  it.each(
    readdirSync(SCENARIOS)
      .filter((file) => file.endsWith('.sh'))
      .map((file) => [join(SCENARIOS, file)]),
  )('%s is valid shell', (path) => {
    execFileSync('bash', ['-n', path]);
    expect(existsSync(path)).toBe(true);
  });

  it('count checks, show why one failed and end with the counts', () => {
    const said = dom0('check yes true; check no same 1 2; finish');
    expect(said).toContain(
      'ok - yes\nnot ok - no\n#   got:\n#   1\n#   expected:\n#   2\n1 passed, 1 failed\nstatus 1',
    );
    rmSync(join(folder, 'checks'));
    expect(dom0('check yes true; finish')).toContain('1 passed, 0 failed\nstatus 0');
    rmSync(join(folder, 'checks'));
    expect(dom0('touch $OUT/checks; finish')).toContain('0 passed, 0 failed\nstatus 1');
  });

  it('show what a command printed, and measure its columns', () => {
    const said = dom0('shows yes echo 12µs; check "has it" printed ^1; check "no other" printed ^2; check fits narrow');
    expect(said).toContain('    $ echo 12µs\n    12µs\nok - yes\nok - has it\nnot ok - no other\nok - fits\n');
    expect(readFileSync(join(folder, 'screens.txt'), 'utf8')).toBe('$ echo 12µs\n12µs\n');
    const wide = (columns: number): string => dom0(`shows wide echo ${'µ'.repeat(columns)}; check fits narrow`);
    expect(wide(80)).toContain('\nok - fits\n');
    expect(wide(81)).toContain('\nnot ok - fits\n#   1:µ');
    expect(dom0('shows no false')).toContain('not ok - no\n');
  });

  it('tell from what a guest reads whether its writes arrive', () => {
    const line = (written: string, read: string): string => `POKE ${written} reads ${read}\r\n`;
    const says = (...lines: readonly string[]): string => {
      writeFileSync(join(folder, 'guest-u1.log'), ['PCI 00:00.0 x y\n', ...lines].join(''));
      return dom0(
        'for n in 0 2; do arrives_since u1 $n >$OUT/said && echo $n arrives; refused_since u1 $n >$OUT/said && echo $n refused; done',
      );
    };
    const kept = [line('5', '0005'), line('0', '0000')];
    const lost = [line('5', '0000'), line('0', '0000')];
    const stuck = [line('5', '0005'), line('0', '0005')];
    expect(says(...lost, ...kept)).toContain('0 arrives');
    expect(says(...lost, line('a5', '00a5'), line('0', '0000'))).toContain('0 arrives');
    expect(says(...lost, line('a5', '00b7'), line('0', '0000'))).not.toContain('0 arrives');
    expect(says(...kept, ...lost)).toContain('0 refused');
    expect(says(...kept, ...stuck)).toContain('0 refused');
    expect(says(...kept, ...lost, ...kept)).toMatch(/^0 refused\n2 arrives\n/);
    // What is there so far says nothing of what comes.
    expect(says(...kept, line('5', '0005'))).not.toMatch(/arrives|refused/);
    expect(says(...kept, line('5', ''), line('0', ''))).not.toMatch(/arrives|refused/);
  });

  it('find lines of the daemon by message and fields', () => {
    const line = { level: 30, end: 'back', to: 6, guest: 12, bdf: '0000:00:03.0', msg: 'guest state' };
    writeFileSync(join(folder, 'daemon.log'), `${JSON.stringify(line)}\n`);
    expect(dom0("logged 'guest state' guest=12 end=back 'to=6|[Cc]losed' bdf=0000:00:03.0")).toBe('status 0');
    expect(dom0("logged 'guest state' guest=1")).toContain('status 1');
    expect(dom0("logged 'guest state' guest=2 || true; logged 'guest' guest=12")).toContain('status 1');
  });

  it('compare config space but for bits that a device sets by itself', () => {
    const compare = (bytes: ReadonlyMap<number, number>): string => {
      mkdirSync(join(folder, 'pci/d'), { recursive: true });
      writeFileSync(join(folder, 'before'), device(new Map()));
      writeFileSync(join(folder, 'pci/d/config'), device(bytes));
      return dom0('config_changes d $OUT/before');
    };
    expect(compare(new Map())).toBe('status 0');
    const volatile = [
      [0x06, 0x08],
      [0x07, 0x80],
      [0x4a, 0x21],
    ] as const;
    expect(compare(new Map(volatile))).toBe('status 0');
    expect(readFileSync(join(folder, 'volatile'), 'utf8')).toContain('d byte 0x04a 0x00 -> 0x21');
    expect(compare(new Map([[0x04, 0x04]]))).toBe('d byte 0x004 was 0x00 is 0x04\nstatus 1');
    expect(compare(new Map([[0x4a, 0x11]]))).toBe('d byte 0x04a was 0x00 is 0x11\nstatus 1');
    // The message of an MSI capability with 64 bits: address and data, but not its control word.
    const msi = new Map([
      [0x40, 0x05],
      [0x42, 0x80],
    ]);
    writeFileSync(join(folder, 'before'), device(msi));
    const left = (at: number): string => {
      writeFileSync(join(folder, 'pci/d/config'), device(new Map([...msi, [at, 0x98]])));
      return dom0('config_changes d $OUT/before');
    };
    expect([0x44, 0x4d].map(left)).toEqual(['status 0', 'status 0']);
    expect([0x43, 0x4e].map((at) => left(at).slice(-8))).toEqual(['status 1', 'status 1']);
  });

  it('read sizes of BARs and ROM from a resource file', () => {
    const zero = '0x0000000000000000 0x0000000000000000 0x0000000000000000';
    const resource = `0x00000000fea00000 0x00000000feafffff 0x0000000000040200\n${`${zero}\n`.repeat(5)}0x00000000feb00000 0x00000000feb3ffff 0x46200\n0x1 0x2 0x3\n`;
    writeFileSync(join(folder, 'resource'), resource);
    expect(dom0('bar_sizes < $OUT/resource')).toBe('0 1048576\n6 262144\nstatus 0');
  });

  it('take what a guest printed', () => {
    writeFileSync(
      join(folder, 'guest-u1.log'),
      'PCI 0000:00:01.0 0x8086 0x10d3\r\nDRIVER 0000:00:01.0 e1000e\r\n  9:  7  xen-pirq    -pcifront-msi-x  eth0-rx-0\r\n',
    );
    expect(dom0('guest_devices u1; msix_vectors u1')).toBe('0000:00:01.0\n1\nstatus 0');
    expect(dom0("guest_says u1 '^DRIVER [0-9a-f:.]+ e1000e$'")).toBe('status 0');
    expect(dom0("guest_says u1 '^DRIVER [0-9a-f:.]+ nvme$'")).toBe('status 1');
  });
});
