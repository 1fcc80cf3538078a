// SPDX-License-Identifier: MIT

import { capability, type FieldSet, register } from '../../core/plugin/index.ts';
import { controlWord } from './control-word.ts';
import { fieldPlugin } from './field-plugin.ts';

/** MSI capability, id 0x05 (PCI Local Bus 3.0, §6.8.1). Its other registers move with the control word and have no field. */
export const msi: FieldSet = capability(0x05, 'msi', [register(0x02, 16, 'message control').calls(controlWord('msi'))]);

export default fieldPlugin('fields/msi', msi);
