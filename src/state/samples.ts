/** Samples: the small family of checkpoints that the page ships, fetched from its own origin when asked for. */

import { z } from 'zod';
import { MalformedFault, MissingFault } from '../bytes/fault.ts';

const INDEX_PATH = './samples/index.json';
const PARALLEL_FETCHES = 4;

const indexSchema = z.object({
  family: z.string(),
  description: z.string(),
  base: z.string(),
  models: z.array(
    z.object({ folder: z.string(), title: z.string(), skill: z.string().nullable(), description: z.string() }),
  ),
  files: z.record(z.string(), z.array(z.object({ name: z.string(), bytes: z.number() }))),
  try: z.array(z.string()),
  /** The first question: what the merge answers and no single parent does, and one sentence about that. */
  showcase: z.object({ prompt: z.string(), answer: z.string(), note: z.string() }).optional(),
});

/** What `samples/index.json` says. */
export type SamplesIndex = z.infer<typeof indexSchema>;

/** A file with the path by which the engine groups it. */
export interface PathedFile {
  readonly path: string;
  readonly file: File;
}

/** Fetches the index and every file that it lists; `onBytes` tells how far it is. */
export async function fetchSamples(
  fetcher: typeof fetch,
  onBytes: (done: number, total: number) => void,
): Promise<{ readonly index: SamplesIndex; readonly files: readonly PathedFile[] }> {
  const index = indexSchema.safeParse(await (await get(fetcher, INDEX_PATH)).json());
  if (!index.success)
    throw new MalformedFault('The list of samples is not in the form this page knows. Reload the page.');
  const wanted = Object.entries(index.data.files).flatMap(([folder, files]) =>
    files.map(({ name, bytes }) => ({ path: `${folder}/${name}`, name, bytes })),
  );
  const total = wanted.reduce((sum, { bytes }) => sum + bytes, 0);
  const files: PathedFile[] = new Array(wanted.length);
  let done = 0;
  let next = 0;
  const fetchSome = async () => {
    for (let i = next++; i < wanted.length; i = next++) {
      const entry = wanted[i];
      if (!entry) return;
      const url = `./samples/${entry.path.split('/').map(encodeURIComponent).join('/')}`;
      const blob = await (await get(fetcher, url)).blob();
      files[i] = { path: entry.path, file: new File([blob], entry.name) };
      done += entry.bytes;
      onBytes(Math.min(done, total), total);
    }
  };
  await Promise.all(Array.from({ length: PARALLEL_FETCHES }, fetchSome));
  return { index: index.data, files };
}

async function get(fetcher: typeof fetch, url: string): Promise<Response> {
  const response = await fetcher(url).catch(() => null);
  if (!response?.ok) {
    const why = response ? `the server answered ${response.status}` : 'the server did not answer';
    throw new MissingFault(`The samples could not be fetched (${why} for ${url}). Reload the page and try again.`);
  }
  return response;
}
