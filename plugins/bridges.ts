// SPDX-License-Identifier: MIT

const BRIDGE = 0x06;
/** Sub-classes of base class 06 with functions behind them: to host, ISA, PCI, CardBus and, not transparent, to PCI. */
const LEADING: readonly number[] = [0x00, 0x01, 0x04, 0x07, 0x09];

/** Whether a class code, 24 bits, is that of a bridge. Others of base class 06, a switch of GPUs (0680) say, are endpoints. */
export const isBridgeClass = (code: number): boolean => code >>> 16 === BRIDGE && LEADING.includes((code >>> 8) & 0xff);

/** Whether a function is a bridge: by its header, or by its class. No guest gets one. */
export const isBridge = ({ class: code, headerType }: { readonly class: number; readonly headerType: number }) =>
  headerType !== 0 || isBridgeClass(code);
