// SPDX-License-Identifier: MIT

import type { PcibackError } from '../../core/errors/index.ts';
import type { Errno } from '../../core/platform/index.ts';

type Name = keyof typeof Errno;

/** What the kernel module's files answer. */
const byCode: Readonly<Record<string, Name>> = {
  BDF_SYNTAX: 'EINVAL',
  BDF_RANGE: 'EINVAL',
  QUIRK_INVALID: 'EINVAL',
  FIELD_INVALID: 'EINVAL',
  DEVICE_NOT_SEIZED: 'ENODEV',
  DEVICE_NOT_FOUND: 'ENODEV',
  DEVICE_NOT_SEIZABLE: 'ENODEV',
  DEVICE_HEADER: 'ENODEV',
  DEVICE_SILENT: 'ENODEV',
  DEVICE_IN_USE: 'EBUSY',
  DEVICE_FOREIGN: 'EBUSY',
  FIELD_OVERLAP: 'EEXIST',
  PLUGIN_DUPLICATE: 'EEXIST',
  LINE_HANDLER: 'ENXIO',
};

/** That of one attribute, where the kernel module has another one. */
const byAttribute: Readonly<Record<string, Readonly<Record<string, Name>>>> = {
  irq_handler_state: { DEVICE_NOT_SEIZED: 'ENOENT', USAGE: 'ENOENT' },
};

/** The name of the kernel's number for a refusal. */
export const errnoOf = (attribute: string, { code, facts }: PcibackError): Name => {
  if (code === 'ATTRIBUTE_REFUSED') return facts.errno as Name;
  return byAttribute[attribute]?.[code] ?? byCode[code] ?? 'EIO';
};
