/**
 * Stories: the trained model `stories260K-llama` of the fixtures, loaded in Node and in a browser alike. Not shipped.
 */

import { readTensor } from '../../formats/checkpoint.ts';
import { memoryBytes } from '../../bytes/memory-bytes.ts';
import { decodeFloat32 } from '../../formats/codec.ts';
import { openFiles } from '../../formats/open.ts';
import type { ModelConfig, SideFiles } from '../../formats/checkpoint.ts';
import type { Tensors } from './forward.ts';

const texts = import.meta.glob<string>('../../../e2e/fixtures/models/stories260K-llama/*.json', {
  query: '?raw',
  import: 'default',
});
const weights = import.meta.glob<string>('../../../e2e/fixtures/models/stories260K-llama/*.safetensors', {
  query: '?url&inline',
  import: 'default',
});

/** The fixture as a chat takes it. */
export interface Stories {
  readonly config: ModelConfig;
  readonly sideFiles: SideFiles;
  readonly tensors: Tensors;
}

/** The text that it writes greedily after "Once upon a time", by the fixtures' own README. */
export const STORY =
  ', there was a little girl named Lily. She loved to play outside in the park. One day, she saw a big, red ball. She wanted to play with it,';

/** Loads it. */
export async function loadStories(): Promise<Stories> {
  const files = await Promise.all([
    ...Object.entries(texts).map(async ([path, load]) => ({ path, data: new TextEncoder().encode(await load()) })),
    ...Object.entries(weights).map(async ([path, load]) => ({ path, data: await readAsset(await load()) })),
  ]);
  const named = files.map(({ path, data }) => ({
    path: path.replace(/.*models\//, ''),
    bytes: memoryBytes(path, data),
  }));
  const { checkpoints } = await openFiles(named);
  const [checkpoint] = checkpoints;
  if (!checkpoint?.config) throw new Error('the fixture stories260K-llama did not open');
  const tensors = new Map(
    await Promise.all(
      [...checkpoint.tensors].map(async ([name, entry]) => {
        const data = decodeFloat32(await readTensor(entry, 0, entry.end - entry.start), 'F32');
        return [name, { data, shape: entry.shape }] as const;
      }),
    ),
  );
  return { config: checkpoint.config, sideFiles: checkpoint.sideFiles, tensors };
}

/** An asset that was inlined is an address that holds its own data, in Node and in a browser. */
async function readAsset(address: string): Promise<Uint8Array> {
  return new Uint8Array(await (await fetch(address)).arrayBuffer());
}
