// SPDX-License-Identifier: MIT

import { type Bdf, formatBdf } from '../../../core/bdf.ts';
import { fail } from '../../../core/errors/index.ts';
import type {
  DeviceError,
  ErrorListener,
  ErrorSeverity,
  HostErrors,
  RecoveryReport,
} from '../../../core/platform/index.ts';
import { type GuestVerdict, Verdict } from '../../../core/ring/layout.ts';
import { SerialQueue } from '../../../core/serial-queue.ts';
import { recover } from '../recovery-sequence.ts';
import type { EmbeddedBus } from './bus.ts';
import type { PciModel } from './device.ts';
import { CapabilityId, ExtendedId } from './image.ts';

/** Device status in the PCI Express capability, and the bits by which a function says what it met. */
const deviceStatus = { offset: 0x0a, correctable: 0x1, nonfatal: 0x2, fatal: 0x4 } as const;
/** Registers of the AER capability (PCI Express base specification, Advanced Error Reporting). */
const Aer = { uncorrectable: 0x04, mask: 0x08, severity: 0x0c, correctable: 0x10 } as const;
/** Receiver error. */
const CORRECTABLE = 0x1;
/** Completion timeout, poisoned packet, unsupported request, malformed packet, receiver overflow, data link protocol. */
const uncorrectableBits = [0x4000, 0x1000, 0x100000, 0x40000, 0x20000, 0x10] as const;

const or = (model: PciModel, offset: number, size: 2 | 4, bits: number): void =>
  model.poke(offset, size, model.peek(offset, size) | bits);

/** Sets the status bits that a function sets when it meets such an error. @throws PcibackError `ERRORS_NOT_INJECTED` */
export const raiseError = (model: PciModel, severity: ErrorSeverity): void => {
  const refuse = (why: string): never => fail('ERRORS_NOT_INJECTED', { bdf: formatBdf(model.bdf), why });
  const express = model.capability(CapabilityId.express) ?? refuse('it is no PCI Express function');
  const aer = model.extendedCapability(ExtendedId.aer);
  if (aer !== undefined && severity === 'correctable') or(model, aer + Aer.correctable, 4, CORRECTABLE);
  else if (aer !== undefined) {
    const fatal = model.peek(aer + Aer.severity, 4);
    const masked = model.peek(aer + Aer.mask, 4);
    const bit = uncorrectableBits.find(
      (one) => (masked & one) === 0 && ((fatal & one) !== 0) === (severity === 'fatal'),
    );
    or(model, aer + Aer.uncorrectable, 4, bit ?? refuse(`its AER registers mask every ${severity} error`));
  }
  or(model, express + deviceStatus.offset, 2, deviceStatus[severity]);
};

/** What the host's error core clears after a recovery. */
const clearErrors = (model: PciModel): void => {
  const express = model.capability(CapabilityId.express);
  const aer = model.extendedCapability(ExtendedId.aer);
  if (aer !== undefined) model.poke(aer + Aer.uncorrectable, 4, 0);
  if (express === undefined) return;
  const at = express + deviceStatus.offset;
  model.poke(at, 2, model.peek(at, 2) & ~(deviceStatus.nonfatal | deviceStatus.fatal));
};

/**
 * The host's error core: it tells who uses the functions below the port at which an error was reported, resets their
 * link, and makes one verdict of theirs. Errors below one port are handled one after the other.
 */
export const createErrors = (pci: EmbeddedBus, note: (line: string) => void): Required<Omit<HostErrors, 'watch'>> => {
  const listeners = new Set<ErrorListener>();
  const queues = new Map<Bdf, SerialQueue>();

  const ask = async (error: DeviceError): Promise<GuestVerdict> => {
    const [listener] = listeners;
    // A function that nobody has taken for guests has no driver here that could be asked.
    if (listener === undefined || !pci.isSeized(error.bdf)) return Verdict.noDriver;
    return listener(error);
  };

  const affectedBy = async (model: PciModel): Promise<{ readonly port: Bdf; readonly functions: PciModel[] }> => {
    const isPort = model.identity.headerType === 1;
    const port = isPort ? model.bdf : (await pci.bridgesAbove(model.bdf))[0];
    // An endpoint of the root complex has no port above it.
    if (port === undefined) return { port: model.bdf, functions: [model] };
    const functions: PciModel[] = [];
    for (const one of pci.models()) {
      if (one.identity.headerType === 1) continue;
      if ((await pci.bridgesAbove(one.bdf)).includes(port)) functions.push(one);
    }
    return { port, functions };
  };

  const handle = async (
    model: PciModel,
    functions: readonly PciModel[],
    severity: 'nonfatal' | 'fatal',
  ): Promise<RecoveryReport> => {
    const report = await recover({
      functions: functions.map((one) => one.bdf),
      severity,
      ask,
      resetLink: async () => functions.map((one) => one.hotReset()).every((done) => done),
    });
    if (report.outcome === 'recovered') for (const one of new Set([model, ...functions])) clearErrors(one);
    return report;
  };

  return {
    subscribe: (listener) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    inject: async (address, severity) => {
      const model = pci.model(address);
      raiseError(model, severity);
      note(`error ${formatBdf(address)} ${severity}`);
      if (severity === 'correctable') return { outcome: 'corrected', steps: [] };
      const { port, functions } = await affectedBy(model);
      const queue = queues.get(port) ?? new SerialQueue();
      queues.set(port, queue);
      return queue.run(() => handle(model, functions, severity));
    },
  };
};
