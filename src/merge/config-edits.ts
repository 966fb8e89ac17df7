/**
 * Config edits: what config.json must say differently for the result than for the donor: number of layers, lists with
 * an entry per layer, vocabulary, a head that is tied no more, special tokens that moved. How the text is changed is
 * `recipe/output-config.ts`.
 */

import type { ModelConfig } from '../formats/checkpoint.ts';
import type { ConfigEdit } from '../recipe/output-config.ts';
import type { Lineup, RestackedLayers } from './lineup.ts';

type Json = Readonly<Record<string, unknown>>;

function isRecord(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const LAYER_COUNTS = ['num_hidden_layers', 'n_layer', 'n_layers', 'num_layers', 'depth', 'max_window_layers'];
const ENCODER_COUNTS = ['encoder_layers', 'num_encoder_layers', 'num_layers', 'num_hidden_layers'];
const DECODER_COUNTS = ['decoder_layers', 'num_decoder_layers'];
/** Lists of layers' numbers. */
const LAYER_NUMBERS = new Set([
  'mlp_only_layers',
  'full_attn_idxs',
  'attn_layer_indices',
  'moe_layers',
  'full_attention_idxs',
]);
/** Lists that may be as long as there are layers and mean something else. */
const NO_LAYER_LIST = /token_id|architectures|auto_map|label|keys|prefix|range|languages/;

/** Keys, from the top, of the part of a config that speaks of a stack. */
function partOf(config: Json, stack: string): string[] {
  const nested = Object.keys(config).filter((key) => key.endsWith('_config') && isRecord(config[key]));
  const wanted = /vision|visual/.test(stack)
    ? /vision/
    : /audio|speech/.test(stack)
      ? /audio|speech/
      : /text|language|llm|decoder/;
  const part = nested.find((key) => wanted.test(key));
  return part === undefined ? [] : [part];
}

function at(config: Json | null, path: readonly string[]): Json {
  let part: unknown = config;
  for (const key of path) part = isRecord(part) ? part[key] : undefined;
  return isRecord(part) ? part : {};
}

function countKeys(part: Json, stack: string): readonly string[] {
  const hasBoth = DECODER_COUNTS.some((key) => Object.hasOwn(part, key));
  if (!hasBoth || !/(?:^|\.)(?:encoder|decoder)(?:\.|$)/.test(stack)) return LAYER_COUNTS;
  return /(?:^|\.)decoder(?:\.|$)/.test(stack) ? DECODER_COUNTS : ENCODER_COUNTS;
}

function layerEdits(config: Json, { stack, donorLayers, origins }: RestackedLayers): ConfigEdit[] {
  const path = partOf(config, stack);
  const part = at(config, path);
  const edits: ConfigEdit[] = [];
  for (const key of countKeys(part, stack)) {
    if (part[key] === donorLayers && origins.length !== donorLayers)
      edits.push({ path: [...path, key], value: origins.length });
  }
  for (const [key, value] of Object.entries(part)) {
    if (!Array.isArray(value)) continue;
    const own = (checkpoint: { readonly config: ModelConfig | null }): readonly unknown[] => {
      const list = at(checkpoint.config, partOf(checkpoint.config ?? {}, stack))[key];
      return Array.isArray(list) ? list : value;
    };
    if (LAYER_NUMBERS.has(key)) {
      const list = origins.flatMap(({ checkpoint, layer }, j) => (own(checkpoint).includes(layer) ? [j] : []));
      edits.push({ path: [...path, key], value: list });
    } else if (value.length === donorLayers && !NO_LAYER_LIST.test(key)) {
      edits.push({
        path: [...path, key],
        value: origins.map(({ checkpoint, layer }) => own(checkpoint)[layer] ?? value[layer] ?? value.at(-1)),
      });
    }
  }
  return edits;
}

/** The edits of a JSON's special tokens: keys such as `eos_token_id`, a number or a list of them. */
export function tokenEdits(json: Json, moved: ReadonlyMap<number, number>): ConfigEdit[] {
  if (moved.size === 0) return [];
  const move = (id: unknown) => (typeof id === 'number' ? (moved.get(id) ?? id) : id);
  return Object.entries(json).flatMap(([key, value]): ConfigEdit[] => {
    if (!/_token_ids?$/.test(key)) return [];
    const next = Array.isArray(value) ? value.map(move) : move(value);
    return JSON.stringify(next) === JSON.stringify(value) ? [] : [{ path: [key], value: next }];
  });
}

/** The edits of the donor's config.json. */
export function configEdits(config: Json, { changes }: Pick<Lineup, 'changes'>): ConfigEdit[] {
  const edits = changes.restacked.flatMap((own) => layerEdits(config, own));
  const { vocabularyRows: rows, isTied } = changes;
  const text = partOf(config, 'text');
  if (rows !== null) {
    for (const path of new Set([[], text])) {
      const key = [...path, 'vocab_size'];
      if (typeof at(config, path).vocab_size === 'number') edits.push({ path: key, value: rows });
    }
  }
  if (isTied !== null) {
    edits.push({ path: ['tie_word_embeddings'], value: isTied });
    if (text.length > 0 && Object.hasOwn(at(config, text), 'tie_word_embeddings')) {
      edits.push({ path: [...text, 'tie_word_embeddings'], value: isTied });
    }
  }
  edits.push(...tokenEdits(config, changes.movedTokens));
  return edits;
}

/** Stacks of other heights whose number of layers stands under no key of the config that is known here. */
export function unnamedCounts(config: Json, restacked: readonly RestackedLayers[]): string[] {
  return restacked
    .filter((own) => own.origins.length !== own.donorLayers)
    .filter((own) => !layerEdits(config, own).some(({ value }) => value === own.origins.length))
    .map(({ stack }) => stack);
}
