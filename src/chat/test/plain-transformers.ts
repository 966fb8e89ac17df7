/**
 * PlainTransformers: transformers.js as it comes, reading an exported folder that is in memory, on onnxruntime's files
 * of ours and with no network. For tests and measurements in a browser; not shipped.
 */

import type * as Library from '@huggingface/transformers';
import { loadRuntime } from '../runtime.ts';

/** Where its files seem to be. */
const FOLDER = 'exported';
const MODELS = '/in-memory/';

export interface OpenedExport {
  readonly transformers: typeof Library;
  readonly model: Library.PreTrainedModel;
}

/** How to run it. */
export interface ExportedOptions {
  readonly dtype: 'fp32' | 'fp16' | 'q8' | 'q4';
  /** The device to run on; null for the CPU. Left out: one that onnxruntime makes itself. */
  readonly device?: GPUDevice | null;
}

/** Loads transformers.js and lets it find `files`, by their paths in the folder. */
export async function libraryOver(files: ReadonlyMap<string, Blob>): Promise<typeof Library> {
  // Sets where onnxruntime's own files are; transformers.js asks a CDN for them only where nobody has.
  await loadRuntime();
  const transformers = await import('@huggingface/transformers');
  const { env } = transformers;
  env.allowLocalModels = true;
  env.allowRemoteModels = false;
  env.useBrowserCache = false;
  env.useWasmCache = false;
  env.localModelPath = MODELS;
  env.fetch = async (input) => {
    const path = String(input).replace(new RegExp(`^.*${MODELS}${FOLDER}/`), '');
    const file = files.get(path);
    return file
      ? new Response(file, { headers: { 'content-length': String(file.size) } })
      : new Response(null, { status: 404 });
  };
  return transformers;
}

/** Opens the model as anybody would. */
export async function openExported(files: ReadonlyMap<string, Blob>, options: ExportedOptions): Promise<OpenedExport> {
  const transformers = await libraryOver(files);
  const { device, dtype } = options;
  const model = await transformers.AutoModelForCausalLM.from_pretrained(FOLDER, {
    dtype,
    device: device === null ? 'wasm' : 'webgpu',
    ...(device ? { session_options: { executionProviders: [{ name: 'webgpu', device }] } } : {}),
  });
  return { transformers, model };
}

/** Opens the tokenizer as anybody would. */
export async function openTokenizer(files: ReadonlyMap<string, Blob>): Promise<Library.PreTrainedTokenizer> {
  const { AutoTokenizer } = await libraryOver(files);
  return AutoTokenizer.from_pretrained(FOLDER);
}
