// SPDX-License-Identifier: MIT
// Writing the files of a package below a folder: modes are the package's, whatever the builder's umask is.

import { chmodSync, copyFileSync, mkdirSync, readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';

const PLAIN = 0o644;
export const EXECUTABLE = 0o755;

/** Every file below a folder, as paths that count from it, in order. */
export const filesBelow = (folder) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort();

/** A tree to write to. Paths are those of the installed system, with or without the slash in front. */
export const treeAt = (root) => {
  const place = (path) => {
    const file = join(root, path);
    for (let at = dirname(file), missing = []; ; at = dirname(at)) {
      if (statSync(at, { throwIfNoEntry: false }) === undefined) {
        missing.unshift(at);
        continue;
      }
      for (const folder of missing) {
        mkdirSync(folder);
        chmodSync(folder, EXECUTABLE);
      }
      return file;
    }
  };
  const write = (path, content, mode = PLAIN) => {
    const file = place(path);
    writeFileSync(file, content);
    chmodSync(file, mode);
  };
  return {
    write,
    /** As gzip -9n. */
    zipped: (path, content) => write(`${path}.gz`, gzipSync(content, { level: 9 })),
    copy: (from, path, mode = PLAIN) => {
      const file = place(path);
      copyFileSync(from, file);
      chmodSync(file, mode);
    },
    link: (target, path) => symlinkSync(target, place(path)),
  };
};
