// SPDX-License-Identifier: MIT

import { capabilities } from '../core/space/capabilities.ts';
import type { FieldSet } from '../core/space/declaration.ts';

type Condition = NonNullable<FieldSet['when']>;

/** Whether the byte is the id or the next pointer of a capability in the list at 0x34. */
export const onCapabilityHeader =
  (offset: number): Condition =>
  (device) =>
    capabilities(device).some((one) => one.offset === offset || one.offset + 1 === offset);

/** The other devices: there the byte is the vendor's. */
export const offCapabilityHeaders = (offset: number): Condition => {
  const on = onCapabilityHeader(offset);
  return (device, base) => !on(device, base);
};

/** Whether no capability in the list at 0x34 has this id. */
export const lacksCapability =
  (id: number): Condition =>
  (device) =>
    !capabilities(device).some((one) => one.id === id);
