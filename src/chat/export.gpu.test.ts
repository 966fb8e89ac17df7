/**
 * What is exported, loaded as anybody would load it: by plain transformers.js, with `from_pretrained` and `generate`, on
 * WebGPU and on the CPU. It must say what our own chat says of the same weights.
 */

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ModelConfig, SideFiles } from '../formats/checkpoint.ts';
import { encode } from '../formats/codec.ts';
import { describeArchitecture } from './architecture.ts';
import { exportedTexts } from './export-config.ts';
import { dataFileBytes, ONNX_FOLDER, type OnnxDtype, type OnnxPlan, planOnnx } from './export.ts';
import { Session } from './session.ts';
import { best } from './test/golden-agreement.ts';
import { type Golden, GOLDENS, goldenWeights } from './test/golden.ts';
import { testDevice } from './test/gpu-weights.ts';
import type { Tensors } from './test/forward.ts';
import { storedValues } from './test/stored-values.ts';
import { openExported, openTokenizer } from './test/plain-transformers.ts';
import { loadStories, STORY, type Stories } from './test/stories.ts';

interface Model {
  readonly config: ModelConfig;
  readonly sideFiles: SideFiles;
  readonly tensors: Tensors;
  readonly names: readonly string[];
}

/** A model's folder, in memory. */
async function exported({ config, sideFiles, tensors, names }: Model, dtype: OnnxDtype) {
  const architecture = describeArchitecture(config, names);
  const specs = [...tensors].map(([name, { shape }]) => ({ name, shape, dtype: 'F32' as const }));
  // Small enough that some models have several data files.
  const plan = planOnnx(architecture, specs, dtype, { maxDataBytes: 400_000 });
  const files = new Map<string, Blob>([[`${ONNX_FOLDER}/${plan.fileName}`, new Blob([plan.model])]]);
  for (const file of plan.dataFiles) {
    const chunks: Uint8Array<ArrayBuffer>[] = [];
    const bytes = dataFileBytes(file, async function* ({ name }) {
      yield encode(tensors.get(name)?.data ?? new Float32Array(), 'F32');
    });
    for await (const chunk of bytes) chunks.push(chunk);
    files.set(`${ONNX_FOLDER}/${file.location}`, new Blob(chunks));
  }
  const texts = new Map([...sideFiles, ['config.json', JSON.stringify(config)] as const]);
  for (const [name, text] of exportedTexts(texts, [plan])) files.set(name, new Blob([text]));
  return { files, plan };
}

/** The greedy continuation by plain transformers.js. */
async function generated(
  files: ReadonlyMap<string, Blob>,
  dtype: OnnxDtype,
  device: GPUDevice | null,
  prompts: readonly (readonly number[])[],
  count: number,
): Promise<number[][]> {
  const { model, transformers } = await openExported(files, { dtype, device });
  const { Tensor } = transformers;
  const replies: number[][] = [];
  for (const prompt of prompts) {
    const sequences = await model.generate({
      inputs: new Tensor('int64', BigInt64Array.from(prompt, BigInt), [1, prompt.length]),
      max_new_tokens: count,
      do_sample: false,
    } as unknown as Parameters<typeof model.generate>[0]);
    const { data } = sequences as unknown as { data: BigInt64Array };
    replies.push(Array.from(data.subarray(prompt.length), Number));
  }
  await model.dispose();
  return replies;
}

/** The greedy continuation by our own chat, of the values that the exported blocks stand for. */
async function said(model: Model, plan: OnnxPlan, prompt: readonly number[], count: number): Promise<number[]> {
  const tensors = storedValues(plan, model.tensors);
  const architecture = describeArchitecture(model.config, model.names);
  const session = await Session.open(architecture, { kind: 'cpu', tensors }, { logits: 'last' });
  const cache = session.newCache();
  const tokens: number[] = [];
  let next: readonly number[] = prompt;
  while (tokens.length < count) {
    next = [best(await session.run(next, cache))];
    tokens.push(...next);
  }
  cache.dispose();
  await session.dispose();
  return tokens;
}

let device: GPUDevice;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => device.destroy());

describe('a trained Llama', () => {
  let model: Model;
  let stories: Stories;
  beforeAll(async () => {
    stories = await loadStories();
    model = { ...stories, names: [...stories.tensors.keys()] };
  });

  it.each<[OnnxDtype, 'wasm' | 'webgpu']>([
    ['fp32', 'wasm'],
    ['fp16', 'wasm'],
    ['q8', 'wasm'],
    ['q4', 'wasm'],
    ['fp32', 'webgpu'],
    ['q8', 'webgpu'],
  ])('says in %s on %s what our chat says', async (dtype, place) => {
    const { files, plan } = await exported(model, dtype);
    const tokenizer = await openTokenizer(files);
    const ids = tokenizer.encode('Once upon a time');
    const count = place === 'wasm' ? 40 : 8;
    const [tokens = []] = await generated(files, dtype, place === 'wasm' ? null : device, [ids], count);
    expect(tokens).toEqual(await said(model, plan, ids, count));
    if (dtype !== 'fp32') return;
    const text = tokenizer.decode([...ids, ...tokens], { skip_special_tokens: true });
    expect(`Once upon a time${STORY}`.startsWith(text.slice(0, 150))).toBe(true);
    expect(text.length).toBeGreaterThan(30);
  });

  it('says the same after a prompt that one run of many tokens reads', async () => {
    const { files, plan } = await exported(model, 'q8');
    const tokenizer = await openTokenizer(files);
    const ids = tokenizer.encode(`Once upon a time${STORY}`);
    expect(ids.length).toBeGreaterThan(40);
    const [tokens = []] = await generated(files, 'q8', device, [ids], 6);
    expect(tokens).toEqual(await said(model, plan, ids, 6));
  });
});

describe('other families, exported and run by transformers.js', () => {
  // One of each way to be written: transposed matrices and positions, written-out attention, two ropes with norms of keys,
  // packed matrices, packed by head. Every graph is held against transformers in `architectures.test.ts`.
  const chosen = ['gpt2', 'gemma2', 'gemma3', 'phi3-partial', 'gpt-neox-parallel'];
  const models = GOLDENS.filter(({ name }) => chosen.includes(name));
  it('are these', () => expect(models).toHaveLength(chosen.length));

  async function modelOf(golden: Golden): Promise<Model> {
    // Goldens go on after an end token.
    const config = { ...golden.saved, eos_token_id: null };
    return { ...(await goldenWeights(golden)), config, sideFiles: new Map() };
  }

  it.each(models)('$name says in fp32 on the CPU what transformers says', async (golden) => {
    const texts = ['5', '40'].flatMap((length) => golden.texts[length] ?? []);
    const { files } = await exported(await modelOf(golden), 'fp32');
    const prompts = texts.map(({ ids }) => ids);
    const replies = await generated(files, 'fp32', null, prompts, 16);
    expect(replies).toEqual(texts.map(({ greedy }) => greedy.slice(0, 16)));
  });
});
