/**
 * Conversions: values to another type: by what they are worth (`f32(x)`) or by their bits (`bitcast<f32>(x)`). Not the
 * types that constants take by themselves (`converted` in `vector.ts`).
 */

import { bitsFloat, V } from './instructions.ts';
import { KernelError, type Place } from './kernel-error.ts';
import type { Scalar } from './syntax.ts';
import { bitsOf, computed, concrete, constant, isFloat, wrapped, type Vector } from './vector.ts';
import type { FunctionBuilder } from './wasm.ts';

/** `f32(x)`, `u32(x)`, `i32(x)`, `bool(x)`: by value, saturating from decimals to integers. */
export function cast(builder: FunctionBuilder, value: Vector, type: Scalar): Vector {
  const { isUniform } = value;
  const from = value.type;
  if (value.constant !== null) return constant(type, castConstant(value.constant, from, type));
  const own = value.code;
  if (from === type) return value;
  if (type === 'bool') {
    return from === 'f32'
      ? computed('bool', isUniform, own, builder.splat(0), V.f32x4_ne)
      : computed('bool', isUniform, own, builder.splat(0), V.i32x4_ne);
  }
  if (from === 'bool') return computed(type, isUniform, own, builder.splat(bitsOf(type, 1)), V.and);
  if (type === 'f32') return computed(type, isUniform, own, from === 'u32' ? V.f32x4_convert_u : V.f32x4_convert_s);
  if (from === 'f32') {
    return computed(type, isUniform, own, type === 'u32' ? V.i32x4_trunc_sat_u : V.i32x4_trunc_sat_s);
  }
  return { ...value, type };
}

function castConstant(value: number, from: Scalar, type: Scalar): number {
  if (type === 'bool') return value === 0 ? 0 : 1;
  if (type === 'f32') return Math.fround(value);
  if (!isFloat(from)) return wrapped(type, value);
  const [least, most] = type === 'u32' ? [0, 0xffffffff] : [-0x80000000, 0x7fffffff];
  return Number.isNaN(value) ? 0 : Math.min(Math.max(Math.trunc(value), least), most);
}

/** `bitcast<type>(x)`: the same bits. */
export function bitcast(value: Vector, type: Scalar, place: Place): Vector {
  const own = concrete(value, place);
  if (own.type === 'bool' || type === 'bool') throw new KernelError(place, 'bitcast does not go with booleans');
  if (own.constant === null) return { ...own, type };
  const bits = bitsOf(own.type, own.constant);
  return constant(type, type === 'f32' ? bitsFloat(bits) : wrapped(type, bits));
}
