/**
 * Syntax: the tree that kernels' text becomes: expressions, statements, functions and constants, each with its place in
 * the text. Not how it is read (`wgsl.ts`), nor what it means (`spmd.ts`).
 */

import type { Place } from './kernel-error.ts';

/** Types of values. 'int' and 'float' are WGSL's abstract numbers: constants that have not met a type yet. */
export type Scalar = 'f32' | 'u32' | 'i32' | 'bool' | 'int' | 'float';

/** A type as it stands in the text. */
export type TypeText =
  | { readonly kind: 'scalar'; readonly scalar: Scalar }
  | { readonly kind: 'array'; readonly element: Scalar; readonly length: Expression };

/** What has a value. */
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

/** What is done. */
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

/** A function as it stands in the text. */
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
