/**
 * Value: what an expression comes to while code is made: a vector, an array of vectors of a known length, or the
 * element's index; and how it takes a type. What one vector is stands in `vector.ts`.
 */

import { KernelError, type Place } from './kernel-error.ts';
import type { Scalar } from './syntax.ts';
import { constant, converted, type Vector } from './vector.ts';

/** An array of a length that is known. */
export interface ArrayValue {
  readonly kind: 'array';
  readonly element: Scalar;
  readonly items: readonly Vector[];
}

/** The element at hand: the `i` that is handed through to accessors. */
interface ElementIndex {
  readonly kind: 'element';
}

/** Whatever an expression may come to. */
export type Value = Vector | ArrayValue | ElementIndex;

/** A type whose length is known. */
export interface ValueType {
  readonly element: Scalar;
  /** Null of a single value. */
  readonly length: number | null;
}

/** The vectors that a value consists of; none of the element's index. */
export function itemsOf(value: Value): readonly Vector[] {
  if (value.kind === 'element') return [];
  return value.kind === 'array' ? value.items : [value];
}

/** What a variable of a type holds before anything is put into it. */
export function zeroOf({ element, length }: ValueType): Vector | ArrayValue {
  const zero = constant(element, 0);
  return length === null ? zero : { kind: 'array', element, items: Array.from({ length }, () => zero) };
}

/** A value as one of a type. Throws KernelError where it is of another. */
export function fitted(value: Value, type: ValueType, place: Place): Vector | ArrayValue {
  if (value.kind === 'element') {
    throw new KernelError(place, `the element's index may only be handed through to accessors and functions`);
  }
  if (type.length === null) {
    if (value.kind === 'array')
      throw new KernelError(place, `one ${type.element} is needed here, and this is an array`);
    return converted(value, type.element, place);
  }
  if (value.kind !== 'array' || value.items.length !== type.length) {
    throw new KernelError(place, `an array of ${type.length} is needed here`);
  }
  const items = value.items.map((item) => converted(item, type.element, place));
  return { kind: 'array', element: type.element, items };
}
