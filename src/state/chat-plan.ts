/**
 * ChatPlan: how a model is held for chat within a budget: the precision of its matrices, how many tokens its cache
 * holds, and what both take. Pure. Which precision suits a size is `chat/weight-forms.ts`.
 */

import type { Architecture } from '../chat/architecture.ts';
import { cacheBytesPerToken } from '../chat/cache.ts';
import { choosePrecision, formOf, type LiveForm, type Precision } from '../chat/weight-forms.ts';
import { keptCacheBytes } from '../chat/prefix-caches.ts';
import { keepsCopy } from '../chat/weights.ts';
import type { ChatModel } from './chat-model.ts';
import type { PrecisionChoice } from './engine-api.ts';

/** How a model is held. */
export interface ChatPlan {
  readonly precision: Precision;
  /** One sentence: why this precision. */
  readonly reason: string;
  /** By the tensor's name; what is not in it is in float32. */
  readonly forms: ReadonlyMap<string, LiveForm>;
  /** Most tokens of prompt and reply together. */
  readonly capacityTokens: number;
  /** Most bytes of the keys and values that are kept between replies. */
  readonly cacheBytes: number;
  /** Bytes of what the runtime copies; without WebGPU it computes on a copy of large models' weights. */
  readonly copyBytes: number;
}

/** What decides it beside the model. */
export interface ChatLimits {
  readonly choice: PrecisionChoice;
  /** Most bytes that merging and chat may hold. */
  readonly budgetBytes: number;
  /** Bytes of it that others hold and keep. */
  readonly heldBytes: number;
  readonly isGpu: boolean;
}

/** Share of the budget that one cache may take. */
const CACHE_SHARE = 1 / 8;
/** However small the budget, so many tokens have to be there for a conversation. */
const LEAST_TOKENS = 512;
/** More than this is worth nobody's memory unless it is trained for and asked for. */
const MOST_TOKENS = 8192;

/** How many tokens of context a model gets: what it was made for, as far as the budget goes. */
export function capacityTokensFor(architecture: Architecture, budgetBytes: number): number {
  const affordable = Math.floor((budgetBytes * CACHE_SHARE) / cacheBytesPerToken(architecture));
  // A power of two, so that a slightly smaller budget does not mean another graph.
  const rounded = 2 ** Math.floor(Math.log2(Math.max(1, affordable)));
  return Math.min(architecture.contextTokens, Math.max(LEAST_TOKENS, Math.min(MOST_TOKENS, rounded)));
}

const ORDER: readonly Precision[] = ['f32', 'q8', 'q4'];

/**
 * The ways to hold a model, best first; the first that fits is taken. Only `auto` has more than one.
 */
export function chatPlans(model: ChatModel, limits: ChatLimits): readonly ChatPlan[] {
  const { choice, budgetBytes, isGpu } = limits;
  const capacityTokens = capacityTokensFor(model.architecture, budgetBytes);
  const cacheBytes = keptCacheBytes(capacityTokens * cacheBytesPerToken(model.architecture));
  const isCopied = !isGpu && keepsCopy({ kind: 'cpu', tensors: new Map() }, model.weights);
  const planned = (precision: Precision, reason: string): ChatPlan => ({
    precision,
    reason,
    forms: formOf(model.weights, precision),
    capacityTokens,
    cacheBytes,
    copyBytes: isCopied ? model.parameters * Float32Array.BYTES_PER_ELEMENT : 0,
  });
  if (choice !== 'auto' && isGpu) return [planned(choice, `Its matrices are held ${WORDS[choice]}, as you chose.`)];
  const { precision, reason } = choosePrecision({
    parameters: model.parameters,
    budgetBytes,
    heldBytes: limits.heldBytes + cacheBytes,
    isGpu,
  });
  if (!isGpu) return [planned(precision, reason)];
  const lower = ORDER.slice(ORDER.indexOf(precision) + 1);
  return [
    planned(precision, reason),
    ...lower.map((own) =>
      planned(own, `Its matrices are held ${WORDS[own]}, as more does not fit in the memory budget.`),
    ),
  ];
}

const WORDS: Readonly<Record<Precision, string>> = { f32: 'in float32', q8: 'in 8 bits', q4: 'in 4 bits' };
