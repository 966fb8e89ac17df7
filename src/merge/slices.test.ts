import { describe, expect, it } from 'vitest';
import type { Checkpoint } from '../formats/checkpoint.ts';
import { parseRecipe } from '../recipe/yaml.ts';
import { check } from './check.ts';
import { planFiles } from './output-files.ts';
import { checkpoint, valuesOf } from './test/checkpoints.ts';

const LAYER = { 'self_attn.q_proj.weight': [6, 6], 'mlp.up_proj.weight': [8, 6], 'input_layernorm.weight': [6] };

/** A decoder of some layers, with a config that tells its layers apart. */
function decoder(
  name: string,
  layers: number,
  seed: number,
  config: Record<string, unknown> = {},
  prefix = 'model.',
): Checkpoint {
  const shapes: Record<string, readonly number[]> = { [`${prefix}embed_tokens.weight`]: [11, 6] };
  for (let n = 0; n < layers; n++) {
    for (const [rest, shape] of Object.entries(LAYER)) shapes[`${prefix}layers.${n}.${rest}`] = shape;
  }
  shapes[`${prefix}norm.weight`] = [6];
  shapes['lm_head.weight'] = [11, 6];
  const all = {
    model_type: 'llama',
    num_hidden_layers: layers,
    layer_types: Array.from({ length: layers }, (_, n) => `${name}${n}`),
    eos_token_id: Array.from({ length: layers }, (_, n) => n),
    vocab_size: 11,
    ...config,
  };
  const text = `${JSON.stringify(all, null, 2)}\n`;
  return checkpoint({
    name,
    values: valuesOf(shapes, seed),
    shapes,
    config: all,
    sideFiles: new Map([['config.json', text]]),
  });
}

function checking(text: string, ...checkpoints: Checkpoint[]) {
  return check(parseRecipe(text), (name) => checkpoints.find((own) => own.name === name));
}

/** The source of every tensor of the result, as `model:name`. */
function origins(text: string, ...checkpoints: Checkpoint[]): Map<string, string[]> {
  const { lineup, findings } = checking(text, ...checkpoints);
  if (!lineup) throw new Error(findings.map(({ message }) => message).join('\n'));
  const nameOf = (file: unknown) => checkpoints.find((own) => 'file' in own && own.file === file)?.name ?? '?';
  return new Map(
    lineup.tensors.map(({ name, sources }) => [name, sources.map((source) => `${nameOf(source.file)}:${source.name}`)]),
  );
}

const STACK = `
merge_method: passthrough
slices:
  - sources: [{model: a, layer_range: [0, 3]}]
  - sources: [{model: b, layer_range: [1, 4]}]
`;

describe('slices', () => {
  it('renumber layers; what stands before is the first slice’s, what stands after the last one’s', () => {
    const found = origins(STACK, decoder('a', 4, 1), decoder('b', 4, 2));
    expect(found.get('model.embed_tokens.weight')).toEqual(['a:model.embed_tokens.weight']);
    expect(found.get('model.layers.2.mlp.up_proj.weight')).toEqual(['a:model.layers.2.mlp.up_proj.weight']);
    expect(found.get('model.layers.3.mlp.up_proj.weight')).toEqual(['b:model.layers.1.mlp.up_proj.weight']);
    expect(found.get('model.layers.5.input_layernorm.weight')).toEqual(['b:model.layers.3.input_layernorm.weight']);
    expect(found.get('model.norm.weight')).toEqual(['b:model.norm.weight']);
    expect(found.get('lm_head.weight')).toEqual(['b:lm_head.weight']);
    expect(found.size).toBe(6 * 3 + 3);
    expect([...found.keys()].at(0)).toBe('model.embed_tokens.weight');
    expect([...found.keys()].at(-1)).toBe('lm_head.weight');
  });

  it('update the layer count and lists with an entry per layer, and nothing else', () => {
    const { lineup } = checking(STACK, decoder('a', 4, 1), decoder('b', 4, 2));
    if (!lineup) throw new Error('refused');
    const { texts } = planFiles(lineup, { name: 'm', recipeText: STACK, maxShardBytes: 1e9, version: '1' });
    const config = JSON.parse(texts.get('config.json') ?? '{}');
    expect(config).toMatchObject({
      num_hidden_layers: 6,
      layer_types: ['a0', 'a1', 'a2', 'b1', 'b2', 'b3'],
      eos_token_id: [0, 1, 2, 3],
      vocab_size: 11,
    });
    expect(lineup.layers).toBe(6);
  });

  it('interpolate gradients within each slice, and give the rest the first value', () => {
    const text = `
merge_method: slerp
base_model: a
parameters: {t: [0, 1]}
slices:
  - sources: [{model: a, layer_range: [0, 3]}, {model: b, layer_range: [0, 3]}]
  - sources: [{model: a, layer_range: [3, 4]}, {model: b, layer_range: [3, 4]}]
    parameters: {t: [0.25, 0.75]}
`;
    const { lineup } = checking(text, decoder('a', 4, 1), decoder('b', 4, 2));
    const t = (name: string) => lineup?.tensors.find((tensor) => tensor.name === name)?.params.t;
    expect([0, 1, 2, 3].map((n) => t(`model.layers.${n}.mlp.up_proj.weight`))).toEqual([0, 0.5, 1, 0.75]);
    expect(t('model.embed_tokens.weight')).toBe(0);
    expect(t('model.norm.weight')).toBe(0.25);
    expect(
      lineup?.tensors.every(({ hasBase, sources, modelOf }) => hasBase && sources.length === 2 && modelOf[0] === 0),
    ).toBe(true);
  });

  it('ask the source, then the slice, then the recipe; each filter with the name that its scope means', () => {
    const text = `
merge_method: linear
parameters: {weight: 0.5, normalize: false}
slices:
  - sources:
      - model: a
        layer_range: [2, 4]
        parameters: {weight: [{filter: layers.2., value: 0.1}]}
      - {model: b, layer_range: [2, 4]}
    parameters: {weight: [{filter: layers.3., value: 0.3}], normalize: [{filter: layers.0., value: true}]}
`;
    const { lineup } = checking(text, decoder('a', 4, 1), decoder('b', 4, 2));
    const at = (n: number) => lineup?.tensors.find(({ name }) => name === `model.layers.${n}.mlp.up_proj.weight`);
    expect(at(0)?.perModel.map(({ weight }) => weight)).toEqual([0.1, 0.5]);
    expect(at(1)?.perModel.map(({ weight }) => weight)).toEqual([0.3, 0.3]);
    expect([at(0)?.params.normalize, at(1)?.params.normalize]).toEqual([1, 0]);
  });

  it('refuse a range beyond the layers, and stacks that are not there', () => {
    const beyond = STACK.replace('[1, 4]', '[1, 9]');
    const { findings, lineup } = checking(beyond, decoder('a', 4, 1), decoder('b', 4, 2));
    expect(lineup).toBeNull();
    expect(findings[0]?.message).toContain('layers 1 to 9 of b, which has 4');
    const flat = checkpoint({ name: 'a', values: valuesOf({ w: [2] }, 1), shapes: { w: [2] } });
    expect(checking(STACK.replace('model: b', 'model: a'), flat).findings[0]?.message).toContain('no numbered layers');
  });

  it('let models of different heights be stacked, and refuse other widths', () => {
    expect(origins(STACK, decoder('a', 3, 1), decoder('b', 8, 2)).size).toBe(21);
    const wide = checkpoint({
      name: 'b',
      values: new Map(
        [...decoder('b', 4, 2).tensors].map(([name, { elements }]) => [name, new Float64Array(elements * 2)]),
      ),
      config: null,
    });
    const { findings, lineup } = checking(STACK, decoder('a', 3, 1), wide);
    expect(lineup).toBeNull();
    expect(findings.find(({ code }) => code === 'shape')?.message).toContain('Stack models of one width only');
  });

  describe('with tied heads', () => {
    const tied = { tie_word_embeddings: true };
    const bare = (own: Checkpoint): Checkpoint => {
      const tensors = new Map(own.tensors);
      tensors.delete('lm_head.weight');
      return { ...own, tensors };
    };
    const configOf = (...models: Checkpoint[]) => {
      const { lineup } = checking(STACK, ...models);
      if (!lineup) throw new Error('refused');
      const { texts } = planFiles(lineup, { name: 'm', recipeText: STACK, maxShardBytes: 1e9, version: '1' });
      return JSON.parse(texts.get('config.json') ?? '{}');
    };

    it('stay tied to the first slice’s embeddings, whether the last one stores its head or not', () => {
      for (const b of [bare(decoder('b', 4, 2, tied)), decoder('b', 4, 2, tied)]) {
        const { lineup, findings } = checking(STACK, bare(decoder('a', 4, 1, tied)), b);
        expect(lineup?.order).not.toContain('lm_head.weight');
        expect(findings.find(({ code }) => code === 'tied')?.severity).toBe('note');
      }
    });

    it('are untied, in config too, where the last slice has a head of its own', () => {
      const models = [bare(decoder('a', 4, 1, tied)), decoder('b', 4, 2, { tie_word_embeddings: false })];
      expect(checking(STACK, ...models).lineup?.order).toContain('lm_head.weight');
      expect(configOf(...models).tie_word_embeddings).toBe(false);
    });

    it('are read from the embeddings where the result needs a head', () => {
      const { lineup } = checking(STACK, decoder('a', 4, 1), bare(decoder('b', 4, 2, tied)));
      const head = lineup?.tensors.find(({ name }) => name === 'lm_head.weight');
      expect(head?.sources[0]?.name).toBe('model.embed_tokens.weight');
    });
  });

  it('take lists with an entry per layer from the model whose layer it is, also where no layer moves', () => {
    const text = STACK.replace('[0, 3]', '[0, 2]').replace('[1, 4]', '[2, 4]');
    const { lineup } = checking(text, decoder('a', 4, 1), decoder('b', 4, 2));
    if (!lineup) throw new Error('refused');
    const { texts } = planFiles(lineup, { name: 'm', recipeText: text, maxShardBytes: 1e9, version: '1' });
    expect(JSON.parse(texts.get('config.json') ?? '').layer_types).toEqual(['a0', 'a1', 'b2', 'b3']);
  });
});

describe('modules', () => {
  /** A model with a vision tower of two layers beside its decoder. */
  function seeing(name: string, seed: number): Checkpoint {
    const text = decoder(name, 3, seed, {}, 'language_model.model.');
    const shapes: Record<string, readonly number[]> = {
      'vision_tower.patch_conv.weight': [4, 3],
      'vision_tower.transformer.layers.0.w.weight': [4, 4],
      'vision_tower.transformer.layers.1.w.weight': [4, 4],
      'multi_modal_projector.linear.weight': [6, 4],
    };
    const vision = checkpoint({ name: `${name}-v`, values: valuesOf(shapes, seed + 10), shapes });
    const config = {
      model_type: 'mistral3',
      text_config: { num_hidden_layers: 3 },
      vision_config: { num_hidden_layers: 2 },
    };
    return {
      ...text,
      tensors: new Map([...text.tensors, ...vision.tensors]),
      config,
      sideFiles: new Map([['config.json', JSON.stringify(config)]]),
    };
  }

  it('each have their own slices or models; the rest is copied and said to be', () => {
    const text = `
merge_method: passthrough
modules:
  text_decoder:
    slices:
      - sources: [{model: a, layer_range: [0, 2]}]
      - sources: [{model: a, layer_range: [1, 3]}]
  vision_tower:
    models: [{model: a}]
`;
    const { lineup, findings } = checking(text, seeing('a', 1));
    expect(findings.find(({ code }) => code === 'layers')?.message).toContain('multi_modal_projector.linear.weight');
    expect(lineup?.copied.map(({ name }) => name)).toEqual(['multi_modal_projector.linear.weight']);
    expect(
      lineup?.tensors.find(({ name }) => name === 'language_model.model.layers.3.mlp.up_proj.weight')?.sources[0]?.name,
    ).toBe('language_model.model.layers.2.mlp.up_proj.weight');
    expect(lineup?.order).toContain('vision_tower.patch_conv.weight');
    expect(lineup?.order).toContain('language_model.model.embed_tokens.weight');
    if (!lineup) throw new Error('refused');
    const { texts } = planFiles(lineup, { name: 'm', recipeText: text, maxShardBytes: 1e9, version: '1' });
    expect(JSON.parse(texts.get('config.json') ?? '{}')).toMatchObject({
      text_config: { num_hidden_layers: 4 },
      vision_config: { num_hidden_layers: 2 },
    });
  });

  it('are needed where a model has two stacks, and are refused by name where there is none', () => {
    expect(checking(STACK, seeing('a', 1), seeing('b', 2)).findings[0]?.message).toContain("write 'modules:'");
    const text = 'merge_method: linear\nmodules:\n  eyes:\n    models: [{model: a}]\n';
    expect(checking(text, seeing('a', 1)).findings[0]?.message).toContain("no module 'eyes'");
  });

  it('take parameters between slice and recipe', () => {
    const text = `
merge_method: linear
parameters: {weight: 0.9}
modules:
  default:
    parameters: {weight: 0.4}
    models:
      - {model: a, parameters: {weight: 0.2}}
      - {model: b}
`;
    const { lineup } = checking(text, decoder('a', 2, 1), decoder('b', 2, 2));
    expect(lineup?.tensors[0]?.perModel.map(({ weight }) => weight)).toEqual([0.2, 0.4]);
  });
});
