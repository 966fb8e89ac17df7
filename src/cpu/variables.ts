/**
 * Variables: declarations and assignments: what a name is bound to, and which lanes of it change. Not where values are
 * kept (`cells.ts`), nor what expressions come to (`expressions.ts`).
 */

import type { Expressions } from './expressions.ts';
import { KernelError } from './kernel-error.ts';
import { binary } from './operators.ts';
import type { Scope } from './scope.ts';
import type { Site } from './site.ts';
import type { Statement } from './syntax.ts';
import { fitted, itemsOf, zeroOf, type ArrayValue, type Value } from './value.ts';
import { concrete, converted, type Vector } from './vector.ts';

/** Declares and assigns variables. Everything in it throws KernelError where a text breaks the rules. */
export class Variables {
  readonly #site: Site;
  readonly #expressions: Expressions;

  constructor(site: Site, expressions: Expressions) {
    this.#site = site;
    this.#expressions = expressions;
  }

  /** Writes a declaration. */
  declare(statement: Statement & { kind: 'declare' }, scope: Scope): void {
    const { name, place, binding } = statement;
    if (scope.names.has(name)) throw new KernelError(place, `'${name}' is declared already`);
    const own = this.#initial(statement, scope);
    if (binding === 'const') {
      if (own.kind === 'element' || itemsOf(own).some((item) => item.constant === null)) {
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
    const items = itemsOf(own).map((item) => concrete(item, place));
    this.#cells(scope, name, items, own.kind === 'array', binding === 'var');
  }

  /** Binds a name to cells of its own that hold a value. */
  bind(scope: Scope, name: string, value: Vector | ArrayValue, isMutable: boolean): void {
    this.#cells(scope, name, itemsOf(value), value.kind === 'array', isMutable);
  }

  /** Writes an assignment, plain or compound. */
  assign(statement: Statement & { kind: 'assign' }, scope: Scope): void {
    const { name, place, operator } = statement;
    const { builder, cells: all, temporary } = this.#site;
    const expressions = this.#expressions;
    const mask = this.#site.frame?.mask ?? null;
    const binding = expressions.lookUp(name, scope, place);
    if (binding.kind !== 'cells' || !binding.isMutable) throw new KernelError(place, `'${name}' is not a var`);
    const { cells } = binding;
    if (binding.isArray && !statement.index) {
      const value = expressions.evaluate(statement.value, scope);
      if (operator !== null || value.kind !== 'array' || value.items.length !== cells.length) {
        throw new KernelError(place, `'${name}' is an array of ${cells.length}`);
      }
      const items = value.items.map((item, n) => this.#site.held(converted(item, cells[n]?.type ?? 'f32', place)));
      items.forEach((item, n) => {
        const cell = cells[n];
        if (cell) all.assign(cell, item, mask);
      });
      return;
    }
    if (statement.index && !binding.isArray) throw new KernelError(place, `'${name}' is no array`);
    const at = statement.index ? expressions.arrayIndex(statement.index, cells.length, scope) : 0;
    const cell = cells[at];
    if (!cell) throw new KernelError(place, `'${name}' is empty`);
    let value = expressions.evaluate(statement.value, scope);
    if (value.kind !== 'vector') throw new KernelError(place, `one value is needed for '${name}'`);
    if (operator !== null) value = binary(builder, operator, all.read(cell), value, place, temporary);
    all.assign(cell, converted(value, cell.type, place), mask);
  }

  /** What a declared name begins with. */
  #initial({ type, value, place }: Statement & { kind: 'declare' }, scope: Scope): Value {
    const wanted = type ? this.#expressions.typeOf(type, scope) : null;
    if (!value) return zeroOf(wanted ?? { element: 'f32', length: null });
    const own = this.#expressions.evaluate(value, scope);
    return wanted ? fitted(own, wanted, place) : own;
  }

  #cells(scope: Scope, name: string, items: readonly Vector[], isArray: boolean, isMutable: boolean): void {
    const { cells: all, frame } = this.#site;
    const cells = items.map((item) => {
      const cell = all.create(item.type, scope.locals, frame?.mask ?? null);
      all.put(cell, item);
      return cell;
    });
    scope.names.set(name, { kind: 'cells', isArray, isMutable, cells });
  }
}
