/**
 * Chat: a model that can be talked to: its session, tokenizer, template and sampler together, from a conversation to
 * streamed text. The weights stay the caller's and may be edited between two replies, after which the caller says
 * `weightsChanged`.
 */

import { CancelledFault } from '../bytes/fault.ts';
import type { Bytes } from '../bytes/bytes.ts';
import type { ModelConfig, SideFiles } from '../formats/checkpoint.ts';
import { type Architecture, describeArchitecture, parametersOf, requiredTensors } from './architecture.ts';
import { readEndTokens } from './end-tokens.ts';
import { eventLoop } from './event-loop.ts';
import {
  type Generated,
  type GenerateOptions,
  MAX_ALTERNATIVES,
  type PromptOptions,
  type SaidToken,
} from './generation.ts';
import { PrefixCaches } from './prefix-caches.ts';
import { Prompter, type PromptInfo } from './prompter.ts';
import { Sampler } from './sampler.ts';
import { scoreText, type TextScore } from './scoring.ts';
import { Session } from './session.ts';
import { StopStrings } from './stop-strings.ts';
import type { ChatWeights } from './weights.ts';

export type { Generated, GenerateOptions, PromptOptions, SaidToken, TokenChoice } from './generation.ts';
export type { PromptInfo } from './prompter.ts';
export type { TextScore } from './scoring.ts';

/** What a chat is made from. */
export interface ChatSources {
  readonly config: ModelConfig | null;
  /** tokenizer.json, tokenizer_config.json, generation_config.json, chat_template.jinja and so on, as text. */
  readonly sideFiles: SideFiles;
  /** tokenizer.model, where there is no tokenizer.json. */
  readonly binarySideFiles?: ReadonlyMap<string, Bytes> | undefined;
  readonly weights: ChatWeights;
  /** Most tokens of prompt and reply together; the session's default where absent. */
  readonly capacityTokens?: number;
  /** Overrides how many tokens of a prompt are read in one run; for tests. */
  readonly chunkTokens?: number;
  readonly signal?: AbortSignal;
}

/** Facts about an open chat. */
export interface ChatInfo {
  readonly architecture: Architecture;
  /** Most tokens of prompt and reply together. */
  readonly contextTokens: number;
  readonly hasTemplate: boolean;
  readonly provider: 'webgpu' | 'wasm';
  /** One sentence: how it runs here and why so. */
  readonly reason: string;
  /** Numbers in the weights, a tied matrix counted once. */
  readonly parameters: number;
}

/** Between two yields to the event loop, so that a stop can arrive while the CPU provider computes. */
const YIELD_MS = 16;

/** An open chat. */
export class Chat {
  readonly #session: Session;
  readonly #weights: ChatWeights;
  readonly #prompter: Prompter;
  readonly #caches: PrefixCaches;
  readonly #sampler = new Sampler();
  readonly #endIds: ReadonlySet<number>;
  readonly #closing = new AbortController();
  #last: Promise<unknown> = Promise.resolve();

  private constructor(session: Session, weights: ChatWeights, prompter: Prompter, endIds: ReadonlySet<number>) {
    this.#session = session;
    this.#weights = weights;
    this.#prompter = prompter;
    this.#caches = new PrefixCaches(session);
    this.#endIds = endIds;
  }

  /** Facts about it; how it runs may change while it runs. */
  get info(): ChatInfo {
    const { architecture, provider, reason } = this.#session;
    return {
      architecture,
      contextTokens: this.#prompter.contextTokens,
      hasTemplate: this.#prompter.template !== null,
      provider,
      reason: architecture.headOverConfig === null ? reason : `${reason} ${headNote(architecture.headOverConfig)}`,
      parameters: parametersOf(requiredTensors(architecture)),
    };
  }

  /**
   * Opens a chat over weights that stay the caller's.
   * @throws UnsupportedFault where the architecture is not one of those known, MissingFault without a tokenizer,
   *   MalformedFault where a side file is broken, MismatchFault where a weight has not the shape that config.json
   *   calls for, DeviceFault where the runtime fails, CancelledFault where the signal is aborted.
   */
  static async open({ config, sideFiles, binarySideFiles, weights, signal, ...options }: ChatSources): Promise<Chat> {
    const architecture = describeArchitecture(config, weights.tensors.keys());
    const sources = { sideFiles, binarySideFiles, architecture, contextTokens: architecture.contextTokens };
    // What is wrong with the files is said before a session is made.
    const early = await Prompter.open(sources);
    const endIds = readEndTokens(config, sideFiles, early.tokenizer);
    const throwIfStopped = () => {
      if (signal?.aborted) throw new CancelledFault('Stopped before the model was ready.');
    };
    throwIfStopped();
    const session = await Session.open(architecture, weights, { logits: 'last', ...options });
    try {
      throwIfStopped();
      const chat = new Chat(session, weights, early.withContext(session.capacityTokens), endIds);
      // It compiles while the prompt is read; the first token waits for it, and says what failed.
      if (weights.kind === 'gpu') void chat.#sampler.prepare(weights.device).catch(() => undefined);
      return chat;
    } catch (thrown) {
      await session.dispose();
      throw thrown;
    }
  }

  /** What a prompt comes to. @throws as `Prompter.info` does. */
  prompt(options: PromptOptions): PromptInfo {
    return this.#prompter.info(options);
  }

  /**
   * Writes a reply, token by token. A stop (of the signal, or because the weights changed) resolves with what there is.
   * @throws UnsupportedFault for mode `chat` where the model has no template, MissingFault where there is nothing to
   *   answer, BudgetFault where the conversation fills the context, MalformedFault where the template refuses it or
   *   the weights give no number, MismatchFault where the tokenizer is of a larger vocabulary than the model,
   *   DeviceFault where the GPU fails, CancelledFault after `dispose`.
   */
  async generate(options: GenerateOptions): Promise<Generated> {
    const prompt = this.#prompter.prompt(options).ids;
    const { tokenizer } = this.#prompter;
    const mostTokens = Math.min(options.maxNewTokens, this.#prompter.contextTokens - prompt.length);
    const alternatives = Math.max(0, Math.min(options.alternatives, MAX_ALTERNATIVES));
    // A reply in a chat is a text of its own; a continuation keeps the space that joins it to its beginning.
    const stream = tokenizer.stream(options.mode === 'continue' ? prompt : []);
    const stops = new StopStrings(options.stop);
    const lease = this.#caches.lend(prompt);
    const signal = AbortSignal.any([
      this.#closing.signal,
      lease.weightsSignal,
      ...(options.signal ? [options.signal] : []),
    ]);
    const cachedTokens = lease.tokens;
    const seen = [...prompt];
    const started = performance.now();
    let firstAt = started;
    let pausedAt = started;
    let text = '';
    let tokens = 0;
    const result = (stoppedBy: Generated['stoppedBy']): Generated => {
      const elapsedMs = performance.now() - firstAt;
      if (stoppedBy !== 'stop') {
        let rest = stops.push(stream.finish());
        if (stops.isStopped) return result('stop');
        rest += stops.finish();
        if (rest !== '') {
          text += rest;
          options.onTokens?.(text, []);
        }
      }
      return {
        text,
        tokens,
        promptTokens: prompt.length,
        readTokens: prompt.length - cachedTokens,
        stoppedBy,
        msToFirstToken: firstAt - started,
        tokensPerSecond: tokens > 1 && elapsedMs > 0 ? ((tokens - 1) * 1000) / elapsedMs : 0,
      };
    };
    try {
      let next = prompt.slice(cachedTokens);
      while (tokens < mostTokens) {
        if (signal.aborted) return this.#stopped(result);
        const input = next;
        const said = await this.#alone(async () => {
          const logits = await lease.advance(input, signal);
          return this.#sampler.next(logits, { sampling: options.sampling, draw: tokens, seen, alternatives });
        });
        if (signal.aborted) return this.#stopped(result);
        if (tokens === 0) firstAt = performance.now();
        if (this.#endIds.has(said.token)) return result('end');
        tokens++;
        seen.push(said.token);
        text += stops.push(stream.push(said.token));
        options.onTokens?.(text, [this.#told(said)]);
        if (stops.isStopped) return result('stop');
        next = [said.token];
        if (performance.now() - pausedAt > YIELD_MS) {
          await eventLoop();
          pausedAt = performance.now();
        }
      }
      return result('length');
    } catch (thrown) {
      if (thrown instanceof CancelledFault && signal.aborted) return this.#stopped(result);
      throw thrown;
    } finally {
      lease.end();
    }
  }

  /**
   * Logits after a text of tokens.
   * @returns f32 [vocabularySize] for the position after the last token.
   */
  async logits(tokenIds: readonly number[]): Promise<Float32Array> {
    const cache = this.#session.newCache();
    try {
      return await this.#session.run(tokenIds, cache);
    } finally {
      cache.dispose();
    }
  }

  /**
   * How well the model foresees a text; the session that it takes is opened for it, over the same weights. A text
   * longer than the context is read in windows that overlap by half.
   * @throws MissingFault for less than two tokens, MalformedFault where the weights give no number, DeviceFault where
   *   the GPU fails, CancelledFault where the signal is aborted, the weights change or the chat is closed.
   */
  async score(
    text: string,
    signal?: AbortSignal,
    onProgress?: (tokensDone: number, tokens: number) => void,
  ): Promise<TextScore> {
    const { architecture, contextTokens } = this.info;
    const ends = [this.#closing.signal, this.#caches.weightsSignal, ...(signal ? [signal] : [])];
    const tools = {
      tokenizer: this.#prompter.tokenizer,
      sampler: this.#sampler,
      contextTokens,
      open: (capacityTokens: number) =>
        Session.open(architecture, this.#weights, { logits: 'all', capacityTokens, captures: false }),
    };
    return scoreText(text, tools, AbortSignal.any(ends), onProgress);
  }

  /** To be called whenever weights were written: what was read with the old ones is thrown away, and replies stop. */
  weightsChanged(): void {
    this.#caches.weightsChanged();
    this.#session.weightsChanged();
  }

  /** Stops what runs and frees what the chat made. The weights stay. Safe to call twice. */
  async dispose(): Promise<void> {
    this.#closing.abort();
    this.#caches.weightsChanged();
    await this.#last;
    await this.#sampler.dispose();
    await this.#session.dispose();
  }

  /** One run and what is made of its logits at a time: another run would write over them. */
  #alone<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work);
    this.#last = turn.catch(() => undefined);
    return turn;
  }

  /** A user's stop gives what there is; a closed chat has nobody to give it to. */
  #stopped(result: (stoppedBy: 'user') => Generated): Generated {
    if (this.#closing.signal.aborted) throw new CancelledFault('The chat was closed.');
    return result('user');
  }

  #told({
    token,
    probability,
    alternatives,
  }: Omit<SaidToken, 'text' | 'alternatives'> & {
    alternatives: readonly Omit<SaidToken, 'text' | 'alternatives'>[];
  }): SaidToken {
    const text = (id: number) => this.#prompter.tokenizer.tokenText(id);
    return {
      token,
      text: text(token),
      probability,
      alternatives: alternatives.map((choice) => ({ ...choice, text: text(choice.token) })),
    };
  }
}

/** What is said where the stored output matrix is read though config.json calls it tied. */
function headNote(head: string): string {
  return `${head} is stored and read, though config.json calls it tied to the embedding: Transformers 5 reads it where the two differ, older tools read the embedding.`;
}
