import { describe, expect, it } from 'vitest';
import { choosePrecision, formOf } from './weight-forms.ts';

const GB = 1e9;

describe('choosePrecision', () => {
  const choose = (parameters: number, budgetBytes: number, heldBytes = 0, isGpu = true) =>
    choosePrecision({ parameters, budgetBytes, heldBytes, isGpu });

  it.each([
    [0.26e6, 2 * GB, 0, 'f32', 'small'],
    [64e6, 2 * GB, 0, 'f32', '256 MB'],
    [64e6, 0.3 * GB, 0, 'q8', 'float32 (256 MB) does not fit in the 225 MB that are free of the budget of 300 MB'],
    [0.5e9, 2 * GB, 0, 'q8', '8 bits (563 MB); float32 takes 2.0 GB'],
    [0.5e9, 2 * GB, 1.4 * GB, 'q4', '8 bits (563 MB) do not fit in the 332 MB that are free of the budget of 2.0 GB'],
    [4e9, 4 * GB, 0, 'q4', '4 bits (2.5 GB), because 8 bits (4.5 GB)'],
    [8e9, 4 * GB, 0, 'q4', 'Even in 4 bits the weights take 5.0 GB'],
    [0.5e9, 1 * GB, 5 * GB, 'q4', 'more than the 0.0 MB that are free'],
  ] as const)('%d parameters, budget %d, held %d: %s', (parameters, budgetBytes, heldBytes, precision, words) => {
    const chosen = choose(parameters, budgetBytes, heldBytes);
    expect(chosen.precision).toBe(precision);
    expect(chosen.reason).toContain(words);
    expect(chosen.reason).toMatch(/^[A-Z][^!]*\.$/);
  });

  it('is float32 without a GPU, whatever the size', () => {
    expect(choose(8e9, GB, 0, false)).toEqual({
      precision: 'f32',
      reason: 'The weights are held in float32 (32 GB), which is what the processor computes with.',
    });
  });
});

describe('formOf', () => {
  const weights = [
    { name: 'embed', shape: [1000, 64], role: 'embedding' },
    { name: 'q', shape: [64, 64], role: 'linear' },
    { name: 'c_attn', shape: [64, 192], role: 'linear-transposed' },
    { name: 'odd', shape: [64, 40], role: 'linear' },
    { name: 'odd-transposed', shape: [64, 40], role: 'linear-transposed' },
    { name: 'positions', shape: [128, 64], role: 'vector' },
    { name: 'norm', shape: [64], role: 'vector' },
    { name: 'head', shape: [1000, 64], role: 'linear' },
  ] as const;
  /** So large that the embedding is a small part of the model. */
  const body = { name: 'body', shape: [8192, 128], role: 'linear' } as const;

  it('holds matrices in blocks, and in float32 what cannot be or must not be', () => {
    expect(Object.fromEntries(formOf(weights, 'q8'))).toEqual({
      embed: 'q8',
      q: 'q8',
      c_attn: 'q8-transposed',
      odd: 'f32',
      'odd-transposed': 'f32',
      positions: 'f32',
      norm: 'f32',
      head: 'q8',
    });
    expect(new Set(formOf(weights, 'f32').values())).toEqual(new Set(['f32']));
    expect(formOf(weights, 'q4').get('c_attn')).toBe('q4-transposed');
  });

  it('with 4 bits holds embedding and head in 8 where that adds little', () => {
    const tokens = (of: readonly ((typeof weights)[number] | typeof body)[]) => {
      const forms = formOf(of, 'q4');
      return [forms.get('embed'), forms.get('head'), forms.get('q')];
    };
    expect(tokens(weights)).toEqual(['q4', 'q4', 'q4']);
    expect(tokens([...weights, body])).toEqual(['q8', 'q8', 'q4']);
  });
});
