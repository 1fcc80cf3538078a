// SPDX-License-Identifier: MIT

import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';

interface Manifest {
  readonly name: string;
  readonly version: string;
}

/** A version of a package: its manifest, and where it is had from. */
interface Offered {
  readonly manifest: Manifest;
  readonly tarball: () => Promise<Buffer>;
}

/** A registry for npm, with what lies on this machine: nothing is fetched from anywhere else. */
export interface Registry {
  readonly url: string;
  /** Publishes what `npm pack` has made. */
  publish(tarball: string): Promise<void>;
  close(): Promise<void>;
}

const run = promisify(execFile);
const asBuffer = { encoding: 'buffer', maxBuffer: 2 ** 28 } as const;

/** Packages under a folder of packages, those inside of others too. */
const foldersUnder = (folder: string): string[] => {
  const entries = readdirSync(folder, { withFileTypes: true }).filter((one) => one.isDirectory());
  return entries.flatMap(({ name }) => {
    const at = join(folder, name);
    if (name.startsWith('.')) return [];
    if (name.startsWith('@')) return foldersUnder(at);
    const inside = readdirSync(at);
    return [
      ...(inside.includes('package.json') ? [at] : []),
      ...(inside.includes('node_modules') ? foldersUnder(join(at, 'node_modules')) : []),
    ];
  });
};

const packed = (folder: string) => async (): Promise<Buffer> =>
  (
    await run(
      'tar',
      ['-cf', '-', '--transform', 's,^\\.,package,', '--exclude=./node_modules', '-C', folder, '.'],
      asBuffer,
    )
  ).stdout;

/**
 * Starts a registry on this machine.
 *
 * @param modules a `node_modules`, whose packages are offered
 */
export const startRegistry = async (modules: string): Promise<Registry> => {
  const offered = new Map<string, Map<string, Offered>>();
  const offer = (one: Offered): void => {
    const { name, version } = one.manifest;
    const versions = offered.get(name) ?? new Map<string, Offered>();
    offered.set(name, versions.set(version, one));
  };
  for (const folder of foldersUnder(modules)) {
    const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest;
    if (manifest.version !== undefined) offer({ manifest, tarball: packed(folder) });
  }
  const server = createServer((request, response) => void answer(request.url ?? '', response));
  const url = (): string => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const answer = async (path: string, response: ServerResponse): Promise<void> => {
    const [name = '', version] = decodeURIComponent(path.slice(1)).split('/-/');
    const versions = offered.get(name);
    const one = versions?.get(version ?? '');
    if (versions === undefined || (version !== undefined && one === undefined)) {
      response.writeHead(404).end('{}');
    } else if (one !== undefined) {
      response.end(await one.tarball());
    } else {
      const all = [...versions].map(([number, { manifest }]) => {
        const tarball = `${url()}/${encodeURIComponent(name)}/-/${number}`;
        return [number, { ...manifest, dist: { tarball } }] as const;
      });
      const latest = all.at(-1)?.[0];
      response.end(JSON.stringify({ name, 'dist-tags': { latest }, versions: Object.fromEntries(all) }));
    }
  };
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    url: url(),
    publish: async (tarball) => {
      const { stdout } = await run('tar', ['-xzOf', tarball, 'package/package.json']);
      const content = readFileSync(tarball);
      offer({ manifest: JSON.parse(stdout) as Manifest, tarball: async () => content });
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
};
