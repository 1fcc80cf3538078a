// SPDX-License-Identifier: MIT

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { type Bdf, formatBdf } from '../../core/bdf.ts';
import { RateLimit } from '../../core/log.ts';
import { definePlugin, type Host } from '../../core/plugin/index.ts';
import { parseBdfPattern } from '../device-pattern.ts';
import { AccessLog } from './access-log.ts';
import { formatRecording, recordingOf } from './recording.ts';

/** Config accesses that are kept of one guest and device: 1 MiB of memory. A driver makes some hundreds when it starts. */
const CAPACITY = 65_536;

const options = z.strictObject({
  devices: z
    .array(z.string())
    .optional()
    .describe('Addresses, as in `permissive`, of the devices whose sessions are recorded; missing: all.'),
  unhandled: z
    .enum(['drop', 'pass'])
    .optional()
    .describe(
      'What becomes of writes without a field meanwhile; missing: as for everybody. `pass` only for guests you trust.',
    ),
  directory: z
    .string()
    .min(1)
    .default('/var/lib/pciback/recordings')
    .describe('Where recordings are written, one file per guest and device, when the device comes back.'),
});

const pathOf = (directory: string, device: Bdf, guest: number): string =>
  // Colons are in the way of many tools.
  join(directory, `guest-${guest}-${formatBdf(device).replaceAll(':', '-')}.jsonl`);

const apply = (host: Host, { devices, unhandled, directory }: z.output<typeof options>): void => {
  const patterns = devices?.map(parseBdfPattern);
  /** One log per guest and device: the hook asks again whenever plugins come or go. */
  const logs = new Map<string, AccessLog>();
  /** A guest can end its sessions as often as it likes. */
  const limit = new RateLimit(() => performance.now(), 100, 100_000);
  host.hooks.unhandledWrite.tap((device, guest) => {
    if (patterns !== undefined && !patterns.some((pattern) => pattern.matches(device.bdf))) return undefined;
    const key = `${guest.domain} ${device.bdf}`;
    const recorder = logs.get(key) ?? new AccessLog(CAPACITY);
    logs.set(key, recorder);
    if (unhandled === undefined) return { recorder };
    return { recorder, unhandled: unhandled === 'pass' ? 'permissive' : 'drop' };
  });
  host.hooks.deviceReturned.tap(async (device, guest) => {
    const key = `${guest.domain} ${device.bdf}`;
    const log = logs.get(key);
    if (log === undefined) return;
    logs.delete(key);
    const file = pathOf(directory, device.bdf, guest.domain);
    try {
      await mkdir(directory, { recursive: true, mode: 0o700 });
      await writeFile(file, formatRecording(recordingOf(device.identity, guest.name, log)), { mode: 0o600 });
      if (limit.allows())
        host.log.info(
          { ...limit.takeMore(), file, accesses: log.length, unrecorded: log.overflow },
          'session recorded',
        );
    } catch (error) {
      // A full disk is no reason to keep the device from its next guest.
      if (limit.allows()) host.log.error({ ...limit.takeMore(), file, error }, 'session not written');
    }
  });
};

/** Records every config access of a session, for `pciback quirk learn`; passes or drops what no field claims. */
export default definePlugin({ name: 'observe/recorder', api: '^1.0', options, apply });
