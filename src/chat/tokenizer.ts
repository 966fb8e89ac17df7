/**
 * Tokenizer: text to token numbers and back, by tokenizer.json and tokenizer_config.json as they lie beside the
 * weights (the work is @huggingface/tokenizers'). Decoding never "cleans up" spaces: the text is exactly what the
 * tokens say. The chat template is `template.ts`.
 */

import { Tokenizer as HuggingFaceTokenizer } from '@huggingface/tokenizers';
import { MalformedFault, MissingFault } from '../bytes/fault.ts';
import type { SideFiles } from '../formats/checkpoint.ts';
import { isRecord, type JsonRecord, parseSideFile, tokenText } from './side-file.ts';

/** What stands in decoded text for bytes that are not UTF-8 (yet). */
const REPLACEMENT = '\uFFFD';

/** A tokenizer of one model. */
export class Tokenizer {
  readonly #tokenizer: HuggingFaceTokenizer;
  /** The text that a template gets as `bos_token` and `eos_token`; null where there is none. */
  readonly bosToken: string | null;
  readonly eosToken: string | null;
  readonly bosId: number | null;
  readonly eosId: number | null;
  readonly #addsBos: boolean;

  /**
   * @throws MissingFault where tokenizer.json is not among the files, MalformedFault where a file cannot be used.
   */
  constructor(sideFiles: SideFiles) {
    const definition = parseSideFile(sideFiles, 'tokenizer.json');
    if (definition === null) {
      const others = ['tokenizer.model', 'vocab.json'].find((name) => sideFiles.has(name));
      const hint = others ? ` (${others} alone is not enough)` : '';
      throw new MissingFault(`tokenizer.json is missing${hint}; add it to the model to chat.`, {
        file: 'tokenizer.json',
      });
    }
    const config: JsonRecord = parseSideFile(sideFiles, 'tokenizer_config.json') ?? {};
    try {
      this.#tokenizer = new HuggingFaceTokenizer(withDefaults(definition), config);
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new MalformedFault(`tokenizer.json cannot be used: ${reason}.`, { file: 'tokenizer.json' });
    }
    const map: JsonRecord = parseSideFile(sideFiles, 'special_tokens_map.json') ?? {};
    this.bosToken = tokenText(config['bos_token']) ?? tokenText(map['bos_token']);
    this.eosToken = tokenText(config['eos_token']) ?? tokenText(map['eos_token']);
    this.bosId = this.bosToken === null ? null : this.id(this.bosToken);
    this.eosId = this.eosToken === null ? null : this.id(this.eosToken);
    this.#addsBos = config['add_bos_token'] === true;
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
    const ids =
      text === '' && !addsSpecialTokens
        ? []
        : this.#tokenizer.encode(text, { add_special_tokens: addsSpecialTokens }).ids;
    if (!addsSpecialTokens || bosId === null) return ids;
    if (this.#addsBos && ids[0] !== bosId) return [bosId, ...ids];
    return ids[0] === bosId && ids[1] === bosId ? ids.slice(1) : ids;
  }

  /** Text of tokens; special ones, and rows of the embedding that no token uses, are left out. */
  decode(ids: readonly number[]): string {
    const known = ids.filter((id) => this.#tokenizer.id_to_token(id) !== undefined);
    if (known.length === 0) return '';
    return this.#tokenizer.decode(known, { skip_special_tokens: true, clean_up_tokenization_spaces: false });
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

/** Older files leave out keys that mean null. */
function withDefaults(definition: JsonRecord): JsonRecord {
  const { model } = definition;
  if (!isRecord(model)) throw new Error('it has no model');
  return {
    normalizer: null,
    pre_tokenizer: null,
    post_processor: null,
    decoder: null,
    ...definition,
    added_tokens: Array.isArray(definition['added_tokens']) ? definition['added_tokens'] : [],
  };
}
