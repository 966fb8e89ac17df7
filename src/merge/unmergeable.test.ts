/** What is said of a checkpoint that cannot be merged is what its own check says, without lining it up. */

import { describe, expect, it } from 'vitest';
import type { Checkpoint, TensorEntry } from '../formats/checkpoint.ts';
import type { Dtype } from '../formats/dtype.ts';
import { check, unmergeable } from './check.ts';
import { family } from './test/checkpoints.ts';

function firstError(checkpoint: Checkpoint): string | null {
  const models = [{ model: checkpoint.name, parameters: {} }];
  const recipe = { method: 'linear', base: null, models, parameters: {}, outDtype: null };
  return check(recipe, () => checkpoint).findings.find(({ severity }) => severity === 'error')?.message ?? null;
}

const [sound] = family(1);
if (!sound) throw new Error('no checkpoint');

/** The same with other dtypes or names. */
function changed(change: (entry: TensorEntry, n: number) => Partial<TensorEntry>): Checkpoint {
  const entries = [...(sound?.tensors.values() ?? [])].map((entry, n) => ({ ...entry, ...change(entry, n) }));
  return { ...(sound as Checkpoint), tensors: new Map(entries.map((entry) => [entry.name, entry])) };
}

const dtype = (own: Dtype) => ({ dtype: own });

describe('unmergeable', () => {
  it.each<[string, Checkpoint]>([
    ['sound', sound],
    ['of integers', changed(() => dtype('I8'))],
    ['of F64', changed(() => dtype('F64'))],
    ['of integers but for one', changed((_, n) => dtype(n === 3 ? 'BF16' : 'I32'))],
    ['quantised by its names', changed(({ name }, n) => (n === 2 ? { name: `${name}.absmax` } : {}))],
    ['quantised by its config', { ...sound, config: { quantization_config: { quant_method: 'awq' } } }],
    ['quantised, and of integers', { ...changed(() => dtype('I32')), config: { quantization_config: {} } }],
  ])('of a checkpoint that is %s', (_, checkpoint) => {
    expect(unmergeable(checkpoint)?.message ?? null).toBe(firstError(checkpoint));
  });
});
