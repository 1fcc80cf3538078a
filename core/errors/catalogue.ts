// SPDX-License-Identifier: MIT

/** What is said of an error: what is wrong, and the next step. */
export interface Entry<Facts> {
  message(facts: Facts): string;
  solve(facts: Facts): string;
}

export const entry = <Facts>(message: (facts: Facts) => string, solve: (facts: Facts) => string): Entry<Facts> => ({
  message,
  solve,
});

/** `Perhaps you meant "x".`, or nothing. */
export const perhaps = (nearest: string | undefined): string =>
  nearest === undefined ? '' : ` Perhaps you meant "${nearest}".`;
/** Names, for a message. */
export const list = (names: readonly string[]): string => (names.length === 0 ? 'none' : names.join(', '));

/** Every error of the core that an operator or a plugin author can see. `docs/reference/errors.md` is generated from it. */
export const catalogue = {
  BDF_SYNTAX: entry(
    (f: { text: string }) => `"${f.text}" is not a PCI address`,
    () =>
      'Write [DDDD:]BB:SS.F in hexadecimal, for example 0000:03:00.0; where several are allowed, BB:SS.* or BB:*.*.',
  ),
  BDF_RANGE: entry(
    (f: { text: string; part: string; value: string; limit: string }) =>
      `"${f.text}": ${f.part} 0x${f.value} is above 0x${f.limit}`,
    (f) => `The highest ${f.part} is 0x${f.limit}.`,
  ),
  DEVICE_NOT_FOUND: entry(
    (f: { bdf: string; platform: string }) => `there is no PCI function ${f.bdf} on platform ${f.platform}`,
    () => '`pciback doctor` lists the functions that are there.',
  ),
  DEVICE_NOT_SEIZABLE: entry(
    (f: { bdf: string; holder: string; next: string }) => `${f.bdf} cannot be seized: it is held by ${f.holder}`,
    (f) => f.next,
  ),
  DEVICE_HEADER: entry(
    (f: { bdf: string; headerType: number }) =>
      `${f.bdf} has header type ${f.headerType}; only types 0 and 1 can be seized`,
    () => 'Pass through another function; CardBus bridges are not supported.',
  ),
  DEVICE_SILENT: entry(
    (f: { bdf: string }) => `${f.bdf} does not answer: its config space reads all ones`,
    () => 'It is off the bus, without power, or held in reset: power-cycle or reset it, and look at the host’s log.',
  ),
  DEVICE_IN_USE: entry(
    (f: { bdf: string; owner: number; wanted: number | string }) =>
      `${f.bdf} belongs to domain ${f.owner} and cannot be given to ${f.wanted}`,
    () => 'Detach it from that guest first (xl pci-detach), or shut the guest down.',
  ),
  GUEST_LEFT: entry(
    (f: { guest: string }) => `guest ${f.guest} of an earlier process needs a back end`,
    () => 'Start without `backend: false`, or shut the guest down first.',
  ),
  DEVICE_FOREIGN: entry(
    (f: { bdf: string; directory: string }) => `a guest has ${f.bdf} through another back end (${f.directory})`,
    () => 'It is left alone. Detach it from that guest (xl pci-detach), or shut the guest down; then try again.',
  ),
  GUEST_NOT_CONTINUED: entry(
    (f: { why: string }) => `the guest of an earlier pciback cannot be continued: ${f.why}`,
    () => 'Its devices are taken back. Attach them again (xl pci-detach, xl pci-attach), or start the guest anew.',
  ),
  DEVICE_QUARANTINED: entry(
    (f: { bdf: string; reason: string }) => `${f.bdf} is quarantined: ${f.reason}`,
    (f) => `pciback release ${f.bdf}, then pciback seize ${f.bdf}: it is reset anew. Else power-cycle the host.`,
  ),
  LINE_SHARED: entry(
    (f: { bdf: string; why: string }) =>
      `${f.bdf} cannot be kept from its interrupt line (it has no INTX_DISABLE), and ${f.why}`,
    () =>
      'Put the device into a slot with a line of its own or unbind the host’s driver; or set `sharedLines: "allow"`, at the risk that the host shuts the line down.',
  ),
  LINE_HANDLER: entry(
    (f: { bdf: string; why: string }) => `${f.bdf} gets no handler on its interrupt line: ${f.why}`,
    () =>
      'Only a device that a guest has, and uses with a line interrupt, has a handler; `pciback irq list` shows them.',
  ),
  DEVICE_NOT_SEIZED: entry(
    (f: { bdf: string; nearest?: string }) => `${f.bdf} is not seized${f.nearest ? `.${perhaps(f.nearest)}` : ''}`,
    () =>
      'Make it assignable first: `xl pci-assignable-add` in drop-in mode, `pciback seize` or `hide` in the rc file otherwise.',
  ),
  SLOT_FULL: entry(
    (f: { bdf: string; mapper: string }) => `slot mapper ${f.mapper} has no free slot for ${f.bdf}`,
    () => 'Detach another device of this guest, or use `slots: "passthrough"`.',
  ),
  SLOT_BRIDGE: entry(
    (f: { bdf: string; class: string }) => `${f.bdf} is a bridge (class 0x${f.class}) and is never exported`,
    () => 'Pass through the functions behind the bridge instead.',
  ),
  SLOT_DUPLICATE: entry(
    (f: { bdf: string; guest: number }) => `${f.bdf} is already exported to domain ${f.guest}`,
    () => 'Remove the second mention of the device from the guest’s configuration.',
  ),
  FIELD_OVERLAP: entry(
    (f: { register: string; other: string; offset: string; bits: string }) =>
      `${f.register} and ${f.other} both claim bits 0x${f.bits} at offset 0x${f.offset}`,
    () => 'One of the two has to give the bits up: narrow its mask, or unload the plugin or quirk that brings it.',
  ),
  FIELD_INVALID: entry(
    (f: { register: string; why: string }) => `register ${f.register}: ${f.why}`,
    () => 'Correct the declaration; offsets, widths and masks are explained in docs/vendors.',
  ),
  QUIRK_INVALID: entry(
    (f: { quirk: string; where: string; why: string }) => `quirk ${f.quirk}: ${f.where}: ${f.why}`,
    () => 'Correct the quirk; the format is explained in docs/vendors.',
  ),
  PLUGIN_UNKNOWN: entry(
    (f: { name: string; asked: string; nearest: string | undefined; tried: readonly string[] }) =>
      `${f.asked}: there is no plugin "${f.name}".${perhaps(f.nearest)} Looked at: ${list(f.tried)}`,
    (f) =>
      `Check the ${/^[./]/.test(f.name) ? `path${f.asked.endsWith(']') ? ', which counts from the rc file' : ''}` : 'name: `pciback plugins` lists what is loaded, other packages have to be installed'}.`,
  ),
  PLUGIN_LOAD: entry(
    (f: { name: string; why: string }) => `plugin ${f.name} cannot be loaded: ${f.why}`,
    () => 'A plugin module default-exports definePlugin({…}) or defineQuirk({…}).',
  ),
  PLUGIN_API: entry(
    (f: { name: string; wanted: string; offered: string }) =>
      `plugin ${f.name} needs plugin API ${f.wanted}, this pciback offers ${f.offered}`,
    () => 'Install a version of the plugin for this API, or the pciback it was made for.',
  ),
  PLUGIN_DUPLICATE: entry(
    (f: { name: string }) => `plugin "${f.name}" is loaded twice`,
    () => 'Remove one mention, or give one of them another name.',
  ),
  PLUGIN_OPTIONS: entry(
    (f: { name: string; where: string; why: string; nearest: string | undefined }) =>
      `plugin ${f.name}: option ${f.where}: ${f.why}.${perhaps(f.nearest)}`,
    () => 'Correct the option in the rc file; a plugin without a schema takes no options.',
  ),
  PLUGIN_APPLY: entry(
    (f: { name: string; why: string }) => `plugin ${f.name} failed while it was applied: ${f.why}`,
    () => 'Nothing of the plugin is in force. Report it to its author.',
  ),
  PLUGIN_REGISTRATION: entry(
    (f: { name: string; kind: string; entry: string; owner: string }) =>
      `plugin ${f.name} registers ${f.kind} "${f.entry}", which ${f.owner} already registered`,
    () => 'Unload one of the two plugins.',
  ),
  PLUGIN_TOO_MUCH: entry(
    (f: { name: string; sets: number; registers: number }) =>
      `with ${f.name} there would be more than ${f.sets} field sets, or more than ${f.registers} registers in one`,
    () => 'Bring fewer: a set can have many registers, and a quirk can match many devices.',
  ),
  PLUGIN_UNLOADED: entry(
    (f: { name: string }) => `plugin ${f.name} registers something after it was unloaded`,
    () => 'Register inside of apply only; report it to the plugin’s author.',
  ),
  HOOK_ORDER: entry(
    (f: { plugin: string; hook: string; target: string; nearest: string | undefined }) =>
      `plugin ${f.plugin} wants its place in ${f.hook} relative to "${f.target}", which is not there.${perhaps(f.nearest)}`,
    () => 'Correct the name in before/after, or load the plugin it names.',
  ),
  HOOK_DUPLICATE: entry(
    (f: { plugin: string; hook: string; tap: string }) =>
      `plugin ${f.plugin} taps hook ${f.hook} twice under the name "${f.tap}"`,
    () => 'Give the second tap a name of its own.',
  ),
  HOOK_CYCLE: entry(
    (f: { hook: string; names: readonly string[]; plugins: string }) =>
      `the order in ${f.hook} is a circle, each before the next: ${list(f.names)} (of plugins ${f.plugins})`,
    () => 'Take one before/after out of the plugins that are named, or do without one of them.',
  ),
  PLUGIN_FAULT: entry(
    (f: { plugin: string; what: string; place: string; why: string }) =>
      `plugin ${f.plugin} failed in ${f.what}${f.place === '' ? '' : ` for ${f.place}`}: ${f.why}`,
    () => 'Only what asked is affected. Unload the plugin, or report it to its author.',
  ),
  POLICY_FAILED: entry(
    (f: { policy: string; why: string }) => `interrupt policy "${f.policy}" cannot be used: ${f.why}`,
    () => 'The device is not given to the guest. Choose another policy with `interrupts`, or report it to its author.',
  ),
  CHOICE_UNKNOWN: entry(
    (f: { kind: string; name: string; nearest: string | undefined; known: readonly string[] }) =>
      `there is no ${f.kind} "${f.name}".${perhaps(f.nearest)} Known: ${list(f.known)}`,
    (f) => `Choose one of the known ones, or load the plugin that brings this ${f.kind}.`,
  ),
  STORE_LOST: entry(
    (f: { why: string }) => `the connection to xenstore is lost: ${f.why}`,
    () => 'Guests can no longer be served from here. Check xenstored, then start pciback again.',
  ),
  STORE_REFUSED: entry(
    (f: { operation: string; path: string; error: string }) =>
      `xenstore refused ${f.operation} of ${f.path}: ${f.error}`,
    () => 'Check that pciback runs as root in the domain that owns this part of the store.',
  ),
  ERRORS_NOT_INJECTED: entry(
    (f: { bdf: string; why: string }) => `no error can be injected into ${f.bdf}: ${f.why}`,
    () => 'Rehearse on platform embedded, with a PCI Express function (`pciback serve --platform embedded`).',
  ),
} as const satisfies Catalogue;

export type Catalogue = Readonly<Record<string, Entry<never>>>;
export type ErrorCode = keyof typeof catalogue;
/** The facts an error of this entry is made of. */
export type FactsOf<One> = One extends Entry<infer Facts> ? Facts : never;
