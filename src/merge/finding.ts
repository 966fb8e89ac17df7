/**
 * Finding: one thing that the pre-flight found, as a person reads it. An error refuses the merge; a warning and a
 * note do not. Not a Fault: findings are collected and shown together, before any weight is read.
 */

/** One thing that the pre-flight found. */
export interface Finding {
  readonly severity: 'error' | 'warning' | 'note';
  /** Stable, for tests and for the page's icons. */
  readonly code:
    | 'no-such-model'
    | 'too-few-models'
    | 'no-base'
    | 'nothing-shared'
    | 'shape'
    | 'missing-tensors'
    | 'extra-tensors'
    | 'quantised'
    | 'tied'
    | 'not-blended'
    | 'dtype'
    | 'config'
    | 'architecture'
    | 'tokenizer'
    | 'template'
    | 'weights'
    | 'same-model'
    | 'layers'
    | 'rows'
    | 'parameters'
    | 'stage';
  /** One sentence or two: what, where, and what to do. */
  readonly message: string;
  /** At most `LISTED_TENSORS` names; `tensorCount` is the true number. */
  readonly tensors: readonly string[];
  readonly tensorCount: number;
  /** The filter of the recipe that it is about; left out where it is about none. */
  readonly filter?: string;
}

/** Most tensor names that one finding carries. */
export const LISTED_TENSORS = 24;

/** Makes a finding; the list of tensors is cut, its count is not. */
export function finding(
  severity: Finding['severity'],
  code: Finding['code'],
  message: string,
  tensors: readonly string[] = [],
): Finding {
  return { severity, code, message, tensors: tensors.slice(0, LISTED_TENSORS), tensorCount: tensors.length };
}
