// SPDX-License-Identifier: MIT

import { capability, type FieldSet, register } from '../../core/plugin/index.ts';
import { controlWord } from './control-word.ts';
import { fieldPlugin } from './field-plugin.ts';

/** MSI-X capability, id 0x11 (PCI Local Bus 3.0, §6.8.2). The places of table and pending bits are hardware’s own. */
export const msix: FieldSet = capability(0x11, 'msi-x', [
  register(0x02, 16, 'message control').calls(controlWord('msix')),
]);

export default fieldPlugin('fields/msix', msix);
