import { describe, expect, it } from 'vitest';
import { filterOfModule, layersOf } from './filter-reach.ts';
import { indexing, nameIndexOf } from './name-index.ts';
import { stackPlaceOf, stacksOf } from './stack.ts';

const NAMES = [
  'model.embed_tokens.weight',
  'model.layers.0.self_attn.q_proj.weight',
  'model.layers.0.mlp.experts.3.up.weight',
  'model.layers.0.post_mlp_norm.weight',
  'vision.blocks.0.attn.weight',
  'model.layers.11.self_attn.q_proj.weight',
  'model.layers.11.mlp.experts.3.up.weight',
  'vision.blocks.1.attn.weight',
  'lm_head.weight',
];

describe('name index', () => {
  it('says of every name what the name says itself', () => {
    const { stacks, stackOf, layerOf, modules } = nameIndexOf(NAMES);
    expect(stacks).toEqual(stacksOf(NAMES));
    const paths = [...stacks.keys()];
    for (const [i, name] of NAMES.entries()) {
      const place = stackPlaceOf(name);
      expect([paths[stackOf[i] ?? -1] ?? null, layerOf[i]]).toEqual([place?.stack ?? null, place?.layer ?? -1]);
    }
    expect(modules).toEqual(['self_attn', 'mlp', 'post_mlp_norm', 'attn']);
  });

  it('has one name of each kind, and all outside the layers', () => {
    expect(nameIndexOf(NAMES).kinds.map(({ name }) => name)).toEqual(
      NAMES.filter((name) => !name.includes('.11.') && !name.includes('blocks.1.')),
    );
  });

  it('is made once for the same names, with turns for others where they are many', () => {
    expect(nameIndexOf(NAMES)).toBe(nameIndexOf(NAMES));
    const many = Array.from({ length: 100_000 }, (_, i) => `model.layers.${i}.mlp.weight`);
    const steps = indexing(many);
    let turns = 0;
    while (steps.next().done !== true) turns++;
    expect(turns).toBeGreaterThanOrEqual(20);
    expect(nameIndexOf(many).stacks.get('model.layers')).toBe(100_000);
  });

  it('gives modules filters that find them alone', () => {
    const filters = ['self_attn', 'mlp', 'attn'].map((module) => filterOfModule(module, NAMES));
    expect(filters).toEqual(['self_attn', '.mlp.', '.attn.']);
    expect(filterOfModule('1', ['h.1.1.weight', 'h.0.1.weight', 'h.1.a.weight'])).toBe('.1.');
  });

  it('samples so many layers of a very deep model as can be drawn, with its first and its last', () => {
    const deep = Array.from({ length: 20_000 }, (_, i) => `h.${i >> 1}.${i & 1}x.weight`);
    const { count, samples, step } = layersOf(deep, null, [[], [null]]);
    expect(count).toBe(10_000);
    expect(samples.length).toBeLessThanOrEqual(402);
    expect([samples[0]?.layer, samples[1]?.layer, samples.at(-1)?.layer]).toEqual([0, step, 9999]);
    // Where lists have filters, a layer is divided as they divide it.
    expect(layersOf(deep, null, [['0x']]).samples).toHaveLength(2 * samples.length);
  });
});
