/**
 * SentencePiece: reads tokenizer.model and writes the tokenizer.json that means the same, for the BPE models with byte
 * fallback that Llama, Mistral and Gemma brought (Kudo and Richardson, arXiv 1808.06226; the fields are those of
 * sentencepiece_model.proto). Other kinds are refused: their normalisation is not done exactly here. As in Hugging
 * Face's Llama the space before a text also stands after each special token.
 */

import type { Bytes } from '../bytes/bytes.ts';
import { MalformedFault, UnsupportedFault } from '../bytes/fault.ts';
import type { JsonRecord } from './side-file.ts';
import type { TokenizerFiles } from './tokenizer-files.ts';

const FILE = 'tokenizer.model';

/** The largest known one has 4.2 MB. */
const MAX_BYTES = 32 * 2 ** 20;

/** Longest text of a piece; trainers make none above a few dozen characters. */
const MAX_PIECE = 1024;

/** What a piece is. */
const TYPE = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 };

interface Piece {
  readonly text: string;
  readonly score: number;
  readonly type: number;
}

/**
 * Reads tokenizer.model.
 * @throws MalformedFault where it is not one, UnsupportedFault where it is of another kind.
 */
export async function readSentencePiece(file: Bytes): Promise<TokenizerFiles> {
  if (file.size > MAX_BYTES) {
    throw new UnsupportedFault(`${file.name} has ${file.size} bytes and is read up to ${MAX_BYTES}; leave it out.`);
  }
  const bytes = await file.slice(0, file.size);
  const pieces: Piece[] = [];
  let trainer: Fields = new Map();
  let normaliser: Fields = new Map();
  for (const { number, value } of fieldsOf(bytes)) {
    if (!(value instanceof Uint8Array)) continue;
    if (number === 1) pieces.push(readPiece(value));
    if (number === 2) trainer = lastOf(value);
    if (number === 3) normaliser = lastOf(value);
  }
  const unknown = pieces.find(({ type }) => type === TYPE.unknown);
  if (unknown === undefined) throw broken();
  const charactersMap = normaliser.get(2);
  const hasMap = charactersMap instanceof Uint8Array && charactersMap.length > 0;
  if (trainer.get(3) !== 2 || hasMap) {
    const why = hasMap ? 'normalises text by a table of its own' : 'is no BPE model';
    throw new UnsupportedFault(`${FILE} ${why}; add the tokenizer.json that belongs to the model to chat.`, {
      file: FILE,
    });
  }
  const vocab = Object.fromEntries(pieces.map(({ text }, id) => [text, id]));
  const hasPrefix = normaliser.get(3) !== 0;
  const collapses = normaliser.get(4) !== 0;
  const added = pieces.flatMap(({ text, type }, id) =>
    type === TYPE.control || type === TYPE.unknown || type === TYPE.userDefined
      ? [{ id, content: text, special: type !== TYPE.userDefined, ...PLAIN }]
      : [],
  );
  const definition = {
    added_tokens: added,
    normalizer: {
      type: 'Sequence',
      normalizers: [
        ...(collapses
          ? [
              { type: 'Replace', pattern: { Regex: ' {2,}' }, content: ' ' },
              { type: 'Replace', pattern: { Regex: '\\A +| +\\z' }, content: '' },
            ]
          : []),
        ...(hasPrefix ? [{ type: 'Prepend', prepend: SPACE }] : []),
        { type: 'Replace', pattern: { String: ' ' }, content: SPACE },
      ],
    },
    pre_tokenizer: null,
    post_processor: null,
    decoder: {
      type: 'Sequence',
      decoders: [
        { type: 'Replace', pattern: { String: SPACE }, content: ' ' },
        { type: 'ByteFallback' },
        { type: 'Fuse' },
        ...(hasPrefix ? [{ type: 'Strip', content: ' ', start: 1, stop: 0 }] : []),
      ],
    },
    model: {
      type: 'BPE',
      vocab,
      merges: mergesOf(pieces),
      unk_token: unknown.text,
      fuse_unk: true,
      byte_fallback: trainer.get(35) === 1,
    },
  };
  return { file: FILE, definition, config: configOf(pieces, trainer), isClosed: false };
}

const SPACE = '\u2581';
const PLAIN = { single_word: false, lstrip: false, rstrip: false, normalized: false };

/**
 * The pairs that may be joined, best first. SentencePiece joins two neighbours whenever their text together is a piece,
 * the best score first; so every way of cutting a piece in two is a pair.
 */
function mergesOf(pieces: readonly Piece[]): (readonly [string, string])[] {
  const isText = ({ type }: Piece) => type === TYPE.normal || type === TYPE.userDefined;
  const ids = new Map(pieces.flatMap((piece, id) => (isText(piece) ? [[piece.text, id] as const] : [])));
  const merges: { readonly pair: readonly [string, string]; readonly id: number; readonly score: number }[] = [];
  for (const [text, id] of ids) {
    const score = pieces[id]?.score ?? 0;
    let cut = 0;
    for (const character of text) {
      cut += character.length;
      if (cut === text.length) break;
      const pair = [text.slice(0, cut), text.slice(cut)] as const;
      if (ids.has(pair[0]) && ids.has(pair[1])) merges.push({ pair, id, score });
    }
  }
  return merges.sort((a, b) => b.score - a.score || a.id - b.id).map(({ pair }) => pair);
}

/** Beginning and end as the model was trained: a beginning is put before every text. */
function configOf(pieces: readonly Piece[], trainer: Fields): JsonRecord {
  const named = (field: number, otherwise: number) => {
    const id = trainer.get(field) ?? otherwise;
    const piece = typeof id === 'number' ? pieces[id] : undefined;
    return piece?.type === TYPE.control ? piece.text : null;
  };
  const [bos, eos] = [named(41, 1), named(42, 2)];
  return {
    ...(bos === null ? {} : { bos_token: bos, add_bos_token: true }),
    ...(eos === null ? {} : { eos_token: eos }),
  };
}

function readPiece(bytes: Uint8Array): Piece {
  const fields = lastOf(bytes);
  const [text, score, type] = [fields.get(1), fields.get(2), fields.get(3)];
  if (!(text instanceof Uint8Array) || text.length > MAX_PIECE) throw broken();
  return {
    text: decodeText(text),
    score: typeof score === 'number' ? score : 0,
    type: typeof type === 'number' ? type : TYPE.normal,
  };
}

function decodeText(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw broken();
  }
}

type Value = number | Uint8Array;
type Fields = ReadonlyMap<number, Value>;

/** The last value of each field of a message, as protobuf reads it. */
function lastOf(bytes: Uint8Array): Fields {
  return new Map([...fieldsOf(bytes)].map(({ number, value }) => [number, value]));
}

/** The fields of a protobuf message in order: whole numbers, float32 and bytes. Throws MalformedFault beyond its end. */
function* fieldsOf(bytes: Uint8Array): Generator<{ readonly number: number; readonly value: Value }> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  const varint = () => {
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = bytes[at++];
      if (byte === undefined) throw broken();
      // Numbers that matter here are small; the high bits of negative ones may be lost.
      value += (byte & 127) * 2 ** shift;
      if (byte < 128) return value;
    }
    throw broken();
  };
  while (at < bytes.length) {
    const tag = varint();
    const [number, kind] = [Math.floor(tag / 8), tag % 8];
    if (kind === 0) yield { number, value: varint() };
    else if (kind === 2) {
      const length = varint();
      if (at + length > bytes.length) throw broken();
      at += length;
      yield { number, value: bytes.subarray(at - length, at) };
    } else if (kind === 5 || kind === 1) {
      const size = kind === 5 ? 4 : 8;
      if (at + size > bytes.length) throw broken();
      yield { number, value: kind === 5 ? view.getFloat32(at, true) : view.getFloat64(at, true) };
      at += size;
    } else throw broken();
  }
}

function broken(): MalformedFault {
  return new MalformedFault(`${FILE} is not a SentencePiece model; fetch it again.`, { file: FILE });
}
