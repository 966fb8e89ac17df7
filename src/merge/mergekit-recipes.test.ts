/** The kinds of recipes that mergekit ships as examples, in our own words: each must parse, line up and be planned. */

import { describe, expect, it } from 'vitest';
import type { Checkpoint } from '../formats/checkpoint.ts';
import { mergekitCommand } from '../recipe/mergekit-command.ts';
import { modelsNeeded } from '../recipe/recipe.ts';
import { parseRecipe } from '../recipe/yaml.ts';
import { check } from './check.ts';
import { planFiles } from './output-files.ts';
import { plan } from './plan.ts';
import { checkpoint, valuesOf } from './test/checkpoints.ts';

const LAYERS = 40;
const SHAPES: Record<string, readonly number[]> = {
  'model.embed_tokens.weight': [8, 4],
  ...Object.fromEntries(
    Array.from({ length: LAYERS }, (_, n) => [
      [`model.layers.${n}.self_attn.q_proj.weight`, [4, 4]],
      [`model.layers.${n}.mlp.up_proj.weight`, [6, 4]],
      [`model.layers.${n}.input_layernorm.weight`, [4]],
    ]).flat() as [string, number[]][],
  ),
  'model.norm.weight': [4],
  'lm_head.weight': [8, 4],
};

function model(name: string): Checkpoint {
  const config = { model_type: 'llama', num_hidden_layers: LAYERS };
  return checkpoint({
    name,
    values: valuesOf(SHAPES, name.length),
    shapes: SHAPES,
    config,
    sideFiles: new Map([['config.json', JSON.stringify(config)]]),
  });
}

const RECIPES: Readonly<Record<string, string>> = {
  'weighted average': `
models:
  - {model: org/writer-13b, parameters: {weight: 1.0}}
  - {model: org/coder-13b, parameters: {weight: 0.3}}
  - {model: org/thinker-13b, parameters: {weight: 0.5}}
merge_method: linear
dtype: float16
`,
  'task vectors with gradients': `
models:
  - model: org/writer-13b
    parameters:
      density: [1, 0.7, 0.1]  # less in later layers
      weight: 1.0
  - model: org/coder-13b
    parameters:
      density: 0.5
      weight: [0, 0.3, 0.7, 1]
  - model: org/thinker-13b
    parameters:
      density: 0.33
      weight:
        - filter: mlp
          value: 0.5
        - value: 0
merge_method: ties
base_model: org/base-13b-fp16
parameters: {normalize: true, int8_mask: true}
dtype: float16
`,
  'two specialists on a base': `
models:
  - {model: org/instruct-v0.2, parameters: {density: 0.5, weight: 0.5}}
  - {model: Bio/doctor-7b, parameters: {density: 0.5, weight: 0.5}}
merge_method: ties
base_model: org/base-v0.1
parameters: {normalize: false, int8_mask: true}
dtype: float16
`,
  'spherical, by layer and module': `
slices:
  - sources:
      - {model: org/writer-13b, layer_range: [0, 40]}
      - {model: org/thinker-13b, layer_range: [0, 40]}
merge_method: slerp
base_model: org/writer-13b
parameters:
  t:
    - {filter: self_attn, value: [0, 0.5, 0.3, 0.7, 1]}
    - {filter: mlp, value: [1, 0.5, 0.7, 0.3, 0]}
    - value: 0.5  # the rest
dtype: float16
`,
  'stacked to 44 layers': `
slices:
  - sources: [{model: org/writer-13b, layer_range: [0, 24]}]
  - sources: [{model: org/thinker-13b, layer_range: [20, 40]}]
merge_method: passthrough
dtype: float16
`,
  'cut to its first layers': `
slices:
  - sources:
    - model: small
      layer_range: [0, 8]
merge_method: passthrough
dtype: float16
`,
  'one merge feeding the next': `
slices:
  - sources:
      - {model: org/writer-13b, layer_range: [0, 40]}
      - {model: org/thinker-13b, layer_range: [0, 40]}
merge_method: slerp
base_model: org/writer-13b
parameters: {t: [{filter: self_attn, value: [0, 1]}, {value: 0.5}]}
dtype: float16
name: rounded
---
models:
  - {model: rounded, parameters: {density: [1, 0.7, 0.1], weight: 1.0}}
  - {model: org/maths-13b, parameters: {density: 0.33, weight: [{filter: mlp, value: 0.5}, {value: 0}]}}
merge_method: ties
base_model: org/base-13b-fp16
parameters: {normalize: true, int8_mask: true}
dtype: float16
name: rounded-maths
`,
  'a single layer taken out, the rest scaled': `
slices:
  - sources: [{model: a, layer_range: [0, 20], parameters: {scale: [{filter: o_proj, value: 0}, {value: 1.5}]}}]
  - sources: [{model: a, layer_range: [21, 40]}]
merge_method: passthrough
`,
};

describe('recipes as mergekit’s examples are', () => {
  it.each(Object.entries(RECIPES))('%s', (_, text) => {
    const recipe = parseRecipe(text);
    const open = new Map(modelsNeeded(recipe).map((name) => [name, model(name)]));
    const { lineup, findings } = check(recipe, (name) => open.get(name));
    expect(findings.filter(({ severity }) => severity === 'error')).toEqual([]);
    if (!lineup) throw new Error('refused');
    const planned = plan(lineup, { budgetBytes: 1e9, batchBytes: 1e7, depth: 2, keepsSources: false });
    expect(planned.mergedTensors).toBe(lineup.tensors.length);
    const files = planFiles(lineup, { name: 'm', recipeText: text, maxShardBytes: 1e9, version: '1' });
    expect(JSON.parse(files.texts.get('config.json') ?? '').num_hidden_layers).toBe(lineup.layers);
    expect(mergekitCommand(text)).toHaveProperty('recipe');
  });

  it('make the layers that they speak of', () => {
    const layers = (name: string) => {
      const recipe = parseRecipe(RECIPES[name] ?? '');
      return check(recipe, model).lineup?.layers;
    };
    expect(layers('stacked to 44 layers')).toBe(44);
    expect(layers('cut to its first layers')).toBe(8);
    expect(layers('a single layer taken out, the rest scaled')).toBe(39);
    expect(layers('one merge feeding the next')).toBe(40);
  });
});
