// SPDX-License-Identifier: MIT

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, isIPv6 } from 'node:net';
import type { Bdf } from '../../core/bdf.ts';
import { describeError } from '../../core/errors/index.ts';
import type { Logger } from '../../core/log.ts';
import { fail } from '../errors.ts';
import type { PartContext, RunningPart } from '../kinds/part.ts';
import { CONTENT_TYPE, expose } from './exposition.ts';
import { type Family, familiesOf } from './families-report.ts';

/** Connections at the same time. */
const MOST_CLIENTS = 8;
/** Milliseconds that a client gets for its request, and between two. */
const PATIENCE_MS = 5000;
const QUIET_MS = 65_000;

const PATH = '/metrics';

export interface MetricsAddress {
  /** 0: a free one. */
  readonly port: number;
  /** An IP address. */
  readonly address: string;
}

const isOwn = (address: string): boolean => address.startsWith('127.') || address === '::1';

/** Answers GET /metrics, and nothing else. Nothing of a request is kept or logged. */
export class MetricsServer {
  readonly #server: Server;
  readonly #families: () => readonly Family[];
  readonly #log: Logger;
  /** Requests for metrics that were answered. */
  scrapes = 0;

  private constructor(families: () => readonly Family[], log: Logger) {
    this.#families = families;
    this.#log = log;
    const settings = { maxHeaderSize: 8192, requestTimeout: PATIENCE_MS, headersTimeout: PATIENCE_MS };
    this.#server = createServer({ ...settings, keepAliveTimeout: QUIET_MS }, (request, response) =>
      this.#answer(request, response),
    );
    this.#server.maxConnections = MOST_CLIENTS;
  }

  /** @throws PcibackError `METRICS_ADDRESS` */
  static async start(
    { port, address }: MetricsAddress,
    families: () => readonly Family[],
    log: Logger,
  ): Promise<MetricsServer> {
    const made = new MetricsServer(families, log);
    const server = made.#server;
    try {
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject);
        server.listen({ port, host: address, exclusive: true }, () => {
          server.off('error', reject);
          resolve();
        });
      });
    } catch (error) {
      return fail('METRICS_ADDRESS', { address: `${address}, port ${port}`, why: describeError(error) }, error);
    }
    server.on('error', (error) => log.error({ error: describeError(error) }, 'metrics port failed'));
    const facts = { url: made.url };
    if (isOwn(address)) log.info(facts, 'metrics port open');
    else
      log.warn(facts, 'metrics port open to others: who reaches it can read names of guests and addresses of devices');
    return made;
  }

  /** Where it answers. */
  get url(): string {
    const { address, port } = this.#server.address() as AddressInfo;
    return `http://${isIPv6(address) ? `[${address}]` : address}:${port}${PATH}`;
  }

  #answer({ method, url = '' }: IncomingMessage, response: ServerResponse): void {
    const say = (status: number, type: string, text: string): void => {
      response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(text) });
      response.end(method === 'HEAD' ? undefined : text);
    };
    const plain = 'text/plain; charset=utf-8';
    if (method !== 'GET' && method !== 'HEAD') say(405, plain, 'GET only\n');
    else if (url.split('?')[0] !== PATH) say(404, plain, `metrics are at ${PATH}\n`);
    else {
      try {
        say(200, CONTENT_TYPE, expose(this.#families()));
        this.scrapes++;
      } catch (error) {
        this.#log.error({ error: describeError(error) }, 'metrics not told');
        say(500, plain, 'the log of pciback says why\n');
      }
    }
  }

  /** Lets go of the port. */
  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
  }
}

/** Opens the port for the part. @throws PcibackError `METRICS_ADDRESS` */
export const openPort = async (
  address: MetricsAddress,
  context: PartContext,
  resets: ReadonlyMap<Bdf, number>,
): Promise<RunningPart> => {
  const server = await MetricsServer.start(address, () => familiesOf(context, resets), context.log);
  return {
    health: () => server.url,
    counters: () => ({ scrapes: server.scrapes }),
    stop: () => server.close(),
  };
};
