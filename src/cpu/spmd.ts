/**
 * Spmd: element functions to vector code, four elements at a time. Loops are unrolled and functions inlined, so that
 * whatever depends on loop variables and constants alone is known while code is made. A condition that is the same in
 * all lanes is a branch; any other is a mask under which both sides run. What an element reads, and where its result
 * goes, is the caller's (`World`).
 */

import { Expressions } from './expressions.ts';
import { frameOf, resultOf, returnFrom, settle } from './inlining.ts';
import { get, NO_RESULT, OPCODE, set, V, type Code } from './instructions.ts';
import { KernelError, type Place } from './kernel-error.ts';
import type { Scope } from './scope.ts';
import { Site, type Flow } from './site.ts';
import { returns, weigh } from './statements.ts';
import type { FunctionText, Program, Statement } from './syntax.ts';
import { fitted, type Value } from './value.ts';
import { Variables } from './variables.ts';
import type { FunctionBuilder } from './wasm.ts';
import type { World } from './world.ts';

/** Statements this heavy are jumped over where no lane needs them. */
const GUARD_WEIGHT = 40;
/** More turns than any kernel has; a mistake in a bound would fill the memory. */
const MOST_TURNS = 20_000;

/** Makes code of one kernel's element functions. */
export class Spmd {
  /** Where the code goes. */
  readonly site: Site;
  readonly #program: Program;
  readonly #expressions: Expressions;
  readonly #variables: Variables;
  #turns = 0;

  constructor(builder: FunctionBuilder, program: Program, world: World) {
    this.site = new Site(builder);
    this.#program = program;
    this.#expressions = new Expressions(this.site, program, world, (fn, args, place) => this.#inlined(fn, args, place));
    this.#variables = new Variables(this.site, this.#expressions);
    this.#expressions.declareConstants();
  }

  /**
   * Inlines an element function of the kernel's own. Null of one that gives nothing.
   * @throws KernelError where the text is outside the language subset, or breaks WGSL's rules.
   */
  run(name: string, args: readonly Value[]): Value | null {
    const fn = this.#program.functions.get(name);
    if (!fn) throw new Error(`a kernel needs fn ${name}`);
    return this.#inlined(fn, args, fn.place);
  }

  #inlined(fn: FunctionText, args: readonly Value[], place: Place): Value | null {
    const { site } = this;
    const { builder } = site;
    const caller = site.frame;
    for (let frame = caller; frame; frame = frame.outer) {
      if (frame.name === fn.name) throw new KernelError(place, `'${fn.name}' calls itself; kernels have no recursion`);
    }
    if (args.length !== fn.params.length) {
      throw new KernelError(place, `'${fn.name}' takes ${fn.params.length} values, not ${args.length}`);
    }
    const scope = site.open(null);
    const type = fn.result ? this.#expressions.typeOf(fn.result, scope) : null;
    const frame = frameOf(site, caller, fn.name, type, scope);
    site.frame = frame;
    fn.params.forEach((param, n) => {
      const value = args[n];
      if (value === undefined) return;
      if (value.kind === 'element') {
        scope.names.set(param.name, { kind: 'value', value });
        return;
      }
      const own = fitted(value, this.#expressions.typeOf(param.type, scope), place);
      this.#variables.bind(scope, param.name, own, false);
    });
    const write = () => {
      this.#statements(fn.body, scope);
      if (frame.left) settle(site, frame);
    };
    const hasEarlyReturn = fn.body.some((statement) => statement.kind !== 'return' && returns(statement));
    site.apart(
      () => {
        if (!hasEarlyReturn) {
          write();
          return;
        }
        const code = builder.capture(write, 1);
        builder.emit([OPCODE.block, NO_RESULT], code, [OPCODE.end]);
      },
      () => frame.left === null,
    );
    const result = resultOf(site, frame, type);
    site.frame = caller;
    site.close(scope);
    return result;
  }

  #statements(statements: readonly Statement[], scope: Scope): Flow {
    for (const statement of statements) {
      const flow = this.#statement(statement, scope);
      if (flow !== 'passes') return flow;
    }
    return 'passes';
  }

  #block(statements: readonly Statement[], outer: Scope): Flow {
    const scope = this.site.open(outer);
    const flow = this.#statements(statements, scope);
    this.site.close(scope);
    return flow;
  }

  #statement(statement: Statement, scope: Scope): Flow {
    return this.site.statement(() => this.#written(statement, scope));
  }

  #written(statement: Statement, scope: Scope): Flow {
    switch (statement.kind) {
      case 'block':
        return this.#block(statement.body, scope);
      case 'declare':
        this.#variables.declare(statement, scope);
        return 'passes';
      case 'assign':
        this.#variables.assign(statement, scope);
        return 'passes';
      case 'call':
        this.#expressions.evaluateAny(statement.call, scope);
        return 'passes';
      case 'return':
        return this.#return(statement, scope);
      case 'if':
        return this.#if(statement, scope);
      case 'for':
        return this.#for(statement, scope);
    }
  }

  #return({ value: expression, place }: Statement & { kind: 'return' }, scope: Scope): Flow {
    const { frame } = this.site;
    if (!expression) return returnFrom(this.site, null, place);
    const own = this.#expressions.evaluate(expression, scope);
    const element = frame?.result?.[0]?.type;
    if (!frame?.result || !element) throw new KernelError(place, `'${frame?.name}' returns no value`);
    const type = { element, length: own.kind === 'array' ? frame.result.length : null };
    return returnFrom(this.site, fitted(own, type, place), place);
  }

  #if({ condition: expression, body, otherwise, place }: Statement & { kind: 'if' }, scope: Scope): Flow {
    const { site } = this;
    const { builder, frame } = site;
    const condition = this.#expressions.evaluate(expression, scope);
    if (condition.kind !== 'vector' || condition.type !== 'bool') {
      throw new KernelError(place, `the condition of an if has to be bool`);
    }
    if (condition.constant !== null) return this.#block(condition.constant !== 0 ? body : otherwise, scope);
    if (condition.isUniform) {
      return site.branch(
        [...condition.code, ...V.any_true],
        () => this.#block(body, scope),
        () => this.#block(otherwise, scope),
      );
    }
    if (!frame) throw new KernelError(place, `an if stands outside of a function`);
    const outer = frame.mask;
    const local = site.temporary();
    builder.emit(condition.code, outer ? [...outer.code, ...V.and] : [], set(local));
    const thenFlow = this.#masked(get(local), body, scope);
    let elseFlow: Flow = 'passes';
    if (otherwise.length > 0) {
      // What the mask took away of the outer one.
      const rest = outer ? [...outer.code, ...get(local), ...V.andnot] : [...get(local), ...V.not];
      builder.emit(rest, set(local));
      elseFlow = this.#masked(get(local), otherwise, scope);
    }
    return thenFlow === 'passes' || elseFlow === 'passes' ? 'passes' : 'ends';
  }

  /** Writes statements that take place in the lanes of a mask. */
  #masked(code: Code, statements: readonly Statement[], scope: Scope): Flow {
    const { frame } = this.site;
    if (!frame) return 'passes';
    const outer = frame.mask;
    const write = () => {
      frame.mask = { code };
      return this.#block(statements, scope);
    };
    let flow: Flow = 'passes';
    if (weigh(statements) >= GUARD_WEIGHT) {
      // Where no lane has the mask, all of those that have it (none) have returned too.
      this.site.branch(
        [...code, ...V.any_true],
        () => {
          flow = write();
          return flow;
        },
        () => 'passes',
      );
    } else {
      flow = write();
    }
    frame.mask = outer;
    return flow;
  }

  #for(statement: Statement & { kind: 'for' }, outer: Scope): Flow {
    const scope = this.site.open(outer);
    if (statement.init) this.#statement(statement.init, scope);
    let flow: Flow = 'passes';
    for (;;) {
      const condition = this.#expressions.evaluate(statement.condition, scope);
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
    this.site.close(scope);
    return flow;
  }
}
