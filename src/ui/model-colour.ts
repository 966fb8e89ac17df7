/**
 * Model colour: the one colour by which a model is known everywhere on the page, beside its letter. Eight that differ in
 * lightness as well as in hue, so that they part for colour-blind eyes too; the ninth model begins again, and its
 * letter tells it from the first. The colours themselves stand in `page.css`, one set per scheme.
 */

/** How many colours there are. */
export const MODEL_COLOURS = 8;

/**
 * The colour of a model of the blend as a CSS value, by its place in the recipe from 0. At least 4.5 : 1 against the
 * page's grounds, for type, lines and areas alike; type on an area of it takes `--model-text`.
 */
export function modelColour(index: number): string {
  return `var(--model-${(((index % MODEL_COLOURS) + MODEL_COLOURS) % MODEL_COLOURS) + 1})`;
}
