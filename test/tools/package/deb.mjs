// SPDX-License-Identifier: MIT
// Makes the package for one release of Debian with dpkg-deb.

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { made } from './made.mjs';
import { engineAt, strip } from './node.mjs';
import { writeProgram } from './program.mjs';
import { EXECUTABLE, filesBelow, treeAt } from './tree.mjs';

const HERE = import.meta.dirname;
const NAME = 'pciback';
/** Set both, as for other tools of Debian, to say who answers for the package. */
const { DEBFULLNAME = 'The pciback authors', DEBEMAIL = 'pciback@packages.invalid' } = process.env;
const ARCHITECTURES = { x64: 'amd64', arm64: 'arm64', ia32: 'i386', riscv64: 'riscv64' };
const XEN_LIBRARIES = ['libxencall1', 'libxenevtchn1', 'libxenforeignmemory1', 'libxengnttab1'];
/** What the prebuilt koffi and the engine are linked to. */
const C_LIBRARIES = ['libc6 (>= 2.28)', 'libgcc-s1', 'libstdc++6 (>= 9)'];

/** The releases: in 12 Node.js is too old, so its package brings one. */
export const releases = {
  12: { codename: 'bookworm', ownNode: true, recommends: [...XEN_LIBRARIES, 'libxenmisc4.17'] },
  13: { codename: 'trixie', ownNode: false, recommends: [...XEN_LIBRARIES, 'libxenmisc4.20'] },
};

export const DESCRIPTION = `host side of Xen PCI pass-through, in user space
 A PCI front end of a guest puts a request on a shared page; pciback answers it.
 It takes the place of the back end in the kernel module xen-pciback under an
 unmodified xl and an unmodified guest. What a guest was refused is recorded and
 explained, and what a device needs is added while guests run.
 .
 It serves after "systemctl enable --now pciback".`;

const control = ({ version, architecture, depends, recommends, kilobytes }) => `Package: ${NAME}
Version: ${version}
Architecture: ${architecture}
Maintainer: ${DEBFULLNAME} <${DEBEMAIL}>
Installed-Size: ${kilobytes}
Depends: ${depends.join(', ')}
Recommends: ${recommends.join(', ')}
Suggests: xen-utils-common
Section: admin
Priority: optional
Description: ${DESCRIPTION}
`;

/** Kibibytes as dpkg counts them: files in whole ones, a folder or link as one. */
const sizeOf = (root) => {
  const files = filesBelow(root);
  const folders = new Set(
    files.flatMap((file) => file.split('/').map((_, index, parts) => parts.slice(0, index).join('/'))),
  );
  return files.reduce((sum, file) => sum + Math.ceil(statSync(join(root, file)).size / 1024), folders.size);
};

const documentation = (tree, { project, licences, version, codename, date }) => {
  const at = `usr/share/doc/${NAME}`;
  const docs = join(project, 'docs');
  for (const file of filesBelow(docs)) {
    if (/\.svg$|^performance\/.*\.json$/.test(file)) continue;
    tree.copy(join(docs, file), `${at}/docs/${file}`);
  }
  tree.copy(join(project, 'README.md'), `${at}/README.md`);
  tree.zipped(`${at}/changelog`, readFileSync(join(project, 'CHANGELOG.md')));
  const day = date.toUTCString().replace('GMT', '+0000');
  const entry = `${NAME} (${version}) ${codename}; urgency=medium\n\n  * What changed in the program is in changelog.gz.\n\n -- ${DEBFULLNAME} <${DEBEMAIL}>  ${day}\n`;
  tree.zipped(`${at}/changelog.Debian`, entry);
  const own = readFileSync(join(project, 'LICENSE'), 'utf8');
  const line = '-'.repeat(80);
  tree.write(
    `${at}/copyright`,
    `${NAME}\n\n${own}\n${line}\n\nThe package carries what follows, each with its licence.\n\n${line}\n\n${licences}`,
  );
};

const launcher = (node) => `#!/bin/sh
exec ${node} /usr/lib/${NAME}/dist/plugins/commands/launch.cjs "$@"
`;

/** All files of the installed system. */
export const writeFiles = async (root, { project, dist, modules, node, date, version, codename, ownNode }) => {
  const tree = treeAt(root);
  const manifest = JSON.parse(readFileSync(join(project, 'package.json'), 'utf8'));
  let licences = writeProgram(tree, { project, dist, modules });
  const own = `/usr/lib/${NAME}/node`;
  if (ownNode) {
    const engine = engineAt(node, { needed: manifest.engines.node.replace('>=', '') });
    tree.copy(engine.node, own, EXECUTABLE);
    strip(join(root, own));
    licences += `\n${'-'.repeat(80)}\n\nNode.js ${engine.version}\n\n${engine.licence}`;
  }
  const sample = readFileSync(join(HERE, 'debian/pciback.config.yaml'), 'utf8');
  const { commands, config, completion, unit } = await made(dist, {
    version: manifest.version,
    date: date.toISOString().slice(0, 10),
    sample,
  });
  tree.write(`etc/${NAME}/pciback.config.yaml`, sample);
  tree.write(`usr/bin/${NAME}`, launcher(ownNode ? own : '/usr/bin/node'), EXECUTABLE);
  tree.write(`usr/lib/systemd/system/${NAME}.service`, unit);
  tree.zipped(`usr/share/man/man1/${NAME}.1`, commands);
  tree.zipped(`usr/share/man/man5/pciback.config.5`, config);
  tree.write(`usr/share/bash-completion/completions/${NAME}`, completion.bash);
  tree.write(`usr/share/zsh/vendor-completions/_${NAME}`, completion.zsh);
  tree.write(`usr/share/fish/vendor_completions.d/${NAME}.fish`, completion.fish);
  documentation(tree, { project, licences, version, codename, date });
};

const writeControl = (root, terms) => {
  const files = filesBelow(root);
  const sums = files
    .filter((file) => !file.startsWith('etc/'))
    .map(
      (file) =>
        `${createHash('md5')
          .update(readFileSync(join(root, file)))
          .digest('hex')}  ${file}\n`,
    );
  const kilobytes = sizeOf(root);
  const tree = treeAt(join(root, 'DEBIAN'));
  tree.write('control', control({ ...terms, kilobytes }));
  tree.write('conffiles', files.flatMap((file) => (file.startsWith('etc/') ? [`/${file}\n`] : [])).join(''));
  tree.write('md5sums', sums.join(''));
  for (const script of ['postinst', 'prerm', 'postrm']) {
    tree.write(script, readFileSync(join(HERE, 'debian', script)), EXECUTABLE);
  }
};

/**
 * Makes a package.
 *
 * @param release of `releases`
 * @param terms `project`: the checkout; `dist`: the built program; `modules`: node_modules; `node`: the engine for a release
 * that needs one; `out`: folder for the package; `date`: of the version; `compression`: of dpkg-deb
 * @returns the file
 * @throws Error when something that belongs in it is missing
 */
export const makeDeb = async (release, { out, date, project, compression = 'xz', ...places }) => {
  const { codename, ownNode, recommends } = releases[release];
  const architecture = ARCHITECTURES[process.arch];
  if (architecture === undefined) throw new Error(`Debian has no name for ${process.arch} here`);
  const manifest = JSON.parse(readFileSync(join(project, 'package.json'), 'utf8'));
  const version = `${manifest.version}-1+deb${release}`;
  const depends = [...(ownNode ? [] : [`nodejs (${manifest.engines.node.replace('>=', '>= ')})`]), ...C_LIBRARIES];
  const work = mkdtempSync(join(tmpdir(), 'pciback-package-'));
  try {
    const root = join(work, 'root');
    mkdirSync(root);
    chmodSync(root, EXECUTABLE);
    await writeFiles(root, { project, ...places, date, version, codename, ownNode });
    writeControl(root, { version, architecture, depends, recommends });
    const file = join(out, `${NAME}_${version}_${architecture}.deb`);
    mkdirSync(out, { recursive: true });
    const made = join(work, 'made.deb');
    execFileSync('dpkg-deb', ['--root-owner-group', `-Z${compression}`, '--build', root, made], {
      // The same input gives the same package: no time of the build is in it.
      env: { ...process.env, SOURCE_DATE_EPOCH: String(Math.floor(date.getTime() / 1000)) },
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    copyFileSync(made, file);
    return file;
  } finally {
    rmSync(work, { recursive: true });
  }
};
