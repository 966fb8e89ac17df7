/**
 * Vocabulary: which tokens a tokenizer.json has and under which numbers. Enough to tell vocabularies apart and to move
 * embedding rows; not a tokenizer: text is split by `chat/`.
 */

import type { Checkpoint } from './checkpoint.ts';

/** An entry of `added_tokens`; keys that nobody here knows are kept. */
export type AddedToken = Readonly<Record<string, unknown>> & { readonly id: number; readonly content: string };

/** A parsed tokenizer.json. */
export interface Vocabulary {
  /** Every token with its number; where two tokens share a number, both are there. */
  readonly ids: ReadonlyMap<string, number>;
  readonly added: readonly AddedToken[];
  /** BPE, Unigram, WordPiece, WordLevel, or what the file says. */
  readonly type: string;
  /** The whole file. */
  readonly json: Readonly<Record<string, unknown>>;
}

type Json = Record<string, unknown>;

function isRecord(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isAdded(value: unknown): value is AddedToken {
  return isRecord(value) && typeof value.content === 'string' && isId(value.id);
}

function isId(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}

/** Reads the text of a tokenizer.json; null where it is none. */
export function parseVocabulary(text: string): Vocabulary | null {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return null;
  }
  if (!isRecord(json)) return null;
  const model = isRecord(json.model) ? json.model : {};
  const ids = new Map<string, number>();
  if (Array.isArray(model.vocab)) {
    model.vocab.forEach((entry: unknown, id) => ids.set(String(Array.isArray(entry) ? entry[0] : entry), id));
  } else if (isRecord(model.vocab)) {
    for (const [token, id] of Object.entries(model.vocab)) if (isId(id)) ids.set(token, id);
  }
  const added = (Array.isArray(json.added_tokens) ? json.added_tokens : []).filter(isAdded);
  for (const { content, id } of added) ids.set(content, id);
  if (ids.size === 0) return null;
  const type = typeof model.type === 'string' ? model.type : Array.isArray(model.vocab) ? 'Unigram' : 'BPE';
  return { ids, added, type, json };
}

/** Large files, asked for again at every change of a recipe. */
const known = new WeakMap<Checkpoint['sideFiles'], Vocabulary | null>();

/** A checkpoint's vocabulary; null where it has no tokenizer.json, or one without tokens. */
export function vocabularyOf({ sideFiles }: Checkpoint): Vocabulary | null {
  const cached = known.get(sideFiles);
  if (cached !== undefined) return cached;
  const text = sideFiles.get('tokenizer.json');
  const vocabulary = text === undefined ? null : parseVocabulary(text);
  known.set(sideFiles, vocabulary);
  return vocabulary;
}
