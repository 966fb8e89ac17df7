/**
 * Tokenizer schema: `tokenizer_source`, `tokenizer` and `chat_template` of a recipe. What the words do to tokens and
 * rows is `merge/vocabulary.ts`.
 */

import * as z from 'zod';
import { CHAT_TEMPLATES } from './chat-templates.ts';
import { quoted } from './document.ts';
import { modelNameObstacle } from './model-name.ts';
import { nearest } from './nearest.ts';
import { isRecord, listed, piece } from './parameter-value.ts';
import type { TokenizerSetting, TokenSource } from './recipe.ts';

/** mergekit's own least length of a template that is none of its names. */
const MIN_TEMPLATE_CHARS = 20;
const MAX_TEMPLATE_CHARS = 200_000;
const MAX_MULTIPLE = 1_048_576;
/** Names that a person may write where a template is wanted. */
export const TEMPLATE_NAMES: readonly string[] = ['auto', ...CHAT_TEMPLATES.keys()];

/** The schema piece of `union`, `base` or a model's name. */
export const tokenizerSource = (key: string) =>
  piece<TokenizerSetting['source'] | null>((raw, complain) => {
    if (raw === undefined || raw === null) return null;
    if (raw === 'union' || raw === 'base') return { kind: raw };
    if (typeof raw !== 'string') {
      return complain(`'${key}' must be union, base or the name of a model, and this says ${quoted(raw)}.`);
    }
    const word = nearest(raw, ['union', 'base']);
    if (word !== null && word === raw.trim().toLowerCase()) {
      return complain(`'${key}' must be union, base or the name of a model; these words are written small.`, [], word);
    }
    const obstacle = modelNameObstacle(raw);
    return obstacle === null ? { kind: 'model', model: raw } : complain(obstacle);
  });

const TOKEN_SOURCE_HELP = "a model's name, {kind: model_token, model: NAME, token: TEXT} or {kind: zero}";

/** The schema piece of a token's source. */
const tokenSource = piece<TokenSource>((raw, complain) => {
  if (raw === undefined || raw === null) return complain(`This token has no 'source'; write ${TOKEN_SOURCE_HELP}.`);
  if (typeof raw === 'string') {
    const obstacle = modelNameObstacle(raw);
    return obstacle === null ? { kind: 'model', model: raw } : complain(obstacle);
  }
  if (!isRecord(raw)) return complain(`A token's source must be ${TOKEN_SOURCE_HELP}.`);
  const known = raw.kind === 'zero' ? ['kind'] : ['kind', 'model', 'token', 'token_id'];
  for (const key of Object.keys(raw)) {
    if (!known.includes(key)) {
      return complain(
        `${quoted(key)} is not a key of a token's source, which is ${TOKEN_SOURCE_HELP}.`,
        [key],
        nearest(key, known),
        'key',
      );
    }
  }
  if (raw.kind === 'zero') return { kind: 'zero' };
  if (raw.kind !== 'model_token') {
    return complain(
      `'kind' must be model_token or zero, and this says ${quoted(raw.kind ?? 'nothing')}.`,
      ['kind'],
      nearest(String(raw.kind), ['model_token', 'zero']),
    );
  }
  const { model, token, token_id: id } = raw;
  if (typeof model !== 'string')
    return complain("A source of kind model_token needs a 'model' to take the token from.");
  const obstacle = modelNameObstacle(model);
  if (obstacle !== null) return complain(obstacle, ['model']);
  const hasToken = token !== undefined && token !== null;
  const hasId = id !== undefined && id !== null;
  if (hasToken === hasId) return complain("A source of kind model_token needs either a 'token' or a 'token_id'.");
  if (hasToken) {
    return typeof token === 'string'
      ? { kind: 'model_token', model, token }
      : complain("'token' is text; put quotes around it.", ['token'], `"${String(token)}"`);
  }
  return Number.isSafeInteger(id) && Number(id) >= 0
    ? { kind: 'model_token', model, token: Number(id) }
    : complain("'token_id' must be a whole number from 0.", ['token_id']);
});

const notMap = (what: string, example: string) => ({
  error: (issue: { code?: string | undefined }) =>
    issue.code === 'invalid_type' ? `${what} must be a map, such as '${example}'.` : undefined,
});

const force = piece<boolean>((raw, complain) => {
  if (raw === undefined || raw === null) return false;
  return typeof raw === 'boolean' ? raw : complain(`'force' must be true or false, and this says ${quoted(raw)}.`);
});

const padding = piece<number | null>((raw, complain) => {
  if (raw === undefined || raw === null) return null;
  return Number.isSafeInteger(raw) && Number(raw) >= 1 && Number(raw) <= MAX_MULTIPLE
    ? Number(raw)
    : complain(`'pad_to_multiple_of' must be a whole number from 1 to ${MAX_MULTIPLE}, such as 64.`);
});

/** The schema of the map `tokenizer`. */
export const tokenizerSetting = z
  .strictObject(
    {
      source: tokenizerSource('source'),
      tokens: z
        .record(
          z.string(),
          z.strictObject({ source: tokenSource, force }, notMap('A token', 'source: NAME')),
          notMap("'tokens'", '<|im_end|>: {source: NAME}'),
        )
        .nullish(),
      pad_to_multiple_of: padding,
    },
    notMap("'tokenizer'", 'source: union'),
  )
  .transform(
    (raw): TokenizerSetting => ({
      source: raw.source ?? { kind: 'union' },
      tokens: Object.entries(raw.tokens ?? {}).map(([token, own]) => ({ token, ...own })),
      padToMultipleOf: raw.pad_to_multiple_of,
    }),
  );

/** The schema piece of `chat_template`. */
export const chatTemplate = piece<string | null>((raw, complain) => {
  if (raw === undefined || raw === null || raw === '') return null;
  const what = `'chat_template' must be ${listed(TEMPLATE_NAMES)} or a Jinja template`.replace(' and ', ', ');
  if (typeof raw !== 'string') return complain(`${what}, and this says ${quoted(raw)}.`);
  if (TEMPLATE_NAMES.includes(raw)) return raw;
  if (raw.length > MAX_TEMPLATE_CHARS)
    return complain(`A chat template may have ${MAX_TEMPLATE_CHARS} characters; this one has ${raw.length}.`);
  if (raw.length < MIN_TEMPLATE_CHARS || !raw.includes('{')) {
    return complain(`${what}, and ${quoted(raw)} is neither.`, [], nearest(raw, TEMPLATE_NAMES));
  }
  return raw;
});
