// SPDX-License-Identifier: MIT

import type { CompletedCommand, CompletedOption, Value } from './table.ts';

/** A text in single quotes. */
const quoted = (text: string): string => `'${text.replaceAll(/['\\]/g, '\\$&')}'`;

const values = { files: '-r -F', folders: "-x -a '(__fish_complete_directories)'", none: '-x' } as const;
const shown = (value: Value): string => {
  if (value === 'devices') return "-x -a '(__pciback_devices)'";
  return typeof value === 'string' ? values[value] : `-x -a ${quoted(value.join(' '))}`;
};

const flagWords = (flag: string): string => (flag.startsWith('--') ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`);

const lines = ({ name, options, arguments: words }: CompletedCommand): string => {
  const begin = `complete -c pciback -n '__fish_seen_subcommand_from ${name}'`;
  const option = ({ flags, description, value }: CompletedOption): string =>
    [begin, ...flags.map(flagWords), ...(value === undefined ? [] : [shown(value)]), '-d', quoted(description)].join(
      ' ',
    );
  const argument = (value: Value): string[] => {
    if (value === 'none') return [];
    // An argument is no value of an option: what it may be stands without -r.
    return [value === 'files' ? `${begin} -F` : `${begin} ${shown(value).replace('-x ', '')}`];
  };
  return [...options.map(option), ...words.flatMap(({ value }) => argument(value))].join('\n');
};

/** Completion for fish. */
export const fish = (commands: readonly CompletedCommand[]): string => `# Made by \`pciback completion fish\`.

function __pciback_devices
    ls /sys/bus/pci/devices 2>/dev/null
end

complete -c pciback -f
complete -c pciback -n __fish_use_subcommand -l help -d 'show help'
complete -c pciback -n __fish_use_subcommand -l version -d 'show the version'
${commands.map(({ name, summary }) => `complete -c pciback -n __fish_use_subcommand -a ${name} -d ${quoted(summary)}`).join('\n')}
${commands.map(lines).join('\n')}
`;
