// SPDX-License-Identifier: MIT

/** A module that a thread can be started with and that runs a source file: Node 20 itself runs no TypeScript. */
export const sourceModule = (file: URL): URL => {
  const code = `import { createJiti } from ${JSON.stringify(import.meta.resolve('jiti'))};
await createJiti(${JSON.stringify(import.meta.url)}).import(${JSON.stringify(file.pathname)});`;
  return new URL(`data:text/javascript,${encodeURIComponent(code)}`);
};
