/**
 * AccessorCall: one call of an accessor in a kernel's text, and what is asked of its arguments. Not what it gives
 * (`accessors.ts`).
 */

import { KernelError, type Place } from './kernel-error.ts';
import type { Value } from './value.ts';
import { isInteger } from './vector.ts';

/** A call. All of its methods throw KernelError with its place. */
export class AccessorCall {
  readonly name: string;
  readonly args: readonly Value[];
  readonly place: Place;

  constructor(name: string, args: readonly Value[], place: Place) {
    this.name = name;
    this.args = args;
    this.place = place;
  }

  fail(message: string): never {
    throw new KernelError(this.place, message);
  }

  /** Refuses any other number of arguments; `element` is which of them has to be the element's index. */
  takes(count: number, element: number | null): void {
    if (this.args.length !== count) this.fail(`'${this.name}' takes ${count} values, not ${this.args.length}`);
    if (element !== null && this.args[element]?.kind !== 'element') {
      this.fail(`'${this.name}' has to be handed the element's own index`);
    }
  }

  /** Argument n, which has to be known while code is made, and below `limit`. */
  known(n: number, limit: number, what: string): number {
    const arg = this.args[n];
    if (arg?.kind !== 'vector' || arg.constant === null || !isInteger(arg.type)) {
      this.fail(`${what} of '${this.name}' has to be a constant or a loop's variable`);
    }
    if (arg.constant < 0 || arg.constant >= limit) {
      this.fail(`${what} of '${this.name}' is ${arg.constant}, and there are ${limit}`);
    }
    return arg.constant;
  }
}
