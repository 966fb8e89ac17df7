/**
 * Builtins: the functions that WGSL itself has, as far as kernels may use them. exp and log are written in the same
 * subset of WGSL and inlined like any other function: within 2 units in the last place of float32.
 */

import { V, type Code } from './instructions.ts';
import { KernelError, type Place } from './kernel-error.ts';
import { bitcast, cast } from './conversions.ts';
import {
  codeOf,
  computed,
  concrete,
  constant,
  converted,
  isFloat,
  typeName,
  unified,
  wrapped,
  type Vector,
} from './vector.ts';
import type { Scalar } from './syntax.ts';
import type { FunctionBuilder } from './wasm.ts';

/**
 * Elementary functions after Cephes (S. L. Moshier, single precision): reduce the argument, a polynomial, put the
 * exponent back. NaN stays NaN throughout, since min and max keep it.
 */
export const ELEMENTARY = `
fn exp(x: f32) -> f32 {
  let bounded = clamp(x, -104.0, 89.0);
  let n = round(bounded * 1.44269504088896341);
  let r = (bounded - n * 0.693359375) + n * 2.12194440e-4;
  var y = 1.9875691500e-4;
  y = y * r + 1.3981999507e-3;
  y = y * r + 8.3334519073e-3;
  y = y * r + 4.1665795894e-2;
  y = y * r + 1.6666665459e-1;
  y = y * r + 5.0000001201e-1;
  y = y * (r * r) + r + 1.0;
  // In two steps, since 2^n itself may be no normal number.
  let power = i32(n);
  let half = power >> 1u;
  return y * bitcast<f32>((half + 127) << 23u) * bitcast<f32>((power - half + 127) << 23u);
}

fn log(x: f32) -> f32 {
  let is_small = x < 1.17549435e-38;
  let bits = bitcast<i32>(select(x, x * 8388608.0, is_small));
  // The significand between sqrt(1/2) and sqrt(2), and the exponent that goes with it.
  let shifted = bits - 0x3f3504f3;
  let exponent = f32(shifted >> 23u) - select(0.0, 23.0, is_small);
  let m = bitcast<f32>((shifted & 0x007fffff) + 0x3f3504f3) - 1.0;
  let z = m * m;
  var y = 7.0376836292e-2;
  y = y * m - 1.1514610310e-1;
  y = y * m + 1.1676998740e-1;
  y = y * m - 1.2420140846e-1;
  y = y * m + 1.4249322787e-1;
  y = y * m - 1.6668057665e-1;
  y = y * m + 2.0000714765e-1;
  y = y * m - 2.4999993993e-1;
  y = y * m + 3.3333331174e-1;
  y = y * m * z - 2.12194440e-4 * exponent - 0.5 * z;
  let finite = (m + y) + 0.693359375 * exponent;
  let is_ordinary = x > 0.0 && x < bitcast<f32>(0x7f800000u);
  // Zero gives minus infinity, what is negative NaN; infinity and NaN stay.
  let special = select(select(x, bitcast<f32>(0x7fc00000u), x < 0.0), bitcast<f32>(0xff800000u), x == 0.0);
  return select(special, finite, is_ordinary);
}

fn sign(x: f32) -> f32 {
  return select(select(x, -1.0, x < 0.0), 1.0, x > 0.0);
}
`;

/** Half to even, as WGSL's `round` and the CPU's own. */
function nearest(x: number): number {
  const down = Math.floor(x);
  const rest = x - down;
  if (rest !== 0.5) return rest < 0.5 ? down : down + 1;
  return down % 2 === 0 ? down : down + 1;
}

const OF_CONSTANTS: Readonly<Record<string, (x: number) => number>> = {
  exp: Math.exp,
  log: Math.log,
  sqrt: Math.sqrt,
  sign: Math.sign,
  floor: Math.floor,
  ceil: Math.ceil,
  trunc: Math.trunc,
  round: nearest,
};

const OF_FLOATS: Readonly<Record<string, Code>> = {
  sqrt: V.f32x4_sqrt,
  floor: V.f32x4_floor,
  ceil: V.f32x4_ceil,
  trunc: V.f32x4_trunc,
  round: V.f32x4_nearest,
};

const EXTREMES: Readonly<Record<string, Readonly<Record<string, Code>>>> = {
  // NaN wins in both, as in the float64 references' Math.min and Math.max.
  min: { f32: V.f32x4_min, u32: V.i32x4_min_u, i32: V.i32x4_min_s },
  max: { f32: V.f32x4_max, u32: V.i32x4_max_u, i32: V.i32x4_max_s },
};

function extreme(builder: FunctionBuilder, name: 'min' | 'max', a: Vector, b: Vector, place: Place): Vector {
  const [left, right] = unified(a, b, place, `'${name}'`);
  if (left.constant !== null && right.constant !== null) {
    return constant(left.type, Math[name](left.constant, right.constant));
  }
  const code = EXTREMES[name]?.[left.type];
  if (!code) throw new KernelError(place, `'${name}' does not go with ${typeName(left.type)}`);
  return computed(left.type, left.isUniform && right.isUniform, codeOf(builder, left), codeOf(builder, right), code);
}

function count(name: string, args: readonly Vector[], wanted: number, place: Place): void {
  if (args.length !== wanted) {
    throw new KernelError(place, `'${name}' takes ${wanted} ${wanted === 1 ? 'value' : 'values'}, not ${args.length}`);
  }
}

/**
 * What a builtin makes of its arguments; null where there is none of that name (or it is one of `ELEMENTARY` with an
 * argument that is not constant).
 */
export function builtin(
  builder: FunctionBuilder,
  name: string,
  type: Scalar | null,
  args: readonly Vector[],
  place: Place,
): Vector | null {
  const [a, b, c] = args;
  switch (name) {
    case 'f32':
    case 'u32':
    case 'i32':
    case 'bool':
      if (args.length === 0) return constant(name, 0);
      count(name, args, 1, place);
      return a ? cast(builder, a, name) : null;
    case 'bitcast':
      count(name, args, 1, place);
      return a && type ? bitcast(a, type, place) : null;
    case 'select': {
      count(name, args, 3, place);
      if (!a || !b || !c) return null;
      const [no, yes] = unified(a, b, place, `'select'`);
      const condition = converted(c, 'bool', place);
      if (condition.constant !== null) return condition.constant !== 0 ? yes : no;
      const [left, right] = [concrete(no, place), concrete(yes, place)];
      const isUniform = left.isUniform && right.isUniform && condition.isUniform;
      return computed(left.type, isUniform, codeOf(builder, right), codeOf(builder, left), condition.code, V.bitselect);
    }
    case 'min':
    case 'max':
      count(name, args, 2, place);
      return a && b ? extreme(builder, name, a, b, place) : null;
    case 'clamp':
      count(name, args, 3, place);
      return a && b && c ? extreme(builder, 'min', extreme(builder, 'max', a, b, place), c, place) : null;
    case 'abs': {
      count(name, args, 1, place);
      if (!a) return null;
      if (a.constant !== null) return constant(a.type, wrapped(a.type, Math.abs(a.constant)));
      if (a.type === 'u32') return a;
      if (a.type === 'bool') throw new KernelError(place, `'abs' does not go with bool`);
      return computed(a.type, a.isUniform, a.code, a.type === 'f32' ? V.f32x4_abs : V.i32x4_abs);
    }
    default:
  }
  const ofConstant = Object.hasOwn(OF_CONSTANTS, name) ? OF_CONSTANTS[name] : undefined;
  if (!ofConstant) return null;
  count(name, args, 1, place);
  if (!a) return null;
  const own = a.type === 'int' ? converted(a, 'float', place) : a;
  if (!isFloat(own.type)) throw new KernelError(place, `'${name}' needs f32, and this is ${typeName(own.type)}`);
  if (own.constant !== null) return constant(own.type, wrapped(own.type, ofConstant(own.constant)));
  const code = Object.hasOwn(OF_FLOATS, name) ? OF_FLOATS[name] : undefined;
  return code ? computed('f32', own.isUniform, own.code, code) : null;
}
