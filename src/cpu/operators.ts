/**
 * Operators: what WGSL's unary and binary operators make of values: of constants at once, of all others in code. Types
 * are those of WGSL: both sides alike, and a constant without a type takes the other's.
 */

import { extract32, get, i32, replace32, S, set, tee, V, type Code } from './instructions.ts';
import { KernelError, type Place } from './kernel-error.ts';
import type { Scalar } from './syntax.ts';
import {
  codeOf,
  computed,
  concrete,
  constant,
  converted,
  isFloat,
  isInteger,
  typeName,
  unified,
  wrapped,
  type Vector,
} from './vector.ts';
import type { FunctionBuilder } from './wasm.ts';

function foldArithmetic(operator: string, type: Scalar, a: number, b: number): number {
  const isExact = type === 'u32' || type === 'i32';
  switch (operator) {
    case '+':
      return wrapped(type, a + b);
    case '-':
      return wrapped(type, a - b);
    case '*':
      return wrapped(type, isExact ? Math.imul(a, b) : a * b);
    case '/':
      if (!isInteger(type)) return wrapped(type, a / b);
      return wrapped(type, b === 0 ? a : Math.trunc(a / b));
    case '%':
      if (!isInteger(type)) return wrapped(type, a - b * Math.trunc(wrapped(type, a / b)));
      return wrapped(type, b === 0 ? 0 : a % b);
    case '&':
      return wrapped(type, a & b);
    case '|':
      return wrapped(type, a | b);
    case '^':
      return wrapped(type, a ^ b);
    default:
      throw new Error(`no operator ${operator}`);
  }
}

function foldComparison(operator: string, a: number, b: number): boolean {
  switch (operator) {
    case '==':
      return a === b;
    case '!=':
      return a !== b;
    case '<':
      return a < b;
    case '<=':
      return a <= b;
    case '>':
      return a > b;
    default:
      return a >= b;
  }
}

const FLOAT_CODE: Readonly<Record<string, Code>> = {
  '+': V.f32x4_add,
  '-': V.f32x4_sub,
  '*': V.f32x4_mul,
  '/': V.f32x4_div,
  '==': V.f32x4_eq,
  '!=': V.f32x4_ne,
  '<': V.f32x4_lt,
  '<=': V.f32x4_le,
  '>': V.f32x4_gt,
  '>=': V.f32x4_ge,
};
const INTEGER_CODE: Readonly<Record<string, Code>> = {
  '+': V.i32x4_add,
  '-': V.i32x4_sub,
  '*': V.i32x4_mul,
  '&': V.and,
  '|': V.or,
  '^': V.xor,
  '==': V.i32x4_eq,
  '!=': V.i32x4_ne,
};
const SIGNED_CODE: Readonly<Record<string, Code>> = {
  '<': V.i32x4_lt_s,
  '<=': V.i32x4_le_s,
  '>': V.i32x4_gt_s,
  '>=': V.i32x4_ge_s,
};
const UNSIGNED_CODE: Readonly<Record<string, Code>> = {
  '<': V.i32x4_lt_u,
  '<=': V.i32x4_le_u,
  '>': V.i32x4_gt_u,
  '>=': V.i32x4_ge_u,
};
const COMPARISONS: ReadonlySet<string> = new Set(['==', '!=', '<', '<=', '>', '>=']);

/** Locals that live until the statement is over. */
type Temporary = () => number;

/** Four lanes one by one, for what has no vector instruction. */
function laneByLane(left: Code, right: Code, operation: Code, temporary: Temporary): Code {
  const [a, b] = [temporary(), temporary()];
  const lanes = [0, 1, 2, 3].flatMap((lane) => [
    get(a),
    extract32(lane),
    get(b),
    extract32(lane),
    operation,
    replace32(lane),
  ]);
  return [right, set(b), left, tee(a), ...lanes].flat();
}

function shift(
  builder: FunctionBuilder,
  operator: string,
  left: Vector,
  right: Vector,
  place: Place,
  temporary: Temporary,
): Vector {
  if (!isInteger(left.type)) throw new KernelError(place, `'${operator}' needs integers, and this is ${left.type}`);
  const amount = converted(right, 'u32', place);
  if (left.constant !== null && amount.constant !== null) {
    const [value, by] = [left.constant, amount.constant];
    if (left.type === 'int') return constant('int', operator === '<<' ? value * 2 ** by : Math.floor(value / 2 ** by));
    const moved = operator === '<<' ? value << by : left.type === 'u32' ? value >>> by : value >> by;
    return constant(left.type, wrapped(left.type, moved));
  }
  const value = concrete(left, place);
  const isUniform = value.isUniform && amount.isUniform;
  const own = codeOf(builder, value);
  const [vector, scalar] =
    operator === '<<'
      ? [V.i32x4_shl, S.shl]
      : value.type === 'u32'
        ? [V.i32x4_shr_u, S.shr_u]
        : [V.i32x4_shr_s, S.shr_s];
  if (amount.constant !== null) return computed(value.type, isUniform, own, i32(amount.constant), vector);
  if (amount.isUniform) return computed(value.type, isUniform, own, amount.code, extract32(0), vector);
  return computed(value.type, isUniform, laneByLane(own, amount.code, scalar, temporary));
}

function divide(builder: FunctionBuilder, operator: string, left: Vector, right: Vector, temporary: Temporary): Vector {
  const { type } = left;
  const isUniform = left.isUniform && right.isUniform;
  const own = codeOf(builder, left);
  const by = right.constant;
  if (type === 'u32' && by !== null && by > 0 && (by & (by - 1)) === 0) {
    return operator === '/'
      ? computed(type, isUniform, own, i32(Math.log2(by)), V.i32x4_shr_u)
      : computed(type, isUniform, own, builder.splat(by - 1), V.and);
  }
  // By WGSL's rules x / 0 = x and x % 0 = 0, and likewise where the quotient does not fit: as if divided by one.
  const [a, b] = [temporary(), temporary()];
  const isOdd: Code[] = [get(b), builder.splat(0), V.i32x4_eq];
  if (type === 'i32') {
    isOdd.push(get(b), builder.splat(0xffffffff), V.i32x4_eq);
    isOdd.push(get(a), builder.splat(0x80000000), V.i32x4_eq, V.and, V.or);
  }
  const divisor = [builder.splat(1), get(b), isOdd.flat(), V.bitselect].flat();
  const scalar = type === 'u32' ? (operator === '/' ? S.div_u : S.rem_u) : operator === '/' ? S.div_s : S.rem_s;
  const lanes = laneByLane(get(a), divisor, scalar, temporary);
  return computed(type, isUniform, own, set(a), codeOf(builder, right), set(b), lanes);
}

/** What a binary operator makes of two values. */
export function binary(
  builder: FunctionBuilder,
  operator: string,
  left: Vector,
  right: Vector,
  place: Place,
  temporary: Temporary,
): Vector {
  if (operator === '<<' || operator === '>>') return shift(builder, operator, left, right, place, temporary);
  const [a, b] = unified(left, right, place, `'${operator}'`);
  const { type } = a;
  const isUniform = a.isUniform && b.isUniform;
  if (type === 'bool') return logical(builder, operator, a, b, place);
  if (operator === '&&' || operator === '||') {
    throw new KernelError(place, `'${operator}' needs booleans, and this is ${typeName(type)}`);
  }
  if (isFloat(type) && (operator === '&' || operator === '|' || operator === '^')) {
    throw new KernelError(place, `'${operator}' needs integers, and this is ${typeName(type)}`);
  }
  const isComparison = COMPARISONS.has(operator);
  if (a.constant !== null && b.constant !== null) {
    return isComparison
      ? constant('bool', foldComparison(operator, a.constant, b.constant) ? 1 : 0)
      : constant(type, foldArithmetic(operator, type, a.constant, b.constant));
  }
  const own = codeOf(builder, a);
  const other = codeOf(builder, b);
  if (type === 'f32') {
    if (operator === '%') {
      const [x, y] = [temporary(), temporary()];
      return computed(
        type,
        isUniform,
        ...[own, set(x), other, set(y), get(x), get(y), get(x), get(y), V.f32x4_div, V.f32x4_trunc],
        ...[V.f32x4_mul, V.f32x4_sub],
      );
    }
    return computed(isComparison ? 'bool' : type, isUniform, own, other, FLOAT_CODE[operator] ?? []);
  }
  if (operator === '/' || operator === '%') return divide(builder, operator, a, b, temporary);
  const code = INTEGER_CODE[operator] ?? (type === 'u32' ? UNSIGNED_CODE : SIGNED_CODE)[operator] ?? [];
  return computed(isComparison ? 'bool' : type, isUniform, own, other, code);
}

function logical(builder: FunctionBuilder, operator: string, a: Vector, b: Vector, place: Place): Vector {
  const isUniform = a.isUniform && b.isUniform;
  const own = () => codeOf(builder, a);
  const other = () => codeOf(builder, b);
  switch (operator) {
    case '&&':
    case '&':
      if (a.constant !== null) return a.constant === 0 ? a : b;
      if (b.constant !== null) return b.constant === 0 ? b : a;
      return computed('bool', isUniform, own(), other(), V.and);
    case '||':
    case '|':
      if (a.constant !== null) return a.constant !== 0 ? a : b;
      if (b.constant !== null) return b.constant !== 0 ? b : a;
      return computed('bool', isUniform, own(), other(), V.or);
    case '==':
    case '!=': {
      const isSame = operator === '==';
      if (a.constant !== null && b.constant !== null) {
        return constant('bool', (a.constant === b.constant) === isSame ? 1 : 0);
      }
      return computed('bool', isUniform, own(), other(), V.xor, isSame ? V.not : []);
    }
    default:
      throw new KernelError(place, `'${operator}' does not go with booleans`);
  }
}

/** What a unary operator makes of a value. */
export function unary(builder: FunctionBuilder, operator: string, value: Vector, place: Place): Vector {
  const { type, isUniform } = value;
  if (operator === '!') {
    if (type !== 'bool') throw new KernelError(place, `'!' needs a boolean, and this is ${typeName(type)}`);
    if (value.constant !== null) return constant('bool', value.constant === 0 ? 1 : 0);
    return computed('bool', isUniform, value.code, V.not);
  }
  if (operator === '~') {
    if (!isInteger(type)) throw new KernelError(place, `'~' needs an integer, and this is ${typeName(type)}`);
    if (value.constant !== null) return constant(type, wrapped(type, ~value.constant));
    return computed(type, isUniform, value.code, V.not);
  }
  if (type === 'bool' || type === 'u32') throw new KernelError(place, `'-' does not go with ${type}`);
  if (value.constant !== null) return constant(type, wrapped(type, -value.constant));
  return computed(type, isUniform, codeOf(builder, value), type === 'f32' ? V.f32x4_neg : V.i32x4_neg);
}
