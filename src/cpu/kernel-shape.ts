/**
 * KernelShape: what the code of a method's kernel depends on beside the method itself, so that one that was compiled
 * serves every piece of the same shape. Lengths and numbers are no part of it: they are data.
 */

import type { BlendedDtype } from '../formats/dtype.ts';
import type { KernelNumbers, Lines, PieceShape } from '../methods/kernel.ts';
import type { Axis, SelectPass, SumPass } from '../methods/method.ts';

/** What a kernel of a method depends on, beside the method. */
export interface KernelShape {
  readonly hasBase: boolean;
  readonly dtypes: readonly BlendedDtype[];
  readonly coefficients: Axis;
  /** The axis of every pass's findings; a pass that is absent reads as zero. */
  readonly found: ReadonlyMap<string, Axis>;
  /** Selections that were done. */
  readonly selected: ReadonlySet<string>;
  /** Whether ranks are given in 16 bits. */
  readonly isShortRanked: boolean;
}

/** What is to be computed. */
export type KernelEntry =
  | {
      readonly kind: 'merge';
      readonly out: BlendedDtype;
      readonly storage: 'packed' | 'float32';
      readonly isAudited: boolean;
    }
  | { readonly kind: 'sums'; readonly pass: SumPass }
  | { readonly kind: 'keys'; readonly pass: SelectPass; readonly key: number };

/** Numbers along an axis of which there is only one line are the same everywhere. */
function axisOf(lines: Lines): Axis {
  return lines.lines === 1 ? 'tensor' : lines.over;
}

/** Whether 16 bits hold the ranks within a row. */
export function ranksAreShort(rowElements: number): boolean {
  return rowElements <= 2 ** 16;
}

/** The shape of the kernel that a piece needs with these numbers. */
export function kernelShape(piece: PieceShape, numbers: KernelNumbers): KernelShape {
  return {
    hasBase: piece.hasBase,
    dtypes: piece.dtypes,
    coefficients: axisOf(numbers.coefficients),
    found: new Map([...numbers.found].map(([name, lines]) => [name, axisOf(lines)])),
    selected: new Set(numbers.slots.keys()),
    isShortRanked: ranksAreShort(piece.rowElements),
  };
}

/** A text that is the same for the same kernel of one method. */
export function kernelKey(shape: KernelShape, entry: KernelEntry): string {
  const { hasBase, dtypes, coefficients, found, selected, isShortRanked } = shape;
  const own =
    entry.kind === 'merge'
      ? [entry.out, entry.storage, entry.isAudited]
      : [entry.pass.name, entry.kind === 'keys' ? entry.key : ''];
  return [
    entry.kind,
    ...own,
    hasBase,
    ...dtypes,
    coefficients,
    ...[...found].flat(),
    '|',
    ...selected,
    '|',
    isShortRanked,
  ].join(' ');
}
