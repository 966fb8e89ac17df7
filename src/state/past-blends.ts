/**
 * Past blends: the recipes of the last blends, so that an earlier one can be talked to beside the live one. A slider
 * that moves makes a blend at every step; of such a burst only the last is kept, and what was talked to stays
 * longest. Pure.
 */

import { METHODS } from '../methods/index.ts';
import { diagnoseRecipe } from '../recipe/yaml.ts';
import { shownValue } from './shown-value.ts';
import type { PastBlend } from './speaker-choices.ts';

/** How many are kept. */
export const MOST_PAST_BLENDS = 8;
/** Blends that follow one another more closely than this are one burst. */
const BURST_MS = 2000;

/** A blend that is remembered. */
export interface RememberedBlend extends PastBlend {
  readonly madeMs: number;
  /** Whether a reply came from it. */
  readonly wasHeard: boolean;
}

/** With a new blend, the newest first. */
export function withBlend(
  blends: readonly RememberedBlend[],
  blend: number,
  text: string,
  nowMs: number,
): readonly RememberedBlend[] {
  const [newest] = blends;
  const known = blends.find((own) => own.text === text);
  const isBurst = newest !== undefined && nowMs - newest.madeMs < BURST_MS && !newest.wasHeard;
  const others = blends.filter((own) => own !== known && !(isBurst && own === newest));
  const added = { blend, text, label: blendLabel(blend, text), madeMs: nowMs, wasHeard: known?.wasHeard ?? false };
  return bounded([added, ...others]);
}

/** After a reply came from a blend, which a burst may have pushed out meanwhile. */
export function withHeard(
  blends: readonly RememberedBlend[],
  blend: number,
  text: string,
  nowMs: number,
): readonly RememberedBlend[] {
  const known = blends.find((own) => own.text === text);
  if (known) return blends.map((own) => (own === known ? { ...own, wasHeard: true } : own));
  const added = { blend, text, label: blendLabel(blend, text), madeMs: nowMs, wasHeard: true };
  return bounded([...blends, added].sort((a, b) => b.blend - a.blend));
}

function bounded(blends: readonly RememberedBlend[]): readonly RememberedBlend[] {
  if (blends.length <= MOST_PAST_BLENDS) return blends;
  // The live one is the first and stays.
  const unheard = blends.findLastIndex((own, index) => index > 0 && !own.wasHeard);
  return bounded(blends.toSpliced(unheard > 0 ? unheard : blends.length - 1, 1));
}

const MOST_LABEL_MODELS = 4;

/** A blend's name: its number, its method, and what the method's handle says of each model. */
export function blendLabel(blend: number, text: string): string {
  const { recipe } = diagnoseRecipe(text);
  if (!recipe) return `Blend ${blend}`;
  const parts = [`Blend ${blend}`, recipe.method];
  const method = METHODS.get(recipe.method);
  const handle = method?.handle ?? null;
  const parameter = handle === null ? undefined : method?.perModel[handle];
  if (handle !== null && parameter) {
    const values = recipe.models.map(({ model }) => shownValue(recipe, handle, parameter, model));
    const shown = values.slice(0, MOST_LABEL_MODELS).map(({ value, varies }) => (varies ? 'varies' : figure(value)));
    const more = values.length > MOST_LABEL_MODELS ? ', …' : '';
    if (values.some(({ isWritten, varies }) => isWritten || varies)) parts.push(`${handle} ${shown.join(', ')}${more}`);
  }
  return parts.join(' · ');
}

function figure(value: unknown): string {
  return typeof value === 'number' ? String(Number(value.toPrecision(3))) : 'auto';
}
