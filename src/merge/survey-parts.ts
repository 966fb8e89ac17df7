/**
 * SurveyParts: which part of a model some of its tensors are, in words and as a filter; and a survey's figures added up
 * by module. Not what is found noteworthy (`insights.ts`).
 */

import { placeOf } from '../recipe/unit.ts';
import { pairOf, pairsOf } from './change-sums.ts';
import type { SurveyFigures } from './surveying.ts';

/** A part of a model. */
export interface Part {
  /** Such as `the MLPs of layers 10–20`. */
  readonly words: string;
  /** A substring of the names of all tensors in it, or null where there is none that tells them apart. */
  readonly filter: string | null;
}

/** More names than this are no part that can be told in a sentence. */
const MOST_NAMES = 3;

const NOUNS: readonly (readonly [RegExp, string])[] = [
  [/^(mlp|feed_forward|ffn)$/, 'the MLPs'],
  [/^(self_attn|attn|attention|self_attention)$/, 'the attention weights'],
  [/moe|experts/, 'the experts'],
  [/norm|^ln_/, 'the layer norms'],
];

/** What the modules of this name are called in a sentence, as a plural. */
export function moduleWords(module: string): string {
  return NOUNS.find(([pattern]) => pattern.test(module))?.[1] ?? `the ${module} modules`;
}

/** Names that a sentence may hold; of more, the first three and how many others there are. */
export function listedNames(names: readonly string[]): string {
  return listed(names.length <= 4 ? names : [...names.slice(0, 3), `${names.length - 3} others`]);
}

/** `a`, `a and b`, `a, b and c`. */
export function listed(words: readonly string[]): string {
  return words.length < 2 ? (words[0] ?? '') : `${words.slice(0, -1).join(', ')} and ${words.at(-1)}`;
}

const extents = new WeakMap<SurveyFigures, Extent>();

/** The extent of all tensors, found once. */
function wholeOf(figures: SurveyFigures): Extent {
  const known = extents.get(figures);
  if (known) return known;
  const all = new Extent();
  figures.tensors.forEach((_, t) => all.add(figures, t));
  extents.set(figures, all);
  return all;
}

/** What lies in the layers of some tensors, and what outside. */
class Extent {
  readonly layers = new Set<number>();
  readonly modules = new Set<number>();
  /** By module: what is in it, the experts of one kind as one. */
  readonly leaves = new Map<number, Set<string>>();
  readonly outside = new Set<string>();

  add(figures: SurveyFigures, t: number): void {
    const layer = figures.layers[t] ?? -1;
    const module = figures.modules[t] ?? 0;
    if (layer < 0) {
      this.outside.add(figures.moduleNames[module] ?? '');
      return;
    }
    this.layers.add(layer);
    this.modules.add(module);
    const leaf = kindOf(leafOf(figures.tensors[t] ?? ''));
    const leaves = this.leaves.get(module);
    if (leaves) leaves.add(leaf);
    else this.leaves.set(module, new Set([leaf]));
  }
}

/** `self_attn.q_proj` of `model.layers.3.self_attn.q_proj.weight`. */
function leafOf(tensor: string): string {
  const { layerPath } = placeOf(tensor);
  return layerPath === null ? tensor : tensor.slice(layerPath.length + 1).replace(/\.(weight|bias)$/, '');
}

/** `mlp.experts.up_proj` of `mlp.experts.59.up_proj`. */
function kindOf(leaf: string): string {
  return leaf.replace(/\.\d+(?=\.)/g, '');
}

/** The part of which these tensors are all, or some in every module and layer; null where it is too mixed to name. */
export function partOf(figures: SurveyFigures, tensors: readonly number[]): Part | null {
  const all = wholeOf(figures);
  const own = new Extent();
  for (const t of tensors) own.add(figures, t);
  const names: string[] = [];
  if (own.layers.size > 0) {
    const inside = [...new Set(insideOf(own, all, figures))];
    const isAll = own.modules.size === all.modules.size && isWhole(own, all);
    if (!isAll && inside.length > MOST_NAMES) return null;
    const where = layerWords(
      [...own.layers].sort((a, b) => a - b),
      all.layers.size,
    );
    if (isAll) names.push(where === '' ? 'the layers' : where.replace(/^ of /, ''));
    else names.push(`${listed(inside)}${where}`);
  }
  if (own.outside.size > MOST_NAMES) return null;
  names.push(...own.outside);
  return names.length === 0 ? null : { words: listed(names), filter: filterOf(figures, tensors) };
}

/** Whether nothing of these modules is left out. */
function isWhole(own: Extent, all: Extent): boolean {
  return [...own.leaves].every(([module, leaves]) => leaves.size === all.leaves.get(module)?.size);
}

const EXPERT = /^[^.]+\.experts\./;

/** What takes part in the layers: modules, and where not all of one does, what of it, if that can be named. */
function insideOf(own: Extent, all: Extent, figures: SurveyFigures): string[] {
  const isAlone = own.modules.size === 1;
  return [...own.leaves].flatMap(([module, leaves]) => {
    const name = figures.moduleNames[module] ?? '';
    const every = [...(all.leaves.get(module) ?? [])];
    if (leaves.size === every.length) return [moduleWords(name)];
    const experts = every.filter((leaf) => EXPERT.test(leaf));
    const hasExperts = experts.length > 0 && experts.every((leaf) => leaves.has(leaf));
    const others = [...leaves].filter((leaf) => !hasExperts || !EXPERT.test(leaf));
    const named = others.map((leaf) => (isAlone ? leaf.slice(name.length + 1) || leaf : leaf));
    const words = [...(hasExperts ? ['the experts'] : []), ...named];
    return words.length <= MOST_NAMES ? words : [moduleWords(name)];
  });
}

/** ` of layers 10–20`; empty where it is all of them. */
function layerWords(layers: readonly number[], all: number): string {
  const [first = 0] = layers;
  const last = layers.at(-1) ?? first;
  if (layers.length === all && all > 1) return '';
  if (layers.length === 1) return ` of layer ${first}`;
  if (last - first + 1 === layers.length) return ` of layers ${first}–${last}`;
  if (layers.length <= MOST_NAMES + 1) return ` of layers ${listed(layers.map(String))}`;
  return ` of ${layers.length} of the ${all} layers`;
}

/** A substring that all of these names have, and no more tensors than twice as many. */
export function filterOf(figures: SurveyFigures, tensors: readonly number[]): string | null {
  const names = tensors.map((t) => figures.tensors[t] ?? '');
  const [first] = names;
  if (first === undefined) return null;
  const { layerPath, module } = placeOf(first);
  const candidates = [
    first,
    ...(layerPath === null ? [] : [`${layerPath}.${module}.`, `.${leafOf(first)}.`, `.${module}.`, `${layerPath}.`]),
  ];
  return (
    candidates.find(
      (filter) =>
        names.every((name) => name.includes(filter)) &&
        figures.tensors.filter((name) => name.includes(filter)).length <= 2 * names.length,
    ) ?? null
  );
}

/** Figures of one module of the layers. */
export interface ModuleFigures {
  readonly module: number;
  readonly elements: number;
  /** Per model: Σ δ². */
  readonly squares: Float64Array;
  /** Per pair: Σ δ_j δ_k, and elements that both changed in opposite directions. */
  readonly dots: Float64Array;
  readonly opposed: Float64Array;
}

/** The figures of every module that lies in layers and was measured, in the order of `moduleNames`. */
export function byModule(figures: SurveyFigures): ModuleFigures[] {
  const count = figures.models.length;
  const pairs = pairsOf(count);
  const found = new Map<number, ModuleFigures & { elements: number }>();
  figures.tensors.forEach((_, t) => {
    if ((figures.layers[t] ?? -1) < 0) return;
    const module = figures.modules[t] ?? 0;
    const own = found.get(module) ?? {
      module,
      elements: 0,
      squares: new Float64Array(count),
      dots: new Float64Array(pairs),
      opposed: new Float64Array(pairs),
    };
    found.set(module, own);
    const elements = figures.elements[t] ?? 0;
    own.elements += elements;
    const rms = (k: number) => figures.rmsChange[t * count + k] || 0;
    for (let k = 0; k < count; k++) {
      own.squares[k] = (own.squares[k] ?? 0) + rms(k) ** 2 * elements;
      for (let j = 0; j < k; j++) {
        const pair = pairOf(j, k);
        const at = t * pairs + pair;
        own.dots[pair] = (own.dots[pair] ?? 0) + (figures.cosines[at] || 0) * rms(j) * rms(k) * elements;
        own.opposed[pair] = (own.opposed[pair] ?? 0) + (figures.conflicts[at] || 0) * elements;
      }
    }
  });
  return [...found.values()].sort((a, b) => a.module - b.module);
}
