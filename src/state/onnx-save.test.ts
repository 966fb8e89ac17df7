/** A merge joined with the exporter: what is passed over, warned of, told and left behind. */

import { describe, expect, it } from 'vitest';
import { CancelledFault, UnsupportedFault } from '../bytes/fault.ts';
import { memoryFolder } from '../bytes/memory-folder.ts';
import { nodeDigest } from '../bytes/node-digest.ts';
import type { OnnxDtype } from '../chat/export.ts';
import type { Checkpoint } from '../formats/checkpoint.ts';
import { decodeFloat32, encode } from '../formats/codec.ts';
import type { BlendedDtype } from '../formats/dtype.ts';
import type { WorkOptions } from '../merge/blend.ts';
import type { BlendTensor, Lineup } from '../merge/lineup.ts';
import type { Progress } from '../merge/progress.ts';
import type { OutputPiece } from '../merge/run.ts';
import { checkpoint } from '../merge/test/checkpoints.ts';
import { METHODS } from '../methods/index.ts';
import { defaults } from '../methods/method.ts';
import { parseRecipe } from '../recipe/yaml.ts';
import { saveOnnx } from './onnx-save.ts';

const RECIPE = 'merge_method: linear\nmodels:\n  - model: a\n  - model: b\n';

const CONFIG = {
  model_type: 'llama',
  hidden_size: 32,
  intermediate_size: 32,
  num_hidden_layers: 1,
  num_attention_heads: 2,
  vocab_size: 40,
  max_position_embeddings: 64,
  tie_word_embeddings: true,
  bos_token_id: 1,
  eos_token_id: 2,
};

const SHAPES: Readonly<Record<string, readonly number[]>> = {
  'model.embed_tokens.weight': [40, 32],
  'model.layers.0.input_layernorm.weight': [32],
  ...Object.fromEntries(
    ['self_attn.q', 'self_attn.k', 'self_attn.v', 'self_attn.o', 'mlp.gate', 'mlp.up', 'mlp.down'].map((part) => [
      `model.layers.0.${part}_proj.weight`,
      [32, 32],
    ]),
  ),
  // Nothing in a graph reads it.
  'model.layers.0.self_attn.rotary_emb.inv_freq': [8],
  'model.layers.0.post_attention_layernorm.weight': [32],
  'model.norm.weight': [32],
  // Stored, so it is the head, though the config says that the embedding is.
  'lm_head.weight': [40, 32],
};

interface Setting {
  readonly dtypes: readonly OnnxDtype[];
  readonly config?: object;
  readonly sideFiles?: Readonly<Record<string, string>>;
  readonly out?: BlendedDtype;
  /** Names of tensors that are copied instead of merged. */
  readonly copied?: readonly string[];
  readonly value?: (name: string, i: number) => number;
  readonly signal?: AbortSignal;
  readonly onPiece?: (name: string) => void;
}

/** Saves a merge whose pieces are made here, two of each tensor. */
async function saveIt(setting: Setting) {
  const { dtypes, config = CONFIG, sideFiles = {}, out = 'F32', copied = [], value = () => 0.5 } = setting;
  const values = new Map(
    Object.entries(SHAPES).map(([name, shape]) => {
      const elements = shape.reduce((product, size) => product * size, 1);
      return [name, Float64Array.from({ length: elements }, (_, i) => value(name, i))];
    }),
  );
  const files = new Map(Object.entries({ 'config.json': JSON.stringify(config), ...sideFiles }));
  const models = ['a', 'b'].map((name): Checkpoint => checkpoint({ name, values, sideFiles: files, shapes: SHAPES }));
  const [donor] = models;
  const method = METHODS.get('linear');
  if (!donor || !method) throw new Error('no donor or method');
  const entries = [...donor.tensors.values()];
  const tensors = entries
    .filter(({ name }) => !copied.includes(name))
    .map(
      (entry): BlendTensor => ({
        name: entry.name,
        shape: entry.shape,
        elements: entry.elements,
        rowElements: entry.elements,
        hasBase: false,
        sources: models.flatMap((model) => model.tensors.get(entry.name) ?? []),
        dtypes: ['F32', 'F32'],
        modelOf: [0, 1],
        params: defaults(method.params),
        perModel: [defaults(method.perModel), defaults(method.perModel)],
        out,
      }),
    );
  const lineup: Lineup = {
    recipe: parseRecipe(RECIPE),
    method,
    base: null,
    models,
    donor,
    tensors,
    copied: entries.filter(({ name }) => copied.includes(name)).map((entry) => ({ name: entry.name, entry })),
    order: entries.map(({ name }) => name),
    layers: 1,
    changes: { restacked: [], vocabularyRows: null, isTied: null, movedTokens: new Map(), files: null },
  };
  const passes: boolean[] = [];
  const pieces = async function* (
    _: Lineup,
    isAudited: boolean,
    { onProgress }: WorkOptions = {},
  ): AsyncGenerator<OutputPiece> {
    passes.push(isAudited);
    const step = { phase: 'save', bytesTotal: 100, bytesPerSecond: 10 } as const;
    onProgress?.({ ...step, bytesDone: 0, secondsLeft: 10 });
    for (const { name, elements } of tensors) {
      setting.onPiece?.(name);
      const own = values.get(name) ?? new Float64Array();
      for (const [from, to] of [
        [0, elements >> 2],
        [elements >> 2, elements],
      ] as const) {
        const squares = Float64Array.of(1, 1, 1);
        yield { tensor: name, bytes: encode(own.slice(from, to), out), faulty: 0, squares: isAudited ? squares : null };
      }
    }
    onProgress?.({ ...step, bytesDone: 100, secondsLeft: 0 });
  };
  const folder = memoryFolder();
  const told: Progress[] = [];
  const saved = await saveOnnx({ pieces }, lineup, folder, {
    name: 'merged',
    recipeText: RECIPE,
    dtypes,
    version: '0.1.0',
    startDigest: nodeDigest,
    signal: setting.signal,
    onProgress: (progress) => told.push(progress),
  }).catch((error: unknown) => {
    expect(folder.files).toBeNull();
    throw error;
  });
  const contents = folder.files ?? new Map<string, Uint8Array<ArrayBuffer>>();
  return { ...saved, contents, told, passes, codes: saved.audit.findings.map(({ code }) => code) };
}

describe('saveOnnx', () => {
  it('stores every tensor that the graph reads, once, and passes over the others', async () => {
    const { contents, audit } = await saveIt({ dtypes: ['fp32'], value: (name) => name.length });
    const data = contents.get('onnx/model.onnx_data') ?? new Uint8Array();
    const read = Object.keys(SHAPES).filter((name) => !name.includes('inv_freq'));
    let [at, end] = [0, 0];
    for (const name of read) {
      const bytes = (SHAPES[name] ?? []).reduce((product, size) => product * size, 4);
      const found = decodeFloat32(data.slice(at, at + bytes), 'F32');
      expect(found.every((x) => x === name.length)).toBe(true);
      end = at + bytes;
      at = Math.ceil(end / 4096) * 4096;
    }
    expect(data.length).toBe(end);
    expect(audit.tensors.map(({ name }) => name)).toContain('lm_head.weight');
    expect(audit.totals.bytes).toBe(audit.totals.plannedBytes);
  });

  it('reads tensors that are copied', async () => {
    const copied = ['model.norm.weight', 'model.layers.0.self_attn.rotary_emb.inv_freq'];
    const merged = await saveIt({ dtypes: ['q8'], value: (_, i) => i % 7 });
    const some = await saveIt({ dtypes: ['q8'], value: (_, i) => i % 7, copied });
    expect(some.contents.get('onnx/model_quantized.onnx_data')).toEqual(
      merged.contents.get('onnx/model_quantized.onnx_data'),
    );
    expect(some.audit.tensors.filter(({ made }) => made === 'copied').map(({ name }) => name)).toEqual([
      'model.norm.weight',
    ]);
  });

  it('merges once for each dtype, audits the first, and tells of all as one', async () => {
    const { passes, told, contents } = await saveIt({ dtypes: ['fp32', 'q8', 'fp32', 'q4'] });
    expect(passes).toEqual([true, false, false]);
    expect([...contents.keys()].filter((name) => name.startsWith('onnx/'))).toHaveLength(6);
    expect(told.map(({ bytesDone }) => bytesDone)).toEqual([0, 100, 100, 200, 200, 300]);
    expect(told.every(({ bytesTotal }) => bytesTotal === 300)).toBe(true);
    expect(told.map(({ secondsLeft }) => secondsLeft)).toEqual([30, 20, 20, 10, 10, 0]);
  });

  it('writes what transformers.js reads beside the graphs', async () => {
    const { contents } = await saveIt({
      dtypes: ['q4'],
      sideFiles: {
        'tokenizer.json': '{}',
        'special_tokens_map.json': '{"eos_token": "</s>"}',
        'chat_template.jinja': '{{ messages }}',
      },
    });
    const json = (name: string) => JSON.parse(new TextDecoder().decode(contents.get(name))) as unknown;
    expect(json('generation_config.json')).toEqual({ _from_model_config: true, bos_token_id: 1, eos_token_id: 2 });
    expect(json('tokenizer_config.json')).toEqual({
      tokenizer_class: 'PreTrainedTokenizerFast',
      eos_token: '</s>',
      chat_template: '{{ messages }}',
    });
    expect(json('config.json')).toMatchObject({
      'transformers.js_config': { use_external_data_format: { 'model_q4.onnx': 1 } },
    });
    expect(contents.has('chat_template.jinja')).toBe(true);
  });

  it('makes tokenizer.json where there are only the older files', async () => {
    const { contents, codes } = await saveIt({
      dtypes: ['q4'],
      sideFiles: {
        'vocab.json': '{"a": 0, "b": 1, "ab": 2, "<|endoftext|>": 3}',
        'merges.txt': '#version: 0.2\na b\n',
      },
    });
    const json = (name: string) => JSON.parse(new TextDecoder().decode(contents.get(name))) as unknown;
    expect(json('tokenizer.json')).toMatchObject({
      model: { type: 'BPE', vocab: { a: 0, b: 1, ab: 2, '<|endoftext|>': 3 }, merges: [['a', 'b']] },
    });
    expect(json('tokenizer_config.json')).toMatchObject({ eos_token: '<|endoftext|>' });
    expect(codes).not.toContain('no-tokenizer');
  });

  it('warns of half precision where it is known to overflow, and where it does', async () => {
    const gemma = { ...CONFIG, model_type: 'gemma', head_dim: 16, num_key_value_heads: 2 };
    expect((await saveIt({ dtypes: ['fp16'], config: gemma })).codes).toContain('half-range');
    expect((await saveIt({ dtypes: ['q8'], config: gemma })).codes).not.toContain('half-range');
    expect((await saveIt({ dtypes: ['fp16'] })).codes).not.toContain('half-range');
    const { audit } = await saveIt({
      dtypes: ['fp16'],
      value: (name, i) => (name === 'model.norm.weight' && i < 3 ? 1e5 : 0.5),
    });
    expect(audit.findings.map(({ message }) => message).join()).toMatch(
      /holds 3 infinite values .* model\.norm\.weight/,
    );
  });

  it('warns where the folder can read no text', async () => {
    expect((await saveIt({ dtypes: ['q8'] })).codes).toContain('no-tokenizer');
    expect((await saveIt({ dtypes: ['q8'], sideFiles: { 'tokenizer.json': '{}' } })).codes).not.toContain(
      'no-tokenizer',
    );
  });

  it('refuses what it can make no graph for, before anything is written', async () => {
    const config = { ...CONFIG, model_type: 'mamba' };
    const work = saveIt({ dtypes: ['q8'], config, onPiece: () => expect.fail('a piece was merged') });
    await expect(work).rejects.toThrow(UnsupportedFault);
    await expect(work).rejects.toThrow(/^This merge cannot be written as ONNX: .* Save it as safetensors instead\.$/);
  });

  it('stops between two pieces, and leaves nothing', async () => {
    const stop = new AbortController();
    const onPiece = (name: string) => {
      if (name === 'model.layers.0.mlp.up_proj.weight') stop.abort();
    };
    await expect(saveIt({ dtypes: ['fp32'], signal: stop.signal, onPiece })).rejects.toThrow(CancelledFault);
  });
});
