/**
 * Stack: a model's runs of layers, read from its tensors' names, and which of them a recipe's module means. Most
 * models have one; a model of images and text, or an encoder with a decoder, has two. Not a unit of weights
 * (`unit.ts`).
 */

import { placeOf } from './unit.ts';

/** A tensor's place in a stack. */
export interface StackPlace {
  /** The path above the layer's number: `model.layers`. */
  readonly stack: string;
  readonly layer: number;
  /** The name below the layer's number: `self_attn.q_proj.weight`. */
  readonly rest: string;
}

/** Where a tensor stands in a stack, or null outside all; its place in the model is what its name says. */
export function stackPlaceOf(tensor: string, { layer, layerPath } = placeOf(tensor)): StackPlace | null {
  if (layer === null || layerPath === null) return null;
  const digits = layerPath.length - layerPath.lastIndexOf('.') - 1;
  return { stack: layerPath.slice(0, -(digits + 1)), layer, rest: tensor.slice(layerPath.length + 1) };
}

/** Every stack with its number of layers: one more than the highest number. */
export function stacksOf(tensors: Iterable<string>): Map<string, number> {
  const stacks = new Map<string, number>();
  for (const name of tensors) {
    const place = stackPlaceOf(name);
    if (place) stacks.set(place.stack, Math.max(stacks.get(place.stack) ?? 0, place.layer + 1));
  }
  return stacks;
}

/** Words for modules, mergekit's among them, and what the paths of their stacks have in them. */
const ROLES: readonly (readonly [RegExp, RegExp])[] = [
  [/vision|visual|image/, /vision|visual|image/],
  [/audio|speech/, /audio|speech/],
  [/encoder/, /encoder/],
  [/decoder|text|language/, /text|language|decoder|^model\.layers$|^layers$|\.h$|^h$/],
];

/** The stack that a module's name means, or null where it means none of them. */
export function stackOfModule(name: string, stacks: Iterable<string>): string | null {
  const all = [...stacks];
  const plain = name.replace(/\.$/, '');
  const [only] = all;
  if (only !== undefined && all.length === 1 && (plain === 'default' || plain === '')) return only;
  const exact = all.find((stack) => stack === plain || stack.startsWith(`${plain}.`));
  if (exact !== undefined) return exact;
  const part = all.filter((stack) => stack.split('.').includes(plain));
  if (part.length === 1) return part[0] ?? null;
  for (const [word, path] of ROLES) {
    if (!word.test(plain)) continue;
    const found = all.filter(
      (stack) => path.test(stack) && (/vision|visual|audio/.test(word.source) || !/vision|visual|audio/.test(stack)),
    );
    if (found.length === 1) return found[0] ?? null;
  }
  return null;
}

/** The stack of the text decoder where there are several. */
export function textStack(stacks: Iterable<string>): string | null {
  const all = [...stacks];
  const texts = all.filter((stack) => !/vision|visual|audio|image|speech|encoder/.test(stack));
  return texts[0] ?? all[0] ?? null;
}

/** Tensors that stand before the layers: embeddings of tokens and positions. */
const BEFORE =
  /(?:^|[._])(?:embed|embeddings?|wte|wpe|embed_tokens|tok_embeddings|embed_in|emb_ln|word_embeddings(?:_layernorm)?|shared|patch_embed\w*|patch_conv|ln_pre|position\w*)(?:[._]|$)/;
const AFTER = /embedding_norm|embed_out|unembed|(?:^|\.)(?:lm_head|score|output)(?:\.|$)/;

/** Whether a tensor outside the layers stands before them; the others (final norm, head) stand after. */
export function standsBefore(tensor: string): boolean {
  return BEFORE.test(tensor) && !AFTER.test(tensor);
}
