/**
 * Colour scale of the weights map: one hue from ground to full for weights from 0 to the top, another for negative
 * ones. Lightness carries the value, so it reads for every kind of colour vision; the number stands in every cell.
 */

import type { CSSProperties } from 'react';

/**
 * The share of the scale above which type turns from black to white (light scheme) or from white to black (dark):
 * where the ground's luminance is 0.179, so that both keep 4.5 : 1. It depends on the colours in `page.css`.
 */
const FLIPS = {
  positive: { light: 0.652, dark: 0.481 },
  negative: { light: 0.668, dark: 0.522 },
} as const;

/** How a cell looks; `flipsIn` names the schemes in which its type takes the other colour. */
export interface CellColour {
  readonly style: CSSProperties;
  readonly flipsIn: 'none' | 'light' | 'dark' | 'both';
}

/** The look of a weight; `top` is the weight at full colour. */
export function cellColour(weight: number, top: number): CellColour {
  const share = Number.isFinite(weight) ? Math.min(1, Math.abs(weight) / top) : 0;
  const flips = weight < 0 ? FLIPS.negative : FLIPS.positive;
  const style = {
    '--share': `${(share * 100).toFixed(1)}%`,
    '--full': weight < 0 ? 'var(--map-negative)' : 'var(--map-full)',
  } as CSSProperties;
  const isLight = share > flips.light;
  const isDark = share > flips.dark;
  return { style, flipsIn: isLight && isDark ? 'both' : isLight ? 'light' : isDark ? 'dark' : 'none' };
}
