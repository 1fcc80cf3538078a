// SPDX-License-Identifier: MIT

import { type Bdf, formatBdf, hex, parseBdf } from '../../core/bdf.ts';
import { type ChangeEffect, noEffect } from '../../core/changes.ts';
import { fail } from '../../core/errors/index.ts';
import { nearest } from '../../core/errors/nearest.ts';
import type { GuestReport, Pciback } from '../../core/pciback.ts';
import type { AnswererReport, ErrorSeverity } from '../../core/platform/index.ts';
import type { PluginHost } from '../../core/plugin/loader.ts';
import { resolvePlugin } from '../../core/plugin/resolve.ts';
import { isFor, limitTo } from '../../core/quirk/limited-quirk.ts';
import type { Quirk } from '../../core/quirk/quirk.ts';
import { channelName, verdictName } from '../../core/ring/layout.ts';
import type { Denial } from '../../core/space/denials.ts';
import type { Assignment, SeizedDevice } from '../../core/stub/index.ts';
import { inventoryOf, type PluginInventory } from '../inventory.ts';
import { type ExplainedSpace, explainBytes, explainMap, explainRegisters } from '../observe/explain-table.ts';
import { parseQuirkText } from '../observe/quirk-text.ts';
import type {
  DenialReport,
  DenialsReport,
  ExplainReport,
  InjectedError,
  IrqHandlerStatus,
  Operation,
  Operations,
  QuirkChange,
  QuirkStatus,
  StatusReport,
} from './protocol.ts';

/** What the operations work on. */
export interface ControlTerms {
  readonly platform: string;
  /** The platform's answering thread. */
  readonly answerer?: { report(): AnswererReport } | undefined;
  readonly pciback: Pick<Pciback, 'stub' | 'guests' | 'injectError'>;
  readonly plugins: PluginHost;
}

type Handlers = {
  readonly [Name in Operation]: (
    args: Operations[Name]['asks'],
  ) => Operations[Name]['answers'] | Promise<Operations[Name]['answers']>;
};

const report = (denial: Denial): DenialReport => ({ ...denial, bdf: formatBdf(denial.bdf) });

/** Everything that can be asked of a running pciback. */
export class Control implements Handlers {
  readonly #terms: ControlTerms;

  constructor(terms: ControlTerms) {
    this.#terms = terms;
  }

  readonly status = (): StatusReport => {
    const { pciback, platform, answerer } = this.#terms;
    return {
      pid: process.pid,
      platform,
      ...(answerer === undefined ? {} : { lane: answerer.report() }),
      guests: pciback.guests().map(({ domain, name, state, devices, requests, denied }) => ({
        domain,
        name,
        state,
        devices: devices.map((device) => formatBdf(device.bdf)),
        requests,
        denied,
      })),
      devices: pciback.stub.devices.map(({ bdf, identity, assignment, quarantine }) => ({
        bdf: formatBdf(bdf),
        vendor: identity.vendor,
        device: identity.device,
        ...(assignment === undefined
          ? {}
          : {
              guest: assignment.tenant.domain,
              unhandled: assignment.rules.unhandled,
              interrupts: assignment.control.policy,
              ...(assignment.control.allowed ? { allowInterruptControl: true as const } : {}),
              ...(assignment.fenced === undefined ? {} : { fenced: assignment.fenced }),
            }),
        ...(quarantine === undefined ? {} : { quarantine }),
        ...(assignment?.line.state.refused === undefined ? {} : { lineRefused: assignment.line.state.refused }),
      })),
    };
  };

  readonly plugins = (): PluginInventory => inventoryOf(this.#terms.plugins);

  #seized(text: string): SeizedDevice {
    const address = parseBdf(text);
    const found = this.#terms.pciback.stub.devices.find((one) => one.bdf === address);
    return found ?? fail('DEVICE_NOT_SEIZED', { bdf: formatBdf(address) });
  }

  #assigned(
    text: string,
    nothing = 'there is nothing to explain yet',
  ): { readonly device: SeizedDevice; readonly assignment: Assignment } {
    const device = this.#seized(text);
    const { assignment } = device;
    if (assignment !== undefined) return { device, assignment };
    const what = `${formatBdf(device.bdf)} is seized, but no guest has it: ${nothing}`;
    return fail('USAGE', { what, nearest: undefined });
  }

  #guestOf(domain: number): GuestReport | undefined {
    return this.#terms.pciback.guests().find((one) => one.domain === domain);
  }

  readonly explain = ({ bdf, offset, size = 1, map }: Operations['explain']['asks']): ExplainReport => {
    const { device, assignment } = this.#assigned(bdf);
    const { registries } = this.#terms.plugins;
    const { space, tenant, rules, control } = assignment;
    const subject: ExplainedSpace = {
      space,
      contributions: rules.contributions,
      unhandled: rules.unhandled,
      isQuirk: (owner) => registries.quirks.names.includes(owner),
    };
    const end = space.table.bits.size;
    if (offset !== undefined && (size < 1 || offset + size > end)) {
      const what = `0x${hex(offset, 2)}:${size} is not inside of the ${end} bytes of config space`;
      fail('USAGE', { what, nearest: undefined });
    }
    const denials = this.#denialsOf(device.bdf, tenant.domain).filter(
      (one) => offset === undefined || (one.offset < offset + size && offset < one.offset + one.size),
    );
    return {
      bdf: formatBdf(device.bdf),
      vendor: device.identity.vendor,
      device: device.identity.device,
      guest: { domain: tenant.domain, name: tenant.name },
      unhandled: rules.unhandled,
      interrupts: control.policy,
      allowInterruptControl: control.allowed,
      size: end,
      denials,
      ...(offset === undefined ? {} : { parts: explainBytes(subject, offset, size) }),
      ...(offset === undefined && map !== true ? { registers: explainRegisters(subject) } : {}),
      ...(map === true ? { map: explainMap(subject) } : {}),
    };
  };

  #denialsOf(device: Bdf, domain: number): DenialReport[] {
    return (this.#guestOf(domain)?.denials ?? []).filter((one) => one.bdf === device).map(report);
  }

  readonly denials = ({ bdf }: Operations['denials']['asks']): DenialsReport => {
    const { device, assignment } = this.#assigned(bdf);
    const { domain, name } = assignment.tenant;
    return {
      bdf: formatBdf(device.bdf),
      guest: { domain, name },
      denials: this.#denialsOf(device.bdf, domain),
      ...(this.#guestOf(domain)?.denied ?? { total: 0, unrecorded: 0 }),
    };
  };

  readonly 'quirk-load' = async ({ file, devices }: Operations['quirk-load']['asks']): Promise<QuirkChange> => {
    const { plugins } = this.#terms;
    const { things } = await resolvePlugin(file, { asked: 'quirk load', directory: '/', bundled: {} });
    const only = devices?.map(parseBdf);
    const effects: ChangeEffect[] = [];
    for (const thing of things) {
      if (thing.kind !== 'quirk')
        fail('PLUGIN_LOAD', { name: file, why: 'it is a plugin; only quirks are loaded here' });
      const quirk = thing as Quirk;
      effects.push(await plugins.replace(only === undefined ? quirk : limitTo(quirk, only), undefined, file));
    }
    return { names: things.map((thing) => thing.name), ...sumOf(effects) };
  };

  readonly 'quirk-text' = async ({ text }: Operations['quirk-text']['asks']): Promise<QuirkChange> => {
    const parsed = parseQuirkText(text);
    const device = this.#seized(formatBdf(parsed.bdf));
    const { vendor, device: id } = device.identity;
    const name = `text/${parsed.text}`;
    const quirk: Quirk = {
      kind: 'quirk',
      name,
      source: 'given as text at run time',
      match: [{ vendor, device: id }],
      sets: [parsed.set],
      surgery: [],
    };
    // Two texts for one register are an overlap, refused with both names (D-C2); so `load`, not `replace`.
    return {
      names: [name],
      ...(await this.#terms.plugins.load(limitTo(quirk, [parsed.bdf]), undefined, 'quirk load')),
    };
  };

  readonly 'quirk-unload' = ({ name }: Operations['quirk-unload']['asks']): QuirkChange => {
    const { plugins } = this.#terms;
    const known = plugins.loaded.filter((one) => one.kind === 'quirk').map((one) => one.name);
    if (!known.includes(name)) {
      fail('PLUGIN_UNKNOWN', {
        name,
        asked: 'quirk unload',
        nearest: nearest(name, known),
        tried: ['the loaded quirks'],
      });
    }
    return { names: [name], ...plugins.unload(name) };
  };

  readonly 'quirk-list' = (): { readonly quirks: readonly QuirkStatus[] } => {
    const { plugins, pciback } = this.#terms;
    const assigned = pciback.stub.devices.filter((one) => one.assignment !== undefined);
    const origins = new Map(plugins.loaded.map(({ name, origin }) => [name, origin]));
    return {
      quirks: plugins.registries.quirks.owned.map(({ plugin, thing }) => ({
        name: thing.name,
        origin: origins.get(plugin) ?? plugin,
        source: thing.source,
        devices: assigned.filter((one) => isFor(thing, one.identity)).map((one) => formatBdf(one.bdf)),
      })),
    };
  };

  readonly 'inject-error' = async ({ bdf, severity }: Operations['inject-error']['asks']): Promise<InjectedError> => {
    if (!isSeverity(severity)) {
      const what = `"${severity}" is not one of ${severities.join(', ')}`;
      return fail('USAGE', { what, nearest: nearest(severity, severities) });
    }
    const { pciback } = this.#terms;
    const report = await within(LONGEST_WAIT, pciback.injectError(parseBdf(bdf), severity));
    return {
      outcome: report?.outcome ?? 'under way',
      steps: (report?.steps ?? []).map((step) => ({
        bdf: formatBdf(step.bdf),
        stage: step.stage,
        channel: channelName(step.channel),
        verdict: verdictName(step.verdict),
      })),
      fenced: pciback.stub.devices.flatMap(({ bdf: address, assignment }) =>
        assignment?.fenced === undefined ? [] : [{ bdf: formatBdf(address), reason: assignment.fenced }],
      ),
    };
  };

  readonly 'irq-handlers' = (): { readonly handlers: readonly IrqHandlerStatus[] } => ({
    handlers: this.#terms.pciback.stub.devices.flatMap(({ bdf, assignment }) =>
      assignment === undefined ? [] : [handlerOf(bdf, assignment)],
    ),
  });

  readonly 'irq-toggle' = ({ bdf }: Operations['irq-toggle']['asks']): IrqHandlerStatus => {
    const { device, assignment } = this.#assigned(bdf, 'its line has no handler');
    assignment.line.toggle();
    return handlerOf(device.bdf, assignment);
  };
}

/** Milliseconds after which an answer is given without the end of a recovery: a client waits 10 s. */
const LONGEST_WAIT = 5000;

const severities: readonly ErrorSeverity[] = ['correctable', 'nonfatal', 'fatal'];
const isSeverity = (text: string): text is ErrorSeverity => severities.some((one) => one === text);

/** The result, or `undefined` when it is not there in time. */
const within = async <Result>(milliseconds: number, work: Promise<Result>): Promise<Result | undefined> => {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), milliseconds);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
};

const handlerOf = (bdf: Bdf, { tenant, line }: Assignment): IrqHandlerStatus => ({
  bdf: formatBdf(bdf),
  guest: tenant.domain,
  ...line.state,
});

const sumOf = (effects: readonly ChangeEffect[]): ChangeEffect =>
  effects.reduce(
    (sum, one) => ({
      devices: Math.max(sum.devices, one.devices),
      waiting: Math.max(sum.waiting, one.waiting),
      ms: sum.ms + one.ms,
      failures: sum.failures.concat(one.failures),
    }),
    noEffect,
  );
