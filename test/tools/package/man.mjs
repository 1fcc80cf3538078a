// SPDX-License-Identifier: MIT
// The manual pages, made of the tables that --help and docs/reference/configuration.md are made of.

import { bold, file, item, page, paragraphs, section, subsection, text, usage } from './roff.mjs';

const HELP = { flags: '--help', description: 'show help' };

const command = ({ name, summary, details, arguments: words = [], options = [] }) =>
  subsection(
    bold(['pciback', name].join(' ')),
    usage([name, ...words.map((word) => word.name), '[options]'].join(' ')),
    `.PP\n${text(`${summary[0].toUpperCase()}${summary.slice(1)}.`)}`,
    ...(details === undefined ? [] : [paragraphs(details)]),
    ...words.map((word) => item(usage(word.name), text(word.description))),
    ...[...options, HELP].map(({ flags, description, choices, default: initial }) => {
      const more = [
        ...(choices === undefined ? [] : [`one of ${choices.join(', ')}`]),
        ...(initial === undefined ? [] : [`${initial} if missing`]),
      ];
      return item(usage(flags), text([description, ...more].join('; ')));
    }),
  );

const status = [
  ['0', 'Done; of `serve`: it was asked to end, and everything was given back.'],
  [
    '1',
    'Refused or failed: standard error has the error and the next step. Of `doctor`, `health`: not usable, not well.',
  ],
  ['2', 'The command line is wrong.'],
  ['70', 'A defect of pciback, or code that held everybody up under a service manager.'],
];

/** pciback(1). `commands`: definitions in the order of --help. `places`: names of rc files, `directory`: theirs for the host. */
export const commandsPage = ({ commands, places, directory, ...terms }) =>
  page(
    { name: 'pciback', number: 1, ...terms },
    section('Name', 'pciback \\- the host side of Xen PCI pass\\-through, in user space'),
    section('Synopsis', `${usage('pciback <command> [options]')}`),
    section(
      'Description',
      text(
        'A guest’s PCI front end puts a request on a shared page; pciback answers it. It takes the place of the back end',
      ),
      text('in the kernel module `xen-pciback` under an unmodified `xl` and an unmodified guest.'),
      '.PP',
      text(
        'As a service: `systemctl enable --now pciback`. What is there and what is missing: `pciback doctor`. Why a device',
      ),
      text('does not work: `pciback explain`.'),
    ),
    section('Commands', commands.map(command).join('\n')),
    section(
      'Files',
      item(
        bold(`${directory}/${places[0].replace(/\.[a-z]+$/, '.*')}`),
        text('The rc file of the host; see `pciback.config`(5).'),
      ),
      item(bold('/run/pciback/control.sock'), text('Where a running pciback takes commands, of its own user only.')),
      item(
        bold('/run/pciback'),
        text('What the next process needs to go on with the guests of this one, and reports of crashes.'),
      ),
      item(bold('/usr/share/doc/pciback/docs'), text('For operators, vendors and researchers, and the reference.')),
    ),
    section('Exit status', ...status.map(([value, meaning]) => item(bold(value), text(meaning)))),
    section(
      'See also',
      text('`pciback.config`(5), `xl`(1), `xl-pci-configuration`(5), `systemctl`(1), `journalctl`(1)'),
    ),
  );

/** pciback.config(5). `rows`: every key; `sample`: the rc file that is installed. */
export const configPage = ({ rows, places, directory, sample, ...terms }) =>
  page(
    { name: 'pciback.config', number: 5, ...terms },
    section('Name', 'pciback.config \\- the rc file of pciback'),
    section('Synopsis', places.map((place) => text(`\`${directory}/${place}\``)).join('\n.br\n')),
    section(
      'Description',
      text('The first of these that is there is read, from the working directory if it has one, else from'),
      text(
        `\`${directory}\`. The option \`--config\` names another file instead. In \`package.json\` it is the key \`pciback\`.`,
      ),
      '.PP',
      text(
        'Where pciback runs as root, the file and all folders above it have to be root’s alone; one that others may change is',
      ),
      text(
        'refused. `pciback doctor` says whether the file is right, `pciback reload` puts a change in force while guests run.',
      ),
      '.PP',
      text('Paths count from the folder of the file. Addresses are `[DDDD:]BB:SS.F`.'),
    ),
    section(
      'Keys',
      ...rows.map(({ key, type, default: initial, description }) => {
        const facts = [type.replaceAll('\\|', '|'), ...(initial === undefined ? [] : [`default ${initial}`])].join(
          ', ',
        );
        return item(`${bold(key)} (${text(facts)})`, text(description));
      }),
    ),
    section('Example', text('The file that is installed with the package:'), file(sample)),
    section('See also', text('`pciback`(1), `xl-pci-configuration`(5)')),
  );
