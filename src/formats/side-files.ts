/**
 * Side files: the small files beside the weights (config, tokenizer, chat template), read whole, as text, with a
 * ceiling, and judged as JSON where they are JSON. What they mean is for those who use them.
 */

import type { Bytes } from '../bytes/bytes.ts';
import { MalformedFault, UnsupportedFault } from '../bytes/fault.ts';
import type { ModelConfig } from './checkpoint.ts';
import { isLfsPointer, lfsPointerFault } from './foreign.ts';

/** Largest side file that is read: the largest known tokenizer.json has 33 MB. */
export const MAX_SIDE_FILE_BYTES = 64 * 2 ** 20;

/** Side files that are text. */
const TEXT_SIDE_FILES: readonly string[] = [
  'config.json',
  'generation_config.json',
  'tokenizer.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'added_tokens.json',
  'vocab.json',
  'merges.txt',
  'vocab.txt',
  'meta.json',
  'chat_template.jinja',
  'chat_template.json',
];

/** Side files that are not text; they are listed and copied, never read here. */
const BINARY_SIDE_FILES: readonly string[] = ['tokenizer.model'];

/** True for a file's name (without folders) that belongs beside weights. */
export function isSideFile(name: string): boolean {
  return TEXT_SIDE_FILES.includes(name) || BINARY_SIDE_FILES.includes(name);
}

/** What lies beside the weights. */
export interface ReadSideFiles {
  readonly texts: ReadonlyMap<string, string>;
  readonly binaries: ReadonlyMap<string, Bytes>;
  /** Parsed config.json, or null where there is none. */
  readonly config: ModelConfig | null;
  /** Files that are no sound JSON and that no merge reads, by name, with a sentence that says what is wrong. */
  readonly broken: ReadonlyMap<string, string>;
}

/** A merge copies it and only chat needs it: a broken one is no reason to refuse the weights. */
const MAY_BE_BROKEN: ReadonlySet<string> = new Set(['tokenizer.json']);

/**
 * Reads the side files among `files` (by name without folders); others are passed over. Throws MalformedFault for
 * one that is not the text or JSON it should be, and UnsupportedFault for one above the ceiling.
 */
export async function readSideFiles(files: ReadonlyMap<string, Bytes>): Promise<ReadSideFiles> {
  const texts = new Map<string, string>();
  const broken = new Map<string, string>();
  let config: ModelConfig | null = null;
  for (const name of TEXT_SIDE_FILES) {
    const file = files.get(name);
    if (!file) continue;
    const text = await readText(file);
    texts.set(name, text);
    // Anything may be called so; only a vocabulary of characters is looked for in it, by `chat/`.
    if (!name.endsWith('.json') || name === 'meta.json') continue;
    try {
      const object = parseJsonObject(file, text);
      if (name === 'config.json') config = object;
    } catch (thrown) {
      if (!(thrown instanceof MalformedFault) || !MAY_BE_BROKEN.has(name)) throw thrown;
      broken.set(name, thrown.message);
    }
  }
  const binaries = new Map<string, Bytes>();
  for (const name of BINARY_SIDE_FILES) {
    const file = files.get(name);
    if (file) binaries.set(name, file);
  }
  return { texts, binaries, config, broken };
}

/** Reads a small file as UTF-8 text. Throws as `readSideFiles` does. */
export async function readText(file: Bytes): Promise<string> {
  if (file.size > MAX_SIDE_FILE_BYTES) {
    throw new UnsupportedFault(
      `${file.name} has ${file.size} bytes, and files beside the weights are read up to ${MAX_SIDE_FILE_BYTES}; leave it out.`,
      { file: file.name, bytes: file.size },
    );
  }
  const raw = await file.slice(0, file.size);
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(raw);
  } catch {
    throw new MalformedFault(`${file.name} is not UTF-8 text; fetch it again.`, { file: file.name });
  }
  // Large tokenizers are kept in Git LFS, as weights are.
  if (isLfsPointer(text)) throw lfsPointerFault(file.name);
  return text;
}

/** Parses the text of `file` as a JSON object. Throws MalformedFault that says where it is broken. */
export function parseJsonObject(file: Bytes, text: string): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new MalformedFault(`${file.name} is not sound JSON (${reason}); mend it or fetch it again.`, {
      file: file.name,
      reason,
    });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new MalformedFault(`${file.name} is not a JSON object; mend it or fetch it again.`, { file: file.name });
  }
  return value as Record<string, unknown>;
}
