/**
 * Vector: a value while code is made for it: four lanes of one type, or a constant known already; and its type. Booleans
 * are masks: all ones or all zeros per lane. Not what operators (`operators.ts`) and conversions by value
 * (`conversions.ts`) make of it.
 */

import { floatBits, type Code } from './instructions.ts';
import { KernelError, type Place } from './kernel-error.ts';
import type { Scalar } from './syntax.ts';
import type { FunctionBuilder } from './wasm.ts';

/** Four lanes. */
export interface Vector {
  readonly kind: 'vector';
  readonly type: Scalar;
  /** Whether all lanes are known to hold the same value. */
  readonly isUniform: boolean;
  /** The value where it is known now (booleans 1 or 0); `code` is empty then. */
  readonly constant: number | null;
  /** Leaves a v128 on the stack; free of effects that anything else can see, so that it may stand anywhere. */
  readonly code: Code;
}

/** A constant. */
export function constant(type: Scalar, value: number): Vector {
  return { kind: 'vector', type, isUniform: true, constant: value, code: [] };
}

/** A computed value. */
export function computed(type: Scalar, isUniform: boolean, ...code: readonly Code[]): Vector {
  return { kind: 'vector', type, isUniform, constant: null, code: code.flat() };
}

/** The bits of a constant in a lane. */
export function bitsOf(type: Scalar, value: number): number {
  if (type === 'bool') return value === 0 ? 0 : 0xffffffff;
  return type === 'f32' || type === 'float' ? floatBits(value) : value >>> 0;
}

/** Code that leaves a value on the stack. */
export function codeOf(builder: FunctionBuilder, value: Vector): Code {
  return value.constant === null ? value.code : builder.splat(bitsOf(value.type, value.constant));
}

/** What a type is called in messages. */
export function typeName(type: Scalar): string {
  return { int: 'an integer constant', float: 'a decimal constant' }[type as string] ?? type;
}

/** Gives a constant of an abstract type the type that it meets. Throws where the types differ. */
export function converted(value: Vector, type: Scalar, place: Place): Vector {
  if (value.type === type) return value;
  const from = value.type;
  const number = value.constant;
  if (number !== null && (from === 'int' || from === 'float')) {
    if (type === 'float') return constant('float', number);
    if (type === 'f32') return constant('f32', Math.fround(number));
    const [least, most] = type === 'u32' ? [0, 0xffffffff] : [-0x80000000, 0x7fffffff];
    if (from === 'int' && (type === 'u32' || type === 'i32')) {
      if (number < least || number > most) throw new KernelError(place, `${number} does not fit in ${type}`);
      return constant(type, number);
    }
  }
  throw new KernelError(place, `${type} is needed here, and this is ${typeName(from)}`);
}

/** A value with a type of its own: integer constants become i32, decimal ones f32. */
export function concrete(value: Vector, place: Place): Vector {
  if (value.type === 'int') return converted(value, 'i32', place);
  return value.type === 'float' ? converted(value, 'f32', place) : value;
}

/** Two values brought to one type, as the operands of most operators are. */
export function unified(left: Vector, right: Vector, place: Place, what: string): [Vector, Vector] {
  const rank = (type: Scalar) => (type === 'int' ? 0 : type === 'float' ? 1 : 2);
  const type = rank(left.type) >= rank(right.type) ? left.type : right.type;
  if (rank(left.type) === 2 && rank(right.type) === 2 && left.type !== right.type) {
    throw new KernelError(place, `${what} has ${left.type} on one side and ${right.type} on the other`);
  }
  return [converted(left, type, place), converted(right, type, place)];
}

const FLOATS: ReadonlySet<Scalar> = new Set(['f32', 'float']);
const INTEGERS: ReadonlySet<Scalar> = new Set(['u32', 'i32', 'int']);

/** Whether a type is of numbers with a fraction, abstract ones included. */
export function isFloat(type: Scalar): boolean {
  return FLOATS.has(type);
}

/** Whether a type is of whole numbers, abstract ones included. */
export function isInteger(type: Scalar): boolean {
  return INTEGERS.has(type);
}

/** A number as a type holds it. */
export function wrapped(type: Scalar, value: number): number {
  if (type === 'f32') return Math.fround(value);
  if (type === 'u32') return value >>> 0;
  return type === 'i32' ? value | 0 : value;
}
