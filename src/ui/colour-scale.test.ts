/** The scale's promise: the number in a cell can be read on every colour, in both schemes. */

import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { cellColour } from './colour-scale.ts';

const css = readFileSync(new URL('./page.css', import.meta.url), 'utf8');

type Triple = readonly [number, number, number];

function variable(scheme: 'light' | 'dark', name: string): string {
  const block = css.split(`[data-mantine-color-scheme="${scheme}"]`)[1] ?? css.split(`scheme='${scheme}']`)[1] ?? '';
  const value = new RegExp(`--${name}: (#[0-9a-f]{6});`).exec(block)?.[1];
  if (value === undefined) throw new Error(`page.css has no --${name} for ${scheme}`);
  return value;
}

const linear = (c: number) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);

/** Oklab, in which the page mixes the two colours (Ottosson 2020). */
function oklab(hex: string): Triple {
  const [r = 0, g = 0, b = 0] = [1, 3, 5].map((at) => linear(Number.parseInt(hex.slice(at, at + 2), 16) / 255));
  const l = Math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b);
  const m = Math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b);
  const s = Math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
  return [
    0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s,
    1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s,
    0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s,
  ];
}

function luminance([L, a, b]: Triple): number {
  const l = (L + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (L - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (L - 0.0894841775 * a - 1.291485548 * b) ** 3;
  const red = 4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s;
  const green = -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s;
  const blue = -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s;
  return 0.2126 * Math.max(0, red) + 0.7152 * Math.max(0, green) + 0.0722 * Math.max(0, blue);
}

describe.each(['light', 'dark'] as const)('the scale in the %s scheme', (scheme) => {
  it.each([
    ['map-full', 1],
    ['map-negative', -1],
  ] as const)('keeps 4.5 : 1 from none to full (%s)', (name, sign) => {
    const ground = oklab(variable(scheme, 'map-ground'));
    const full = oklab(variable(scheme, name));
    for (let share = 0; share <= 1; share += 0.002) {
      const mixed = ground.map((c, i) => c + ((full[i] ?? 0) - c) * share) as unknown as Triple;
      const { flipsIn } = cellColour(sign * share, 1);
      const flips = flipsIn === 'both' || flipsIn === scheme;
      const isWhite = flips === (scheme === 'light');
      const lum = luminance(mixed);
      const contrast = isWhite ? 1.05 / (lum + 0.05) : (lum + 0.05) / 0.05;
      expect(contrast, `${name} at ${share.toFixed(3)}`).toBeGreaterThan(4.5);
    }
  });
});

describe('cellColour', () => {
  it('shows what is no number, and more than the top, within the scale', () => {
    expect(cellColour(Number.NaN, 1).style).toMatchObject({ '--share': '0.0%' });
    expect(cellColour(7, 2).style).toMatchObject({ '--share': '100.0%' });
  });
});
