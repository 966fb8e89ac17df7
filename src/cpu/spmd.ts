/**
 * Spmd: element functions to vector code, four elements at a time. Loops are unrolled and functions inlined, so that
 * whatever depends on loop variables and constants alone is known while code is made. A condition that is the same in
 * all lanes is a branch; any other is a mask under which both sides run. What an element reads, and where its result
 * goes, is the caller's (`World`).
 */

import { builtin, ELEMENTARY } from './builtins.ts';
import { KernelError, type Place } from './kernel-error.ts';
import { returns, weigh } from './statements.ts';
import {
  binary,
  codeOf,
  computed,
  concrete,
  constant,
  converted,
  isInteger,
  typeName,
  unary,
  type Vector,
} from './vector.ts';
import { get, NO_RESULT, OPCODE, set, unsigned, V, type Code, type FunctionBuilder } from './wasm.ts';
import {
  parse,
  type Expression,
  type FunctionText,
  type Program,
  type Scalar,
  type Statement,
  type TypeText,
} from './wgsl.ts';

/** An array of a length that is known. */
export interface ArrayValue {
  readonly kind: 'array';
  readonly element: Scalar;
  readonly items: readonly Vector[];
}

/** The element at hand: the `i` that is handed through to accessors. */
export interface ElementIndex {
  readonly kind: 'element';
}

export type Value = Vector | ArrayValue | ElementIndex;

/** What element functions stand on. */
export interface World {
  readonly constants: ReadonlyMap<string, Vector>;
  /** An accessor's value; null of one that gives none; undefined where there is no accessor of that name. */
  readonly call: (name: string, args: readonly Value[], place: Place) => Value | null | undefined;
}

interface Mask {
  readonly code: Code;
}

/** Where one value is kept: a constant that is known, or a local. */
interface Cell {
  readonly type: Scalar;
  /** The mask under which it was declared: lanes outside of it never see it. */
  readonly mask: Mask | null;
  readonly scope: Scope;
  local: number;
  constant: number | null;
  isUniform: boolean;
}

type Binding =
  | { readonly kind: 'value'; readonly value: Value }
  | { readonly kind: 'cells'; readonly isArray: boolean; readonly isMutable: boolean; readonly cells: readonly Cell[] };

interface Scope {
  readonly names: Map<string, Binding>;
  readonly outer: Scope | null;
  readonly locals: number[];
  /** How many cells lived when it began. */
  readonly cells: number;
}

/** A function that is being inlined. */
interface Frame {
  readonly outer: Frame | null;
  readonly name: string;
  /** How many blocks enclose the function's own; a return from within a branch leaves that one. */
  readonly depth: number;
  /** Lanes for which the ifs around the statement at hand hold; null where all do. */
  mask: Mask | null;
  /** Lanes that have returned. */
  readonly returned: Cell;
  readonly result: readonly Cell[] | null;
  /** Set by a return that leaves from within a branch: whether all results of such are uniform. */
  left: { isUniform: boolean } | null;
}

/**
 * What follows a statement. 'passes': the next one. 'ends': nothing of the same block, since all of its lanes have
 * returned; code goes on after the block. 'leaves': nothing, code has jumped to the end of the function.
 */
type Flow = 'passes' | 'ends' | 'leaves';

interface Type {
  readonly element: Scalar;
  readonly length: number | null;
}

/** Statements this heavy are jumped over where no lane needs them. */
const GUARD_WEIGHT = 40;
/** More turns than any kernel has; a mistake in a bound would fill the memory. */
const MOST_TURNS = 20_000;
const MOST_ITEMS = 1024;

const library = parse([{ name: 'elementary.wgsl', text: ELEMENTARY }]);

/** Makes code of one kernel's element functions. */
export class Spmd {
  readonly #builder: FunctionBuilder;
  readonly #program: Program;
  readonly #world: World;
  readonly #constants = new Map<string, Binding>();
  readonly #cells: Cell[] = [];
  readonly #temporaries: number[] = [];
  readonly #kept = new Map<string, number>();
  /** Values loaded already on the way to the statement at hand. */
  #loaded = new Map<string, Vector>();
  #frame: Frame | null = null;
  #turns = 0;

  constructor(builder: FunctionBuilder, program: Program, world: World) {
    this.#builder = builder;
    this.#program = program;
    this.#world = world;
    for (const [name, value] of world.constants) this.#constants.set(name, { kind: 'value', value });
    for (const { name, type, value, place } of program.constants) {
      if (this.#constants.has(name)) throw new KernelError(place, `'${name}' is declared already`);
      const scope = this.#scopeOf(null);
      if (!value) throw new KernelError(place, `'${name}' has no value`);
      const own = type
        ? this.#fitted(this.#evaluate(value, scope), this.#typeOf(type, scope), place)
        : this.#evaluate(value, scope);
      const items = own.kind === 'array' ? own.items : own.kind === 'vector' ? [own] : [];
      if (items.some((item) => item.constant === null)) {
        throw new KernelError(place, `'${name}' is a const, and its value is not constant`);
      }
      this.#constants.set(name, { kind: 'value', value: own });
    }
  }

  /** Inlines an element function of the kernel's own. Null of one that gives nothing. */
  run(name: string, args: readonly Value[]): Value | null {
    const fn = this.#program.functions.get(name);
    if (!fn) throw new Error(`a kernel needs fn ${name}`);
    return this.#inlined(fn, args, fn.place);
  }

  /** A value that is the same wherever the kernel asks for it, loaded at most once on any way. */
  once(key: string, load: () => Vector): Vector {
    const known = this.#loaded.get(key);
    if (known) return known;
    const value = load();
    let local = this.#kept.get(key);
    if (local === undefined) {
      local = this.#builder.local();
      this.#kept.set(key, local);
    }
    this.#builder.emit(value.code, set(local));
    const kept = computed(value.type, value.isUniform, get(local));
    this.#loaded.set(key, kept);
    return kept;
  }

  /** A local that lives until the statement at hand is over. */
  readonly temporary = (): number => {
    const local = this.#builder.local();
    this.#temporaries.push(local);
    return local;
  };

  /** The lanes in which the statement at hand takes place; null for all. */
  activeLanes(): Code | null {
    let code: Code | null = null;
    for (let frame = this.#frame; frame; frame = frame.outer) {
      if (frame.mask) code = code ? [...code, ...frame.mask.code, ...V.and] : frame.mask.code;
      if (frame.returned.constant === null) {
        code = [...(code ?? this.#builder.splat(0xffffffff)), ...get(this.#localOf(frame.returned)), ...V.andnot];
      }
    }
    return code;
  }

  #scopeOf(outer: Scope | null): Scope {
    return { names: new Map(), outer, locals: [], cells: this.#cells.length };
  }

  #close(scope: Scope): void {
    for (const local of scope.locals) this.#builder.release(local);
    this.#cells.length = scope.cells;
  }

  #releaseTo(mark: number): void {
    for (const local of this.#temporaries.splice(mark)) this.#builder.release(local);
  }

  #cell(type: Scalar, scope: Scope): Cell {
    const mask = this.#frame?.mask ?? null;
    const cell: Cell = { type, mask, scope, local: -1, constant: 0, isUniform: true };
    this.#cells.push(cell);
    return cell;
  }

  #localOf(cell: Cell): number {
    if (cell.local < 0) {
      cell.local = this.#builder.local();
      cell.scope.locals.push(cell.local);
    }
    return cell.local;
  }

  #read(cell: Cell): Vector {
    return cell.constant === null
      ? computed(cell.type, cell.isUniform, get(this.#localOf(cell)))
      : constant(cell.type, cell.constant);
  }

  #put(cell: Cell, value: Vector): void {
    cell.constant = value.constant;
    cell.isUniform = value.isUniform;
    if (value.constant === null) this.#builder.emit(value.code, set(this.#localOf(cell)));
  }

  #assign(cell: Cell, value: Vector): void {
    const mask = this.#frame?.mask ?? null;
    if (mask === null || mask === cell.mask) {
      this.#put(cell, value);
      return;
    }
    if (value.constant !== null && Object.is(cell.constant, value.constant)) return;
    const before = codeOf(this.#builder, this.#read(cell));
    this.#builder.emit(codeOf(this.#builder, value), before, mask.code, V.bitselect, set(this.#localOf(cell)));
    cell.constant = null;
    cell.isUniform = false;
  }

  /** Code that puts a constant into the cell's local. */
  #settled(cell: Cell): Code {
    return [...codeOf(this.#builder, this.#read(cell)), ...set(this.#localOf(cell))];
  }

  // Branches.

  #states(): { constant: number | null; isUniform: boolean }[] {
    return this.#cells.map(({ constant: known, isUniform }) => ({ constant: known, isUniform }));
  }

  #restore(states: readonly { constant: number | null; isUniform: boolean }[]): void {
    states.forEach((state, n) => Object.assign(this.#cells[n] ?? {}, state));
  }

  /** A branch on an i32. */
  #branch(condition: Code, then: () => Flow, otherwise: () => Flow): Flow {
    const builder = this.#builder;
    const entry = this.#states();
    const loaded = this.#loaded;
    const sides = [then, otherwise].map((side) => {
      this.#restore(entry);
      this.#loaded = new Map(loaded);
      let flow: Flow = 'passes';
      const code = builder.capture(() => {
        flow = side();
      }, 1);
      return { code, flow: flow as Flow, states: this.#states(), settle: [] as number[] };
    });
    this.#loaded = loaded;
    const open = sides.filter((side) => side.flow !== 'leaves');
    const passed = open.length > 0 ? open : sides;
    this.#cells.forEach((cell, n) => {
      const states = passed.map((side) => side.states[n]);
      const first = states[0]?.constant ?? null;
      if (first !== null && states.every((state) => Object.is(state?.constant, first))) {
        cell.constant = first;
        cell.isUniform = true;
        return;
      }
      for (const side of passed) {
        cell.constant = side.states[n]?.constant ?? null;
        if (cell.constant !== null) side.settle.push(...this.#settled(cell));
      }
      cell.constant = null;
      cell.isUniform = states.every((state) => state?.isUniform);
    });
    const [yes, no] = sides.map(({ code, settle }) => [...code, ...settle]);
    builder.emit(condition, [OPCODE.if, NO_RESULT], yes ?? []);
    if (no && no.length > 0) builder.emit([OPCODE.else], no);
    builder.emit([OPCODE.end]);
    if (open.length === 0) return 'leaves';
    return open.some((side) => side.flow === 'passes') ? 'passes' : 'ends';
  }

  // Functions.

  #inlined(fn: FunctionText, args: readonly Value[], place: Place): Value | null {
    for (let frame = this.#frame; frame; frame = frame.outer) {
      if (frame.name === fn.name) throw new KernelError(place, `'${fn.name}' calls itself; kernels have no recursion`);
    }
    if (args.length !== fn.params.length) {
      throw new KernelError(place, `'${fn.name}' takes ${fn.params.length} values, not ${args.length}`);
    }
    const builder = this.#builder;
    const caller = this.#frame;
    const scope = this.#scopeOf(null);
    // The results must outlive the function's own scope: they belong to the caller's statement.
    this.#frame = null;
    const type = fn.result ? this.#typeOf(fn.result, scope) : null;
    const cells = Array.from({ length: type ? (type.length ?? 1) : 0 }, () =>
      this.#cell(type?.element ?? 'f32', scope),
    );
    const returned = this.#cell('bool', scope);
    const hasEarlyReturn = fn.body.some((statement) => statement.kind !== 'return' && returns(statement));
    const frame: Frame = {
      outer: caller,
      name: fn.name,
      depth: builder.depth,
      mask: null,
      returned,
      result: type ? cells : null,
      left: null,
    };
    this.#frame = frame;
    fn.params.forEach((param, n) => {
      const value = args[n];
      if (value === undefined) return;
      if (value.kind === 'element') {
        scope.names.set(param.name, { kind: 'value', value });
        return;
      }
      const fitted = this.#fitted(value, this.#typeOf(param.type, scope), place);
      this.#bind(scope, param.name, fitted, false);
    });
    const loaded = this.#loaded;
    this.#loaded = new Map(loaded);
    const write = () => {
      this.#statements(fn.body, scope);
      if (frame.left) for (const cell of cells) if (cell.constant !== null) builder.emit(this.#settled(cell));
    };
    if (hasEarlyReturn) {
      const code = builder.capture(write, 1);
      builder.emit([OPCODE.block, NO_RESULT], code, [OPCODE.end]);
    } else {
      write();
    }
    if (frame.left) {
      for (const cell of cells) {
        cell.constant = null;
        cell.isUniform &&= frame.left.isUniform;
      }
      this.#loaded = loaded;
    }
    const items = cells.map((cell): Vector => {
      const value = this.#read(cell);
      if (value.constant !== null) return value;
      const local = this.temporary();
      builder.emit(value.code, set(local));
      return computed(cell.type, cell.isUniform, get(local));
    });
    this.#frame = caller;
    this.#close(scope);
    if (!type) return null;
    const [only] = items;
    if (type.length === null) return only ?? null;
    return { kind: 'array', element: type.element, items };
  }

  #return(value: Value | null, place: Place): Flow {
    const frame = this.#frame;
    if (!frame) throw new KernelError(place, 'a return stands outside of a function');
    const { returned, result, mask } = frame;
    const items = value === null || value.kind === 'element' ? [] : value.kind === 'array' ? value.items : [value];
    if (items.length !== (result?.length ?? 0)) {
      throw new KernelError(
        place,
        result ? `'${frame.name}' has to return a value` : `'${frame.name}' returns no value`,
      );
    }
    const builder = this.#builder;
    const isFirst = returned.constant !== null;
    const before = isFirst ? [] : get(this.#localOf(returned));
    items.forEach((item, n) => {
      const cell = result?.[n];
      if (!cell) return;
      if (isFirst) {
        // Lanes outside of the mask get theirs later.
        this.#put(cell, mask ? { ...item, isUniform: false } : item);
        return;
      }
      const own = codeOf(builder, converted(item, cell.type, place));
      builder.emit(codeOf(builder, this.#read(cell)), own, before, V.bitselect, set(this.#localOf(cell)));
      cell.constant = null;
      cell.isUniform = false;
    });
    if (mask) {
      builder.emit(mask.code, before, isFirst ? [] : V.or, set(this.#localOf(returned)));
      returned.constant = null;
      returned.isUniform = false;
      return 'ends';
    }
    const out = builder.depth - frame.depth - 1;
    if (out <= 0) return 'ends';
    for (const cell of result ?? []) if (cell.constant !== null) builder.emit(this.#settled(cell));
    frame.left ??= { isUniform: true };
    frame.left.isUniform &&= (result ?? []).every((cell) => cell.isUniform);
    builder.emit([OPCODE.br, ...unsigned(out)]);
    return 'leaves';
  }

  // Statements.

  #statements(statements: readonly Statement[], scope: Scope): Flow {
    for (const statement of statements) {
      const flow = this.#statement(statement, scope);
      if (flow !== 'passes') return flow;
    }
    return 'passes';
  }

  #block(statements: readonly Statement[], outer: Scope): Flow {
    const scope = this.#scopeOf(outer);
    const flow = this.#statements(statements, scope);
    this.#close(scope);
    return flow;
  }

  #statement(statement: Statement, scope: Scope): Flow {
    const mark = this.#temporaries.length;
    try {
      return this.#done(statement, scope);
    } finally {
      this.#releaseTo(mark);
    }
  }

  #done(statement: Statement, scope: Scope): Flow {
    const { place } = statement;
    switch (statement.kind) {
      case 'block':
        return this.#block(statement.body, scope);
      case 'declare':
        this.#declare(statement, scope);
        return 'passes';
      case 'assign':
        this.#assignment(statement, scope);
        return 'passes';
      case 'call':
        this.#evaluateAny(statement.call, scope);
        return 'passes';
      case 'return': {
        const result = this.#frame?.result ?? null;
        let value: Value | null = null;
        if (statement.value) {
          const element = result?.[0]?.type;
          const own = this.#evaluate(statement.value, scope);
          if (!result || !element) throw new KernelError(place, `'${this.#frame?.name}' returns no value`);
          value = this.#fitted(own, { element, length: own.kind === 'array' ? result.length : null }, place);
        }
        return this.#return(value, place);
      }
      case 'if':
        return this.#if(statement, scope);
      case 'for':
        return this.#for(statement, scope);
    }
  }

  #declare(statement: Statement & { kind: 'declare' }, scope: Scope): void {
    const { name, type, value, place, binding } = statement;
    if (scope.names.has(name)) throw new KernelError(place, `'${name}' is declared already`);
    const wanted = type ? this.#typeOf(type, scope) : null;
    let own: Value;
    if (value) {
      own = this.#evaluate(value, scope);
      if (wanted) own = this.#fitted(own, wanted, place);
    } else {
      const zero = constant(wanted?.element ?? 'f32', 0);
      own =
        wanted?.length == null
          ? zero
          : { kind: 'array', element: zero.type, items: Array.from({ length: wanted.length }, () => zero) };
    }
    if (binding === 'const') {
      const items = own.kind === 'array' ? own.items : own.kind === 'vector' ? [own] : [];
      if (own.kind === 'element' || items.some((item) => item.constant === null)) {
        throw new KernelError(place, `'${name}' is a const, and its value is not constant`);
      }
      scope.names.set(name, { kind: 'value', value: own });
      return;
    }
    if (own.kind === 'element') {
      if (binding === 'var') throw new KernelError(place, `the element's index may only be handed through`);
      scope.names.set(name, { kind: 'value', value: own });
      return;
    }
    const items = own.kind === 'array' ? own.items : [own];
    const concreteItems = items.map((item) => concrete(item, place));
    this.#bind(
      scope,
      name,
      own.kind === 'array'
        ? { kind: 'array', element: concreteItems[0]?.type ?? own.element, items: concreteItems }
        : (concreteItems[0] ?? own),
      binding === 'var',
    );
  }

  #bind(scope: Scope, name: string, value: Vector | ArrayValue, isMutable: boolean): void {
    const isArray = value.kind === 'array';
    const items = isArray ? value.items : [value];
    const cells = items.map((item) => {
      const cell = this.#cell(item.type, scope);
      this.#put(cell, item);
      return cell;
    });
    scope.names.set(name, { kind: 'cells', isArray, isMutable, cells });
  }

  #assignment(statement: Statement & { kind: 'assign' }, scope: Scope): void {
    const { name, place, operator } = statement;
    const binding = this.#lookUp(name, scope, place);
    if (binding.kind !== 'cells' || !binding.isMutable) throw new KernelError(place, `'${name}' is not a var`);
    const { cells } = binding;
    if (binding.isArray && !statement.index) {
      const value = this.#evaluate(statement.value, scope);
      if (operator !== null || value.kind !== 'array' || value.items.length !== cells.length) {
        throw new KernelError(place, `'${name}' is an array of ${cells.length}`);
      }
      const items = value.items.map((item, n) => this.#held(converted(item, cells[n]?.type ?? 'f32', place)));
      items.forEach((item, n) => {
        const cell = cells[n];
        if (cell) this.#assign(cell, item);
      });
      return;
    }
    if (statement.index && !binding.isArray) throw new KernelError(place, `'${name}' is no array`);
    const at = statement.index ? this.#arrayIndex(statement.index, cells.length, scope) : 0;
    const cell = cells[at];
    if (!cell) throw new KernelError(place, `'${name}' is empty`);
    let value = this.#evaluate(statement.value, scope);
    if (value.kind !== 'vector') throw new KernelError(place, `one value is needed for '${name}'`);
    if (operator !== null) {
      value = binary(this.#builder, operator, this.#read(cell), value, place, this.temporary);
    }
    this.#assign(cell, converted(value, cell.type, place));
  }

  /** The same value out of the reach of what is assigned next. */
  #held(value: Vector): Vector {
    if (value.constant !== null) return value;
    const local = this.temporary();
    this.#builder.emit(value.code, set(local));
    return computed(value.type, value.isUniform, get(local));
  }

  #if(statement: Statement & { kind: 'if' }, scope: Scope): Flow {
    const { body, otherwise, place } = statement;
    const condition = this.#evaluate(statement.condition, scope);
    if (condition.kind !== 'vector' || condition.type !== 'bool') {
      throw new KernelError(place, `the condition of an if has to be bool`);
    }
    if (condition.constant !== null) return this.#block(condition.constant !== 0 ? body : otherwise, scope);
    const builder = this.#builder;
    if (condition.isUniform) {
      return this.#branch(
        [...condition.code, ...V.any_true],
        () => this.#block(body, scope),
        () => this.#block(otherwise, scope),
      );
    }
    const frame = this.#frame;
    if (!frame) throw new KernelError(place, `an if stands outside of a function`);
    const outer = frame.mask;
    const local = this.temporary();
    builder.emit(condition.code, outer ? [...outer.code, ...V.and] : [], set(local));
    const thenFlow = this.#masked(get(local), body, scope);
    let elseFlow: Flow = 'passes';
    if (otherwise.length > 0) {
      // What the mask took away of the outer one.
      const rest = outer ? [...outer.code, ...get(local), ...V.andnot] : [...get(local), ...V.not];
      builder.emit(rest, set(local));
      elseFlow = this.#masked(get(local), otherwise, scope);
    }
    frame.mask = outer;
    return thenFlow === 'passes' || elseFlow === 'passes' ? 'passes' : 'ends';
  }

  #masked(code: Code, statements: readonly Statement[], scope: Scope): Flow {
    const frame = this.#frame;
    if (!frame) return 'passes';
    const outer = frame.mask;
    const run = () => {
      frame.mask = { code };
      return this.#block(statements, scope);
    };
    let flow: Flow = 'passes';
    if (weigh(statements) >= GUARD_WEIGHT) {
      // Where no lane has the mask, all of those that have it (none) have returned too.
      this.#branch(
        [...code, ...V.any_true],
        () => {
          flow = run();
          return flow;
        },
        () => 'passes',
      );
    } else {
      flow = run();
    }
    frame.mask = outer;
    return flow;
  }

  #for(statement: Statement & { kind: 'for' }, outer: Scope): Flow {
    const scope = this.#scopeOf(outer);
    if (statement.init) this.#statement(statement.init, scope);
    let flow: Flow = 'passes';
    for (;;) {
      const condition = this.#evaluate(statement.condition, scope);
      if (condition.kind !== 'vector' || condition.type !== 'bool' || condition.constant === null) {
        throw new KernelError(
          statement.place,
          `the bounds of a for have to be constants or other loops' variables, so that it can be unrolled`,
        );
      }
      if (condition.constant === 0) break;
      if (++this.#turns > MOST_TURNS) throw new KernelError(statement.place, `the loop has too many turns`);
      flow = this.#block(statement.body, scope);
      if (flow !== 'passes') break;
      if (statement.update) this.#statement(statement.update, scope);
    }
    this.#close(scope);
    return flow;
  }

  // Expressions.

  #typeOf(text: TypeText, scope: Scope): Type {
    if (text.kind === 'scalar') return { element: text.scalar, length: null };
    const length = this.#integer(text.length, scope, `an array's length`);
    if (length < 1 || length > MOST_ITEMS) {
      throw new KernelError(text.length.place, `an array has 1 to ${MOST_ITEMS} items, not ${length}`);
    }
    return { element: text.element, length };
  }

  #fitted(value: Value, type: Type, place: Place): Vector | ArrayValue {
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

  #integer(expression: Expression, scope: Scope, what: string): number {
    const value = this.#evaluate(expression, scope);
    if (value.kind !== 'vector' || value.constant === null || !isInteger(value.type)) {
      throw new KernelError(expression.place, `${what} has to be a constant or a loop's variable`);
    }
    return value.constant;
  }

  #arrayIndex(expression: Expression, length: number, scope: Scope): number {
    const at = this.#integer(expression, scope, `an array's index`);
    if (at < 0 || at >= length)
      throw new KernelError(expression.place, `index ${at} is outside of an array of ${length}`);
    return at;
  }

  #lookUp(name: string, scope: Scope, place: Place): Binding {
    for (let at: Scope | null = scope; at; at = at.outer) {
      const found = at.names.get(name);
      if (found) return found;
    }
    const found = this.#constants.get(name);
    if (found) return found;
    throw new KernelError(place, `'${name}' is not declared`);
  }

  #evaluate(expression: Expression, scope: Scope): Value {
    const value = this.#evaluateAny(expression, scope);
    if (value === null) throw new KernelError(expression.place, `this gives no value`);
    return value;
  }

  #vector(expression: Expression, scope: Scope): Vector {
    const value = this.#evaluate(expression, scope);
    if (value.kind === 'vector') return value;
    throw new KernelError(
      expression.place,
      value.kind === 'element'
        ? `the element's index may only be handed through to accessors and functions`
        : `one value is needed here, and this is an array`,
    );
  }

  #evaluateAny(expression: Expression, scope: Scope): Value | null {
    const { place } = expression;
    switch (expression.kind) {
      case 'literal':
        return constant(expression.type, expression.value);
      case 'name': {
        const binding = this.#lookUp(expression.name, scope, place);
        if (binding.kind === 'value') return binding.value;
        const items = binding.cells.map((cell) => this.#read(cell));
        const [only] = items;
        if (binding.isArray || !only) return { kind: 'array', element: only?.type ?? 'f32', items };
        return only;
      }
      case 'unary':
        return unary(this.#builder, expression.operator, this.#vector(expression.operand, scope), place);
      case 'binary': {
        const left = this.#vector(expression.left, scope);
        const right = this.#vector(expression.right, scope);
        return binary(this.#builder, expression.operator, left, right, place, this.temporary);
      }
      case 'index': {
        const array = this.#evaluate(expression.array, scope);
        if (array.kind !== 'array') throw new KernelError(place, `only arrays have an index`);
        return array.items[this.#arrayIndex(expression.index, array.items.length, scope)] ?? null;
      }
      case 'call':
        return this.#call(expression, scope);
    }
  }

  #call(expression: Expression & { kind: 'call' }, scope: Scope): Value | null {
    const { name, place, type } = expression;
    const args = expression.args.map((arg) => this.#evaluate(arg, scope));
    if (name === 'array' && type) return this.#array(this.#typeOf(type, scope), args, place);
    const own = this.#program.functions.get(name);
    if (own) return this.#inlined(own, args, place);
    const accessed = this.#world.call(name, args, place);
    if (accessed !== undefined) return accessed;
    const vectors = args.map((arg, n) => {
      if (arg.kind === 'vector') return arg;
      const at = expression.args[n]?.place ?? place;
      throw new KernelError(at, `'${name}' is not known, or does not take an array or the element's index`);
    });
    const scalar = type?.kind === 'scalar' ? type.scalar : null;
    const made = builtin(this.#builder, name, scalar, vectors, place);
    if (made) return made;
    const elementary = library.functions.get(name);
    if (elementary) return this.#inlined(elementary, vectors, place);
    throw new KernelError(place, `'${name}' is not known, or outside the kernels' subset of WGSL`);
  }

  #array(type: Type, args: readonly Value[], place: Place): Value {
    const length = type.length ?? 0;
    if (args.length === 0) {
      const zero = constant(type.element, 0);
      return { kind: 'array', element: type.element, items: Array.from({ length }, () => zero) };
    }
    if (args.length !== length) throw new KernelError(place, `this array has ${length} items, not ${args.length}`);
    const items = args.map((arg) => {
      if (arg.kind !== 'vector') throw new KernelError(place, `an array's items have to be ${typeName(type.element)}`);
      return converted(arg, type.element, place);
    });
    return { kind: 'array', element: type.element, items };
  }
}
