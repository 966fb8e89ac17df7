import { describe, expect, it } from 'vitest';
import { UnsupportedFault } from '../bytes/fault.ts';
import type { ModelConfig } from '../formats/checkpoint.ts';
import { type Architecture, describeArchitecture, requiredTensors } from './architecture.ts';
import lines from './test/goldens/published.jsonl?raw';

type Shapes = Readonly<Record<string, readonly number[]>>;

/** A line of published.jsonl: `tools/goldens/chat_published.py` says what it holds. */
interface Published {
  readonly name: string;
  readonly config: ModelConfig;
  readonly parameters: number;
  readonly outside: Shapes;
  readonly prefix: string;
  readonly layers: number;
  readonly layer: Shapes;
}

const PUBLISHED = lines
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as Published);

const named = (name: string) => {
  const model = PUBLISHED.find((published) => published.name === name);
  if (!model) throw new Error(`no published ${name}`);
  return model;
};

/** Every tensor of a model as transformers saves it. */
function tensorsOf({ outside, prefix, layers, layer }: Published): Map<string, readonly number[]> {
  const inLayers = Array.from({ length: layers }, (_, index) =>
    Object.entries(layer).map(([name, shape]) => [`${prefix}.${index}.${name}`, shape] as const),
  );
  return new Map([...Object.entries(outside), ...inLayers.flat()]);
}

const describePublished = (name: string, changes: ModelConfig = {}) => {
  const model = named(name);
  return describeArchitecture({ ...model.config, ...changes }, tensorsOf(model).keys());
};

describe('the config.json of a published model', () => {
  it.each(PUBLISHED)('$name calls for its tensors in their shapes, all of them', (model) => {
    const expected = tensorsOf(model);
    const required = requiredTensors(describeArchitecture(model.config, expected.keys()));
    expect(new Map(required.map(({ name, shape }) => [name, shape]))).toEqual(expected);
    const elements = required.reduce((sum, { shape }) => sum + shape.reduce((product, size) => product * size, 1), 0);
    expect(elements).toBe(model.parameters);
  });

  it.each(PUBLISHED)(
    '$name may store a head that is called tied, which is read, and its names may have another prefix',
    (model) => {
      const own = [...tensorsOf(model).keys()];
      const withHead = describeArchitecture(model.config, [
        ...own,
        ...(own.includes('lm_head.weight') ? [] : ['lm_head.weight']),
      ]);
      const tied = ['embed_out.weight', 'lm_head.weight'].every((name) => !own.includes(name));
      expect(withHead).toMatchObject({ isTied: false, headOverConfig: tied ? 'lm_head.weight' : null });
      expect(describeArchitecture(model.config, own).isTied).toBe(tied);
      // As a tool that saves a wrapped model writes them.
      const wrapped = describeArchitecture(
        model.config,
        own.map((name) => `base_model.${name}`),
      );
      expect(
        requiredTensors(wrapped)
          .map(({ name }) => name)
          .sort(),
      ).toEqual(own.map((name) => `base_model.${name}`).sort());
    },
  );

  it.each<[string, Partial<Architecture>]>([
    [
      'Llama-3.2-1B',
      {
        heads: 32,
        keyValueHeads: 8,
        headSize: 64,
        contextTokens: 131_072,
        windowTokens: null,
        isTied: true,
        cacheKind: 'static',
      },
    ],
    ['TinyLlama-1.1B', { heads: 32, keyValueHeads: 4, headSize: 64, contextTokens: 2048, isTied: false }],
    ['SmolLM2-135M', { heads: 9, keyValueHeads: 3, headSize: 64, contextTokens: 8192, isTied: true }],
    ['SmolLM3-3B', { contextTokens: 65_536, windowTokens: null, isTied: true }],
    ['Mistral-7B-v0.1', { windowTokens: 4096, contextTokens: 32_768, headSize: 128 }],
    ['Mistral-7B-v0.3', { windowTokens: null, vocabularySize: 32_768 }],
    ['Qwen2.5-0.5B', { windowTokens: null, headSize: 64, keyValueHeads: 2, isTied: true }],
    ['Qwen3-0.6B', { headSize: 128, hiddenSize: 1024, windowTokens: null, contextTokens: 40_960 }],
    ['gemma-2b', { headSize: 256, keyValueHeads: 1, isTied: true, cacheKind: 'static' }],
    ['gemma-2-2b', { windowTokens: 4096, isTied: true, cacheKind: 'growing' }],
    ['gemma-3-270m', { windowTokens: 512, headSize: 256, isTied: true, cacheKind: 'static' }],
    ['gemma-3-1b-it', { windowTokens: 512, contextTokens: 32_768 }],
    ['Phi-3-mini-4k-instruct', { headSize: 96, windowTokens: 2047, ropeSwitchTokens: null }],
    ['Phi-3-mini-128k-instruct', { headSize: 96, ropeSwitchTokens: 4096, contextTokens: 131_072 }],
    ['Phi-4-mini-instruct', { headSize: 128, keyValueHeads: 8, ropeSwitchTokens: 4096, isTied: true }],
    ['phi-2', { headSize: 80, contextTokens: 2048, isTied: false }],
    ['gpt2', { headSize: 64, contextTokens: 1024, isTied: true, keyValueHeads: 12 }],
    ['openai-gpt', { contextTokens: 512, isTied: true }],
    ['pythia-70m', { headSize: 64, contextTokens: 2048, isTied: false }],
    ['OLMo-2-0425-1B', { headSize: 128, contextTokens: 4096, isTied: false }],
    ['granite-3.1-2b-instruct', { headSize: 64, contextTokens: 131_072, isTied: true }],
    ['stablelm-2-1_6b', { headSize: 64, isTied: false }],
    ['stablelm-3b-4e1t', { headSize: 80, isTied: false }],
  ])('%s is read as it is', (name, facts) => {
    expect(describePublished(name)).toMatchObject({ layers: named(name).layers, ...facts });
  });

  it('tells which layers slide, and how each is rotated', () => {
    const windows = (name: string) => describePublished(name).blocks.map(({ attention }) => attention.windowTokens);
    expect(windows('gemma-2-2b').slice(0, 4)).toEqual([4096, null, 4096, null]);
    for (const name of ['gemma-3-270m', 'gemma-3-1b-it']) {
      expect(windows(name).slice(0, 7)).toEqual([512, 512, 512, 512, 512, null, 512]);
    }
    const gemma = describePublished('gemma-3-1b-it');
    const thetas = gemma.blocks.map(({ attention }) => gemma.ropes[attention.rope ?? -1]?.theta);
    expect(thetas.slice(0, 7)).toEqual([1e4, 1e4, 1e4, 1e4, 1e4, 1e6, 1e4]);
    const rotated = describePublished('SmolLM3-3B').blocks.map(({ attention }) => attention.rope !== null);
    expect(rotated.slice(0, 8)).toEqual([true, true, true, false, true, true, true, false]);
    const dimensions = (name: string) => describePublished(name).ropes[0]?.dimensions;
    expect(
      ['phi-2', 'phi-1_5', 'pythia-70m', 'stablelm-2-1_6b', 'stablelm-3b-4e1t', 'Phi-4-mini-instruct'].map(dimensions),
    ).toEqual([32, 32, 16, 16, 20, 96]);
  });

  it('lays a model on the multipliers that its config names', () => {
    const granite = describePublished('granite-3.1-2b-instruct');
    expect(granite.embedding.scale).toBe(12);
    expect(granite.head.scale).toBe(1 / 8);
    expect(granite.blocks[0]).toMatchObject({ residualScale: 0.22, attention: { scale: 0.015625 } });
    const gemma = describePublished('gemma-2-2b');
    expect(gemma.head.softCap).toBe(30);
    expect(gemma.blocks[0]?.attention).toMatchObject({ softCap: 50, scale: 1 / 16 });
  });
});

describe('a model that chat cannot run', () => {
  const SIZES = {
    vocab_size: 32_000,
    hidden_size: 4096,
    num_hidden_layers: 2,
    num_attention_heads: 32,
    intermediate_size: 14_336,
  };
  const MIXTRAL = { model_type: 'mixtral', ...SIZES, num_local_experts: 8, num_experts_per_tok: 2 };

  it.each<[string, ModelConfig, RegExp]>([
    ['Mixtral', MIXTRAL, /mixture of experts/],
    ['Qwen1.5-MoE', { model_type: 'qwen2_moe', ...SIZES, num_experts: 60 }, /mixture of experts/],
    ['Qwen3-30B-A3B', { model_type: 'qwen3_moe', ...SIZES, num_experts: 128 }, /mixture of experts/],
    ['granite MoE', { model_type: 'granitemoe', ...SIZES, num_local_experts: 32 }, /mixture of experts/],
    ['gpt-oss', { model_type: 'gpt_oss', ...SIZES }, /"gpt_oss"|experts/],
    ['DeepSeek-V3', { model_type: 'deepseek_v3', ...SIZES, kv_lora_rank: 512 }, /"deepseek_v3"|experts/],
    ['Llama 4', { model_type: 'llama4', text_config: { ...SIZES, num_local_experts: 16 } }, /"llama4"|experts/],
    ['Mamba', { model_type: 'mamba', hidden_size: 768, num_hidden_layers: 24, vocab_size: 50_280 }, /"mamba"/],
    ['Mamba 2', { model_type: 'mamba2', hidden_size: 2560, num_hidden_layers: 64 }, /"mamba2"/],
    ['T5', { model_type: 't5', d_model: 512, num_layers: 6, is_encoder_decoder: true }, /encoder/],
    ['BERT', { model_type: 'bert', ...SIZES }, /"bert"/],
    ['Falcon', { model_type: 'falcon', ...SIZES }, /"falcon"/],
    ['BLOOM', { model_type: 'bloom', ...SIZES }, /"bloom"/],
    ['Phi-3-vision', { model_type: 'phi3_v', ...SIZES }, /"phi3_v"/],
    ['Gemma 3n', { model_type: 'gemma3n', text_config: { ...SIZES } }, /"gemma3n"/],
    ['a model of nobody', { model_type: 'toString', ...SIZES }, /"toString"/],
  ])('is refused by its kind: %s', (_, config, reason) => {
    const refused = refusal(config, ['model.embed_tokens.weight']);
    expect(refused).toMatch(reason);
    expect(refused).toMatch(/^This model can be merged and saved, but not chatted with: .*[^.]\.$/);
  });

  it.each<[string, ModelConfig, RegExp]>([
    ['GPTQ weights', { quantization_config: { quant_method: 'gptq', bits: 4, group_size: 128 } }, /quanti/],
    ['AWQ weights', { quantization_config: { quant_method: 'awq', bits: 4, zero_point: true } }, /quanti/],
    ['bitsandbytes weights', { quantization_config: { load_in_4bit: true } }, /quanti/],
    ['an activation that is not known', { hidden_act: 'mish' }, /mish/],
    ['a rotation that is not known', { rope_scaling: { rope_type: 'helix', factor: 2 } }, /helix/],
    ['layers that are not attention', { layer_types: Array(16).fill('mamba') }, /mamba/],
    ['longrope without its lists', { rope_scaling: { type: 'longrope', factor: 4 } }, /short_factor|long_factor/],
    ['heads that do not share evenly', { num_key_value_heads: 5 }, /5|key-value/],
    ['an odd rotation', { head_dim: 63 }, /63|pairs/],
  ])('is refused for %s', (_, changes, reason) => {
    const model = named('Llama-3.2-1B');
    expect(refusal({ ...model.config, ...changes }, tensorsOf(model).keys())).toMatch(reason);
  });

  it('is refused where a tensor is missing that its config calls for', () => {
    const model = named('Qwen2.5-0.5B');
    const names = [...tensorsOf(model).keys()].filter((name) => name !== 'model.layers.7.self_attn.k_proj.bias');
    expect(refusal(model.config, names)).toContain('model.layers.7.self_attn.k_proj.bias');
  });

  it('is refused where its weights lie in codes, whatever the config says', () => {
    const model = named('Llama-3.2-1B');
    const names = [...tensorsOf(model).keys()].map((name) =>
      name.includes('proj') ? name.replace('.weight', '.qweight') : name,
    );
    expect(refusal(model.config, names)).toContain('q_proj.weight');
  });
});

function refusal(config: ModelConfig, names: Iterable<string>): string {
  try {
    describeArchitecture(config, names);
  } catch (thrown) {
    expect(thrown).toBeInstanceOf(UnsupportedFault);
    return (thrown as Error).message;
  }
  throw new Error('it was accepted');
}
