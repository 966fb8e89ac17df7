/**
 * Cells: where the values of variables and results are kept while code is made: as constants for as long as they are
 * known, else in locals. Under a mask only its lanes change; where two branches meet, a cell is known only if both left
 * the same. Not the variables' names (`scope.ts`).
 */

import { get, set, V, type Code } from './instructions.ts';
import type { Scalar } from './syntax.ts';
import { codeOf, computed, constant, type Vector } from './vector.ts';
import type { FunctionBuilder } from './wasm.ts';

/** Lanes in which statements take place; the same mask is the same object. */
export interface Mask {
  readonly code: Code;
}

/** What may change of a cell. */
interface CellState {
  /** The value where it is known. */
  constant: number | null;
  isUniform: boolean;
}

/** Where one value is kept: a constant that is known, or a local. */
export interface Cell extends CellState {
  readonly type: Scalar;
  /** The mask under which it was declared: lanes outside of it never see it. */
  readonly mask: Mask | null;
  /** Locals that are given back together with the cell's own. */
  readonly locals: number[];
  /** Negative until there is one. */
  local: number;
}

/** One of the ways that lead to a place. */
export interface Way {
  readonly states: readonly CellState[];
  /** Code for its end, added by `join`. */
  readonly settle: number[];
}

/** All cells that live. */
export class Cells {
  readonly #builder: FunctionBuilder;
  readonly #cells: Cell[] = [];

  constructor(builder: FunctionBuilder) {
    this.#builder = builder;
  }

  get count(): number {
    return this.#cells.length;
  }

  /** Forgets all but the first cells. */
  keep(count: number): void {
    this.#cells.length = count;
  }

  /** A new cell, which holds zero. */
  create(type: Scalar, locals: number[], mask: Mask | null): Cell {
    const cell: Cell = { type, mask, locals, local: -1, constant: 0, isUniform: true };
    this.#cells.push(cell);
    return cell;
  }

  /** The cell's local, made where it has none. */
  localOf(cell: Cell): number {
    if (cell.local < 0) {
      cell.local = this.#builder.local();
      cell.locals.push(cell.local);
    }
    return cell.local;
  }

  read(cell: Cell): Vector {
    return cell.constant === null
      ? computed(cell.type, cell.isUniform, get(this.localOf(cell)))
      : constant(cell.type, cell.constant);
  }

  /** Puts a value into all lanes. */
  put(cell: Cell, value: Vector): void {
    cell.constant = value.constant;
    cell.isUniform = value.isUniform;
    if (value.constant === null) this.#builder.emit(value.code, set(this.localOf(cell)));
  }

  /** Puts a value into the lanes of a mask; into all where nobody sees the others. */
  assign(cell: Cell, value: Vector, mask: Mask | null): void {
    if (mask === null || mask === cell.mask) {
      this.put(cell, value);
      return;
    }
    if (value.constant !== null && Object.is(cell.constant, value.constant)) return;
    const before = codeOf(this.#builder, this.read(cell));
    this.#builder.emit(codeOf(this.#builder, value), before, mask.code, V.bitselect, set(this.localOf(cell)));
    cell.constant = null;
    cell.isUniform = false;
  }

  /** Code that puts a constant into the cell's local. */
  settled(cell: Cell): Code {
    return [...codeOf(this.#builder, this.read(cell)), ...set(this.localOf(cell))];
  }

  states(): CellState[] {
    return this.#cells.map(({ constant: known, isUniform }) => ({ constant: known, isUniform }));
  }

  restore(states: readonly CellState[]): void {
    states.forEach((state, n) => Object.assign(this.#cells[n] ?? {}, state));
  }

  /** The cells where ways meet: what is not the same constant on all of them is in its local on all of them. */
  join(ways: readonly Way[]): void {
    this.#cells.forEach((cell, n) => {
      const states = ways.map((way) => way.states[n]);
      const first = states[0]?.constant ?? null;
      if (first !== null && states.every((state) => Object.is(state?.constant, first))) {
        cell.constant = first;
        cell.isUniform = true;
        return;
      }
      for (const way of ways) {
        cell.constant = way.states[n]?.constant ?? null;
        if (cell.constant !== null) way.settle.push(...this.settled(cell));
      }
      cell.constant = null;
      cell.isUniform = states.every((state) => state?.isUniform);
    });
  }
}
