/**
 * Wgsl: the subset of WGSL that a method's element functions are written in, from text to a syntax tree. What is
 * outside of the subset is refused by name with its file and line. Types are checked where code is made (`spmd.ts`).
 */

import type { Place } from './kernel-error.ts';
import type { Expression, FunctionText, Program, Scalar, Statement, TypeText } from './syntax.ts';
import { TokenReader } from './tokens.ts';

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

/** Reads one file by recursive descent. */
class Parser {
  readonly #tokens: TokenReader;

  constructor(file: string, text: string) {
    this.#tokens = new TokenReader(file, text);
  }

  file(functions: Map<string, FunctionText>, constants: (Statement & { kind: 'declare' })[]): void {
    while (this.#tokens.next.kind !== 'end') {
      this.#tokens.refuseOutside();
      if (this.#tokens.accept(';')) continue;
      if (this.#tokens.is('fn')) {
        const fn = this.#function();
        if (functions.has(fn.name)) this.#tokens.fail(`there are two functions '${fn.name}'`, fn.place);
        functions.set(fn.name, fn);
      } else if (this.#tokens.is('const')) {
        const statement = this.#declaration();
        this.#tokens.expect(';');
        constants.push(statement);
      } else if (this.#tokens.is('var')) {
        this.#tokens.fail(`variables outside of functions are outside the kernels' subset of WGSL`);
      } else if (this.#tokens.is('@')) {
        this.#tokens.fail(`attributes are outside the kernels' subset of WGSL; a method declares functions only`);
      } else {
        this.#tokens.fail(`'fn' or 'const' is expected in place of '${this.#tokens.next.text}'`);
      }
    }
  }

  #function(): FunctionText {
    const { place } = this.#tokens.take();
    const name = this.#tokens.name();
    const params: { name: string; type: TypeText }[] = [];
    this.#tokens.expect('(');
    while (!this.#tokens.is(')')) {
      const param = this.#tokens.name();
      this.#tokens.expect(':');
      params.push({ name: param, type: this.#type() });
      if (!this.#tokens.accept(',')) break;
    }
    this.#tokens.expect(')');
    const result = this.#tokens.accept('->') ? this.#type() : null;
    return { place, name, params, result, body: this.#block() };
  }

  #type(): TypeText {
    const { place } = this.#tokens.next;
    const name = this.#tokens.name();
    if (SCALARS.has(name)) return { kind: 'scalar', scalar: name as Scalar };
    if (name !== 'array') {
      this.#tokens.fail(
        `the type '${name}' is outside the kernels' subset of WGSL (f32, u32, i32, bool and arrays)`,
        place,
      );
    }
    this.#tokens.expect('<');
    const element = this.#type();
    if (element.kind !== 'scalar') this.#tokens.fail(`arrays of arrays are outside the kernels' subset of WGSL`, place);
    this.#tokens.expect(',');
    const length = this.#binary(ADDITIVE);
    this.#tokens.accept(',');
    this.#tokens.expect('>');
    return { kind: 'array', element: element.scalar, length };
  }

  #block(): Statement[] {
    const out: Statement[] = [];
    this.#tokens.expect('{');
    while (!this.#tokens.is('}')) {
      if (this.#tokens.next.kind === 'end') this.#tokens.fail(`'}' is expected before the end of the file`);
      if (!this.#tokens.accept(';')) out.push(this.#statement());
    }
    this.#tokens.expect('}');
    return out;
  }

  #statement(): Statement {
    const { place } = this.#tokens.next;
    this.#tokens.refuseOutside();
    if (this.#tokens.is('{')) return { kind: 'block', place, body: this.#block() };
    if (this.#tokens.is('if')) return this.#if();
    if (this.#tokens.is('for')) return this.#for();
    if (this.#tokens.accept('return')) {
      const value = this.#tokens.is(';') ? null : this.expression();
      this.#tokens.expect(';');
      return { kind: 'return', place, value };
    }
    const statement = this.#simple();
    this.#tokens.expect(';');
    return statement;
  }

  #if(): Statement {
    const { place } = this.#tokens.take();
    const condition = this.expression();
    const body = this.#block();
    let otherwise: Statement[] = [];
    if (this.#tokens.accept('else')) otherwise = this.#tokens.is('if') ? [this.#if()] : this.#block();
    return { kind: 'if', place, condition, body, otherwise };
  }

  #for(): Statement {
    const { place } = this.#tokens.take();
    this.#tokens.expect('(');
    const init = this.#tokens.is(';') ? null : this.#simple();
    this.#tokens.expect(';');
    if (this.#tokens.is(';')) this.#tokens.fail('a for needs a condition with constant bounds');
    const condition = this.expression();
    this.#tokens.expect(';');
    const update = this.#tokens.is(')') ? null : this.#simple();
    this.#tokens.expect(')');
    return { kind: 'for', place, init, condition, update, body: this.#block() };
  }

  #declaration(): Statement & { kind: 'declare' } {
    const { place, text } = this.#tokens.take();
    const binding = text as 'let' | 'var' | 'const';
    if (this.#tokens.is('<')) this.#tokens.fail(`'var<…>' is outside the kernels' subset of WGSL`);
    const name = this.#tokens.name();
    const type = this.#tokens.accept(':') ? this.#type() : null;
    const value = this.#tokens.accept('=') ? this.expression() : null;
    if (value === null && (binding !== 'var' || type === null)) this.#tokens.fail(`'${name}' has no value`, place);
    return { kind: 'declare', place, binding, name, type, value };
  }

  /** A declaration, an assignment or a call, without its semicolon. */
  #simple(): Statement {
    const { place } = this.#tokens.next;
    if (this.#tokens.is('let') || this.#tokens.is('var') || this.#tokens.is('const')) return this.#declaration();
    if (this.#tokens.is('*') || this.#tokens.is('&'))
      this.#tokens.fail(`pointers are outside the kernels' subset of WGSL`);
    const name = this.#tokens.name();
    if (this.#tokens.is('(')) return { kind: 'call', place, call: this.#call(name, place, null) };
    let index: Expression | null = null;
    if (this.#tokens.accept('[')) {
      index = this.expression();
      this.#tokens.expect(']');
    }
    const operator = this.#tokens.take().text;
    if (operator === '++' || operator === '--') {
      const one: Expression = { kind: 'literal', place, type: 'int', value: 1 };
      return { kind: 'assign', place, name, index, operator: operator === '++' ? '+' : '-', value: one };
    }
    if (operator === '=') return { kind: 'assign', place, name, index, operator: null, value: this.expression() };
    if (!/^(?:[-+*/%&|^]|<<|>>)=$/.test(operator))
      this.#tokens.fail(`an assignment is expected before '${operator}'`, place);
    return { kind: 'assign', place, name, index, operator: operator.slice(0, -1), value: this.expression() };
  }

  expression(): Expression {
    return this.#binary(0);
  }

  #binary(strength: number): Expression {
    const own = STRENGTH[strength];
    if (!own) return this.#unary();
    let left = this.#binary(strength + 1);
    while (this.#tokens.next.kind === 'symbol' && own.includes(this.#tokens.next.text)) {
      const { text, place } = this.#tokens.take();
      left = { kind: 'binary', place, operator: text, left, right: this.#binary(strength + 1) };
    }
    return left;
  }

  #unary(): Expression {
    const { place, text, kind } = this.#tokens.next;
    if (kind === 'symbol' && (text === '-' || text === '!' || text === '~')) {
      this.#tokens.take();
      return { kind: 'unary', place, operator: text, operand: this.#unary() };
    }
    if (kind === 'symbol' && (text === '&' || text === '*')) {
      this.#tokens.fail(`pointers are outside the kernels' subset of WGSL`);
    }
    let value = this.#primary();
    for (;;) {
      const { place: inner } = this.#tokens.next;
      if (this.#tokens.accept('[')) {
        value = { kind: 'index', place: inner, array: value, index: this.expression() };
        this.#tokens.expect(']');
      } else if (this.#tokens.is('.')) {
        this.#tokens.fail(`vectors and structs are outside the kernels' subset of WGSL`);
      } else {
        return value;
      }
    }
  }

  #primary(): Expression {
    const token = this.#tokens.next;
    const { place } = token;
    if (this.#tokens.accept('(')) {
      const inner = this.expression();
      this.#tokens.expect(')');
      return inner;
    }
    if (token.kind === 'number') return this.#number();
    if (this.#tokens.accept('true')) return { kind: 'literal', place, type: 'bool', value: 1 };
    if (this.#tokens.accept('false')) return { kind: 'literal', place, type: 'bool', value: 0 };
    if (token.kind !== 'name') this.#tokens.fail(`a value is expected in place of '${token.text}'`);
    if (this.#tokens.is('array')) return this.#call('array', place, this.#type());
    if (this.#tokens.accept('bitcast')) {
      this.#tokens.expect('<');
      const type = this.#type();
      this.#tokens.expect('>');
      return this.#call('bitcast', place, type);
    }
    const name = this.#tokens.name();
    return this.#tokens.is('(') ? this.#call(name, place, null) : { kind: 'name', place, name };
  }

  #call(name: string, place: Place, type: TypeText | null): Expression {
    const args: Expression[] = [];
    this.#tokens.expect('(');
    while (!this.#tokens.is(')')) {
      args.push(this.expression());
      if (!this.#tokens.accept(',')) break;
    }
    this.#tokens.expect(')');
    return { kind: 'call', place, name, type, args };
  }

  #number(): Expression {
    const { text, place } = this.#tokens.take();
    const isHex = /^0x/i.test(text);
    const suffix = /[iu]$/.exec(text)?.[0] ?? (isHex ? undefined : /[fh]$/.exec(text)?.[0]);
    if (suffix === 'h') this.#tokens.fail(`f16 is outside the kernels' subset of WGSL`, place);
    const value = Number(suffix === undefined ? text : text.slice(0, -1));
    const isWhole = isHex || /^\d+$/.test(suffix === undefined ? text : text.slice(0, -1));
    if ((suffix === 'u' || suffix === 'i') && !isWhole) this.#tokens.fail(`'${text}' is not a number`, place);
    if ((suffix === 'u' && value > 0xffffffff) || (suffix === 'i' && value > 0x7fffffff)) {
      this.#tokens.fail(`'${text}' does not fit in 32 bits`, place);
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
