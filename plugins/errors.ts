// SPDX-License-Identifier: MIT

import { catalogue as core, entry, list, perhaps } from '../core/errors/catalogue.ts';
import { errorsOf } from '../core/errors/index.ts';

/** Errors of the program and of the bundled plugins. */
const ours = {
  JOURNAL_FOLDER: entry(
    (f: { folder: string; why: string }) => `the journal cannot be kept in ${f.folder}: ${f.why}`,
    () =>
      'Name a folder of your own on a file system in memory (`journal` in the rc file); until then a restart loses the guests.',
  ),
  PATTERN_SYNTAX: entry(
    (f: { text: string }) => `"${f.text}" is not a PCI address, nor another name of a device`,
    () =>
      'Write [DDDD:]BB:SS.F, BB:SS.* or BB:*.*, BB:SS.F/SS.F below a bridge, vendor:device[:subvendor:subdevice] in four digits each, or a serial number; several as (…)(…).',
  ),
  PATTERN_NOTHING: entry(
    (f: { text: string; where: string; nearest: string | undefined }) =>
      `${f.where} has nothing that "${f.text}" means.${perhaps(f.nearest)}`,
    () =>
      '`pciback doctor` lists functions with addresses and ids; a bridge is never meant itself, only what is below it.',
  ),
  DEVICE_HOST_USE: entry(
    (f: { bdf: string; uses: readonly string[] }) => `${f.bdf} is in use by this host: ${f.uses.join('; ')}`,
    (f) =>
      `Let the host do without it first. To take it all the same: \`allowInUse\` in the rc file, or pciback seize ${f.bdf} --allow in-use.`,
  ),
  DEVICE_PAGE_SHARED: entry(
    (f: { bdf: string; guest: string; shares: readonly string[] }) =>
      `${f.bdf} cannot be given to ${f.guest}: ${f.shares.join('; ')}`,
    (f) =>
      `Give both to one guest, or each BAR pages of its own (pci=resource_alignment=12@${f.bdf} on the kernel’s command line). To take the risk (XSA-461): \`allowSharedPages\` in the rc file, or pciback seize ${f.bdf} --allow shared-page.`,
  ),
  NEW_FOLDER: entry(
    (f: { folder: string; why: string }) => `nothing was written into ${f.folder}: ${f.why}`,
    () => 'Name a folder that is not there yet, or an empty one, in a folder that you may write to.',
  ),
  PLUGIN_NEEDS: entry(
    (f: { name: string; why: string; nearest: string | undefined }) =>
      `plugin ${f.name} ${f.why}.${perhaps(f.nearest)}`,
    () =>
      'Name what it needs under `plugins` in the rc file, install the version that it needs, or leave the plugin out.',
  ),
  PART_NEEDS: entry(
    (f: { part: string; plugin: string; why: string; nearest: string | undefined }) =>
      `part "${f.part}" of plugin ${f.plugin} has no place in the order of starting: ${f.why}.${perhaps(f.nearest)}`,
    () => 'Load the plugin that brings the part it needs, or unload the one that needs it.',
  ),
  PART_FAILED: entry(
    (f: { part: string; plugin: string; step: 'start' | 'stop'; why: string }) =>
      `part "${f.part}" of plugin ${f.plugin} failed to ${f.step}: ${f.why}`,
    () =>
      'Only what the part does is missing. Correct what it complains of and start pciback again, or unload the plugin.',
  ),
  PART_NOT_RUNNING: entry(
    (f: { part: string; plugin: string; why: string | undefined }) =>
      `part "${f.part}" of plugin ${f.plugin} ${f.why === undefined ? 'is still to start' : `does not run: ${f.why}`}`,
    (f) =>
      f.why === undefined
        ? 'Ask again in a moment; pciback health --wait says when all is there.'
        : 'Correct what it complains of and start pciback again.',
  ),
  PLUGIN_NEEDED: entry(
    (f: { name: string; why: string }) => `plugin ${f.name} stays loaded: ${f.why}`,
    () => 'Change what needs it first. For the next start, `without` and `plugins` of the rc file say what is loaded.',
  ),
  PLUGIN_AT_START: entry(
    (f: { name: string; brings: string }) => `plugin ${f.name} cannot be loaded now: it brings ${f.brings}`,
    () => 'That begins with pciback only: name the plugin in `plugins` of the rc file and start pciback again.',
  ),
  ATTRIBUTE_REFUSED: entry(
    (f: { attribute: string; errno: string; why: string; next: string }) => `attribute ${f.attribute}: ${f.why}`,
    (f) => f.next,
  ),
  ATTRIBUTE_ERRNO: entry(
    (f: { attribute: string; operation: 'read' | 'write'; errno: string; why: string; next: string }) =>
      `${f.operation} of ${f.attribute}: ${f.errno}: ${f.why}`,
    (f) => f.next,
  ),
  CONFIG_INVALID: entry(
    (f: { file: string; key: string; why: string; nearest: string | undefined }) =>
      `${f.file}: ${f.key === '' ? '' : `${f.key}: `}${f.why}.${perhaps(f.nearest)}`,
    () => 'Correct the file; docs/reference/configuration.md lists every key.',
  ),
  CONFIG_UNREADABLE: entry(
    (f: { file: string; why: string }) => `${f.file} cannot be read: ${f.why}`,
    () => 'Check that the file is there, readable and free of syntax errors.',
  ),
  CONFIG_UNTRUSTED: entry(
    (f: { file: string; path: string; why: string }) => `${f.file} is refused: ${f.path} ${f.why}`,
    (f) =>
      `pciback runs as root and loads only what no other user can change: chown root ${f.path} && chmod go-w ${f.path}`,
  ),
  CONTROL_SOCKET: entry(
    (f: { path: string; why: string }) => `there can be no control socket ${f.path}: ${f.why}`,
    () => 'Take away what is in the way, or name another one with `--control`; `control: false` in the rc file: none.',
  ),
  CONTROL_BUSY: entry(
    (f: { clients: number }) => `${f.clients} clients are connected to the running pciback, which takes no more`,
    () => 'Ask again when one of them has gone; one that says nothing for 30 s is let go.',
  ),
  FOLDER_GONE: entry(
    (f: { why: string }) => `the working folder is gone: ${f.why}`,
    () => 'Another program has removed it. Go to a folder that is there (cd /) and run the command again.',
  ),
  QUIRK_UNKNOWN: entry(
    (f: { what: string; nearest: string | undefined }) => `${f.what}.${perhaps(f.nearest)}`,
    () => '`pciback quirk list` shows the quirks that are loaded, by name, and the file that each is from.',
  ),
  METRICS_ADDRESS: entry(
    (f: { address: string; why: string }) => `there can be no metrics at ${f.address}: ${f.why}`,
    () => 'Name another `metrics.port` or `metrics.address` in the rc file; `pciback metrics` needs neither.',
  ),
  HOST_LOCKED: entry(
    (f: { path: string; owner: string }) => `another pciback serves this host, by the lock on ${f.path}: ${f.owner}`,
    () => 'Nothing was touched. There can be one only: stop the other one first, with SIGTERM to its process.',
  ),
  UPGRADE_REFUSED: entry(
    (f: { why: string }) => `not upgraded: ${f.why}`,
    () => 'The running pciback serves on; nothing has changed for its guests. Its log has the new one’s words too.',
  ),
  CONTROL_UNREACHABLE: entry(
    (f: { path: string; why: string }) => `no pciback answers at ${f.path}: ${f.why}`,
    () =>
      'Start one with `pciback serve`, or name the socket of the one that runs with `--control`, as the user that started it.',
  ),
  STORE_UNREACHABLE: entry(
    (f: { tried: readonly string[]; why: string }) => `no xenstore: tried ${list(f.tried)}: ${f.why}`,
    () => 'Run it in dom0 (or a driver domain) as root with xenstored started; without Xen use --platform embedded.',
  ),
  NATIVE_UNAVAILABLE: entry(
    (f: { wanted: string; why: string }) => `no foreign-function loader: ${f.wanted}: ${f.why}`,
    () =>
      'Platforms xen and vfio-user call libraries: npm install koffi (or ffi-napi, with a compiler), then choose it with --native.',
  ),
  NATIVE_LIBRARY_MISSING: entry(
    (f: { names: readonly string[]; package: string; why: string }) =>
      `library ${f.names[0]} is not there (tried ${list(f.names)}): ${f.why}`,
    (f) => `Install it: apt-get install ${f.package} (Debian) or the package of your distribution that brings it.`,
  ),
  NATIVE_SYMBOL_MISSING: entry(
    (f: { library: string; symbol: string }) => `${f.library} has no function ${f.symbol}`,
    () =>
      'The library is too old or too new for this pciback; the versions it knows are in docs/operators/platforms.md.',
  ),
  NO_PRIVILEGE: entry(
    (f: { what: string; why: string }) => `not permitted: ${f.what}: ${f.why}`,
    () => 'Run it as root in dom0: sudo pciback serve --platform xen.',
  ),
  PLATFORM_UNAVAILABLE: entry(
    (f: { platform: string; missing: string; next: string }) => `platform ${f.platform} is not available: ${f.missing}`,
    (f) => f.next,
  ),
  NO_IOMMU: entry(
    (f: { bdf: string }) =>
      `no IOMMU is in use for ${f.bdf} and the others of this host: whoever has a device reaches all memory through it`,
    () =>
      'Switch it on in the firmware and boot Xen without iommu=off; for guests that are trusted as the host itself: withoutIommu: "allow" under "stand-alone" in the rc file.',
  ),
  GUEST_WITHOUT_PASSTHROUGH: entry(
    (f: { bdf: string; domain: number }) =>
      `${f.bdf} cannot be given to domain ${f.domain}, which was made without an IOMMU`,
    () => 'Put passthrough="enabled" and e820_host=1 into the guest’s file and create it again.',
  ),
  HOST_NOTE: entry(
    (f: { file: string; bdf: string; why: string }) =>
      `what was changed on the host for ${f.bdf} is noted in ${f.file}, which cannot be understood: ${f.why}`,
    () => 'Nothing of the device was touched. Boot the host again, or put it back by hand and remove the file.',
  ),
  FENCE_UNSUPPORTED: entry(
    (f: { platform: string; action: string }) => `platform ${f.platform} cannot ${f.action} guests`,
    (f) =>
      `Set errors.onFailure to "fence" in the rc file; on platform xen, install the libxenctrl of the running Xen release to ${f.action} guests.`,
  ),
  GUESTS_UNHEARD: entry(
    (f: { ms: number }) => `the thread that answers guests gave no sign for ${f.ms} ms`,
    () => 'A call into the host holds it, or it waits for a processor. A supervisor starts pciback anew.',
  ),
  LEAK: entry(
    (f: { when: string; held: readonly string[] }) => `${f.when}, still held: ${list(f.held)}`,
    () => 'Compare with `pciback doctor --ledger` and report it; a new start of pciback lets go of it.',
  ),
  DUMP_INVALID: entry(
    (f: { file: string; line: number; why: string }) => `${f.file}, line ${f.line}: ${f.why}`,
    () => 'Make the dump with `lspci -xxxx -s BDF` (as root) and pass it unchanged.',
  ),
  FILE_UNREADABLE: entry(
    (f: { file: string; why: string }) => `${f.file} cannot be read: ${f.why}`,
    () => 'Check the path and its permissions.',
  ),
  SCRIPT_INVALID: entry(
    (f: { file: string; line: number; why: string }) => `${f.file}, line ${f.line}: ${f.why}`,
    () => 'docs/vendors/dev.md has the forms that accesses of a driver can have.',
  ),
  STOP_INCOMPLETE: entry(
    (f: { step: string; left: readonly string[] }) => `${f.step} did not end in time; left: ${list(f.left)}`,
    () => 'Pages and channels went with the process. Shut down a guest that has a device; the log says what hung.',
  ),
  OUTPUT_LOST: entry(
    (f: { lines: number; why: string }) => `${f.lines} lines of the output were not written: ${f.why}`,
    () => 'Make room where the output goes to, and run the command again.',
  ),
  RELOAD_REFUSED: entry(
    (f: { file: string; keys: readonly string[] }) => `${f.file}: ${list(f.keys)} cannot change in place`,
    () => 'What was in force stays in force, all of it. Take these changes back, or start pciback again.',
  ),
  GUEST_SYSTEM: entry(
    (f: { what: string; next: string }) => f.what,
    (f) => f.next,
  ),
  USAGE: entry(
    (f: { what: string; nearest: string | undefined }) => `${f.what}.${perhaps(f.nearest)}`,
    () => 'See pciback --help.',
  ),
} as const;

/** Every error an operator or a plugin author can see, those of the core too. */
export const catalogue = { ...core, ...ours } as const;
export type ErrorCode = keyof typeof catalogue;
/** Make and throw an error of the {@link catalogue}. */
export const { problem, fail } = errorsOf(catalogue);
