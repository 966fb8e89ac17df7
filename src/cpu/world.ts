/**
 * World: what element functions stand on: the constants that they may name, and the accessors through which they read
 * and leave numbers. `accessors.ts` is the one that methods have.
 */

import type { Code } from './instructions.ts';
import type { Place } from './kernel-error.ts';
import type { Value } from './value.ts';
import type { Vector } from './vector.ts';

/** The place in the code where an accessor's own code goes. */
export interface CodeSite {
  /** A value that is the same wherever the kernel asks for it, loaded at most once on any way. */
  readonly once: (key: string, load: () => Vector) => Vector;
  /** A local that lives until the statement at hand is over. */
  readonly temporary: () => number;
  /** The lanes in which the statement at hand takes place; null for all. */
  readonly activeLanes: () => Code | null;
}

/** What element functions stand on. */
export interface World {
  readonly constants: ReadonlyMap<string, Vector>;
  /** An accessor's value; null of one that gives none; undefined where there is no accessor of that name. */
  readonly call: (name: string, args: readonly Value[], place: Place, site: CodeSite) => Value | null | undefined;
}
