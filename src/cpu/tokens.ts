/**
 * Tokens: the words of a WGSL text and a reader that goes through them, one ahead. What does not belong to the kernels'
 * subset of WGSL is refused by its name. Not the grammar (`wgsl.ts`).
 */

import { KernelError, type Place } from './kernel-error.ts';

/** A word of the text. */
interface Token {
  readonly kind: 'name' | 'number' | 'symbol' | 'end';
  readonly text: string;
  readonly place: Place;
}

const TOKEN =
  /(?<space>\s+|\/\/[^\n]*)|(?<number>0[xX][0-9a-fA-F]+[iu]?|(?:\d+\.\d*|\.\d+|\d+)(?:[eE][+-]?\d+)?[fiuh]?)|(?<name>[A-Za-z_]\w*)|(?<symbol><<=|>>=|->|\+\+|--|&&|\|\||<<|>>|[=!<>]=|[-+*/%&|^]=|[-+*/%&|^~!<>=(){}[\],;:.@])/y;

/** The tokens of a file, without space and comments; the last one is the end. Throws KernelError. */
function tokens(file: string, text: string): Token[] {
  const out: Token[] = [];
  let line = 1;
  let at = 0;
  while (at < text.length) {
    if (text.startsWith('/*', at)) {
      const start = at;
      let depth = 0;
      do {
        if (text.startsWith('/*', at)) [depth, at] = [depth + 1, at + 2];
        else if (text.startsWith('*/', at)) [depth, at] = [depth - 1, at + 2];
        else at++;
      } while (depth > 0 && at < text.length);
      line += text.slice(start, at).split('\n').length - 1;
      continue;
    }
    TOKEN.lastIndex = at;
    const match = TOKEN.exec(text);
    const place = { file, line };
    if (!match) throw new KernelError(place, `'${text[at]}' is not WGSL`);
    const { space, number, name } = match.groups ?? {};
    at += match[0].length;
    if (space !== undefined) {
      line += space.split('\n').length - 1;
      continue;
    }
    out.push({ kind: number !== undefined ? 'number' : name !== undefined ? 'name' : 'symbol', text: match[0], place });
  }
  out.push({ kind: 'end', text: 'the end of the file', place: { file, line } });
  return out;
}

/** Words that WGSL has and kernels may not use, and what to do instead. */
const OUTSIDE: Readonly<Record<string, string>> = {
  while: 'use a for with constant bounds',
  loop: 'use a for with constant bounds',
  switch: 'use if and else',
  break: 'use a condition around what follows',
  continue: 'use a condition around what follows',
  discard: 'it belongs to fragment shaders',
  struct: 'use plain variables and arrays',
  alias: 'name the type itself',
  override: 'use const',
  enable: 'kernels use no extensions',
  requires: 'kernels use no extensions',
  diagnostic: 'kernels use no directives',
};

/** Goes through the tokens of a file. */
export class TokenReader {
  readonly #tokens: readonly Token[];
  #at = 0;

  constructor(file: string, text: string) {
    this.#tokens = tokens(file, text);
  }

  /** The token at hand. */
  get next(): Token {
    // The last token is the end, and never passed.
    return this.#tokens[this.#at] as Token;
  }

  /** The token at hand, passed. */
  take(): Token {
    const token = this.next;
    if (token.kind !== 'end') this.#at++;
    return token;
  }

  /** Refuses the text at a place, by default that of the token at hand. */
  fail(message: string, place = this.next.place): never {
    throw new KernelError(place, message);
  }

  /** Whether the token at hand reads so. */
  is(text: string): boolean {
    return this.next.kind !== 'end' && this.next.text === text;
  }

  /** Passes the token at hand where it reads so. */
  accept(text: string): boolean {
    if (!this.is(text)) return false;
    this.take();
    return true;
  }

  /** Passes the token at hand. Throws KernelError where it does not read so. */
  expect(text: string): void {
    if (!this.accept(text)) this.fail(`'${text}' is expected in place of '${this.next.text}'`);
  }

  /** Passes a name. Throws KernelError where none stands there, or one outside of the subset. */
  name(): string {
    const token = this.next;
    if (token.kind !== 'name') this.fail(`a name is expected in place of '${token.text}'`);
    this.refuseOutside();
    return this.take().text;
  }

  /** Throws KernelError where the token at hand is a word outside of the subset. */
  refuseOutside(): void {
    const advice = Object.hasOwn(OUTSIDE, this.next.text) ? OUTSIDE[this.next.text] : undefined;
    if (this.next.kind === 'name' && advice) {
      this.fail(`'${this.next.text}' is outside the kernels' subset of WGSL; ${advice}`);
    }
  }
}
