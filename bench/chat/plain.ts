/** Plain: the other side: the same model, exported by us to ONNX and run by transformers.js as it comes. */

import type { Architecture } from '../../src/chat/architecture.ts';
import { dataFileBytes, type OnnxDtype, planOnnx } from '../../src/chat/export.ts';
import { exportedTexts } from '../../src/chat/export-config.ts';
import { requiredTensors } from '../../src/chat/architecture.ts';
import { openExported } from '../../src/chat/test/plain-transformers.ts';
import type { Engine, Spoken } from './engine.ts';
import { randomTensors } from './weights.ts';

/** The files of a model of random weights, in memory. */
async function exported(architecture: Architecture, config: object, dtype: OnnxDtype): Promise<Map<string, Blob>> {
  const specs = requiredTensors(architecture).map(({ name, shape }) => ({ name, shape, dtype: 'F32' as const }));
  const plan = planOnnx(architecture, specs, dtype);
  const files = new Map<string, Blob>([[`onnx/${plan.fileName}`, new Blob([plan.model])]]);
  const weights = randomTensors(architecture);
  for (const file of plan.dataFiles) {
    const parts: BlobPart[] = [];
    const bytes = dataFileBytes(file, async function* ({ name }) {
      const { value } = weights.next();
      if (!value || value.name !== name) throw new Error(`${name} did not come in order`);
      yield new Uint8Array(value.data.buffer);
    });
    for await (const chunk of bytes) parts.push(new Blob([chunk]));
    files.set(`onnx/${file.location}`, new Blob(parts));
  }
  const texts = exportedTexts(new Map([['config.json', JSON.stringify(config)]]), [plan]);
  for (const [name, text] of texts) files.set(name, new Blob([text]));
  return files;
}

/** Exports a model of random weights and opens it with transformers.js on a device like ours. */
export async function openPlain(
  device: GPUDevice,
  architecture: Architecture,
  config: object,
  precision: 'f32' | 'q8' | 'q4',
): Promise<Engine> {
  const dtype = precision === 'f32' ? 'fp32' : precision;
  const files = await exported(architecture, config, dtype);
  const { model, transformers } = await openExported(files, { dtype, device });
  const { Tensor } = transformers;
  const text: number[] = [];
  let past: object | null = null;

  const generate = async (count: number): Promise<number[]> => {
    const times: number[] = [];
    const length = text.length;
    const ids = new Tensor('int64', BigInt64Array.from(text, BigInt), [1, length]);
    const mask = new Tensor('int64', new BigInt64Array(length).fill(1n), [1, length]);
    const result = (await model.generate({
      inputs: ids,
      attention_mask: mask,
      max_new_tokens: count,
      do_sample: false,
      return_dict_in_generate: true,
      ...(past === null ? {} : { past_key_values: past }),
      // The first call tells of the prompt.
      streamer: { put: () => void times.push(performance.now()), end: () => undefined },
    } as unknown as Parameters<typeof model.generate>[0])) as unknown as {
      sequences: { data: BigInt64Array };
      past_key_values: object;
    };
    past = result.past_key_values;
    text.push(...Array.from(result.sequences.data.subarray(length), Number));
    return times;
  };

  return {
    how: 'transformers.js generate()',
    get length() {
      return text.length;
    },
    async read(ids) {
      text.push(...ids);
      const start = performance.now();
      const times = await generate(1);
      return (times[1] ?? Number.NaN) - start;
    },
    async speak(count): Promise<Spoken> {
      const before = text.length;
      const start = performance.now();
      const times = await generate(count);
      const stamps = [start, ...times.slice(1)];
      return {
        tokenMs: stamps.slice(1).map((stamp, n) => stamp - (stamps[n] ?? start)),
        tokens: text.slice(before),
      };
    },
    async dispose() {
      (past as { dispose?: () => Promise<void> } | null)?.dispose?.();
      await model.dispose();
    },
  };
}
