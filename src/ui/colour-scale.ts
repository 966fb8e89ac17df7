/**
 * Colour scale of the weights map: one hue from ground to full for weights from 0 to the top, another for negative
 * ones. Lightness carries the value, so it reads for every kind of colour vision; the number stands in every cell.
 */

import type { CSSProperties } from 'react';

/** Above this share of the scale the type turns to the other colour; both sides stay above 4.5 : 1. */
const FLIP_AT = 0.62;

/** Style and tone of a cell; `top` is the weight at full colour. */
export function cellColour(weight: number, top: number): { readonly style: CSSProperties; readonly isStrong: boolean } {
  const share = Number.isFinite(weight) ? Math.min(1, Math.abs(weight) / top) : 0;
  const style = {
    '--share': `${(share * 100).toFixed(1)}%`,
    '--full': weight < 0 ? 'var(--map-negative)' : 'var(--map-full)',
  } as CSSProperties;
  return { style, isStrong: share > FLIP_AT };
}
