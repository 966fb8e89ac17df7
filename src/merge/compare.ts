/**
 * Compare: what two checkpoints' side files say differently that would show in the result: config, vocabulary,
 * chat template. Findings only; nothing here refuses a merge by itself, except a different architecture.
 */

import type { Checkpoint } from '../formats/checkpoint.ts';
import { finding, listed, type Finding } from './finding.ts';

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

/** Findings about `other` beside the donor of config and tokenizer. */
export function compareSideFiles(donor: Checkpoint, other: Checkpoint): Finding[] {
  return [...compareConfig(donor, other), ...compareTokenizer(donor, other)];
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

function compareTokenizer(donor: Checkpoint, other: Checkpoint): Finding[] {
  const findings: Finding[] = [];
  const mine = donor.sideFiles.get('tokenizer.json');
  const theirs = other.sideFiles.get('tokenizer.json');
  if (mine !== undefined && theirs !== undefined && mine !== theirs) {
    const difference = vocabularyDifference(mine, theirs);
    if (difference > 0) {
      findings.push(
        finding(
          'warning',
          'tokenizer',
          `${difference} tokens have another number, or are not there, in ${other.name}’s tokenizer.json than in ${donor.name}’s; their embedding rows do not mean the same. The merge takes ${donor.name}’s tokenizer.`,
        ),
      );
    }
  }
  const template = templateOf(donor);
  const otherTemplate = templateOf(other);
  if (template !== null && otherTemplate !== null && template !== otherTemplate) {
    findings.push(
      finding(
        'note',
        'template',
        `${other.name} has another chat template than ${donor.name}; the merge takes ${donor.name}’s.`,
      ),
    );
  }
  return findings;
}

/** How many tokens of either vocabulary are missing or numbered otherwise in the other one. */
function vocabularyDifference(a: string, b: string): number {
  const mine = vocabularyOf(a);
  const theirs = vocabularyOf(b);
  let differing = 0;
  for (const [token, id] of mine) if (theirs.get(token) !== id) differing++;
  for (const token of theirs.keys()) if (!mine.has(token)) differing++;
  return differing;
}

function vocabularyOf(tokenizerJson: string): Map<string, number> {
  const vocabulary = new Map<string, number>();
  const parsed: unknown = JSON.parse(tokenizerJson);
  if (typeof parsed !== 'object' || parsed === null) return vocabulary;
  const { model, added_tokens: added } = parsed as { model?: { vocab?: unknown }; added_tokens?: unknown };
  const vocab = model?.vocab;
  if (Array.isArray(vocab)) {
    vocab.forEach((entry: unknown, id) => vocabulary.set(String(Array.isArray(entry) ? entry[0] : entry), id));
  } else if (typeof vocab === 'object' && vocab !== null) {
    for (const [token, id] of Object.entries(vocab)) vocabulary.set(token, Number(id));
  }
  for (const token of Array.isArray(added) ? added : []) {
    if (typeof token === 'object' && token !== null && 'content' in token && 'id' in token) {
      vocabulary.set(String(token.content), Number(token.id));
    }
  }
  return vocabulary;
}

function templateOf(checkpoint: Checkpoint): string | null {
  const own = checkpoint.sideFiles.get('chat_template.jinja');
  if (own !== undefined) return own;
  const text = checkpoint.sideFiles.get('tokenizer_config.json');
  if (text === undefined) return null;
  const parsed: unknown = JSON.parse(text);
  if (typeof parsed !== 'object' || parsed === null || !('chat_template' in parsed)) return null;
  return JSON.stringify(parsed.chat_template);
}
