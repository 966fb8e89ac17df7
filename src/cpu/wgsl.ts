/**
 * Wgsl: the subset of WGSL that a method's element functions are written in, from text to a syntax tree. What is
 * outside of the subset is refused by name with its file and line. Types are checked where code is made (`spmd.ts`).
 */

import { KernelError, type Place } from './kernel-error.ts';

/** Types of values. 'int' and 'float' are WGSL's abstract numbers: constants that have not met a type yet. */
export type Scalar = 'f32' | 'u32' | 'i32' | 'bool' | 'int' | 'float';

/** A type as it stands in the text. */
export type TypeText =
  | { readonly kind: 'scalar'; readonly scalar: Scalar }
  | { readonly kind: 'array'; readonly element: Scalar; readonly length: Expression };

export type Expression = { readonly place: Place } & (
  | { readonly kind: 'literal'; readonly type: Scalar; readonly value: number }
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'unary'; readonly operator: string; readonly operand: Expression }
  | { readonly kind: 'binary'; readonly operator: string; readonly left: Expression; readonly right: Expression }
  | { readonly kind: 'index'; readonly array: Expression; readonly index: Expression }
  | {
      readonly kind: 'call';
      readonly name: string;
      /** Of `bitcast<…>` and `array<…>`. */
      readonly type: TypeText | null;
      readonly args: readonly Expression[];
    }
);

export type Statement = { readonly place: Place } & (
  | {
      readonly kind: 'declare';
      readonly binding: 'let' | 'var' | 'const';
      readonly name: string;
      readonly type: TypeText | null;
      readonly value: Expression | null;
    }
  | {
      readonly kind: 'assign';
      readonly name: string;
      readonly index: Expression | null;
      /** The operator of a compound assignment, such as `+`; null of a plain one. */
      readonly operator: string | null;
      readonly value: Expression;
    }
  | {
      readonly kind: 'if';
      readonly condition: Expression;
      readonly body: readonly Statement[];
      readonly otherwise: readonly Statement[];
    }
  | {
      readonly kind: 'for';
      readonly init: Statement | null;
      readonly condition: Expression;
      readonly update: Statement | null;
      readonly body: readonly Statement[];
    }
  | { readonly kind: 'block'; readonly body: readonly Statement[] }
  | { readonly kind: 'return'; readonly value: Expression | null }
  | { readonly kind: 'call'; readonly call: Expression }
);

export interface FunctionText {
  readonly place: Place;
  readonly name: string;
  readonly params: readonly { readonly name: string; readonly type: TypeText }[];
  /** Null of a function that returns nothing. */
  readonly result: TypeText | null;
  readonly body: readonly Statement[];
}

/** What the files of a kernel declare. */
export interface Program {
  readonly functions: ReadonlyMap<string, FunctionText>;
  readonly constants: readonly (Statement & { readonly kind: 'declare' })[];
}

interface Token {
  readonly kind: 'name' | 'number' | 'symbol' | 'end';
  readonly text: string;
  readonly place: Place;
}

const TOKEN =
  /(?<space>\s+|\/\/[^\n]*)|(?<number>0[xX][0-9a-fA-F]+[iu]?|(?:\d+\.\d*|\.\d+|\d+)(?:[eE][+-]?\d+)?[fiuh]?)|(?<name>[A-Za-z_]\w*)|(?<symbol><<=|>>=|->|\+\+|--|&&|\|\||<<|>>|[=!<>]=|[-+*/%&|^]=|[-+*/%&|^~!<>=(){}[\],;:.@])/y;

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

/** Weakest first; operators of one row have the same strength. */
const STRENGTH: readonly (readonly string[])[] = [
  ['||'],
  ['&&'],
  ['|'],
  ['^'],
  ['&'],
  ['==', '!='],
  ['<', '>', '<=', '>='],
  ['<<', '>>'],
  ['+', '-'],
  ['*', '/', '%'],
];
/** Where an array's length ends with `>`, comparisons and shifts may not be part of it. */
const ADDITIVE = 8;

const SCALARS: ReadonlySet<string> = new Set(['f32', 'u32', 'i32', 'bool']);
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

class Parser {
  readonly #tokens: readonly Token[];
  #at = 0;

  constructor(file: string, text: string) {
    this.#tokens = tokens(file, text);
  }

  get #next(): Token {
    // The last token is the end, and never passed.
    return this.#tokens[this.#at] as Token;
  }

  #take(): Token {
    const token = this.#next;
    if (token.kind !== 'end') this.#at++;
    return token;
  }

  #fail(message: string, place = this.#next.place): never {
    throw new KernelError(place, message);
  }

  #is(text: string): boolean {
    return this.#next.kind !== 'end' && this.#next.text === text;
  }

  #accept(text: string): boolean {
    if (!this.#is(text)) return false;
    this.#take();
    return true;
  }

  #expect(text: string): void {
    if (!this.#accept(text)) this.#fail(`'${text}' is expected in place of '${this.#next.text}'`);
  }

  #name(): string {
    const token = this.#next;
    if (token.kind !== 'name') this.#fail(`a name is expected in place of '${token.text}'`);
    this.#refuseOutside();
    return this.#take().text;
  }

  #refuseOutside(): void {
    const advice = Object.hasOwn(OUTSIDE, this.#next.text) ? OUTSIDE[this.#next.text] : undefined;
    if (this.#next.kind === 'name' && advice) {
      this.#fail(`'${this.#next.text}' is outside the kernels' subset of WGSL; ${advice}`);
    }
  }

  file(functions: Map<string, FunctionText>, constants: (Statement & { kind: 'declare' })[]): void {
    while (this.#next.kind !== 'end') {
      this.#refuseOutside();
      if (this.#accept(';')) continue;
      if (this.#is('fn')) {
        const fn = this.#function();
        if (functions.has(fn.name)) this.#fail(`there are two functions '${fn.name}'`, fn.place);
        functions.set(fn.name, fn);
      } else if (this.#is('const')) {
        const statement = this.#declaration();
        this.#expect(';');
        constants.push(statement);
      } else if (this.#is('var')) {
        this.#fail(`variables outside of functions are outside the kernels' subset of WGSL`);
      } else if (this.#is('@')) {
        this.#fail(`attributes are outside the kernels' subset of WGSL; a method declares functions only`);
      } else {
        this.#fail(`'fn' or 'const' is expected in place of '${this.#next.text}'`);
      }
    }
  }

  #function(): FunctionText {
    const { place } = this.#take();
    const name = this.#name();
    const params: { name: string; type: TypeText }[] = [];
    this.#expect('(');
    while (!this.#is(')')) {
      const param = this.#name();
      this.#expect(':');
      params.push({ name: param, type: this.#type() });
      if (!this.#accept(',')) break;
    }
    this.#expect(')');
    const result = this.#accept('->') ? this.#type() : null;
    return { place, name, params, result, body: this.#block() };
  }

  #type(): TypeText {
    const { place } = this.#next;
    const name = this.#name();
    if (SCALARS.has(name)) return { kind: 'scalar', scalar: name as Scalar };
    if (name !== 'array') {
      this.#fail(`the type '${name}' is outside the kernels' subset of WGSL (f32, u32, i32, bool and arrays)`, place);
    }
    this.#expect('<');
    const element = this.#type();
    if (element.kind !== 'scalar') this.#fail(`arrays of arrays are outside the kernels' subset of WGSL`, place);
    this.#expect(',');
    const length = this.#binary(ADDITIVE);
    this.#accept(',');
    this.#expect('>');
    return { kind: 'array', element: element.scalar, length };
  }

  #block(): Statement[] {
    const out: Statement[] = [];
    this.#expect('{');
    while (!this.#is('}')) {
      if (this.#next.kind === 'end') this.#fail(`'}' is expected before the end of the file`);
      if (!this.#accept(';')) out.push(this.#statement());
    }
    this.#expect('}');
    return out;
  }

  #statement(): Statement {
    const { place } = this.#next;
    this.#refuseOutside();
    if (this.#is('{')) return { kind: 'block', place, body: this.#block() };
    if (this.#is('if')) return this.#if();
    if (this.#is('for')) return this.#for();
    if (this.#accept('return')) {
      const value = this.#is(';') ? null : this.expression();
      this.#expect(';');
      return { kind: 'return', place, value };
    }
    const statement = this.#simple();
    this.#expect(';');
    return statement;
  }

  #if(): Statement {
    const { place } = this.#take();
    const condition = this.expression();
    const body = this.#block();
    let otherwise: Statement[] = [];
    if (this.#accept('else')) otherwise = this.#is('if') ? [this.#if()] : this.#block();
    return { kind: 'if', place, condition, body, otherwise };
  }

  #for(): Statement {
    const { place } = this.#take();
    this.#expect('(');
    const init = this.#is(';') ? null : this.#simple();
    this.#expect(';');
    if (this.#is(';')) this.#fail('a for needs a condition with constant bounds');
    const condition = this.expression();
    this.#expect(';');
    const update = this.#is(')') ? null : this.#simple();
    this.#expect(')');
    return { kind: 'for', place, init, condition, update, body: this.#block() };
  }

  #declaration(): Statement & { kind: 'declare' } {
    const { place, text } = this.#take();
    const binding = text as 'let' | 'var' | 'const';
    if (this.#is('<')) this.#fail(`'var<…>' is outside the kernels' subset of WGSL`);
    const name = this.#name();
    const type = this.#accept(':') ? this.#type() : null;
    const value = this.#accept('=') ? this.expression() : null;
    if (value === null && (binding !== 'var' || type === null)) this.#fail(`'${name}' has no value`, place);
    return { kind: 'declare', place, binding, name, type, value };
  }

  /** A declaration, an assignment or a call, without its semicolon. */
  #simple(): Statement {
    const { place } = this.#next;
    if (this.#is('let') || this.#is('var') || this.#is('const')) return this.#declaration();
    if (this.#is('*') || this.#is('&')) this.#fail(`pointers are outside the kernels' subset of WGSL`);
    const name = this.#name();
    if (this.#is('(')) return { kind: 'call', place, call: this.#call(name, place, null) };
    let index: Expression | null = null;
    if (this.#accept('[')) {
      index = this.expression();
      this.#expect(']');
    }
    const operator = this.#take().text;
    if (operator === '++' || operator === '--') {
      const one: Expression = { kind: 'literal', place, type: 'int', value: 1 };
      return { kind: 'assign', place, name, index, operator: operator === '++' ? '+' : '-', value: one };
    }
    if (operator === '=') return { kind: 'assign', place, name, index, operator: null, value: this.expression() };
    if (!/^(?:[-+*/%&|^]|<<|>>)=$/.test(operator)) this.#fail(`an assignment is expected before '${operator}'`, place);
    return { kind: 'assign', place, name, index, operator: operator.slice(0, -1), value: this.expression() };
  }

  expression(): Expression {
    return this.#binary(0);
  }

  #binary(strength: number): Expression {
    const own = STRENGTH[strength];
    if (!own) return this.#unary();
    let left = this.#binary(strength + 1);
    while (this.#next.kind === 'symbol' && own.includes(this.#next.text)) {
      const { text, place } = this.#take();
      left = { kind: 'binary', place, operator: text, left, right: this.#binary(strength + 1) };
    }
    return left;
  }

  #unary(): Expression {
    const { place, text, kind } = this.#next;
    if (kind === 'symbol' && (text === '-' || text === '!' || text === '~')) {
      this.#take();
      return { kind: 'unary', place, operator: text, operand: this.#unary() };
    }
    if (kind === 'symbol' && (text === '&' || text === '*')) {
      this.#fail(`pointers are outside the kernels' subset of WGSL`);
    }
    let value = this.#primary();
    for (;;) {
      const { place: inner } = this.#next;
      if (this.#accept('[')) {
        value = { kind: 'index', place: inner, array: value, index: this.expression() };
        this.#expect(']');
      } else if (this.#is('.')) {
        this.#fail(`vectors and structs are outside the kernels' subset of WGSL`);
      } else {
        return value;
      }
    }
  }

  #primary(): Expression {
    const token = this.#next;
    const { place } = token;
    if (this.#accept('(')) {
      const inner = this.expression();
      this.#expect(')');
      return inner;
    }
    if (token.kind === 'number') return this.#number();
    if (this.#accept('true')) return { kind: 'literal', place, type: 'bool', value: 1 };
    if (this.#accept('false')) return { kind: 'literal', place, type: 'bool', value: 0 };
    if (token.kind !== 'name') this.#fail(`a value is expected in place of '${token.text}'`);
    if (this.#is('array')) return this.#call('array', place, this.#type());
    if (this.#accept('bitcast')) {
      this.#expect('<');
      const type = this.#type();
      this.#expect('>');
      return this.#call('bitcast', place, type);
    }
    const name = this.#name();
    return this.#is('(') ? this.#call(name, place, null) : { kind: 'name', place, name };
  }

  #call(name: string, place: Place, type: TypeText | null): Expression {
    const args: Expression[] = [];
    this.#expect('(');
    while (!this.#is(')')) {
      args.push(this.expression());
      if (!this.#accept(',')) break;
    }
    this.#expect(')');
    return { kind: 'call', place, name, type, args };
  }

  #number(): Expression {
    const { text, place } = this.#take();
    const isHex = /^0x/i.test(text);
    const suffix = /[iu]$/.exec(text)?.[0] ?? (isHex ? undefined : /[fh]$/.exec(text)?.[0]);
    if (suffix === 'h') this.#fail(`f16 is outside the kernels' subset of WGSL`, place);
    const value = Number(suffix === undefined ? text : text.slice(0, -1));
    const isWhole = isHex || /^\d+$/.test(suffix === undefined ? text : text.slice(0, -1));
    if ((suffix === 'u' || suffix === 'i') && !isWhole) this.#fail(`'${text}' is not a number`, place);
    if ((suffix === 'u' && value > 0xffffffff) || (suffix === 'i' && value > 0x7fffffff)) {
      this.#fail(`'${text}' does not fit in 32 bits`, place);
    }
    const type: Scalar =
      suffix === 'u' ? 'u32' : suffix === 'i' ? 'i32' : suffix === 'f' ? 'f32' : isWhole ? 'int' : 'float';
    return { kind: 'literal', place, type, value: type === 'f32' ? Math.fround(value) : value };
  }
}

/** Parses the files of a kernel, in order. Throws KernelError. */
export function parse(files: readonly { readonly name: string; readonly text: string }[]): Program {
  const functions = new Map<string, FunctionText>();
  const constants: (Statement & { kind: 'declare' })[] = [];
  for (const { name, text } of files) new Parser(name, text).file(functions, constants);
  return { functions, constants };
}
