// SPDX-License-Identifier: MIT

/** What differs from host to host in the unit. */
export interface UnitTerms {
  /** The words of the command line; the first is an absolute path. */
  readonly command: readonly string[];
  /** Seconds that a start may take. */
  readonly startSeconds: number;
  /** Seconds that giving everything back may take. */
  readonly stopSeconds: number;
}

/** A word of a command line as systemd.service(5) reads it. */
const quoted = (word: string): string => {
  const escaped = word.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('%', '%%').replaceAll('$', '$$$$');
  return /^[A-Za-z0-9_@.,:/=+-]+$/.test(word) ? word : `"${escaped}"`;
};

/** Directives with a name and a value each; docs/operators/systemd.md has the reason of each. */
type Directives = readonly (readonly [name: string, value: string | number])[];

const service = ({ command, startSeconds, stopSeconds }: UnitTerms): Directives => [
  ['Type', 'notify'],
  ['NotifyAccess', 'all'],
  ['ExecStart', command.map(quoted).join(' ')],
  ['Environment', 'MALLOC_ARENA_MAX=1 NODE_OPTIONS=--max-semi-space-size=1'],
  ['ExecReload', '/bin/kill -HUP $MAINPID'],
  ['WatchdogSec', 30],
  ['Restart', 'always'],
  ['RestartSec', '100ms'],
  ['TimeoutStartSec', startSeconds],
  ['TimeoutStopSec', stopSeconds],
  ['KillMode', 'mixed'],
  ['RuntimeDirectory', 'pciback'],
  ['RuntimeDirectoryMode', '0700'],
  ['RuntimeDirectoryPreserve', 'yes'],
  ['ConfigurationDirectory', 'pciback'],
  ['OOMScoreAdjust', -900],
  ['MemoryMax', '1G'],
  ['LimitNOFILE', 65536],
  ['LimitCORE', 0],
  ['UMask', '0077'],
];

const hardening: Directives = [
  ['CapabilityBoundingSet', 'CAP_SYS_ADMIN CAP_SYS_NICE CAP_SYS_RAWIO'],
  ['NoNewPrivileges', 'yes'],
  ['DevicePolicy', 'closed'],
  ...['evtchn', 'gntdev', 'privcmd', 'hypercall', 'xenbus'].map(
    (name) => ['DeviceAllow', `/dev/xen/${name} rw`] as const,
  ),
  // Handlers on shared lines, in stand-alone mode.
  ['DeviceAllow', 'char-uio r'],
  ['ProtectSystem', 'strict'],
  ['ProtectHome', 'yes'],
  ['PrivateTmp', 'yes'],
  ['PrivateMounts', 'yes'],
  ['PrivateNetwork', 'yes'],
  ['IPAddressDeny', 'any'],
  ['RestrictAddressFamilies', 'AF_UNIX'],
  ['RestrictNamespaces', 'yes'],
  ['RestrictRealtime', 'yes'],
  ['RestrictSUIDSGID', 'yes'],
  ['LockPersonality', 'yes'],
  ['ProtectClock', 'yes'],
  ['ProtectHostname', 'yes'],
  ['ProtectKernelLogs', 'yes'],
  ['ProtectKernelModules', 'yes'],
  ['ProtectControlGroups', 'yes'],
  ['ProtectProc', 'invisible'],
  ['KeyringMode', 'private'],
  ['SystemCallArchitectures', 'native'],
  ['SystemCallFilter', '@system-service'],
  ['SystemCallFilter', '~@chown @keyring @privileged @resources @setuid'],
  ['SystemCallFilter', 'setpriority'],
  ['SystemCallErrorNumber', 'EPERM'],
];

const shown = (directives: Directives): string => directives.map(([name, value]) => `${name}=${value}\n`).join('');

/** The unit of systemd that serves guests with these terms. */
export const unitText = (terms: UnitTerms): string => `# Made by \`pciback unit\`.
[Unit]
Description=PCI pass-through for Xen guests (pciback)
ConditionPathExists=/proc/xen/capabilities
Wants=xenstored.service modprobe@xen-pciback.service
After=proc-xen.mount xenstored.service xen.service modprobe@xen-pciback.service
Before=xendomains.service
StartLimitIntervalSec=0

[Service]
${shown(service(terms))}
# What it may not do; each is explained in docs/operators/systemd.md.
${shown(hardening)}
[Install]
WantedBy=multi-user.target
`;
