/**
 * Generation: what a reply is asked for and what it comes to, as plain data. How it is written is `chat.ts`.
 */

import type { SamplingOptions } from './sampling.ts';
import type { ChatMessage } from './template.ts';

/** Most likeliest tokens that are told beside each chosen one. */
export const MAX_ALTERNATIVES = 20;

/** What a prompt is made from. */
export interface PromptOptions {
  readonly messages: readonly ChatMessage[];
  /** `chat` renders the template; `continue` continues the last message's text as it stands. */
  readonly mode: 'chat' | 'continue';
  /** A chat template (Jinja) to take instead of the model's own; null takes its own. */
  readonly template: string | null;
}

/** A request for a reply. */
export interface GenerateOptions extends PromptOptions {
  readonly maxNewTokens: number;
  readonly sampling: SamplingOptions;
  /** The reply ends before the first of these that it would hold; empty ones are passed over. */
  readonly stop: readonly string[];
  /** How many likeliest tokens to tell beside each chosen one; 0 to MAX_ALTERNATIVES. */
  readonly alternatives: number;
  readonly signal?: AbortSignal;
  /**
   * Gets the text so far, which grows only (a stop string that may be beginning is held back), and the tokens that
   * are new since the last call. Called once per token, and once more where text that was held back is given at the
   * end (without tokens).
   */
  readonly onTokens?: (text: string, tokens: readonly SaidToken[]) => void;
}

/** A token that could have followed. */
export interface TokenChoice {
  readonly token: number;
  /** The token's own text, as it stands in the vocabulary decoded alone. */
  readonly text: string;
  /** Softmax of the raw logits at temperature 1: the model's own, whatever the sampling. */
  readonly probability: number;
}

/** A token of a reply. */
export interface SaidToken extends TokenChoice {
  /** The likeliest tokens at its place, most likely first; empty where none were asked for. */
  readonly alternatives: readonly TokenChoice[];
}

/** A finished reply. */
export interface Generated {
  /** The prompt is not in it. */
  readonly text: string;
  /** Generated tokens, the one that ended the reply left out. */
  readonly tokens: number;
  readonly promptTokens: number;
  /** Prompt tokens that were really run; the others were still in the cache of an earlier turn. */
  readonly readTokens: number;
  /** `end`: an end token; `stop`: a stop string; `length`: `maxNewTokens` or the end of the context. */
  readonly stoppedBy: 'end' | 'stop' | 'length' | 'user';
  readonly msToFirstToken: number;
  /** Of decoding, the prompt left out; 0 where there was at most one token. */
  readonly tokensPerSecond: number;
}
