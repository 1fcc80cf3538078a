// SPDX-License-Identifier: MIT

import type { AccessRecorder, RecordedAccess } from '../../core/space/recorder.ts';

const WORDS = 4;
const WRITE = 0x8;

/** The accesses of one guest to one device, in order. Bounded: when it is full, further ones are only counted. */
export class AccessLog implements AccessRecorder {
  /** Accesses that found no place any more. */
  overflow = 0;
  readonly #words: Uint32Array;
  #count = 0;

  /** @param capacity accesses; 16 bytes each, allocated at once */
  constructor(capacity: number) {
    this.#words = new Uint32Array(capacity * WORDS);
  }

  get length(): number {
    return this.#count;
  }

  access({ kind, offset, size, value, status, denied, wanted }: RecordedAccess): void {
    const words = this.#words;
    const at = this.#count * WORDS;
    if (at === words.length) {
      this.overflow++;
      return;
    }
    this.#count++;
    words[at] = (offset << 16) | ((status & 0xfff) << 4) | (kind === 'write' ? WRITE : 0) | size;
    words[at + 1] = value;
    words[at + 2] = denied;
    words[at + 3] = wanted;
  }

  /** Copies, in order. */
  list(): RecordedAccess[] {
    return Array.from({ length: this.#count }, (_, index) => {
      const [head = 0, value = 0, denied = 0, wanted = 0] = this.#words.subarray(index * WORDS, index * WORDS + WORDS);
      return {
        kind: (head & WRITE) === 0 ? 'read' : 'write',
        offset: head >>> 16,
        size: (head & 0x7) as 1 | 2 | 4,
        value,
        // Sign-extended: errors are negative.
        status: (head << 16) >> 20,
        denied,
        wanted,
      };
    });
  }
}
