// SPDX-License-Identifier: MIT

import type { KindOfPackage, Names } from './names.ts';

/** What the files beside the code are made from. */
export interface PackageTerms {
  readonly kind: KindOfPackage;
  readonly names: Names;
  /** `code`: TypeScript, compiled before it is tested; `data`: a quirk in JSON. */
  readonly form: 'code' | 'data';
  /** Version of pciback, and the ranges of packages that it has itself. */
  readonly version: string;
  readonly ranges: Readonly<Record<'typescript' | '@types/node' | 'zod', string>>;
  /** Whether the test makes a session again. */
  readonly session: boolean;
  /** Whether the code imports zod. */
  readonly needsZod: boolean;
}

const about: Readonly<Record<KindOfPackage, string>> = {
  quirk: 'A quirk of pciback: what a device has in config space beyond what every device has',
  policy: 'An interrupt policy for pciback: who may switch MSI, MSI-X and INTx',
  slots: 'A slot mapper for pciback: which address each device has in a guest',
  fields: 'Fields for pciback: registers of a capability, for every device that has it',
  reset: 'Resets for pciback: how a device is reset that needs more than the host does',
  platform: 'A platform for pciback: what it runs on',
  command: 'A command for pciback',
  part: 'A part for pciback: what runs as long as the daemon',
};

const json = (data: unknown): string => `${JSON.stringify(data, undefined, 2)}\n`;

const manifest = ({ kind, names, form, version, ranges, needsZod }: PackageTerms): string => {
  const pciback = `>=${version}`;
  const common = {
    name: names.package,
    version: '0.1.0',
    description: about[kind],
    keywords: ['pciback', 'pciback-plugin', `pciback-${kind}`],
    license: 'MIT',
  };
  // Optional: beside a pciback that is there already npm is not to install a second one.
  const peers = { peerDependencies: { pciback }, peerDependenciesMeta: { pciback: { optional: true } } };
  if (form === 'data') {
    return json({
      ...common,
      main: 'quirk.json',
      exports: './quirk.json',
      files: ['quirk.json'],
      scripts: { test: 'node --test' },
      ...peers,
      devDependencies: { pciback },
    });
  }
  return json({
    ...common,
    type: 'module',
    exports: { types: './dist/src/index.d.ts', default: './dist/src/index.js' },
    files: ['dist/src'],
    scripts: {
      build: 'tsc',
      pretest: 'tsc',
      test: 'node --test dist/test/index.test.js',
      prepack: 'tsc',
    },
    ...(needsZod ? { dependencies: { zod: ranges.zod } } : {}),
    ...peers,
    devDependencies: { '@types/node': ranges['@types/node'], pciback, typescript: ranges.typescript },
  });
};

const tsconfig = json({
  compilerOptions: {
    target: 'es2023',
    lib: ['es2023'],
    module: 'nodenext',
    types: ['node'],
    strict: true,
    noUncheckedIndexedAccess: true,
    exactOptionalPropertyTypes: true,
    skipLibCheck: false,
    declaration: true,
    rootDir: '.',
    outDir: 'dist',
  },
  include: ['src', 'test'],
});

const workflow = `name: test
on: [push, pull_request]
jobs:
  test:
    runs-on: ubuntu-latest
    strategy:
      matrix:
        node: [20, 22, 24, 26]
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-node@v4
        with:
          node-version: \${{ matrix.node }}
      - run: npm install
      - run: npm test
      - run: npm pack --dry-run
`;

/** The lines of an rc file that put it in force. */
const inForce = ({ kind, names: { package: name, word } }: PackageTerms): string => {
  const chosen: Partial<Record<KindOfPackage, string>> = {
    policy: `interrupts: ${word}`,
    slots: `slots: ${word}`,
    platform: `platform: ${word}`,
  };
  return [`plugins: ['${name}']`, ...(chosen[kind] === undefined ? [] : [chosen[kind]])].join('\n');
};

const used: Partial<Record<KindOfPackage, (word: string) => string>> = {
  quirk: () => '`pciback demo DUMP` and `pciback explain BDF` show what it opens.',
  command: (word) => `\`pciback ${word}\` runs it.`,
  part: (word) => `\`pciback status\` shows how it does; \`${word}\` is its operation at the control socket.`,
};

const ofDump = `The test starts a whole host in its process, with the device of \`test/device.txt\`: put the dump of a real
one there, made by \`lspci -xxxx -s BDF\` as root.`;
const ofSession = `The test starts a whole host in its process, and makes each access of
\`test/session.log\` again, a session in which the driver worked: what it needs has to be open, and nothing else.`;

const readme = (terms: PackageTerms): string => {
  const { kind, names, form } = terms;
  const file = form === 'code' ? '`src/index.ts`' : '`quirk.json`';
  const use = used[kind]?.(names.word);
  return `# ${names.package}

${about[kind]}.

    npm install
    npm test

The code is ${file}. ${terms.session ? ofSession : ofDump}

## Using it

Install it where the rc file lies, or beside pciback with \`npm install -g ${names.package}\`, and name it in the rc file:

\`\`\`yaml
# /etc/pciback/pciback.config.yaml
${inForce(terms)}
\`\`\`

\`pciback plugins\` shows what is loaded, and from where.${use === undefined ? '' : ` ${use}`}
`.replace('The code is `quirk.json`', 'The quirk is `quirk.json`');
};

/** The files of a package beside its code and tests, by path. */
export const packageFiles = (terms: PackageTerms): Readonly<Record<string, string>> => ({
  'package.json': manifest(terms),
  'README.md': readme(terms),
  '.gitignore': 'node_modules/\ndist/\n',
  '.github/workflows/test.yml': workflow,
  ...(terms.form === 'code' ? { 'tsconfig.json': tsconfig } : {}),
});
