/** Schema issue: something wrong at a path of a recipe's data. Its line and column are `yaml.ts`. */

import type { DocumentPath } from './document.ts';

/** Something wrong at a path of the data; `key` where the key itself is wrong. */
export interface SchemaIssue {
  readonly path: DocumentPath;
  readonly part: 'key' | 'value';
  readonly message: string;
  readonly suggestion: string | null;
}

/** Nobody reads more, and each one costs a search for its place. */
export const MAX_ISSUES = 100;
