/** SurveyFamilies: bases and fine-tunes whose changes are known, and surveys of them by the real pass. Not shipped. */

import type { Checkpoint } from '../../formats/checkpoint.ts';
import type { BlendedDtype } from '../../formats/dtype.ts';
import { newRecipe, parseRecipe } from '../../recipe/yaml.ts';
import { Blend } from '../blend.ts';
import { check } from '../check.ts';
import { CpuArithmetic } from '../cpu-arithmetic.ts';
import type { Lineup } from '../lineup.ts';
import type { Survey } from '../survey.ts';
import { surveyRecipe } from '../surveying.ts';
import { checkpoint, random } from './checkpoints.ts';

/** Shapes of a Llama of some layers, with 288 elements of attention and 384 of MLP in each. */
export function shapesOf(layers: number): Record<string, readonly number[]> {
  const inLayers = Array.from({ length: layers }, (_, layer) =>
    Object.entries({
      'self_attn.q_proj.weight': [12, 12],
      'self_attn.v_proj.weight': [12, 12],
      'mlp.up_proj.weight': [16, 12],
      'mlp.down_proj.weight': [12, 16],
      'input_layernorm.weight': [12],
    }).map(([name, shape]) => [`model.layers.${layer}.${name}`, shape] as const),
  ).flat();
  return Object.fromEntries([
    ['model.embed_tokens.weight', [30, 12]],
    ...inLayers,
    ['model.norm.weight', [12]],
    ['lm_head.weight', [30, 12]],
  ]);
}

/** What one model adds to element `i` of a tensor whose base value is `base`. */
export type Change = (tensor: string, i: number, base: number) => number;

/** A change by chance in every weight: independent of that of another seed. */
export function noise(seed: number, size = 0.005): Change {
  const next = random(seed);
  return () => (next() - 0.5) * size;
}

/** A change only in tensors whose names match. */
export function only(pattern: RegExp, change: Change): Change {
  return (tensor, i, base) => (pattern.test(tensor) ? change(tensor, i, base) : 0);
}

/** What a family is made of. */
export interface FamilyOptions {
  readonly layers?: number;
  readonly dtype?: BlendedDtype;
  /** The next value of the base in a tensor. */
  readonly baseOf?: (tensor: string) => number;
}

/** Numbers between −⅛ and ⅛. */
function small(next: () => number): () => number {
  return () => (next() - 0.5) / 4;
}

/** A base named `base` and a model for each change, by its name. */
export function familyOf(
  changes: Readonly<Record<string, Change>>,
  { layers = 4, dtype = 'F32', baseOf = small(random(1)) }: FamilyOptions = {},
): Checkpoint[] {
  const shapes = shapesOf(layers);
  const base = new Map(
    Object.entries(shapes).map(([name, shape]) => {
      const elements = shape.reduce((a, b) => a * b, 1);
      return [name, Float64Array.from({ length: elements }, () => baseOf(name))] as const;
    }),
  );
  const models = Object.entries(changes).map(([name, change]) => {
    const values = new Map([...base].map(([tensor, own]) => [tensor, own.map((v, i) => v + change(tensor, i, v))]));
    return checkpoint({ name, values, shapes, dtype });
  });
  return [checkpoint({ name: 'base', values: base, shapes, dtype }), ...models];
}

/** What is surveyed of a recipe's text over some checkpoints. */
export function surveyedLineup(text: string, checkpoints: readonly Checkpoint[]): Lineup {
  const recipe = surveyRecipe(parseRecipe(text));
  if (!recipe) throw new Error('the recipe has no base');
  const { lineup, findings } = check(recipe, (name) => checkpoints.find((own) => own.name === name));
  if (!lineup) throw new Error(findings.map(({ message }) => message).join('; '));
  return lineup;
}

/** The survey of a base and its models, by the real pass on the CPU. */
export async function surveyOfFamily([base, ...models]: readonly Checkpoint[]): Promise<Survey> {
  const names = models.map(({ name }) => name);
  const text = newRecipe({ method: 'varm', base: base?.name ?? null, models: names });
  const blend = new Blend(new CpuArithmetic([]), { budgetBytes: 2 ** 28, keepsSources: false });
  const made = await blend.survey(surveyedLineup(text, [...(base ? [base] : []), ...models]));
  await blend.dispose();
  return made;
}
