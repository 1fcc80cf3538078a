// SPDX-License-Identifier: MIT
// Makes the package for distributions with rpm, of the same files as the one for Debian 13, with rpmbuild.

import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DESCRIPTION, writeFiles } from './deb.mjs';
import { filesBelow, treeAt } from './tree.mjs';

const NAME = 'pciback';
const ARCHITECTURES = { x64: 'x86_64', arm64: 'aarch64', riscv64: 'riscv64' };
/** Where these distributions have completion of zsh. */
const ZSH = 'usr/share/zsh/site-functions/_pciback';

/** `$1` is the number of versions that are there afterwards; a failed step is said, and ends nothing of rpm's. */
const scripts = {
  post: `if [ -d /run/systemd/system ]; then
  systemctl daemon-reload
  # Another version runs: this one goes on with its guests, who do not notice.
  if [ "$1" -ge 2 ] && systemctl --quiet is-active pciback.service; then
    pciback upgrade || echo "the version before serves on: 'systemctl restart pciback' starts this one, and takes devices from their guests for that" >&2
  fi
fi`,
  preun: `if [ "$1" = 0 ]; then
  # Gives every device back; the unit waits as long as that takes.
  if [ -d /run/systemd/system ]; then
    systemctl stop pciback.service || echo "pciback did not end in order: 'journalctl -u pciback' says what it left" >&2
  fi
  if command -v systemctl > /dev/null; then systemctl --quiet --no-reload disable pciback.service || true; fi
fi`,
  postun: 'if [ -d /run/systemd/system ]; then systemctl daemon-reload; fi',
};

/** Files in an order that does not depend on the folder that they were written to. */
const listed = (files) =>
  files.map((file) => `${file.startsWith('etc/') ? '%config(noreplace) ' : ''}"/${file}"`).join('\n');

/** Every folder above a file. */
const foldersAbove = (file) =>
  file
    .split('/')
    .slice(1)
    .map((_name, index) =>
      file
        .split('/')
        .slice(0, index + 1)
        .join('/'),
    );

/** Folders that are pciback's own: they go with it. */
const ownFolders = (files) =>
  [...new Set(files.flatMap(foldersAbove))].filter((folder) =>
    /^(etc|usr\/lib|usr\/share\/doc)\/pciback(\/|$)/.test(folder),
  );

const [summary, ...paragraphs] = DESCRIPTION.split('\n');

const specification = ({ root, version, engine, files }) => `Name: ${NAME}
Version: ${version}
Release: 1
Summary: ${summary}
License: MIT
Requires: nodejs ${engine}
Recommends: xen-libs
AutoReqProv: no
# The files are what they are: nothing is stripped, packed or looked into.
%global debug_package %{nil}
%global __os_install_post %{nil}
%global _build_id_links none
%global use_source_date_epoch_as_buildtime 1
%global clamp_mtime_to_source_date_epoch 1
%global _buildhost packages.invalid

%description
${paragraphs.map((line) => line.trim().replace(/^\.$/, '')).join('\n')}

%install
cp -a "${root}/." "%{buildroot}/"

${Object.entries(scripts)
  .map(([name, text]) => `%${name}\n${text}\n`)
  .join('\n')}
%files
%defattr(-,root,root,-)
${ownFolders(files)
  .map((folder) => `%dir "/${folder}"`)
  .join('\n')}
${listed(files)}
`;

/**
 * Makes the package.
 *
 * @param terms `project`: the checkout; `dist`: the built program; `modules`: node_modules; `out`: folder for the package;
 * `date`: of the version; `compression`: of rpmbuild
 * @returns the file
 * @throws Error when something that belongs in it is missing, rpmbuild too
 */
export const makeRpm = async ({ out, date, project, compression = 'w9.xzdio', ...places }) => {
  const architecture = ARCHITECTURES[process.arch];
  if (architecture === undefined) throw new Error(`rpm has no name for ${process.arch} here`);
  const { version, engines } = JSON.parse(readFileSync(join(project, 'package.json'), 'utf8'));
  const work = mkdtempSync(join(tmpdir(), 'pciback-rpm-'));
  try {
    const root = join(work, 'root');
    mkdirSync(root);
    const changelog = `usr/share/doc/${NAME}/changelog.Debian.gz`;
    await writeFiles(root, { project, ...places, date, version, codename: 'none', ownNode: false });
    rmSync(join(root, changelog));
    const zsh = readFileSync(join(root, 'usr/share/zsh/vendor-completions/_pciback'));
    rmSync(join(root, 'usr/share/zsh'), { recursive: true });
    treeAt(root).write(ZSH, zsh);
    const specFile = join(work, `${NAME}.spec`);
    const engine = engines.node.replace('>=', '>= ');
    writeFileSync(specFile, specification({ root, version, engine, files: filesBelow(root) }));
    const define = (name, value) => ['--define', `${name} ${value}`];
    const words = [
      ...define('_topdir', join(work, 'top')),
      ...define('_rpmdir', join(work, 'made')),
      ...define('_binary_payload', compression),
      '--target',
      architecture,
    ];
    execFileSync('rpmbuild', ['-bb', '--quiet', ...words, specFile], {
      env: { ...process.env, SOURCE_DATE_EPOCH: String(Math.floor(date.getTime() / 1000)) },
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    const [name] = readdirSync(join(work, 'made', architecture));
    mkdirSync(out, { recursive: true });
    copyFileSync(join(work, 'made', architecture, name), join(out, name));
    return join(out, name);
  } finally {
    rmSync(work, { recursive: true });
  }
};
