// SPDX-License-Identifier: MIT

import { printable } from '../columns.ts';
import type { Family, Sample } from './families-report.ts';

/** Media type of the format. */
export const CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

const escaped = (text: string): string => printable(text).replaceAll('\\', '\\\\').replaceAll('"', '\\"');

const labelsText = (labels: Sample['labels']): string => {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escaped(value)}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
};

/** In the text format of Prometheus, version 0.0.4. */
export const expose = (families: readonly Family[]): string =>
  families
    .flatMap(({ name, type, help, samples }) => [
      `# HELP ${name} ${help.replaceAll('\\', '\\\\')}`,
      `# TYPE ${name} ${type}`,
      ...samples.map(({ suffix = '', labels, value }) => `${name}${suffix}${labelsText(labels)} ${value}`),
    ])
    .join('\n')
    .concat('\n');
