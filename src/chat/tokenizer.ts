/**
 * Tokenizer: text to token numbers and back, by the files beside the weights (`tokenizer-files.ts`; the work is
 * @huggingface/tokenizers'). Decoding never "cleans up" spaces: the text is exactly what the
 * tokens say. The chat template is `template.ts`.
 */

import { Tokenizer as HuggingFaceTokenizer } from '@huggingface/tokenizers';
import type { Bytes } from '../bytes/bytes.ts';
import { MalformedFault, UnsupportedFault } from '../bytes/fault.ts';
import type { SideFiles } from '../formats/checkpoint.ts';
import { readSentencePiece } from './sentence-piece.ts';
import { isRecord, type JsonRecord, parseSideFile, tokenText } from './side-file.ts';
import { readableDefinition } from './tokenizer-definition.ts';
import { readTokenizerFiles, SPECIAL_KEYS, type TokenizerFiles } from './tokenizer-files.ts';

/** What stands in decoded text for bytes that are not UTF-8 (yet). */
const REPLACEMENT = '\uFFFD';

/** A tokenizer of one model. */
export class Tokenizer {
  readonly #tokenizer: HuggingFaceTokenizer;
  /** The text that a template gets as `bos_token` and `eos_token`; null where there is none. */
  readonly bosToken: string | null;
  readonly eosToken: string | null;
  /** The texts of all tokens with a name, by the keys of tokenizer_config.json (`unk_token`, …). */
  readonly namedTokens: Readonly<Record<string, string>>;
  readonly bosId: number | null;
  readonly eosId: number | null;
  readonly #addsBos: boolean;
  readonly #isClosed: boolean;
  /** GPT-1's mark at the end of a word. */
  readonly #wordEnd: string | null;
  readonly #texts = new Map<number, string>();
  #anchor: readonly number[] | null = null;

  /**
   * Makes a tokenizer of the files beside the weights.
   * @param binarySideFiles where tokenizer.model is looked for if nothing else is there.
   * @throws MissingFault where they make none, MalformedFault where a file cannot be used, UnsupportedFault for a
   *   tokenizer.model of a kind that is not read.
   */
  static async open(sideFiles: SideFiles, binarySideFiles?: ReadonlyMap<string, Bytes>): Promise<Tokenizer> {
    const model = sideFiles.has('tokenizer.json') ? undefined : binarySideFiles?.get('tokenizer.model');
    return new Tokenizer(sideFiles, model ? await readSentencePiece(model) : null);
  }

  /** As `open`, for those that have no tokenizer.model, or have read it. */
  constructor(sideFiles: SideFiles, sentencePiece: TokenizerFiles | null = null) {
    const { file, definition, config, isClosed } = readTokenizerFiles(sideFiles, sentencePiece);
    try {
      this.#tokenizer = new HuggingFaceTokenizer(readableDefinition(definition), withUnknown(definition, config));
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new MalformedFault(`${file} cannot be used: ${reason}.`, { file });
    }
    const map: JsonRecord = parseSideFile(sideFiles, 'special_tokens_map.json') ?? {};
    const named = (key: string) => tokenText(config[key]) ?? tokenText(map[key]);
    this.bosToken = named('bos_token');
    this.eosToken = named('eos_token');
    this.namedTokens = Object.fromEntries(
      SPECIAL_KEYS.flatMap((key) => {
        const text = named(key);
        return text === null ? [] : [[key, text]];
      }),
    );
    this.bosId = this.bosToken === null ? null : this.id(this.bosToken);
    this.eosId = this.eosToken === null ? null : this.id(this.eosToken);
    this.#addsBos = config['add_bos_token'] === true;
    this.#isClosed = isClosed;
    const { decoder } = definition;
    const hasWordEnd = isRecord(decoder) && decoder['type'] === 'BPEDecoder';
    this.#wordEnd = hasWordEnd ? String(decoder['suffix'] ?? '</w>') : null;
  }

  /** The number of a token by its exact text, or null. */
  id(token: string): number | null {
    return this.#tokenizer.token_to_id(token) ?? null;
  }

  /**
   * Tokens of a text.
   * @param addsSpecialTokens true for plain text: the beginning-of-text token is added as the tokenizer says, once,
   *   also where the text begins with it; false for a rendered template, which holds its special tokens itself.
   */
  encode(text: string, addsSpecialTokens: boolean): number[] {
    const { bosId } = this;
    if (this.#isClosed) this.#refuseStrangers(text);
    const ids = text === '' && !addsSpecialTokens ? [] : this.#idsOf(text, addsSpecialTokens);
    if (!addsSpecialTokens || bosId === null) return ids;
    if (this.#addsBos && ids[0] !== bosId) return [bosId, ...ids];
    return ids[0] === bosId && ids[1] === bosId ? ids.slice(1) : ids;
  }

  /** The library gives pieces without a token no number where there is no token for the unknown. */
  #idsOf(text: string, addsSpecialTokens: boolean): number[] {
    const { ids, tokens } = this.#tokenizer.encode(text, { add_special_tokens: addsSpecialTokens });
    const stranger = (ids as readonly unknown[]).findIndex((id) => typeof id !== 'number');
    if (stranger !== -1) throw notInVocabulary(tokens[stranger] ?? text);
    return ids;
  }

  /** A vocabulary of characters that has no token for others. */
  #refuseStrangers(text: string): void {
    let rest = text;
    for (const { content } of this.#tokenizer.get_added_tokens_decoder().values()) rest = rest.replaceAll(content, '');
    for (const character of rest) {
      if (this.id(character) !== null) continue;
      throw notInVocabulary(character);
    }
  }

  /** Text of tokens; special ones, and rows of the embedding that no token uses, are left out. */
  decode(ids: readonly number[]): string {
    const known = ids.filter((id) => this.#tokenizer.id_to_token(id) !== undefined);
    if (known.length === 0) return '';
    return this.#tokenizer.decode(known, { skip_special_tokens: true, clean_up_tokenization_spaces: false });
  }

  /**
   * The text of one token as it stands inside a text: with its space. A special token is given by its name, and one
   * that is no whole character as the vocabulary writes it.
   */
  tokenText(id: number): string {
    const known = this.#texts.get(id);
    if (known !== undefined) return known;
    const text = this.#textOf(id);
    this.#texts.set(id, text);
    return text;
  }

  #textOf(id: number): string {
    const name = this.#tokenizer.id_to_token(id);
    if (name === undefined) return `[${id}]`;
    if (this.#wordEnd !== null && name.endsWith(this.#wordEnd)) return `${name.slice(0, -this.#wordEnd.length)} `;
    if (this.#wordEnd !== null) return name;
    // After another token it keeps the space that the beginning of a text would drop.
    this.#anchor ??= this.encode('a', false).slice(-1);
    const before = this.decode(this.#anchor);
    const both = this.decode([...this.#anchor, id]);
    const text = before !== '' && both.startsWith(before) ? both.slice(before.length) : this.decode([id]);
    return text === '' || text.includes(REPLACEMENT) ? name : text;
  }

  /**
   * Decodes one token after the other.
   * @param context the tokens before the first one, where the text continues them: they decide whether it begins
   *   with a space. Empty for a text of its own.
   */
  stream(context: readonly number[] = []): TokenStream {
    return new TokenStream(this, context);
  }
}

/**
 * Text of tokens that come one by one: what it has given is never taken back, and no half of a character is given.
 *
 * A token's text depends on the one before it (a first space may be dropped, bytes join to characters), so each
 * piece is the difference between decoding the tokens since the last sure place with and without the new ones.
 */
export class TokenStream {
  readonly #tokenizer: Tokenizer;
  #ids: number[];
  /** Tokens from here on are decoded together … */
  #from = 0;
  /** … and those up to here have been given. */
  #given: number;

  constructor(tokenizer: Tokenizer, context: readonly number[]) {
    this.#tokenizer = tokenizer;
    this.#ids = [...context];
    this.#given = context.length;
  }

  /** Takes the next token; gives the text that is sure now, which is often empty. */
  push(id: number): string {
    this.#ids.push(id);
    const text = this.#tokenizer.decode(this.#ids.slice(this.#from));
    if (text.endsWith(REPLACEMENT)) return '';
    return this.#give(text);
  }

  /** The rest: bytes that never became a character show as U+FFFD. */
  finish(): string {
    return this.#give(this.#tokenizer.decode(this.#ids.slice(this.#from)));
  }

  #give(text: string): string {
    const before = this.#tokenizer.decode(this.#ids.slice(this.#from, this.#given));
    // Broken bytes right after whole ones can spoil both; then the new tokens stand for themselves.
    const piece = text.startsWith(before)
      ? text.slice(before.length)
      : this.#tokenizer.decode(this.#ids.slice(this.#given));
    if (piece !== '') {
      // Without text, as after a hidden token, the old place stays: it is what keeps the next token's space.
      this.#from = this.#given;
      this.#given = this.#ids.length;
    }
    return piece;
  }
}

function notInVocabulary(piece: string): UnsupportedFault {
  const what = [...piece].length === 1 ? 'the character ' : '';
  return new UnsupportedFault(
    `This model's vocabulary has no token for ${what}${JSON.stringify(piece)}; leave it out.`,
    {
      piece,
    },
  );
}

/** A WordLevel model's own unknown token, which the library looks for in tokenizer_config.json only. */
function withUnknown(definition: JsonRecord, config: JsonRecord): JsonRecord {
  const { model } = definition;
  const unknown = isRecord(model) && model['type'] === 'WordLevel' ? model['unk_token'] : undefined;
  return typeof unknown === 'string' ? { ...config, unk_token: unknown } : config;
}
