// SPDX-License-Identifier: MIT

/** Takes down every config access of one device in the hands of one guest. It runs for each: no waiting, no throwing. */
export interface AccessRecorder {
  /**
   * @param value read or written, `size` bytes, unsigned
   * @param status as answered
   * @param denied bits of a written `value` that were refused
   * @param wanted bits of a written `value` that would change, and that no field claims
   */
  access(
    kind: 'read' | 'write',
    offset: number,
    size: number,
    value: number,
    status: number,
    denied: number,
    wanted: number,
  ): void;
}
