// SPDX-License-Identifier: MIT

import type { CompletedArgument, CompletedCommand, CompletedOption, Value } from './table.ts';

/** A text in single quotes. */
const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
/** A text in which the marks of _arguments mean nothing. */
const plain = (text: string): string => text.replaceAll(/[[\]:\\]/g, '\\$&');

const actions = { files: '_files', folders: '_files -/', devices: '_pciback_devices', none: ' ' } as const;
const action = (value: Value): string => (typeof value === 'string' ? actions[value] : `(${value.join(' ')})`);

const optionWords = ({ flags, description, value }: CompletedOption): string[] =>
  flags.map((flag) => quoted(`${flag}[${plain(description)}]${value === undefined ? '' : `:value:${action(value)}`}`));

const argumentWord = ({ name, value, repeats }: CompletedArgument, index: number): string =>
  quoted(`${repeats ? '*' : index + 1}:${plain(name)}:${action(value)}`);

const commandArm = ({ name, options, arguments: words }: CompletedCommand): string => {
  const all = [...options.flatMap(optionWords), ...words.map(argumentWord)];
  return `    ${name})\n      _arguments -s ${all.join(' \\\n        ')}\n      ;;\n`;
};

/** Completion for zsh: a file of its function path, or what is sourced after `compinit`. */
export const zsh = (commands: readonly CompletedCommand[]): string => `#compdef pciback
# Made by \`pciback completion zsh\`.

_pciback_devices() {
  local -a devices
  devices=(/sys/bus/pci/devices/*(N:t))
  compadd -a devices
}

_pciback_commands() {
  local -a commands
  commands=(
${commands.map(({ name, summary }) => `    ${quoted(`${name}:${plain(summary)}`)}\n`).join('')}    'help:show help'
  )
  _describe command commands
}

_pciback() {
  local curcontext=$curcontext state line
  typeset -A opt_args
  _arguments -C '--help[show help]' '--version[show the version]' '1:command:_pciback_commands' '*::argument:->argument'
  [ "$state" = argument ] || return
  case $words[1] in
    help) _pciback_commands ;;
${commands.map(commandArm).join('')}  esac
}

if [ "$funcstack[1]" = _pciback ]; then _pciback "$@"; else compdef _pciback pciback; fi
`;
