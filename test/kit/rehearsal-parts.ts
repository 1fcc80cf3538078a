// SPDX-License-Identifier: MIT

import { Errno, HostError, type RehearsalParts } from '../../core/platform/index.ts';
import type { EmbeddedPlatform } from '../../plugins/platforms/embedded/index.ts';

/** What an embedded platform would be rehearsed with, and what is out of it at this moment. */
export const rehearsalParts = (platform: EmbeddedPlatform) => {
  const { ports, events } = platform.hypervisor.domain(0);
  const open = { ends: 0, functions: 0 };
  const made = { channels: 0, functions: 0 };
  const counted = <End extends { close(): void }>(end: End): End => {
    open.ends++;
    let closed = false;
    return {
      ...end,
      close: () => {
        if (closed) return;
        closed = true;
        open.ends--;
        end.close();
      },
    };
  };
  const parts: RehearsalParts = {
    channel(here, there) {
      made.channels++;
      const far = ports.allocUnbound(0, there);
      return { here: counted(events.bindInterdomain(0, far.port, here)), there: counted(far) };
    },
    function({ config, ...facts }) {
      made.functions++;
      open.functions++;
      const memory = Buffer.from(config);
      let held = true;
      const assertHeld = (call: string): void => {
        if (!held) throw new HostError(call, Errno.ENODEV);
      };
      return {
        ...facts,
        readConfig(offset, size) {
          assertHeld('read');
          return memory.readUIntLE(offset, size);
        },
        writeConfig(offset, size, value) {
          assertHeld('write');
          memory.writeUIntLE(size === 4 ? value >>> 0 : value & (2 ** (8 * size) - 1), offset, size);
        },
        reset: async () => ({ ok: true, method: 'on paper' }),
        close: () => {
          if (held) open.functions--;
          held = false;
        },
      };
    },
  };
  return { parts, open, made };
};
