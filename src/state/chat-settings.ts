/** Chat settings: how replies are drawn and what is sent with a message, with their defaults. Plain data. */

import type { SamplingOptions, SayRequest } from './engine-api.ts';

/**
 * What of the conversation is sent with a message: `all` of it, as much as is `fitting` beside the reply (the oldest
 * exchanges are left out first), or `none`.
 */
export type ContextMode = 'all' | 'fitting' | 'none';

/** How replies are drawn. */
export interface ChatSettings extends SamplingOptions {
  readonly maxNewTokens: number;
  /** A reply ends before the first of these. */
  readonly stop: readonly string[];
  /** Whether the likeliest tokens are told beside each one. */
  readonly wantsAlternatives: boolean;
  readonly context: ContextMode;
  /** Continue the text as it stands even where there is a chat template. */
  readonly wantsContinuation: boolean;
  /** A chat template (Jinja) instead of the models' own; null takes their own. */
  readonly template: string | null;
}

/** Greedy: then a changed answer comes from changed weights and from nothing else. */
export const DEFAULT_SETTINGS: ChatSettings = {
  temperature: 0,
  topK: 0,
  topP: 1,
  minP: 0,
  repetitionPenalty: 1,
  seed: 0,
  maxNewTokens: 256,
  stop: [],
  wantsAlternatives: false,
  context: 'all',
  wantsContinuation: false,
  template: null,
};

/** How many likeliest tokens are told where they are wanted. */
const ALTERNATIVES = 8;

/** The part of a request that the settings decide. */
export function drawnBy(
  settings: ChatSettings,
): Pick<SayRequest, 'maxNewTokens' | 'sampling' | 'stop' | 'alternatives' | 'template'> {
  const { temperature, topK, topP, minP, repetitionPenalty, seed, maxNewTokens, template } = settings;
  return {
    maxNewTokens,
    sampling: { temperature, topK, topP, minP, repetitionPenalty, seed },
    stop: settings.stop.filter((text) => text !== ''),
    alternatives: settings.wantsAlternatives ? ALTERNATIVES : 0,
    template,
  };
}
