/**
 * Expressions: what an expression comes to where it stands: a value that is known, or code for it. Functions of the
 * kernel's own are put in place of their calls by whoever writes statements (`spmd.ts`); accessors are the world's.
 */

import { builtin, ELEMENTARY } from './builtins.ts';
import { KernelError, type Place } from './kernel-error.ts';
import { binary, unary } from './operators.ts';
import type { Binding, Scope } from './scope.ts';
import type { Site } from './site.ts';
import type { Expression, FunctionText, Program, TypeText } from './syntax.ts';
import { fitted, itemsOf, zeroOf, type Value, type ValueType } from './value.ts';
import { constant, converted, isInteger, typeName, type Vector } from './vector.ts';
import { parse } from './wgsl.ts';
import type { World } from './world.ts';

/** Most items of an array: more than any kernel has, few enough for locals. */
const MOST_ITEMS = 1024;

const library = parse([{ name: 'elementary.wgsl', text: ELEMENTARY }]);

/** Puts a function in place of its call; null of one that gives nothing. */
type Inline = (fn: FunctionText, args: readonly Value[], place: Place) => Value | null;

/** Evaluates expressions. Everything in it throws KernelError where a text breaks WGSL's rules or the subset's. */
export class Expressions {
  readonly #site: Site;
  readonly #program: Program;
  readonly #world: World;
  readonly #inline: Inline;
  readonly #constants = new Map<string, Binding>();

  constructor(site: Site, program: Program, world: World, inline: Inline) {
    this.#site = site;
    this.#program = program;
    this.#world = world;
    this.#inline = inline;
    for (const [name, value] of world.constants) this.#constants.set(name, { kind: 'value', value });
  }

  /** Evaluates the program's constants, in order: each may name those before it. */
  declareConstants(): void {
    for (const { name, type, value, place } of this.#program.constants) {
      if (this.#constants.has(name)) throw new KernelError(place, `'${name}' is declared already`);
      const scope = this.#site.open(null);
      if (!value) throw new KernelError(place, `'${name}' has no value`);
      const own = type
        ? fitted(this.evaluate(value, scope), this.typeOf(type, scope), place)
        : this.evaluate(value, scope);
      if (itemsOf(own).some((item) => item.constant === null)) {
        throw new KernelError(place, `'${name}' is a const, and its value is not constant`);
      }
      this.#constants.set(name, { kind: 'value', value: own });
    }
  }

  /** What an expression comes to; it has to come to something. */
  evaluate(expression: Expression, scope: Scope): Value {
    const value = this.evaluateAny(expression, scope);
    if (value === null) throw new KernelError(expression.place, `this gives no value`);
    return value;
  }

  /** What an expression comes to; null of a call that gives nothing. */
  evaluateAny(expression: Expression, scope: Scope): Value | null {
    const { place } = expression;
    const { builder, cells, temporary } = this.#site;
    switch (expression.kind) {
      case 'literal':
        return constant(expression.type, expression.value);
      case 'name': {
        const binding = this.lookUp(expression.name, scope, place);
        if (binding.kind === 'value') return binding.value;
        const items = binding.cells.map((cell) => cells.read(cell));
        const [only] = items;
        if (binding.isArray || !only) return { kind: 'array', element: only?.type ?? 'f32', items };
        return only;
      }
      case 'unary':
        return unary(builder, expression.operator, this.#vector(expression.operand, scope), place);
      case 'binary': {
        const left = this.#vector(expression.left, scope);
        const right = this.#vector(expression.right, scope);
        return binary(builder, expression.operator, left, right, place, temporary);
      }
      case 'index': {
        const array = this.evaluate(expression.array, scope);
        if (array.kind !== 'array') throw new KernelError(place, `only arrays have an index`);
        return array.items[this.arrayIndex(expression.index, array.items.length, scope)] ?? null;
      }
      case 'call':
        return this.#call(expression, scope);
    }
  }

  /** A type with its length. */
  typeOf(text: TypeText, scope: Scope): ValueType {
    if (text.kind === 'scalar') return { element: text.scalar, length: null };
    const length = this.#integer(text.length, scope, `an array's length`);
    if (length < 1 || length > MOST_ITEMS) {
      throw new KernelError(text.length.place, `an array has 1 to ${MOST_ITEMS} items, not ${length}`);
    }
    return { element: text.element, length };
  }

  /** An index of an array of `length`, known now. */
  arrayIndex(expression: Expression, length: number, scope: Scope): number {
    const at = this.#integer(expression, scope, `an array's index`);
    if (at < 0 || at >= length) {
      throw new KernelError(expression.place, `index ${at} is outside of an array of ${length}`);
    }
    return at;
  }

  /** What a name stands for. */
  lookUp(name: string, scope: Scope, place: Place): Binding {
    const found = scope.find(name) ?? this.#constants.get(name);
    if (found) return found;
    throw new KernelError(place, `'${name}' is not declared`);
  }

  #integer(expression: Expression, scope: Scope, what: string): number {
    const value = this.evaluate(expression, scope);
    if (value.kind !== 'vector' || value.constant === null || !isInteger(value.type)) {
      throw new KernelError(expression.place, `${what} has to be a constant or a loop's variable`);
    }
    return value.constant;
  }

  #vector(expression: Expression, scope: Scope): Vector {
    const value = this.evaluate(expression, scope);
    if (value.kind === 'vector') return value;
    throw new KernelError(
      expression.place,
      value.kind === 'element'
        ? `the element's index may only be handed through to accessors and functions`
        : `one value is needed here, and this is an array`,
    );
  }

  #call(expression: Expression & { kind: 'call' }, scope: Scope): Value | null {
    const { name, place, type } = expression;
    const args = expression.args.map((arg) => this.evaluate(arg, scope));
    if (name === 'array' && type) return this.#array(this.typeOf(type, scope), args, place);
    const own = this.#program.functions.get(name);
    if (own) return this.#inline(own, args, place);
    const accessed = this.#world.call(name, args, place, this.#site);
    if (accessed !== undefined) return accessed;
    const vectors = args.map((arg, n) => {
      if (arg.kind === 'vector') return arg;
      const at = expression.args[n]?.place ?? place;
      throw new KernelError(at, `'${name}' is not known, or does not take an array or the element's index`);
    });
    const scalar = type?.kind === 'scalar' ? type.scalar : null;
    const made = builtin(this.#site.builder, name, scalar, vectors, place);
    if (made) return made;
    const elementary = library.functions.get(name);
    if (elementary) return this.#inline(elementary, vectors, place);
    throw new KernelError(place, `'${name}' is not known, or outside the kernels' subset of WGSL`);
  }

  #array(type: ValueType, args: readonly Value[], place: Place): Value {
    if (args.length === 0) return zeroOf(type);
    const { element, length } = type;
    if (args.length !== length) throw new KernelError(place, `this array has ${length} items, not ${args.length}`);
    const items = args.map((arg) => {
      if (arg.kind !== 'vector') throw new KernelError(place, `an array's items have to be ${typeName(element)}`);
      return converted(arg, element, place);
    });
    return { kind: 'array', element, items };
  }
}
