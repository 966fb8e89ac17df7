/** Evidence settings: the recipes that `evidence.ts` tries on a base and its fine-tunes. */

import { stringify } from 'yaml';
import { UNITS } from '../methods/method.ts';

/** One row to be. */
export interface Setting {
  readonly kind: 'base' | 'parent' | 'linear' | 'task' | 'varm';
  readonly title: string;
  /** A recipe as a user would write it. */
  readonly recipe: string;
}

/** Scales of the summed task vector. */
const LAMBDAS = [0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0] as const;

/** All settings for a base and the family's models (the base may be among them), in the table's order. */
export function settingsOf(
  base: string,
  family: readonly { readonly folder: string; readonly skill: string | null }[],
): Setting[] {
  const parents = family.filter(({ folder }) => folder !== base);
  const models = parents.map(({ folder }) => ({ model: folder }));
  const weighted = models.map(({ model }) => ({ model, parameters: { weight: 1 } }));
  const alone = (model: string) =>
    stringify({ merge_method: 'linear', models: [{ model, parameters: { weight: 1 } }] });
  const varm = (granularity: string, statistic: 'square' | 'abs'): Setting => ({
    kind: 'varm',
    title: `VaRM per ${granularity}${statistic === 'abs' ? ', abs' : ''}`,
    recipe: stringify({ merge_method: 'varm', base_model: base, models, parameters: { granularity, statistic } }),
  });
  return [
    { kind: 'base', title: `${base} (base)`, recipe: alone(base) },
    ...parents.map(
      ({ folder, skill }): Setting => ({
        kind: 'parent',
        title: skill === null ? folder : `${folder} (${skill})`,
        recipe: alone(folder),
      }),
    ),
    {
      kind: 'linear',
      title: 'uniform average (linear)',
      recipe: stringify({ merge_method: 'linear', models: weighted }),
    },
    ...LAMBDAS.map(
      (lambda): Setting => ({
        kind: 'task',
        title: `task arithmetic, lambda ${lambda.toFixed(1)}`,
        recipe: stringify({
          merge_method: 'task_arithmetic',
          base_model: base,
          models: weighted,
          parameters: { lambda },
        }),
      }),
    ),
    ...UNITS.flatMap((unit) =>
      unit === 'tensor' ? [varm(unit, 'square'), varm(unit, 'abs')] : [varm(unit, 'square')],
    ),
  ];
}
