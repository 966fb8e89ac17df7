/**
 * Site: where code is being made: in which function, under which mask, with which cells and locals, and what has been
 * loaded on the way there. Branches are written here, since they are what ways part and meet at. Not what statements
 * mean (`spmd.ts`).
 */

import { Cells, type Cell, type Mask, type Way } from './cells.ts';
import { get, NO_RESULT, OPCODE, set, V, type Code } from './instructions.ts';
import { Scope } from './scope.ts';
import { computed, type Vector } from './vector.ts';
import type { FunctionBuilder } from './wasm.ts';
import type { CodeSite } from './world.ts';

/**
 * What follows a statement. 'passes': the next one. 'ends': nothing of the same block, since all of its lanes have
 * returned; code goes on after the block. 'leaves': nothing, code has jumped to the end of the function.
 */
export type Flow = 'passes' | 'ends' | 'leaves';

/** A function that is being inlined. */
export interface Frame {
  readonly outer: Frame | null;
  readonly name: string;
  /** How many blocks enclose the function's own; a return from within a branch leaves that one. */
  readonly depth: number;
  /** Lanes for which the ifs around the statement at hand hold; null where all do. */
  mask: Mask | null;
  /** Lanes that have returned. */
  readonly returned: Cell;
  /** Null of a function that gives nothing. */
  readonly result: readonly Cell[] | null;
  /** Set by a return that leaves from within a branch: whether all results of such are uniform. */
  left: { isUniform: boolean } | null;
}

/** Where code is being made. */
export class Site implements CodeSite {
  readonly builder: FunctionBuilder;
  readonly cells: Cells;
  frame: Frame | null = null;
  readonly #temporaries: number[] = [];
  readonly #kept = new Map<string, number>();
  /** Values loaded already on the way to the statement at hand. */
  #loaded = new Map<string, Vector>();

  constructor(builder: FunctionBuilder) {
    this.builder = builder;
    this.cells = new Cells(builder);
  }

  readonly once = (key: string, load: () => Vector): Vector => {
    const known = this.#loaded.get(key);
    if (known) return known;
    const value = load();
    let local = this.#kept.get(key);
    if (local === undefined) {
      local = this.builder.local();
      this.#kept.set(key, local);
    }
    this.builder.emit(value.code, set(local));
    const kept = computed(value.type, value.isUniform, get(local));
    this.#loaded.set(key, kept);
    return kept;
  };

  readonly temporary = (): number => {
    const local = this.builder.local();
    this.#temporaries.push(local);
    return local;
  };

  readonly activeLanes = (): Code | null => {
    let code: Code | null = null;
    for (let frame = this.frame; frame; frame = frame.outer) {
      if (frame.mask) code = code ? [...code, ...frame.mask.code, ...V.and] : frame.mask.code;
      if (frame.returned.constant === null) {
        const returned = get(this.cells.localOf(frame.returned));
        code = [...(code ?? this.builder.splat(0xffffffff)), ...returned, ...V.andnot];
      }
    }
    return code;
  };

  /** The same value out of the reach of what is assigned next. */
  held(value: Vector): Vector {
    if (value.constant !== null) return value;
    const local = this.temporary();
    this.builder.emit(value.code, set(local));
    return computed(value.type, value.isUniform, get(local));
  }

  /** Writes a statement: its temporaries are given back after it. */
  statement<T>(write: () => T): T {
    const mark = this.#temporaries.length;
    try {
      return write();
    } finally {
      for (const local of this.#temporaries.splice(mark)) this.builder.release(local);
    }
  }

  /** Opens a scope. */
  open(outer: Scope | null): Scope {
    return new Scope(outer, this.cells.count);
  }

  /** Closes a scope: its cells are gone. */
  close(scope: Scope): void {
    for (const local of scope.locals) this.builder.release(local);
    this.cells.keep(scope.cells);
  }

  /** Writes code that may not be run to its end; what it loads is loaded after it only where `stays` says so. */
  apart<T>(write: () => T, stays: () => boolean): T {
    const loaded = this.#loaded;
    this.#loaded = new Map(loaded);
    const made = write();
    if (!stays()) this.#loaded = loaded;
    return made;
  }

  /** A branch on an i32. */
  branch(condition: Code, then: () => Flow, otherwise: () => Flow): Flow {
    const { builder, cells } = this;
    const entry = cells.states();
    const sides = [then, otherwise].map((side) => {
      cells.restore(entry);
      let flow: Flow = 'passes';
      const write = () =>
        builder.capture(() => {
          flow = side();
        }, 1);
      const code = this.apart(write, () => false);
      const way: Way = { states: cells.states(), settle: [] };
      return { code, way, flow: flow as Flow };
    });
    const open = sides.filter((side) => side.flow !== 'leaves');
    cells.join((open.length > 0 ? open : sides).map(({ way }) => way));
    const [yes, no] = sides.map(({ code, way }) => [...code, ...way.settle]);
    builder.emit(condition, [OPCODE.if, NO_RESULT], yes ?? []);
    if (no && no.length > 0) builder.emit([OPCODE.else], no);
    builder.emit([OPCODE.end]);
    if (open.length === 0) return 'leaves';
    return open.some((side) => side.flow === 'passes') ? 'passes' : 'ends';
  }
}
