/**
 * Family: the trained fixture `stories260K-llama` and siblings of it, as files that a person would drop, in Node and in
 * a browser alike. Not shipped.
 */

import { memoryBytes } from '../../bytes/memory-bytes.ts';
import { decode, encode } from '../../formats/codec.ts';
import type { BlendedDtype } from '../../formats/dtype.ts';
import { readHeader } from '../../formats/safetensors.ts';
import { planShards } from '../../formats/safetensors-writer.ts';

const texts = import.meta.glob<string>('../../../e2e/fixtures/models/*/*.json', { query: '?raw', import: 'default' });
const weights = import.meta.glob<string>('../../../e2e/fixtures/models/*/*.safetensors', {
  query: '?url&inline',
  import: 'default',
});

/** A file as it is dropped. */
export interface DroppedFile {
  readonly path: string;
  readonly file: File;
}

/** The fixture's name. */
export const STORIES = 'stories260K-llama';

/** The files of a fixture under its own name or another. */
export async function fixture(folder: string, name: string = folder): Promise<DroppedFile[]> {
  const own = (path: string) => path.includes(`/${folder}/`);
  const fileName = (path: string) => path.split('/').pop() ?? '';
  const files = await Promise.all([
    ...Object.entries(texts)
      .filter(([path]) => own(path))
      .map(async ([path, load]) => new File([await load()], fileName(path))),
    ...Object.entries(weights)
      .filter(([path]) => own(path))
      .map(async ([path, load]) => new File([await (await fetch(await load())).arrayBuffer()], fileName(path))),
  ]);
  if (files.length === 0) throw new Error(`${folder} is not there`);
  return files.map((file) => ({ path: `${name}/${file.name}`, file }));
}

/** A sibling of a fixture: the same files with every weight moved a little. */
export async function sibling(
  folder: string,
  name: string,
  seed: number,
  dtype: BlendedDtype = 'F32',
): Promise<DroppedFile[]> {
  const out: DroppedFile[] = [];
  for (const { path, file } of await fixture(folder, name)) {
    if (file.name !== 'model.safetensors') {
      out.push({ path, file });
      continue;
    }
    const bytes = new Uint8Array(await file.arrayBuffer());
    const { tensors } = await readHeader(memoryBytes(path, bytes));
    let state = seed;
    const parts: Uint8Array<ArrayBuffer>[] = [];
    for (const tensor of tensors) {
      const values = decode(bytes.subarray(tensor.start, tensor.end), tensor.dtype as BlendedDtype);
      for (let i = 0; i < values.length; i++) {
        state = (Math.imul(state, 1664525) + 1013904223) | 0;
        values[i] = (values[i] ?? 0) + (state / 2 ** 31) * 0.01;
      }
      parts.push(encode(values, dtype));
    }
    const { shards } = planShards(tensors.map(({ name: tensor, shape }) => ({ name: tensor, shape, dtype })));
    const [shard] = shards;
    if (!shard) throw new Error('no shard');
    out.push({ path, file: new File([shard.header, ...parts], file.name) });
  }
  return out;
}

/** A recipe's text. */
export function recipe(method: string, base: string, models: readonly string[], more = ''): string {
  return [
    `merge_method: ${method}`,
    `base_model: ${base}`,
    'models:',
    ...models.map((model) => `  - model: ${model}`),
    more,
  ].join('\n');
}
