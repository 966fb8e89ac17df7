/** Scope: the names that a block declares, and what they stand for. Not the values themselves (`cells.ts`). */

import type { Cell } from './cells.ts';
import type { Value } from './value.ts';

/** What a name stands for: a value that is known now, or cells. */
export type Binding =
  | { readonly kind: 'value'; readonly value: Value }
  | { readonly kind: 'cells'; readonly isArray: boolean; readonly isMutable: boolean; readonly cells: readonly Cell[] };

/** The names of a block. */
export class Scope {
  readonly names = new Map<string, Binding>();
  /** Locals of its cells, to be given back at its end. */
  readonly locals: number[] = [];
  /** How many cells lived when it began. */
  readonly cells: number;
  readonly #outer: Scope | null;

  /** @param outer the block around it; null of a function's own and of constants'. */
  constructor(outer: Scope | null, cells: number) {
    this.#outer = outer;
    this.cells = cells;
  }

  /** What a name stands for, here or in the blocks around. */
  find(name: string): Binding | null {
    return this.names.get(name) ?? this.#outer?.find(name) ?? null;
  }
}
