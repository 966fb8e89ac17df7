/**
 * TokenizerDefinition: a tokenizer.json in words that the library reads as they are meant. Some parts it reads otherwise
 * than Hugging Face's own tokenizers do: digits and words of ASCII only, marks in runs, matches never joined to what stands
 * beside them, Metaspace never split. Each is written here as a part that it reads rightly. Not where a definition comes
 * from: that is `tokenizer-files.ts`.
 */

import { isRecord, type JsonRecord } from './side-file.ts';

/** The same tokenizer, in parts that the library reads rightly. */
export function readableDefinition(definition: JsonRecord): JsonRecord {
  return {
    ...definition,
    pre_tokenizer: preTokenizer(definition['pre_tokenizer']),
    decoder: decoder(definition['decoder']),
  };
}

/** Unicode's marks, and those of ASCII that Unicode calls symbols. */
const MARK = '[\\p{P}!-\\/:-@\\[-`{-~]';
const WORD_CHARACTERS = '\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\u200c\u200d';

function preTokenizer(part: unknown): unknown {
  if (!isRecord(part)) return part;
  switch (part['type']) {
    case 'Sequence':
      return { ...part, pretokenizers: listOf(part['pretokenizers']).map(preTokenizer) };
    case 'Digits':
      return cut('\\p{N}', part['individual_digits'] === true ? 'Isolated' : 'Contiguous');
    case 'Whitespace':
      return only(`[${WORD_CHARACTERS}]+|[^${WORD_CHARACTERS}\\s]+`);
    case 'WhitespaceSplit':
      return only('\\S+');
    case 'Punctuation':
      return cut(MARK, part['behavior'] ?? 'Isolated');
    case 'CharDelimiterSplit':
      return cut(escaped(String(part['delimiter'])), 'Removed');
    case 'Split':
      return split(part);
    case 'Metaspace':
      return metaspace(part);
    default:
      return part;
  }
}

function decoder(part: unknown): unknown {
  if (!isRecord(part)) return part;
  if (part['type'] === 'Sequence') return { ...part, decoders: listOf(part['decoders']).map(decoder) };
  // No space was put before the text, so none is taken away.
  return part['type'] === 'Metaspace' && part['prepend_scheme'] === 'never'
    ? { type: 'Replace', pattern: { String: replacementOf(part) }, content: ' ' }
    : part;
}

/** A split whose matches do more than stand alone or go. */
function split(part: JsonRecord): JsonRecord {
  const { pattern, behavior } = part;
  if (part['invert'] === true) {
    // What matches and what does not are parted at the same places.
    return behavior === 'Isolated' ? { ...part, invert: false } : part;
  }
  if (!isRecord(pattern) || behavior === 'Isolated' || behavior === 'Removed') return part;
  const { Regex: regex, String: text } = pattern;
  if (typeof regex !== 'string' && typeof text !== 'string') return part;
  return cut(typeof regex === 'string' ? regex : escaped(String(text)), behavior);
}

/** Splits where a pattern matches; a behaviour that is not known is left to the library. */
function cut(regex: string, behavior: unknown): JsonRecord {
  const match = `(?:${regex})`;
  const other = `(?:(?!${match})[\\s\\S])`;
  switch (behavior) {
    case 'Contiguous':
      return { type: 'Split', pattern: { Regex: `${match}+` }, behavior: 'Isolated', invert: false };
    case 'MergedWithPrevious':
      return only(`${other}*${match}|${other}+`);
    case 'MergedWithNext':
      return only(`${match}${other}*|${other}+`);
    default:
      return { type: 'Split', pattern: { Regex: regex }, behavior, invert: false };
  }
}

/** Keeps what matches, each match alone. */
function only(regex: string): JsonRecord {
  return { type: 'Split', pattern: { Regex: regex }, behavior: 'Removed', invert: true };
}

/** Before each of the marks that stand for spaces the text is parted, unless the part says otherwise. */
function metaspace(part: JsonRecord): JsonRecord {
  if (part['split'] === false) return part;
  const words = cut(escaped(replacementOf(part)), 'MergedWithNext');
  return { type: 'Sequence', pretokenizers: [part, words] };
}

function replacementOf(part: JsonRecord): string {
  return typeof part['replacement'] === 'string' ? part['replacement'] : '\u2581';
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\/-]/g, '\\$&');
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? (value as unknown[]) : [];
}
