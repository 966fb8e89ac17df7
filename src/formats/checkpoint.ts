/**
 * Checkpoint: named tensors with the config, tokenizer and template that lie beside them. It knows where every
 * tensor's bytes are and reads ranges of them; it never holds a whole weight file. Opening one is `open.ts`;
 * parsing a header is `safetensors.ts`.
 */

import type { Bytes } from '../bytes/bytes.ts';
import type { Dtype } from './dtype.ts';

/** One tensor and where its bytes lie. */
export interface TensorEntry {
  readonly name: string;
  readonly dtype: Dtype;
  /** Dimensions, outermost first; empty for a scalar. */
  readonly shape: readonly number[];
  /** Product of the shape (1 for a scalar). */
  readonly elements: number;
  /** The file that holds it. */
  readonly file: Bytes;
  /** Absolute position of the first byte in `file`, and one past the last. */
  readonly start: number;
  readonly end: number;
}

/** The small text files beside the weights, by the name they have in a Hugging Face folder. */
export type SideFiles = ReadonlyMap<string, string>;

/** config.json as far as anything here reads it; unknown keys are kept. */
export type ModelConfig = Readonly<Record<string, unknown>>;

/** A model: named tensors + config + tokenizer. */
export interface Checkpoint {
  /** Unique among the open ones: the folder's or the file's name. */
  readonly name: string;
  /** In the order of the files and of the data in them. */
  readonly tensors: ReadonlyMap<string, TensorEntry>;
  /** Parsed config.json, or null where there is none. */
  readonly config: ModelConfig | null;
  /** config.json, generation_config.json, tokenizer.json, tokenizer_config.json, chat_template.jinja, … as text. */
  readonly sideFiles: SideFiles;
  /** Side files that are not text (tokenizer.model), to be copied as they are. Absent where nothing looked for them. */
  readonly binarySideFiles?: ReadonlyMap<string, Bytes>;
  /** Text side files that are not the JSON they should be, by name, with a sentence that says what is wrong. */
  readonly brokenSideFiles?: ReadonlyMap<string, string>;
  /** Sum of all tensors' bytes. */
  readonly totalBytes: number;
  /** Names of the weight files, in order. */
  readonly weightFiles: readonly string[];
}

/** Reads elements' raw bytes: byte range [start, end) counted from the tensor's own first byte. */
export function readTensor(entry: TensorEntry, start: number, end: number): Promise<Uint8Array<ArrayBuffer>> {
  return entry.file.slice(entry.start + start, entry.start + end);
}
