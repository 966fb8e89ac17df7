/**
 * Interpreter: element functions obeyed one element at a time, branch by branch, every float32 operation rounded: the
 * oracle of what the compiler makes of them. It shares the parser with the compiler and nothing else.
 */

import type { Expression, FunctionText, Scalar, Statement, TypeText } from '../syntax.ts';
import { parse } from '../wgsl.ts';

/** A number with its type; booleans are 1 or 0. */
export interface Typed {
  readonly type: Scalar;
  readonly value: number;
}

export type Slot = Typed | Typed[];

/** What the interpreted functions stand on: constants, and accessors by their name. */
export interface Surroundings {
  readonly constants: Readonly<Record<string, Typed>>;
  readonly accessors: Readonly<Record<string, (...args: number[]) => Typed | null>>;
}

type Names = Map<string, { slot: Slot }>[];

class Returned {
  readonly value: Slot | null;

  constructor(value: Slot | null) {
    this.value = value;
  }
}

export const f32 = (value: number): Typed => ({ type: 'f32', value: Math.fround(value) });
export const u32 = (value: number): Typed => ({ type: 'u32', value: value >>> 0 });
export const bool = (value: boolean): Typed => ({ type: 'bool', value: value ? 1 : 0 });

function fitted(value: number, type: Scalar): Typed {
  if (type === 'f32') return f32(value);
  if (type === 'u32') return u32(value);
  return { type, value: type === 'i32' ? value | 0 : value };
}

function one(slot: Slot): Typed {
  if (Array.isArray(slot)) throw new Error('an array where a number is needed');
  return slot;
}

function as(slot: Slot, type: Scalar): Slot {
  if (Array.isArray(slot)) return slot.map((item) => as(item, type) as Typed);
  if (slot.type === type) return slot;
  if (slot.type !== 'int' && slot.type !== 'float') throw new Error(`${slot.type} in place of ${type}`);
  return fitted(slot.value, type);
}

function settled(slot: Slot): Slot {
  if (Array.isArray(slot)) return slot.map((item) => settled(item) as Typed);
  return slot.type === 'int' ? as(slot, 'i32') : slot.type === 'float' ? as(slot, 'f32') : slot;
}

const WORD = new DataView(new ArrayBuffer(4));

function bitcast({ type, value }: Typed, to: Scalar): Typed {
  if (type === 'f32') WORD.setFloat32(0, value);
  else WORD.setUint32(0, value);
  if (to === 'f32') return f32(WORD.getFloat32(0));
  return fitted(to === 'u32' ? WORD.getUint32(0) : WORD.getInt32(0), to);
}

/** Runs the functions of some files for one element. */
export class Interpreter {
  readonly #functions: ReadonlyMap<string, FunctionText>;
  readonly #constants: Statement[];
  readonly #world: Surroundings;

  constructor(files: readonly { readonly name: string; readonly text: string }[], world: Surroundings) {
    const program = parse(files);
    this.#functions = program.functions;
    this.#constants = [...program.constants];
    this.#world = world;
  }

  call(name: string, args: readonly Slot[]): Slot | null {
    const fn = this.#functions.get(name);
    if (!fn) throw new Error(`no fn ${name}`);
    const names: Names = [new Map(Object.entries(this.#world.constants).map(([key, slot]) => [key, { slot }]))];
    for (const constant of this.#constants) this.#statement(constant, names);
    names.push(new Map());
    fn.params.forEach((param, n) => {
      const arg = args[n];
      if (arg !== undefined) names.at(-1)?.set(param.name, { slot: as(arg, this.#element(param.type)) });
    });
    const result = this.#block(fn.body, names);
    if (!result?.value || !fn.result) return null;
    return as(result.value, this.#element(fn.result));
  }

  #element(type: TypeText): Scalar {
    return type.kind === 'array' ? type.element : type.scalar;
  }

  #block(body: readonly Statement[], outer: Names): Returned | null {
    const names = [...outer, new Map<string, { slot: Slot }>()];
    for (const statement of body) {
      const result = this.#statement(statement, names);
      if (result) return result;
    }
    return null;
  }

  #find(name: string, names: Names): { slot: Slot } {
    for (let n = names.length - 1; n >= 0; n--) {
      const found = names[n]?.get(name);
      if (found) return found;
    }
    throw new Error(`no ${name}`);
  }

  #statement(statement: Statement, names: Names): Returned | null {
    switch (statement.kind) {
      case 'block':
        return this.#block(statement.body, names);
      case 'declare': {
        const { type, value } = statement;
        let slot: Slot;
        if (value) slot = this.#evaluate(value, names);
        else if (type?.kind === 'array') {
          const length = one(this.#evaluate(type.length, names)).value;
          slot = Array.from({ length }, () => fitted(0, type.element));
        } else slot = fitted(0, type?.scalar ?? 'f32');
        if (type) slot = as(slot, this.#element(type));
        else if (statement.binding !== 'const') slot = settled(slot);
        names.at(-1)?.set(statement.name, { slot: Array.isArray(slot) ? [...slot] : slot });
        return null;
      }
      case 'assign': {
        const target = this.#find(statement.name, names);
        let value = this.#evaluate(statement.value, names);
        if (Array.isArray(target.slot) && !statement.index) {
          target.slot = [...(value as Typed[])];
          return null;
        }
        const at = statement.index ? one(this.#evaluate(statement.index, names)).value : -1;
        const before = Array.isArray(target.slot) ? (target.slot[at] as Typed) : target.slot;
        if (statement.operator !== null) value = this.#binary(statement.operator, before, one(value));
        const own = as(value, before.type) as Typed;
        if (Array.isArray(target.slot)) target.slot[at] = own;
        else target.slot = own;
        return null;
      }
      case 'if':
        return one(this.#evaluate(statement.condition, names)).value
          ? this.#block(statement.body, names)
          : this.#block(statement.otherwise, names);
      case 'for': {
        const own = [...names, new Map<string, { slot: Slot }>()];
        if (statement.init) this.#statement(statement.init, own);
        while (one(this.#evaluate(statement.condition, own)).value) {
          const result = this.#block(statement.body, own);
          if (result) return result;
          if (statement.update) this.#statement(statement.update, own);
        }
        return null;
      }
      case 'return':
        return new Returned(statement.value ? this.#evaluate(statement.value, names) : null);
      case 'call':
        this.#call(statement.call as Expression & { kind: 'call' }, names);
        return null;
    }
  }

  #evaluate(expression: Expression, names: Names): Slot {
    switch (expression.kind) {
      case 'literal':
        return { type: expression.type, value: expression.value };
      case 'name':
        return this.#find(expression.name, names).slot;
      case 'index': {
        const at = one(this.#evaluate(expression.index, names)).value;
        return (this.#evaluate(expression.array, names) as Typed[])[at] as Typed;
      }
      case 'unary': {
        const { type, value } = one(this.#evaluate(expression.operand, names));
        if (expression.operator === '!') return bool(value === 0);
        return fitted(expression.operator === '~' ? ~value : -value, type);
      }
      case 'binary':
        return this.#binary(
          expression.operator,
          one(this.#evaluate(expression.left, names)),
          one(this.#evaluate(expression.right, names)),
        );
      case 'call': {
        const value = this.#call(expression, names);
        if (!value) throw new Error(`${expression.name} gives nothing`);
        return value;
      }
    }
  }

  #binary(operator: string, left: Typed, right: Typed): Typed {
    if (operator === '<<' || operator === '>>') {
      const by = right.value & 31;
      if (operator === '<<') return fitted(left.value << by, left.type);
      return fitted(left.type === 'u32' ? left.value >>> by : left.value >> by, left.type);
    }
    const rank = ({ type }: Typed) => (type === 'int' ? 0 : type === 'float' ? 1 : 2);
    const { type } = rank(left) >= rank(right) ? left : right;
    const a = one(as(left, type)).value;
    const b = one(as(right, type)).value;
    const isWhole = type === 'u32' || type === 'i32' || type === 'int';
    const isLow = type === 'i32' && a === -0x80000000 && b === -1;
    switch (operator) {
      case '+':
        return fitted(a + b, type);
      case '-':
        return fitted(a - b, type);
      case '*':
        return fitted(isWhole ? Math.imul(a, b) : a * b, type);
      case '/':
        if (!isWhole) return fitted(a / b, type);
        return fitted(b === 0 || isLow ? a : Math.trunc(a / b), type);
      case '%':
        if (!isWhole) return fitted(a - Math.fround(b * Math.trunc(Math.fround(a / b))), type);
        return fitted(b === 0 || isLow ? 0 : a % b, type);
      case '&':
      case '&&':
        return fitted(a & b, type);
      case '|':
      case '||':
        return fitted(a | b, type);
      case '^':
        return fitted(a ^ b, type);
      case '==':
        return bool(a === b);
      case '!=':
        return bool(a !== b);
      case '<':
        return bool(a < b);
      case '<=':
        return bool(a <= b);
      case '>':
        return bool(a > b);
      default:
        return bool(a >= b);
    }
  }

  #call({ name, type, args }: Expression & { kind: 'call' }, names: Names): Slot | null {
    const slots = args.map((arg) => this.#evaluate(arg, names));
    if (name === 'array' && type?.kind === 'array') {
      const length = one(this.#evaluate(type.length, names)).value;
      return Array.from({ length }, (_, n) => as(slots[n] ?? fitted(0, type.element), type.element) as Typed);
    }
    if (this.#functions.has(name)) return this.call(name, slots);
    const accessor = this.#world.accessors[name];
    if (accessor) return accessor(...slots.map((slot) => one(slot).value));
    const typed = slots.map(one);
    const same = typed.find((slot) => slot.type !== 'int' && slot.type !== 'float' && slot.type !== 'bool')?.type;
    const [a, b, c] = typed.map((slot) => (same && slot.type !== 'bool' ? one(as(slot, same)) : one(settled(slot))));
    if (!a) throw new Error(`${name} has no argument`);
    const x = a.value;
    switch (name) {
      case 'f32':
        return f32(x);
      case 'u32':
        return u32(a.type === 'f32' ? Math.min(Math.max(Math.trunc(x) || 0, 0), 0xffffffff) : x);
      case 'i32':
        return fitted(a.type === 'f32' ? Math.min(Math.max(Math.trunc(x) || 0, -(2 ** 31)), 2 ** 31 - 1) : x, 'i32');
      case 'bool':
        return bool(x !== 0);
      case 'bitcast':
        return bitcast(a, type?.kind === 'scalar' ? type.scalar : 'f32');
      case 'select':
        return c?.value ? (b ?? a) : a;
      case 'min':
        return fitted(Math.min(x, b?.value ?? 0), a.type);
      case 'max':
        return fitted(Math.max(x, b?.value ?? 0), a.type);
      case 'clamp':
        return fitted(Math.min(Math.max(x, b?.value ?? 0), c?.value ?? 0), a.type);
      case 'abs':
        return fitted(Math.abs(x), a.type);
      case 'sqrt':
        return f32(Math.sqrt(x));
      case 'exp':
        return f32(Math.exp(x));
      case 'log':
        return f32(Math.log(x));
      case 'sign':
        return f32(Math.sign(x));
      case 'floor':
        return f32(Math.floor(x));
      case 'ceil':
        return f32(Math.ceil(x));
      case 'trunc':
        return f32(Math.trunc(x));
      default:
        throw new Error(`no ${name}`);
    }
  }
}
