/**
 * Output tokenizer: the tokens of the result as a recipe asks for them, and the files that say so. `base`: the base's;
 * a model's name: that model's; `union`: the base's tokens under their numbers, then what the other models have besides,
 * in the recipe's order and by their numbers. Where tokens' rows come from is `token-rows.ts`.
 */

import type { Bytes } from '../bytes/bytes.ts';
import { listed } from '../bytes/listed.ts';
import type { Checkpoint } from '../formats/checkpoint.ts';
import { type AddedToken, type Vocabulary, vocabularyOf } from '../formats/vocabulary.ts';
import type { TokenizerSetting } from '../recipe/recipe.ts';
import { finding, type Finding } from './finding.ts';
import type { ReplacedFiles } from './lineup.ts';

/** The tokens of a result. */
export interface OutputTokenizer {
  readonly ids: ReadonlyMap<string, number>;
  /** Whose tokenizer it is, or grew from. */
  readonly lender: Checkpoint;
  /** Null where the donor's files are right as they are. */
  readonly files: ReplacedFiles | null;
}

/** Files that belong to a tokenizer; with another model's tokenizer all of them are that model's. */
const TOKENIZER_FILES = [
  'tokenizer.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'added_tokens.json',
  'vocab.json',
  'merges.txt',
  'chat_template.jinja',
  'tokenizer.model',
];

type Json = Record<string, unknown>;

function isRecord(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Tokens as they stand in a sentence. */
export function tokensListed(tokens: readonly string[]): string {
  return listed(
    tokens.map((token) => JSON.stringify(token.length > 40 ? `${token.slice(0, 39)}…` : token)),
    4,
  );
}

/**
 * The tokenizer that a recipe asks for.
 * @param members the base first where there is one, then the models in the recipe's order.
 * @param rowsOf how many token rows a model has; null where it has no embeddings.
 * @returns null, with an error among the findings, where it cannot be made.
 */
export function outputTokenizer(
  setting: TokenizerSetting,
  donor: Checkpoint,
  members: readonly Checkpoint[],
  find: (model: string) => Checkpoint | undefined,
  rowsOf: (checkpoint: Checkpoint) => number | null,
): { tokenizer: OutputTokenizer | null; findings: readonly Finding[] } {
  const findings: Finding[] = [];
  const refuse = (message: string) => ({
    tokenizer: null,
    findings: [...findings, finding('error', 'tokenizer', message)],
  });
  const { source } = setting;
  const lender = source.kind === 'model' ? find(source.model) : donor;
  if (!lender) return refuse('The model whose tokenizer the recipe asks for is not open; add its folder.');
  const own = vocabularyOf(lender);
  if (!own) {
    return refuse(
      `${lender.name} has no tokenizer.json, of which the merge’s tokenizer is made; add it (Transformers’ AutoTokenizer saves one), or remove the tokenizer from the recipe.`,
    );
  }
  for (const member of members) {
    if (vocabularyOf(member)) continue;
    findings.push(
      finding(
        'warning',
        'tokenizer',
        `${member.name} has no tokenizer.json; its rows are taken to be those of ${lender.name}’s tokens.`,
      ),
    );
  }
  const rows = rowsOf(lender);
  const beyond =
    rows === null || source.kind === 'model' ? [] : [...own.ids].filter(([, id]) => id >= rows).map(([token]) => token);
  const stripped = new Set(beyond);
  if (beyond.length > 0) {
    const added = new Set(own.added.map(({ content }) => content));
    if (own.type !== 'BPE' && beyond.some((token) => !added.has(token))) {
      return refuse(
        `${lender.name}’s tokenizer has tokens without rows (${tokensListed(beyond)}), and only from a BPE tokenizer can such tokens be taken out, not from ${own.type}; mend its tokenizer.json.`,
      );
    }
    findings.push(
      finding(
        'warning',
        'tokenizer',
        `${lender.name}’s tokenizer has ${beyond.length} tokens without rows (${tokensListed(beyond)}); they are left out.`,
      ),
    );
  }
  const ids = new Map([...own.ids].filter(([token]) => !stripped.has(token)));
  const additions: AddedToken[] = [];
  let next = [...ids.values()].reduce((most, id) => Math.max(most, id + 1), 0);
  const known = new Set(own.added.filter(({ content }) => !stripped.has(content)).map(({ content }) => content));
  const add = (content: string, flags: Json): void => {
    const id = ids.get(content) ?? next++;
    ids.set(content, id);
    known.add(content);
    additions.push({ ...flags, id, content } as AddedToken);
  };
  if (source.kind === 'union') {
    for (const member of members) if (member !== lender) addPlain(member, rowsOf(member), ids, add);
    for (const member of members) {
      if (member === lender) continue;
      const limit = rowsOf(member) ?? Number.POSITIVE_INFINITY;
      for (const token of vocabularyOf(member)?.added ?? []) {
        if (token.id < limit && !known.has(token.content)) add(token.content, token);
      }
    }
  }
  for (const { token } of setting.tokens) if (!ids.has(token)) add(token, PLAIN);
  const news = additions.filter(({ content }) => !own.ids.has(content));
  if (news.length > 0) {
    findings.push(
      finding(
        'note',
        'tokenizer',
        `The merge’s tokenizer has ${news.length} more tokens than ${lender.name}’s: ${tokensListed(news.map(({ content }) => content))}.`,
      ),
    );
  }
  const isChanged = additions.length > 0 || stripped.size > 0;
  const files = isChanged || lender !== donor ? tokenizerFiles(donor, lender, own, additions, stripped) : null;
  return { tokenizer: { ids, lender, files }, findings };
}

/** A token that is added without a word on how. */
const PLAIN = { single_word: false, lstrip: false, rstrip: false, normalized: true, special: false };

/** Adds a model's plain tokens, by their numbers. */
function addPlain(
  member: Checkpoint,
  rows: number | null,
  ids: ReadonlyMap<string, number>,
  add: (content: string, flags: Json) => void,
): void {
  const vocabulary = vocabularyOf(member);
  if (!vocabulary) return;
  const added = new Set(vocabulary.added.map(({ content }) => content));
  const plain = [...vocabulary.ids].filter(
    ([token, id]) => !ids.has(token) && !added.has(token) && id < (rows ?? Number.POSITIVE_INFINITY),
  );
  for (const [token] of plain.sort(([, a], [, b]) => a - b)) add(token, PLAIN);
}

function tokenizerFiles(
  donor: Checkpoint,
  lender: Checkpoint,
  own: Vocabulary,
  additions: readonly AddedToken[],
  stripped: ReadonlySet<string>,
): ReplacedFiles {
  const texts = new Map<string, string>();
  const binaries = new Map<string, Bytes>();
  const dropped = new Set<string>();
  if (lender !== donor) {
    for (const name of TOKENIZER_FILES) {
      const text = lender.sideFiles.get(name);
      const binary = lender.binarySideFiles?.get(name);
      if (text !== undefined) texts.set(name, text);
      else if (binary) binaries.set(name, binary);
      else dropped.add(name);
    }
  }
  if (additions.length > 0 || stripped.size > 0) {
    texts.set('tokenizer.json', tokenizerText(own, additions, stripped));
    const config = lender.sideFiles.get('tokenizer_config.json');
    if (config !== undefined) texts.set('tokenizer_config.json', tokenizerConfigText(config, additions, stripped));
    const added = lender.sideFiles.get('added_tokens.json');
    if (added !== undefined) texts.set('added_tokens.json', addedTokensText(added, additions, stripped));
  }
  return { texts, binaries, dropped };
}

function print(json: unknown): string {
  return `${JSON.stringify(json, null, 2)}\n`;
}

function tokenizerText(own: Vocabulary, additions: readonly AddedToken[], stripped: ReadonlySet<string>): string {
  const again = new Set(additions.map(({ content }) => content));
  const added = [...own.added.filter(({ content }) => !stripped.has(content) && !again.has(content)), ...additions];
  added.sort((a, b) => a.id - b.id);
  const model = isRecord(own.json.model) ? { ...own.json.model } : {};
  if (stripped.size > 0 && isRecord(model.vocab)) {
    model.vocab = Object.fromEntries(Object.entries(model.vocab).filter(([token]) => !stripped.has(token)));
    if (Array.isArray(model.merges)) {
      model.merges = model.merges.filter((merge: unknown) => {
        const parts = typeof merge === 'string' ? merge.split(' ') : Array.isArray(merge) ? merge.map(String) : [];
        return !parts.some((part) => stripped.has(part)) && !stripped.has(parts.join(''));
      });
    }
  }
  return print({ ...own.json, added_tokens: added, model });
}

/** The flags of an added token as `added_tokens_decoder` has them: without number and name of the number. */
function tokenizerConfigText(text: string, additions: readonly AddedToken[], stripped: ReadonlySet<string>): string {
  const json: unknown = JSON.parse(text);
  if (!isRecord(json) || !isRecord(json.added_tokens_decoder)) return text;
  const kept = Object.entries(json.added_tokens_decoder).filter(
    ([, token]) => !(isRecord(token) && stripped.has(String(token.content))),
  );
  const fresh = additions.map(({ id, ...flags }) => [String(id), flags] as const);
  return print({ ...json, added_tokens_decoder: Object.fromEntries([...kept, ...fresh]) });
}

function addedTokensText(text: string, additions: readonly AddedToken[], stripped: ReadonlySet<string>): string {
  const json: unknown = JSON.parse(text);
  if (!isRecord(json)) return text;
  const kept = Object.entries(json).filter(([token]) => !stripped.has(token));
  return print(Object.fromEntries([...kept, ...additions.map(({ content, id }) => [content, id] as const)]));
}
