/**
 * TokenizerFiles: the definition of a tokenizer, in the form of tokenizer.json, from whatever files lie beside the
 * weights: tokenizer.json itself, or the older vocab.json and merges.txt (GPT-2's byte-level BPE, Qwen's, GPT-1's
 * lower-cased one), vocab.txt (WordPiece), tokenizer.model (SentencePiece), or a vocabulary of single characters. What
 * is built here is what transformers builds from the same files. Splitting text is `tokenizer.ts`.
 */

import { MalformedFault, MissingFault } from '../bytes/fault.ts';
import type { SideFiles } from '../formats/checkpoint.ts';
import { isRecord, type JsonRecord, parseSideFile, tokenText } from './side-file.ts';

/** A tokenizer's definition and the settings beside it. */
export interface TokenizerFiles {
  /** The file that it comes from, for messages. */
  readonly file: string;
  /** As in tokenizer.json. */
  readonly definition: JsonRecord;
  /** As in tokenizer_config.json, completed by what the kind of tokenizer is known to take. */
  readonly config: JsonRecord;
  /** True where text outside the vocabulary cannot be written with any token. */
  readonly isClosed: boolean;
}

/** Most tokens of a vocabulary that is built here. */
const MAX_TOKENS = 2 ** 22;

/** The names under which files mention special tokens. */
export const SPECIAL_KEYS: readonly string[] = [
  'bos_token',
  'eos_token',
  'unk_token',
  'pad_token',
  'cls_token',
  'sep_token',
  'mask_token',
];

/** The pattern by which Qwen's tokenizers split text. */
const QWEN_PATTERN =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

/** True where there are files to make a tokenizer of; they may be broken all the same. */
export function hasTokenizer(sideFiles: SideFiles, binarySideFiles: Iterable<string> = []): boolean {
  const has = (name: string) => sideFiles.has(name);
  if (has('tokenizer.json') || has('vocab.txt') || [...binarySideFiles].includes('tokenizer.model')) return true;
  if (has('vocab.json') && has('merges.txt')) return true;
  try {
    return readCharacters(sideFiles) !== null;
  } catch {
    return true;
  }
}

/**
 * Reads the definition.
 * @param sentencePiece what `sentence-piece.ts` made of tokenizer.model; null where that is not there.
 * @throws MissingFault where there is no tokenizer, MalformedFault where a file cannot be used.
 */
export function readTokenizerFiles(sideFiles: SideFiles, sentencePiece: TokenizerFiles | null = null): TokenizerFiles {
  const config = parseSideFile(sideFiles, 'tokenizer_config.json') ?? {};
  const whole = parseSideFile(sideFiles, 'tokenizer.json');
  if (whole !== null) return { file: 'tokenizer.json', definition: withDefaults(whole), config, isClosed: false };
  if (sentencePiece !== null) {
    return { ...sentencePiece, config: { ...sentencePiece.config, ...config } };
  }
  const merges = sideFiles.get('merges.txt');
  const found =
    merges !== undefined && sideFiles.has('vocab.json')
      ? readMerged(sideFiles, config, merges)
      : sideFiles.has('vocab.txt')
        ? readWordPieces(sideFiles, config)
        : readCharacters(sideFiles);
  if (found !== null) return found;
  const other = ['vocab.json', 'merges.txt'].find((name) => sideFiles.has(name));
  const hint = other === undefined ? '' : ` (${other} alone is not enough)`;
  throw new MissingFault(`tokenizer.json is missing${hint}; add it to the model to chat.`, { file: 'tokenizer.json' });
}

/** A tokenizer.json whose older form leaves out keys that mean null, and the type of a BPE model. */
function withDefaults(definition: JsonRecord): JsonRecord {
  const { model } = definition;
  if (!isRecord(model)) {
    throw new MalformedFault('tokenizer.json cannot be used: it has no model.', { file: 'tokenizer.json' });
  }
  const added = definition['added_tokens'];
  return {
    ...NO_PARTS,
    ...definition,
    model: Array.isArray(model['merges']) ? { type: 'BPE', ...model } : model,
    added_tokens: Array.isArray(added) ? added : [],
  };
}

const NO_PARTS = { normalizer: null, pre_tokenizer: null, post_processor: null, decoder: null };

/** BPE from vocab.json and merges.txt. */
function readMerged(sideFiles: SideFiles, config: JsonRecord, text: string): TokenizerFiles {
  const vocabulary = readVocabulary(parseSideFile(sideFiles, 'vocab.json') ?? {}, 'vocab.json');
  const merges = text.split('\n').flatMap((line, index) => {
    const pair = line.replace(/\r$/, '');
    if (pair === '' || (index === 0 && pair.startsWith('#version'))) return [];
    const parts = pair.split(' ');
    if (parts.length === 2 && parts.every((part) => part !== '')) return [parts];
    throw new MalformedFault(`merges.txt does not join two tokens in line ${index + 1}; fetch it again.`, {
      file: 'merges.txt',
      line: index + 1,
    });
  });
  const model = { type: 'BPE', vocab: vocabulary, merges, fuse_unk: false, byte_fallback: false };
  const kind = kindOf(sideFiles, config, vocabulary);
  const prefix = { add_prefix_space: config['add_prefix_space'] === true };
  if (kind === 'gpt1') {
    return finished(sideFiles, config, vocabulary, {
      file: 'vocab.json',
      // Words of single characters end with the suffix too, which the decoder turns into a space.
      model: { ...model, unk_token: '<unk>', end_of_word_suffix: '</w>' },
      normalizer: {
        type: 'BertNormalizer',
        clean_text: true,
        handle_chinese_chars: true,
        strip_accents: null,
        lowercase: true,
      },
      pre_tokenizer: { type: 'BertPreTokenizer' },
      decoder: { type: 'BPEDecoder', suffix: '</w>' },
      tokens: { unk_token: '<unk>' },
    });
  }
  const byteLevel = { type: 'ByteLevel', trim_offsets: true, ...prefix };
  const decoder = { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true };
  if (kind === 'qwen') {
    const split = { type: 'Split', pattern: { Regex: QWEN_PATTERN }, behavior: 'Isolated', invert: false };
    return finished(sideFiles, config, vocabulary, {
      file: 'vocab.json',
      model,
      normalizer: { type: 'NFC' },
      pre_tokenizer: { type: 'Sequence', pretokenizers: [split, { ...byteLevel, use_regex: false }] },
      decoder,
      tokens: { eos_token: '<|endoftext|>', pad_token: '<|endoftext|>' },
    });
  }
  return finished(sideFiles, config, vocabulary, {
    file: 'vocab.json',
    model,
    normalizer: null,
    pre_tokenizer: { ...byteLevel, use_regex: true },
    decoder,
    tokens: { bos_token: '<|endoftext|>', eos_token: '<|endoftext|>', unk_token: '<|endoftext|>' },
  });
}

/** Which BPE it is: by the class that the files name, by the model's type, else by what the vocabulary looks like. */
function kindOf(sideFiles: SideFiles, config: JsonRecord, vocabulary: Readonly<Record<string, number>>) {
  const name = String(config['tokenizer_class'] ?? '').replace(/Fast$/, '');
  const type = String(parseSideFile(sideFiles, 'config.json')?.['model_type'] ?? '');
  if (name === 'OpenAIGPTTokenizer' || (name === '' && type === 'openai-gpt')) return 'gpt1';
  if (name === 'Qwen2Tokenizer' || (name === '' && /^qwen[23]/.test(type))) return 'qwen';
  if (name === '' && Object.keys(vocabulary).some((token) => token.endsWith('</w>'))) return 'gpt1';
  return 'gpt2';
}

/** WordPiece from vocab.txt: a token per line. Without the marks that BERT puts around a text: it is to be continued. */
function readWordPieces(sideFiles: SideFiles, config: JsonRecord): TokenizerFiles {
  const lines = (sideFiles.get('vocab.txt') ?? '').split('\n').map((line) => line.replace(/\r$/, ''));
  if (lines.at(-1) === '') lines.pop();
  const vocabulary = readVocabulary(Object.fromEntries(lines.map((token, id) => [token, id])), 'vocab.txt');
  const unknown = tokenText(config['unk_token']) ?? '[UNK]';
  return finished(sideFiles, config, vocabulary, {
    file: 'vocab.txt',
    model: {
      type: 'WordPiece',
      vocab: vocabulary,
      unk_token: unknown,
      continuing_subword_prefix: '##',
      max_input_chars_per_word: 100,
    },
    normalizer: {
      type: 'BertNormalizer',
      clean_text: true,
      handle_chinese_chars: config['tokenize_chinese_chars'] !== false,
      strip_accents: config['strip_accents'] ?? null,
      lowercase: config['do_lower_case'] !== false,
    },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
    tokens: { unk_token: unknown, pad_token: '[PAD]', cls_token: '[CLS]', sep_token: '[SEP]', mask_token: '[MASK]' },
  });
}

/**
 * A vocabulary of characters: `stoi` or `itos` of meta.json (nanoGPT's meta.pkl as JSON), `char_ords` of
 * tokenizer_config.json (CharacterTokenizer), or a vocab.json without merges.txt whose tokens are single characters.
 * Null where there is none.
 */
function readCharacters(sideFiles: SideFiles): TokenizerFiles | null {
  const config = parseSideFile(sideFiles, 'tokenizer_config.json') ?? {};
  const [file, given] = findCharacters(sideFiles, config);
  if (given === null) return null;
  const vocabulary = readVocabulary(given, file);
  const unknown = ['<unk>', '[UNK]', '<UNK>', tokenText(config['unk_token'])].find(
    (token): token is string => typeof token === 'string' && Object.hasOwn(vocabulary, token),
  );
  const files = finished(sideFiles, config, vocabulary, {
    file,
    model: { type: 'BPE', vocab: vocabulary, merges: [], ...(unknown === undefined ? {} : { unk_token: unknown }) },
    normalizer: null,
    pre_tokenizer: null,
    decoder: { type: 'Fuse' },
    tokens: unknown === undefined ? {} : { unk_token: unknown },
  });
  // Tokens of several characters can only be marks.
  const marks = Object.entries(vocabulary).filter(([token]) => [...token].length > 1);
  const added = files.definition['added_tokens'] as readonly { readonly content: string }[];
  const missing = marks.filter(([token]) => !added.some(({ content }) => content === token));
  const definition = { ...files.definition, added_tokens: [...added, ...missing.map(([t, id]) => special(t, id))] };
  return { ...files, definition, isClosed: unknown === undefined };
}

function findCharacters(sideFiles: SideFiles, config: JsonRecord): readonly [string, JsonRecord | null] {
  const ordinals = config['char_ords'];
  if (Array.isArray(ordinals)) {
    const marks = ['[CLS]', '[SEP]', '[BOS]', '[MASK]', '[PAD]', '[RESERVED]', '[UNK]'];
    const isCode = (code: unknown): code is number =>
      Number.isInteger(code) && Number(code) >= 0 && Number(code) <= 0x10ffff;
    const characters = ordinals.map((code: unknown) => (isCode(code) ? String.fromCodePoint(code) : ''));
    return ['tokenizer_config.json', Object.fromEntries([...marks, ...characters].map((token, id) => [token, id]))];
  }
  const meta = parseLoosely(sideFiles.get('meta.json'));
  if (isRecord(meta?.['stoi'])) return ['meta.json', meta['stoi']];
  const itos = meta?.['itos'];
  if (isRecord(itos) || Array.isArray(itos)) {
    return ['meta.json', Object.fromEntries(Object.entries(itos).map(([id, token]) => [String(token), Number(id)]))];
  }
  const vocabulary = sideFiles.has('merges.txt') ? null : parseSideFile(sideFiles, 'vocab.json');
  const isMark = (token: string) => [...token].length === 1 || /^(<.*>|\[.*\])$/.test(token);
  const isOfCharacters =
    vocabulary !== null && Object.keys(vocabulary).every(isMark) && Object.keys(vocabulary).length > 0;
  return ['vocab.json', isOfCharacters ? vocabulary : null];
}

/** meta.json may be anything: what is no object is none of ours. */
function parseLoosely(text: string | undefined): JsonRecord | null {
  try {
    const value: unknown = JSON.parse(text ?? 'null');
    return isRecord(value) ? value : null;
  } catch {
    return null;
  }
}

/** Token numbers by token. Throws MalformedFault for what is no number, or far too many. */
function readVocabulary(given: JsonRecord, file: string): Readonly<Record<string, number>> {
  const entries = Object.entries(given);
  const isId = (id: unknown): id is number => Number.isInteger(id) && Number(id) >= 0 && Number(id) < MAX_TOKENS;
  const wrong = entries.find(([, id]) => !isId(id));
  if (wrong || entries.length === 0 || entries.length > MAX_TOKENS) {
    const what = wrong ? `gives the token ${JSON.stringify(wrong[0])} no number` : 'holds no tokens';
    throw new MalformedFault(`${file} ${what}; fetch it again.`, { file });
  }
  return given as Readonly<Record<string, number>>;
}

interface Parts {
  readonly file: string;
  readonly model: JsonRecord;
  readonly normalizer: JsonRecord | null;
  readonly pre_tokenizer: JsonRecord | null;
  readonly decoder: JsonRecord;
  /** Special tokens that the kind takes where its files say nothing. */
  readonly tokens: Readonly<Record<string, string>>;
}

/** Adds the special and added tokens that the files name. */
function finished(
  sideFiles: SideFiles,
  given: JsonRecord,
  vocabulary: Readonly<Record<string, number>>,
  { file, tokens, ...parts }: Parts,
): TokenizerFiles {
  const map = parseSideFile(sideFiles, 'special_tokens_map.json') ?? {};
  const known = Object.fromEntries(Object.entries(tokens).filter(([, token]) => Object.hasOwn(vocabulary, token)));
  const config = { ...known, ...map, ...given };
  const added = new Map<string, JsonRecord>();
  for (const [content, id] of Object.entries(parseSideFile(sideFiles, 'added_tokens.json') ?? {})) {
    if (Number.isInteger(id)) added.set(content, { ...special(content, Number(id)), special: false, normalized: true });
  }
  const decoder = given['added_tokens_decoder'];
  for (const [id, entry] of Object.entries(isRecord(decoder) ? decoder : {})) {
    const content = isRecord(entry) ? tokenText(entry) : null;
    if (content !== null && isRecord(entry))
      added.set(content, { ...special(content, Number(id)), special: false, ...entry });
  }
  for (const key of SPECIAL_KEYS) {
    const content = tokenText(config[key as keyof typeof config]);
    if (content === null) continue;
    const id = added.get(content)?.['id'] ?? vocabulary[content];
    if (typeof id === 'number')
      added.set(content, { ...special(content, id), ...added.get(content), special: true, normalized: false });
  }
  const definition = { ...NO_PARTS, ...parts, added_tokens: [...added.values()] };
  return { file, definition, config, isClosed: false };
}

function special(content: string, id: number): JsonRecord {
  return { id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };
}
