// SPDX-License-Identifier: MIT

/** Objects and arrays inside of each other; no file of ours comes near. */
const DEEPEST = 500;

const SPACE = /[ \t\r\n]*/y;
// biome-ignore lint/suspicious/noControlCharactersInRegex: those that JSON forbids in a text
const STRING = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const PLAIN = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y;
/** What stands where something else is expected, as far as it is one thing. */
const WORD = /[\w.-]+|./suy;

/** `line 3 column 5` of an offset into a text; both count from 1. */
const placeAt = (text: string, offset: number): string => {
  const before = text.slice(0, offset).split('\n');
  return `line ${before.length} column ${(before.at(-1)?.length ?? 0) + 1}`;
};

/** Goes through a text once, and says where it is no JSON. */
class Walk {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  whole(): void {
    this.#value('a value', 0);
    this.#take(SPACE);
    if (this.#at < this.#text.length) this.#refuse('the end');
  }

  #take(form: RegExp): string | undefined {
    form.lastIndex = this.#at;
    const found = form.exec(this.#text)?.[0];
    this.#at += found?.length ?? 0;
    return found;
  }

  #is(sign: string): boolean {
    this.#take(SPACE);
    if (this.#text[this.#at] !== sign) return false;
    this.#at += 1;
    return true;
  }

  #fail(at: number, what: string): never {
    throw new SyntaxError(`${placeAt(this.#text, at)}: ${what}`);
  }

  #refuse(expected: string): never {
    const at = this.#at;
    const found = this.#take(WORD);
    return this.#fail(at, `expected ${expected}, found ${found === undefined ? 'the end' : JSON.stringify(found)}`);
  }

  #value(expected: string, depth: number): void {
    if (depth > DEEPEST) this.#fail(this.#at, `more than ${DEEPEST} levels`);
    if (this.#is('{')) this.#object(depth + 1);
    else if (this.#is('[')) this.#array(depth + 1);
    else if (this.#take(STRING) === undefined && this.#take(PLAIN) === undefined) this.#refuse(expected);
  }

  #object(depth: number): void {
    if (this.#is('}')) return;
    const keys = new Map<string, number>();
    do {
      this.#take(SPACE);
      const at = this.#at;
      const key = this.#take(STRING) ?? this.#refuse('a key in double quotes');
      const first = keys.get(key);
      if (first !== undefined) this.#fail(at, `the key ${key} is there twice, first in ${placeAt(this.#text, first)}`);
      keys.set(key, at);
      if (!this.#is(':')) this.#refuse('":"');
      this.#value('a value', depth);
    } while (this.#is(','));
    if (!this.#is('}')) this.#refuse('"," or "}"');
  }

  #array(depth: number): void {
    if (this.#is(']')) return;
    do this.#value('a value', depth);
    while (this.#is(','));
    if (!this.#is(']')) this.#refuse('"," or "]"');
  }
}

/**
 * Reads JSON. A byte order mark in front of it, as editors on other systems write one, means nothing. A key that is there
 * twice is refused: the engine would take the last one without a word.
 *
 * @throws SyntaxError what is wrong, with line and column
 */
export const parseJson = (text: string): unknown => {
  const plain = text.replace(/^\uFEFF/, '');
  new Walk(plain).whole();
  return JSON.parse(plain);
};
