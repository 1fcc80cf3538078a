// SPDX-License-Identifier: MIT
// What is made of the program's own tables: manual pages, completion, the unit.

import { join } from 'node:path';
import { commandsPage, configPage } from './man.mjs';

/**
 * @param dist the built program
 * @param terms `version`, `date` as YYYY-MM-DD, `sample`: the rc file that is installed
 */
export const made = async (dist, { version, date, sample }) => {
  const load = (file) => import(join(dist, file));
  const [{ loadPlugins }, { defaultConfig }, { silent }, { declaredSections }, { searchPlaces, SYSTEM_DIRECTORY }] =
    await Promise.all(
      [
        'plugins/program/start.js',
        'plugins/program/defaults.js',
        'core/log.js',
        'plugins/program/sections.js',
        'plugins/program/rc-file.js',
      ].map(load),
    );
  const [{ describeConfig }, { completionText }, { unitText }, { secondsOf }] = await Promise.all(
    [
      'test/kit/describe-config.js',
      'plugins/commands/completion/completion-run.js',
      'plugins/supervisor/unit-text.js',
      'plugins/supervisor/unit-run.js',
    ].map(load),
  );
  const { registries } = await loadPlugins({ config: defaultConfig(), directory: '/' }, silent);
  const terms = { version, date, places: searchPlaces, directory: SYSTEM_DIRECTORY };
  const command = ['/usr/bin/pciback', 'serve', '--platform', 'xen'];
  return {
    commands: commandsPage({ ...terms, commands: registries.commands.things }),
    config: configPage({ ...terms, rows: describeConfig(declaredSections(registries)), sample }),
    completion: Object.fromEntries(['bash', 'zsh', 'fish'].map((shell) => [shell, completionText(shell, registries)])),
    unit: unitText({ command, ...secondsOf(defaultConfig()) }),
  };
};
