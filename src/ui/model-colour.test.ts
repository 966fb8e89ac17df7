/** The models' colours: type on them and they on the page can be read, and they part for every kind of colour vision. */

import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { MODEL_COLOURS, modelColour } from './model-colour.ts';

const css = readFileSync(new URL('./page.css', import.meta.url), 'utf8');

type Triple = readonly [number, number, number];

function variable(scheme: 'light' | 'dark', name: string): Triple {
  const block = css.split(`[data-mantine-color-scheme="${scheme}"]`)[1] ?? '';
  const hex = new RegExp(`--${name}: (#[0-9a-f]{6});`).exec(block)?.[1];
  if (hex === undefined) throw new Error(`page.css has no --${name} for ${scheme}`);
  return [linear(hex, 1), linear(hex, 3), linear(hex, 5)];
}

/** One channel of a colour as a share of light. */
function linear(hex: string, at: number): number {
  const c = Number.parseInt(hex.slice(at, at + 2), 16) / 255;
  return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
}

function contrast(a: Triple, b: Triple): number {
  const [dark = 0, light = 0] = [a, b].map(([r, g, bl]) => 0.2126 * r + 0.7152 * g + 0.0722 * bl).sort((x, y) => x - y);
  return (light + 0.05) / (dark + 0.05);
}

/** What colour-blind eyes make of linear light (Machado 2009, severity 1). */
const VISIONS: Readonly<Record<string, readonly Triple[]>> = {
  normal: [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
  ],
  protanopia: [
    [0.152286, 1.052583, -0.204868],
    [0.114503, 0.786281, 0.099216],
    [-0.003882, -0.048116, 1.051998],
  ],
  deuteranopia: [
    [0.367322, 0.860646, -0.227968],
    [0.280085, 0.672501, 0.047413],
    [-0.01182, 0.04294, 0.968881],
  ],
};

function seen([r, g, b]: Triple, vision: readonly Triple[]): Triple {
  const [x = 0, y = 0, z = 0] = vision.map(([p, q, s]) => Math.max(0, p * r + q * g + s * b));
  return [x, y, z];
}

/** Oklab, in which distances are what eyes make of them (Ottosson 2020). */
function oklab([r, g, b]: Triple): Triple {
  const l = Math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b);
  const m = Math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b);
  const s = Math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
  return [
    0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s,
    1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s,
    0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s,
  ];
}

/** The smallest distance that two colours may have; 0.02 is just noticeable side by side. */
const LEAST_DISTANCE = 0.035;
/** The first ones, which most blends have, are farther apart. */
const LEAST_OF_FIRST = 0.07;

describe.each(['light', 'dark'] as const)('the models’ colours in the %s scheme', (scheme) => {
  const all = Array.from({ length: MODEL_COLOURS }, (_, i) => variable(scheme, `model-${i + 1}`));

  it('can be read: type on them, and they on the page', () => {
    for (const colour of all) {
      expect(contrast(colour, variable(scheme, 'model-text'))).toBeGreaterThan(4.5);
      for (const ground of ['surface', 'surface-hover']) {
        expect(contrast(colour, variable(scheme, ground))).toBeGreaterThan(4.5);
      }
    }
  });

  it.each(Object.entries(VISIONS))('part for %s', (_, vision) => {
    const labs = all.map((colour) => oklab(seen(colour, vision)));
    labs.forEach((a, i) => {
      labs.slice(0, i).forEach((b, j) => {
        const least = i < 4 ? LEAST_OF_FIRST : LEAST_DISTANCE;
        expect(Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]), `${j + 1} and ${i + 1}`).toBeGreaterThan(least);
      });
    });
  });
});

it('begins again after the last', () => {
  expect(modelColour(0)).toBe('var(--model-1)');
  expect(modelColour(MODEL_COLOURS)).toBe(modelColour(0));
});
