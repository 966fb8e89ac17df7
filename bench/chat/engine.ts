/** Engine: what both sides of the comparison do: hold a text, read more of it, and go on with it token by token. */

/** Milliseconds of each token, and the tokens. */
export interface Spoken {
  readonly tokenMs: readonly number[];
  readonly tokens: readonly number[];
}

/** One side, with one model open and one text. */
export interface Engine {
  /** A word on how it runs. */
  readonly how: string;
  /** Reads tokens after the text so far and chooses the next one, greedily. @returns milliseconds until it is known. */
  read(ids: readonly number[]): Promise<number>;
  /** Writes so many tokens after the text, each chosen greedily. */
  speak(count: number): Promise<Spoken>;
  /** Tokens of the text so far, the last chosen one included. */
  readonly length: number;
  dispose(): Promise<void>;
}
