// SPDX-License-Identifier: MIT

import { extendedCapability, type FieldSet, type Register, register } from '../../core/plugin/index.ts';
import { fieldPlugin } from './field-plugin.ts';

/** Which traffic class takes which channel has to agree along the whole way to memory: hardware keeps the host's. */
const channels: readonly Register[] = [
  register(0x04, 32, 'port capabilities 1').readOnly(),
  register(0x08, 32, 'port capabilities 2').readOnly(),
  register(0x0c, 16, 'port control').readOnly(),
  register(0x0e, 16, 'port status').readOnly(),
  register(0x10, 32, 'channel 0 capabilities').readOnly(),
  register(0x14, 32, 'channel 0 control').readOnly(),
  register(0x1a, 16, 'channel 0 status').readOnly(),
];

/** Virtual channels, extended ids 0x0002, 0x0008 and 0x0009 (PCI Express 5.0, §7.9.1 and §7.9.2). */
export const virtualChannels: FieldSet = extendedCapability(0x0002, 'virtual channels', channels);
export const multiFunctionChannels: FieldSet = extendedCapability(0x0008, 'multi-function channels', channels);
export const channelsBesideThose: FieldSet = extendedCapability(0x0009, 'virtual channels beside those', channels);

export default fieldPlugin('fields/vc', virtualChannels, multiFunctionChannels, channelsBesideThose);
