// SPDX-License-Identifier: MIT

import { capability, definePlugin, type FieldSet, register } from '../../core/plugin/index.ts';
import { controlWord } from './control-word.ts';

/** MSI capability, id 0x05 (PCI Local Bus 3.0, §6.8.1). Its other registers move with the control word and have no field. */
export const msi: FieldSet = capability(0x05, 'msi', [register(0x02, 16, 'message control').calls(controlWord('msi'))]);

export default definePlugin({
  name: 'fields/msi',
  api: '^1.0',
  apply: (host) => {
    host.fields.add(msi);
  },
});
