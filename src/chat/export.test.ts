/** Where an exported model's bytes lie, and that onnxruntime computes from them what it computes from live weights. */

import { describe, expect, it } from 'vitest';
import { MismatchFault, UnsupportedFault } from '../bytes/fault.ts';
import { decodeFloat32, encode } from '../formats/codec.ts';
import { describeArchitecture } from './architecture.ts';
import { dataFileBytes, type ExportTensor, ONNX_DTYPES, type OnnxPlan, planOnnx } from './export.ts';
import { inTurn, loadRuntime } from './runtime.ts';
import { storedValues } from './test/stored-values.ts';
import { loadStories } from './test/stories.ts';

const stories = await loadStories();
const architecture = describeArchitecture(stories.config, stories.tensors.keys());
const tensors: ExportTensor[] = [...stories.tensors].map(([name, { shape }]) => ({ name, shape, dtype: 'F32' }));

/** All data files of a plan, written. */
async function written(plan: OnnxPlan, values = stories.tensors): Promise<Map<string, Uint8Array<ArrayBuffer>>> {
  const files = new Map<string, Uint8Array<ArrayBuffer>>();
  for (const file of plan.dataFiles) {
    const data = new Uint8Array(file.sizeBytes);
    let position = 0;
    const bytes = dataFileBytes(file, async function* ({ name }) {
      yield encode(values.get(name)?.data ?? new Float32Array(), 'F32');
    });
    for await (const chunk of bytes) {
      data.set(chunk, position);
      position += chunk.length;
    }
    expect(position).toBe(file.sizeBytes);
    files.set(file.location, data);
  }
  return files;
}

/** Logits f32 [tokens, vocabulary] of a prompt, read in two runs, the second after what the first has cached. */
async function logitsOf(plan: OnnxPlan, files: Map<string, Uint8Array>, prompt: readonly number[]): Promise<number[]> {
  const { InferenceSession, Tensor } = await loadRuntime();
  const session = await inTurn(() =>
    InferenceSession.create(plan.model, {
      executionProviders: ['wasm'],
      externalData: [...files].map(([path, data]) => ({ path, data })),
    }),
  );
  const type = plan.dtype === 'fp16' ? 'float16' : 'float32';
  const { keyValueHeads, headSize } = architecture;
  const empty = type === 'float16' ? new Uint16Array() : new Float32Array();
  let past = Object.fromEntries(
    session.inputNames
      .filter((name) => name.startsWith('past'))
      .map((name) => [name, new Tensor(type, empty, [1, keyValueHeads, 0, headSize])]),
  );
  const half = prompt.length >> 1;
  const logits: number[] = [];
  for (const [start, end] of [
    [0, half],
    [half, prompt.length],
  ] as const) {
    const integers = (values: readonly number[]) =>
      new Tensor('int64', BigInt64Array.from(values, BigInt), [1, values.length]);
    const places = Array.from({ length: end }, (_, i) => i);
    const feeds = {
      input_ids: integers(prompt.slice(start, end)),
      attention_mask: integers(places.map(() => 1)),
      num_logits_to_keep: new Tensor('int64', BigInt64Array.of(0n), []),
      ...past,
      ...(session.inputNames.includes('position_ids') ? { position_ids: integers(places.slice(start)) } : {}),
    };
    const outputs = await inTurn(() => session.run(feeds));
    expect(outputs['logits']?.dims).toEqual([1, end - start, architecture.vocabularySize]);
    expect(outputs['logits']?.type).toBe(type);
    const rows = outputs['logits']?.data as Float32Array<ArrayBuffer>;
    logits.push(...decodeFloat32(new Uint8Array(rows.buffer), type === 'float16' ? 'F16' : 'F32'));
    past = Object.fromEntries(
      Object.keys(past).map((name) => [name, outputs[name.replace('past_key_values', 'present')] as never]),
    );
  }
  await session.release();
  return logits;
}

function largestDifference(a: readonly number[], b: readonly number[]): number {
  expect(a.length).toBe(b.length);
  return a.reduce((most, x, i) => Math.max(most, Math.abs(x - (b[i] ?? Number.NaN))), 0);
}

describe('planOnnx', () => {
  it.each(ONNX_DTYPES)('lays %s out at aligned places, each tensor once', (dtype) => {
    const { dataFiles } = planOnnx(architecture, tensors, dtype);
    const names = dataFiles.flatMap((file) => file.tensors.map(({ name }) => name));
    expect(new Set(names)).toEqual(new Set(tensors.map(({ name }) => name)));
    expect(names.length).toBe(tensors.length);
    let end = 0;
    for (const { values, scales, form } of dataFiles[0]?.tensors ?? []) {
      for (const span of scales ? [values, scales] : [values]) {
        expect(span.offset % 4096).toBe(0);
        expect(span.offset).toBeGreaterThanOrEqual(end);
        end = span.offset + span.bytes;
      }
      expect(scales === null).toBe(form === 'f32' || form === 'f16');
    }
    expect(dataFiles).toHaveLength(1);
    expect(dataFiles[0]?.sizeBytes).toBe(end);
  });

  it('names files as transformers.js looks for them', () => {
    const names = ONNX_DTYPES.map((dtype) => {
      const { fileName, dataFiles } = planOnnx(architecture, tensors, dtype, { maxDataBytes: 500_000 });
      return [fileName, ...dataFiles.map(({ location }) => location)].join(' ');
    });
    expect(names).toEqual([
      'model.onnx model.onnx_data model.onnx_data_1 model.onnx_data_2',
      'model_fp16.onnx model_fp16.onnx_data model_fp16.onnx_data_1',
      'model_quantized.onnx model_quantized.onnx_data model_quantized.onnx_data_1',
      'model_q4.onnx model_q4.onnx_data model_q4.onnx_data_1',
    ]);
  });

  it('keeps files under their limit, and refuses a tensor that is above it', () => {
    const { dataFiles } = planOnnx(architecture, tensors, 'fp32', { maxDataBytes: 200_000 });
    expect(dataFiles.length).toBeGreaterThan(5);
    expect(dataFiles.every(({ sizeBytes }) => sizeBytes <= 200_000)).toBe(true);
    expect(() => planOnnx(architecture, tensors, 'fp32', { maxDataBytes: 100_000 })).toThrow(UnsupportedFault);
    expect(() => planOnnx(architecture, tensors, 'fp32', { maxDataBytes: 100_000 })).toThrow(
      /model\.embed_tokens\.weight takes 131072 bytes in model\.onnx, .* choose fewer bits/,
    );
  });

  it('refuses a tensor that is not there, or has another shape', () => {
    expect(() => planOnnx(architecture, tensors.slice(1), 'q8')).toThrow(MismatchFault);
    const wrong = tensors.map((tensor) => (tensor.shape.length === 1 ? { ...tensor, shape: [63] } : tensor));
    expect(() => planOnnx(architecture, wrong, 'q8')).toThrow(/shape \[63\], and config\.json calls for \[64\]/);
  });

  it('leaves out what no node reads', () => {
    const extra: ExportTensor = { name: 'model.layers.0.self_attn.rotary_emb.inv_freq', shape: [4], dtype: 'F32' };
    const { dataFiles } = planOnnx(architecture, [extra, ...tensors], 'fp32');
    expect(dataFiles[0]?.tensors.some(({ name }) => name === extra.name)).toBe(false);
  });
});

describe('an exported graph', () => {
  const prompt = [1, 403, 407, 261, 378, 432, 350, 263, 431];

  // Half precision has 11 bits, and logits of a size of about ten.
  it.each([
    ['fp16', 0.2],
    ['q8', 1e-3],
    ['q4', 1e-3],
  ] as const)(
    'computes in %s what fp32 does of the same numbers',
    async (dtype, tolerance) => {
      const plan = planOnnx(architecture, tensors, dtype, { maxDataBytes: 300_000 });
      expect(plan.dataFiles.length).toBeGreaterThan(1);
      const whole = planOnnx(architecture, tensors, 'fp32');
      const exact = await logitsOf(whole, await written(whole, storedValues(plan, stories.tensors)), prompt);
      const found = await logitsOf(plan, await written(plan), prompt);
      expect(Math.max(...exact) - Math.min(...exact)).toBeGreaterThan(5);
      expect(largestDifference(found, exact)).toBeLessThan(tolerance);
    },
    60_000,
  );
});
