// SPDX-License-Identifier: MIT
// The server's side of a try: pciback with platform vfio-user in this process, one socket for each device.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

const PROJECT = resolve(import.meta.dirname, '../..');
const HEAD = /^(?:[0-9a-f]{4,8}:)?[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]/i;
const EXPRESS = 0x10;

/**
 * @typedef {object} Offered
 * @property {string} name as it was asked for
 * @property {number} bdf
 * @property {string} address
 * @property {string} socket
 * @property {object} identity
 * @property {boolean} express
 * @property {readonly number[]} bars sizes in bytes
 */

/** Names of the bundled samples. */
export const sampleNames = async () => (await import(join(PROJECT, 'dist/test/kit/index.js'))).sampleNames;

/** Every function of a dump with an address of its own: dumps of several machines name the same ones. */
function placed(text, nextBus) {
  return text.replace(new RegExp(HEAD, 'gim'), () => `0000:${(nextBus() & 0xff).toString(16).padStart(2, '0')}:00.0`);
}

/**
 * Starts it.
 *
 * @param {{ place: string, devices: readonly string[], quirks?: readonly string[], plugins?: readonly unknown[],
 *   level?: string, config?: object }} terms devices are paths of dumps or names of samples
 */
export async function startHost({ place, devices, quirks = [], plugins = [], level = 'warn', config = {} }) {
  const { startPciback } = await import(join(PROJECT, 'dist/plugins/program/index.js'));
  const { sample, sampleNames: known } = await import(join(PROJECT, 'dist/test/kit/index.js'));
  mkdirSync(place, { recursive: true });
  const wanted = devices.map((name) => ({ name, isSample: known.includes(name) }));
  const dumps = wanted.filter((one) => !one.isSample);
  let bus = 1;
  const files = dumps.map(({ name }, i) => {
    const file = join(place, `dump-${i}.txt`);
    writeFileSync(
      file,
      placed(readFileSync(name, 'utf8'), () => bus++),
    );
    return file;
  });
  // Samples have a segment of their own beside dumps.
  const segment = files.length > 0 ? 1 : 0;
  const bdfsOfSamples = wanted.filter((one) => one.isSample).map(({ name }) => sample(name, segment).bdf);
  const log = [];
  const keep = (kind) => (facts, message) => log.push({ kind, message, facts });
  const running = await startPciback({
    directory: place,
    log: {
      debug: () => {},
      info: level === 'info' ? keep('info') : () => {},
      warn: keep('warn'),
      error: keep('error'),
    },
    plugins,
    config: {
      platform: 'vfio-user',
      control: false,
      quirks: quirks.map((file) => resolve(file)),
      'vfio-user': { devices: [...files, ...(bdfsOfSamples.length > 0 ? ['samples'] : [])] },
      ...config,
    },
  });
  const { engine, parts } = running;
  const operation = (name, asked) => parts.operations().get(name).answer(asked);
  const all = await engine.platform.pci.list();
  const mine = all.filter(({ bdf }) => bdfsOfSamples.includes(bdf) || (files.length > 0 && bdf >>> 16 === 0));
  const offered = [];
  const refused = [];
  for (const one of mine) {
    const text = addressOf(one.bdf);
    const name = `${one.vendor.toString(16).padStart(4, '0')}:${one.device.toString(16).padStart(4, '0')}`;
    if (one.class >> 16 === 6 && [0, 1, 4, 7, 9].includes((one.class >> 8) & 0xff)) {
      refused.push({ name, address: text, why: 'a bridge' });
      continue;
    }
    try {
      const device = await engine.stub.seize(one.bdf);
      const { hardware, lists } = device.operations;
      if (device.identity.headerType !== 0) throw new Error(`header type ${device.identity.headerType}`);
      const socket = join(place, `${offered.length}.sock`);
      await operation('attach', { name, bdf: text, socket });
      offered.push({
        name,
        bdf: one.bdf,
        address: text,
        socket,
        identity: device.identity,
        express: lists.standard.some(({ id }) => id === EXPRESS),
        bars: hardware.resources.slice(0, 6).map(({ size, flags }) => ((flags & 0x10000000) === 0 ? Number(size) : 0)),
      });
    } catch (error) {
      refused.push({ name, address: text, why: error.message });
    }
  }
  return { running, engine, operation, offered, refused, log };
}

const hex = (value, digits) => value.toString(16).padStart(digits, '0');

/** `0000:03:00.0` */
export const addressOf = (bdf) =>
  `${hex(bdf >>> 16, 4)}:${hex((bdf >> 8) & 0xff, 2)}:${hex((bdf >> 3) & 0x1f, 2)}.${bdf & 7}`;
