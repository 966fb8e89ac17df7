/**
 * Checksum: 64 bits that tell whether two things are the same: two independent 32-bit FNV-1a sums. For keys within a
 * session; not a digest of files (`bytes/digest.ts`), and nothing that has to stand up to malice.
 */

/** One number and its two words: keys are made of hundreds of thousands. */
const scratch = new Float64Array(1);
const scratchWords = new Uint32Array(scratch.buffer);

/** A sum that grows. */
export class Checksum {
  #a = 0x811c9dc5;
  #b = 0x01234567;

  #word(word: number): void {
    this.#a = Math.imul(this.#a ^ word, 0x01000193);
    this.#b = Math.imul(this.#b ^ (word >>> 7) ^ (word << 3), 0x85ebca6b);
  }

  text(text: string): this {
    for (let i = 0; i < text.length; i++) this.#word(text.charCodeAt(i));
    this.#word(-1);
    return this;
  }

  number(value: number): this {
    scratch[0] = value;
    this.#word(scratchWords[0] ?? 0);
    this.#word(scratchWords[1] ?? 0);
    return this;
  }

  /** All bits of all numbers. */
  numbers(values: Float64Array): this {
    for (const word of new Uint32Array(values.buffer, values.byteOffset, values.length * 2)) this.#word(word);
    return this;
  }

  get value(): string {
    return `${this.#a >>> 0}.${this.#b >>> 0}`;
  }
}
