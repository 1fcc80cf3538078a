// SPDX-License-Identifier: MIT

import type { CompletedCommand, Value } from './table.ts';

const shown = (value: Value): string => (typeof value === 'string' ? value : `words ${value.join(' ')}`);

/** The arms of a `case`, where those with the same answer stand in one. */
const arms = (answers: readonly (readonly [pattern: string, answer: string])[]): string => {
  const byAnswer = new Map<string, string[]>();
  for (const [pattern, answer] of answers) byAnswer.set(answer, [...(byAnswer.get(answer) ?? []), pattern]);
  return [...byAnswer].map(([answer, patterns]) => `    ${patterns.join(' | ')}) echo '${answer}' ;;\n`).join('');
};

const valuesOf = ({ name, options }: CompletedCommand) =>
  options.flatMap(({ flags, value }) =>
    value === undefined ? [] : flags.map((flag) => [`'${name} ${flag}'`, shown(value)] as const),
  );

const argumentsOf = ({ name, arguments: words }: CompletedCommand) =>
  words.flatMap(({ value, repeats }, index) =>
    value === 'none' ? [] : [[repeats ? `'${name} '*` : `'${name} ${index}'`, shown(value)] as const],
  );

/** Completion for bash, with or without the package bash-completion. */
export const bash = (commands: readonly CompletedCommand[]): string => `# Made by \`pciback completion bash\`.

_pciback_options() { # command
  case $1 in
${commands.map(({ name, options }) => `    ${name}) echo '${options.flatMap(({ flags }) => flags).join(' ')}' ;;\n`).join('')}  esac
}

_pciback_value() { # "command option": what its value is; nothing where it takes none
  case $1 in
${arms(commands.flatMap(valuesOf))}  esac
}

_pciback_argument() { # "command position": what stands there
  case $1 in
${arms(commands.flatMap(argumentsOf))}  esac
}

_pciback_devices() {
  local device
  for device in /sys/bus/pci/devices/*; do [ -e "$device" ] && echo "\${device##*/}"; done
}

_pciback() {
  local line=\${COMP_LINE:0:COMP_POINT} words current command='' wanted='' position=0 at word
  current=\${line##*[[:space:]]}
  read -ra words <<< "\${line%"$current"}"
  for ((at = 1; at < \${#words[@]}; at++)); do
    word=\${words[at]} wanted=''
    if [ -z "$command" ]; then
      [[ $word == -* ]] || command=$word
    elif [[ $word == -* ]]; then
      wanted=$(_pciback_value "$command $word")
      # Its value is there already.
      [ -n "$wanted" ] && ((at + 1 < \${#words[@]})) && ((at += 1)) && wanted=''
    else
      ((position += 1))
    fi
  done
  if [ -z "$command" ]; then
    wanted='words ${commands.map(({ name }) => name).join(' ')} help --help --version'
  elif [ "$command" = help ]; then
    wanted='words ${commands.map(({ name }) => name).join(' ')}'
  elif [[ -z $wanted && $current == -* ]]; then
    wanted="words $(_pciback_options "$command")"
  elif [ -z "$wanted" ]; then
    wanted=$(_pciback_argument "$command $position")
  fi
  COMPREPLY=()
  case $wanted in
    files) compopt -o filenames 2> /dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$current") ;;
    folders) compopt -o filenames 2> /dev/null; mapfile -t COMPREPLY < <(compgen -d -- "$current") ;;
    devices) mapfile -t COMPREPLY < <(compgen -W "$(_pciback_devices)" -- "$current") ;;
    words*) mapfile -t COMPREPLY < <(compgen -W "\${wanted#words}" -- "$current") ;;
  esac
  # A colon begins a new word in bash, and what stands before it is kept.
  if [[ $current == *:* && $COMP_WORDBREAKS == *:* ]]; then
    local kept=\${current%"\${current##*:}"}
    COMPREPLY=("\${COMPREPLY[@]#"$kept"}")
  fi
}

complete -F _pciback pciback
`;
