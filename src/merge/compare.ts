/**
 * Compare: what two checkpoints' side files say differently that would show in the result: config, vocabulary,
 * chat template. Findings only; nothing here refuses a merge by itself, except a different architecture.
 */

import { listed } from '../bytes/listed.ts';
import type { Checkpoint } from '../formats/checkpoint.ts';
import { vocabularyOf } from '../formats/vocabulary.ts';
import type { Recipe } from '../recipe/recipe.ts';
import { templateTextOf } from './chat-template.ts';
import { finding, type Finding } from './finding.ts';
import { tokensListed } from './output-tokenizer.ts';

/** Keys of config.json that change what the same weights compute. */
const MEANINGFUL = [
  'hidden_act',
  'num_attention_heads',
  'num_key_value_heads',
  'head_dim',
  'rms_norm_eps',
  'rope_theta',
  'rope_scaling',
  'rope_parameters',
  'sliding_window',
  'tie_word_embeddings',
  'attention_bias',
] as const;

/** The finding that the donor lends no config, or none. */
export function missingConfig(donor: Checkpoint): Finding[] {
  if (donor.config) return [];
  return [
    finding(
      'warning',
      'config',
      `${donor.name} has no config.json, so the merge will have none; other tools need it to load the result.`,
    ),
  ];
}

/**
 * Findings about `other` beside the donor of config and tokenizer.
 * @param isRowsSettled whether it has been said already what becomes of rows whose tokens differ.
 */
export function compareSideFiles(
  donor: Checkpoint,
  other: Checkpoint,
  recipe: Recipe,
  isRowsSettled: boolean,
): Finding[] {
  return [
    ...compareConfig(donor, other),
    ...(isRowsSettled ? [] : compareVocabularies(donor, other)),
    ...(recipe.chatTemplate === undefined ? compareTemplates(donor, other) : []),
  ];
}

function compareConfig(donor: Checkpoint, other: Checkpoint): Finding[] {
  if (!donor.config || !other.config) return [];
  const type = donor.config.model_type;
  const otherType = other.config.model_type;
  if (type !== undefined && otherType !== undefined && type !== otherType) {
    return [
      finding(
        'error',
        'architecture',
        `${donor.name} is a ${String(type)} model and ${other.name} a ${String(otherType)} one; merge checkpoints of one architecture.`,
      ),
    ];
  }
  const differing = MEANINGFUL.filter(
    (key) => JSON.stringify(donor.config?.[key]) !== JSON.stringify(other.config?.[key]),
  );
  if (differing.length === 0) return [];
  const what = differing.map(
    (key) =>
      `${key} ${JSON.stringify(other.config?.[key]) ?? 'unset'} instead of ${JSON.stringify(donor.config?.[key]) ?? 'unset'}`,
  );
  return [
    finding(
      'warning',
      'config',
      `${other.name}’s config.json differs from ${donor.name}’s in ${listed(what)}; the merge takes ${donor.name}’s.`,
    ),
  ];
}

/** More tokens than these differing, in number and as a share, are another vocabulary, not some additions to one. */
const OTHER_TOKENS = 16;
const OTHER_SHARE = 0.25;

function compareVocabularies(donor: Checkpoint, other: Checkpoint): Finding[] {
  const mine = vocabularyOf(donor);
  const theirs = vocabularyOf(other);
  if (!mine || !theirs || mine === theirs) return [];
  const moved = [...mine.ids].filter(([token, id]) => theirs.ids.has(token) && theirs.ids.get(token) !== id);
  const lacked = [...mine.ids].filter(([token]) => !theirs.ids.has(token));
  const more = [...theirs.ids].filter(([token]) => !mine.ids.has(token));
  const differing = moved.length + lacked.length + more.length;
  if (differing === 0) return [];
  const named = (tokens: readonly (readonly [string, number])[]) => tokensListed(tokens.map(([token]) => token));
  const what = [
    ...(moved.length > 0
      ? [`${moved.length} ${moved.length === 1 ? 'has' : 'have'} another number (${named(moved)})`]
      : []),
    ...(lacked.length > 0
      ? [`${lacked.length} ${lacked.length === 1 ? 'is' : 'are'} not there (${named(lacked)})`]
      : []),
    ...(more.length > 0 ? [`${more.length} ${more.length === 1 ? 'is' : 'are'} there besides (${named(more)})`] : []),
  ].join(', ');
  const isOther = moved.length + lacked.length > Math.max(OTHER_TOKENS, OTHER_SHARE * mine.ids.size);
  return [
    finding(
      isOther ? 'error' : 'warning',
      'tokenizer',
      isOther
        ? `${other.name} and ${donor.name} have different vocabularies: of ${mine.ids.size} tokens, in ${other.name} ${what}. Rows of their embeddings mean different words, so they are no fine-tunes of one base. If they should be merged all the same, write 'tokenizer_source: union' (or base): rows are then matched by token.`
        : `${differing} tokens differ in ${other.name}’s tokenizer.json from ${donor.name}’s: ${what}. Their embedding rows do not mean the same. The merge takes ${donor.name}’s tokenizer; 'tokenizer_source: union' keeps all tokens and matches rows by token.`,
    ),
  ];
}

function compareTemplates(donor: Checkpoint, other: Checkpoint): Finding[] {
  const template = templateTextOf(donor);
  const theirs = templateTextOf(other);
  if (template === null || theirs === null || template.trim() === theirs.trim()) return [];
  return [
    finding(
      'note',
      'template',
      `${other.name} has another chat template than ${donor.name}; the merge takes ${donor.name}’s.`,
    ),
  ];
}
