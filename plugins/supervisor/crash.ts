// SPDX-License-Identifier: MIT

import { definePlugin } from '../../core/plugin/index.ts';
import { tellsOfCrashes } from '../crash.ts';
import type { PartContext, RunningPart } from '../kinds/part.ts';
import { type CrashOptions, crashSection } from './crash-section.ts';

const start = async (context: PartContext<CrashOptions>): Promise<RunningPart> => {
  if (!tellsOfCrashes()) return { health: () => 'another program tells of its end itself' };
  return (await import('./crash-run.ts')).startReporting(context);
};

const prepare = async (): Promise<void> => {
  await import('./crash-run.ts');
};

/** Not inside of the export: the compiler does not rewrite imports there. */
const diagnose = async ({ options, directory }: Pick<PartContext<CrashOptions>, 'options' | 'directory'>) =>
  (await import('./crash-run.ts')).showReports(options, directory);

/** What is left of a process that ended without being asked to. */
export default definePlugin({
  name: 'supervisor/crash',
  api: '^1.0',
  apply: (host) => {
    host.parts.add('crash', {
      about: 'Writes a report when the process ends without being asked to.',
      options: crashSection,
      prepare,
      start,
      diagnose,
    });
  },
});
