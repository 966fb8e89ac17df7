/**
 * Chat: a model that can be talked to: its session, tokenizer and template together, from a conversation to streamed
 * text. The weights stay the caller's and may be edited between two replies; each reply reads them as they are.
 */

import { BudgetFault, CancelledFault, MismatchFault, MissingFault, UnsupportedFault } from '../bytes/fault.ts';
import type { ModelConfig, SideFiles } from '../formats/checkpoint.ts';
import { type Architecture, describeArchitecture, requiredTensors } from './architecture.ts';
import { readEndTokens } from './end-tokens.ts';
import { eventLoop } from './event-loop.ts';
import { sampleToken } from './sampling.ts';
import { Session } from './session.ts';
import { type ChatMessage, ChatTemplate } from './template.ts';
import { Tokenizer } from './tokenizer.ts';
import type { ChatWeights } from './weights.ts';

/** What a chat is made from. */
export interface ChatSources {
  readonly config: ModelConfig | null;
  /** tokenizer.json, tokenizer_config.json, generation_config.json, chat_template.jinja as text. */
  readonly sideFiles: SideFiles;
  readonly weights: ChatWeights;
  readonly signal?: AbortSignal;
}

/** Facts about an open chat. */
export interface ChatInfo {
  readonly architecture: Architecture;
  /** Most tokens of prompt and reply together. */
  readonly contextTokens: number;
  readonly hasTemplate: boolean;
  readonly provider: 'webgpu' | 'wasm';
  /** Numbers in the weights, a tied matrix counted once. */
  readonly parameters: number;
}

/** A request for a reply. */
export interface GenerateOptions {
  readonly messages: readonly ChatMessage[];
  /** `chat` renders the template; `continue` continues the last message's text as it stands. */
  readonly mode: 'chat' | 'continue';
  readonly maxNewTokens: number;
  /** 0 is greedy. */
  readonly temperature: number;
  /** 0 is off. */
  readonly topK: number;
  /** The same seed, settings, prompt and weights give the same text on the same provider. */
  readonly seed: number;
  readonly signal?: AbortSignal;
  /** Gets the new piece of text, which is never empty, and how many tokens there are so far. */
  readonly onText?: (piece: string, tokens: number) => void;
}

/** A finished reply. */
export interface Generated {
  /** All pieces joined; the prompt is not in it. */
  readonly text: string;
  /** Generated tokens, the one that ended the reply left out. */
  readonly tokens: number;
  readonly promptTokens: number;
  /** `length` is `maxNewTokens` or the end of the context. */
  readonly stoppedBy: 'end' | 'length' | 'user';
  readonly msToFirstToken: number;
  /** Of decoding, the prompt left out; 0 where there was at most one token. */
  readonly tokensPerSecond: number;
}

/** Between two yields to the event loop, so that a stop can arrive while the CPU provider computes. */
const YIELD_MS = 16;

/** An open chat. */
export class Chat {
  readonly info: ChatInfo;
  readonly #session: Session;
  readonly #tokenizer: Tokenizer;
  readonly #template: ChatTemplate | null;
  readonly #endIds: ReadonlySet<number>;
  readonly #closing = new AbortController();

  private constructor(
    session: Session,
    tokenizer: Tokenizer,
    template: ChatTemplate | null,
    endIds: ReadonlySet<number>,
  ) {
    const { architecture, provider } = session;
    this.#session = session;
    this.#tokenizer = tokenizer;
    this.#template = template;
    this.#endIds = endIds;
    this.info = {
      architecture,
      contextTokens: architecture.contextTokens,
      hasTemplate: template !== null,
      provider,
      parameters: requiredTensors(architecture).reduce(
        (sum, { shape }) => sum + shape.reduce((product, size) => product * size, 1),
        0,
      ),
    };
  }

  /**
   * Opens a chat over weights that stay the caller's.
   * @throws UnsupportedFault where the architecture is not one of those known, MissingFault without tokenizer.json,
   *   MalformedFault where a side file is broken, MismatchFault where a weight has not the shape that config.json
   *   calls for, DeviceFault where the runtime fails, CancelledFault where the signal is aborted.
   */
  static async open({ config, sideFiles, weights, signal }: ChatSources): Promise<Chat> {
    const architecture = describeArchitecture(config, weights.tensors.keys());
    const tokenizer = new Tokenizer(sideFiles);
    const template = ChatTemplate.read(sideFiles);
    const endIds = readEndTokens(config, sideFiles, tokenizer);
    if (signal?.aborted) throw new CancelledFault('Stopped before the model was ready.');
    const session = await Session.open(architecture, weights, { logits: 'last' });
    if (signal?.aborted) {
      await session.dispose();
      throw new CancelledFault('Stopped before the model was ready.');
    }
    return new Chat(session, tokenizer, template, endIds);
  }

  /**
   * Writes a reply, token by token. A stop (of the signal) resolves with what there is.
   * @throws UnsupportedFault for mode `chat` where the model has no template, MissingFault where there is nothing to
   *   answer, BudgetFault where the conversation fills the context, MalformedFault where the template refuses it or
   *   the weights give no number, MismatchFault where the tokenizer is of a larger vocabulary than the model, DeviceFault where the GPU fails, CancelledFault after `dispose`.
   */
  async generate(options: GenerateOptions): Promise<Generated> {
    const prompt = this.#prompt(options.messages, options.mode);
    const { contextTokens } = this.info;
    if (prompt.length >= contextTokens) {
      throw new BudgetFault(
        `The conversation is ${prompt.length} tokens long and this model reads at most ${contextTokens}; start a new one or shorten it.`,
        { promptTokens: prompt.length, contextTokens },
      );
    }
    const signal = AbortSignal.any([this.#closing.signal, ...(options.signal ? [options.signal] : [])]);
    const mostTokens = Math.min(options.maxNewTokens, contextTokens - prompt.length);
    // A reply in a chat is a text of its own; a continuation keeps the space that joins it to its beginning.
    const stream = this.#tokenizer.stream(options.mode === 'continue' ? prompt : []);
    const cache = this.#session.newCache();
    const started = performance.now();
    let firstAt = started;
    let pausedAt = started;
    let text = '';
    let tokens = 0;
    const give = (piece: string) => {
      if (piece === '') return;
      text += piece;
      options.onText?.(piece, tokens);
    };
    const result = (stoppedBy: Generated['stoppedBy']): Generated => {
      const elapsedMs = performance.now() - firstAt;
      give(stream.finish());
      return {
        text,
        tokens,
        promptTokens: prompt.length,
        stoppedBy,
        msToFirstToken: firstAt - started,
        tokensPerSecond: tokens > 1 && elapsedMs > 0 ? ((tokens - 1) * 1000) / elapsedMs : 0,
      };
    };
    try {
      let next: readonly number[] = prompt;
      while (tokens < mostTokens) {
        if (signal.aborted) return this.#stopped(result);
        const logits = await this.#session.run(next, cache, signal);
        const token = sampleToken(logits, options, tokens);
        if (tokens === 0) firstAt = performance.now();
        if (this.#endIds.has(token)) return result('end');
        tokens++;
        give(stream.push(token));
        next = [token];
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
      cache.dispose();
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

  /** Stops what runs and frees what the chat made. The weights stay. Safe to call twice. */
  async dispose(): Promise<void> {
    this.#closing.abort();
    await this.#session.dispose();
  }

  /** A user's stop gives what there is; a closed chat has nobody to give it to. */
  #stopped(result: (stoppedBy: 'user') => Generated): Generated {
    if (this.#closing.signal.aborted) throw new CancelledFault('The chat was closed.');
    return result('user');
  }

  #prompt(messages: readonly ChatMessage[], mode: 'chat' | 'continue'): number[] {
    const last = messages[messages.length - 1];
    if (!last) throw new MissingFault('There is nothing to answer; write a message.');
    if (mode === 'chat' && this.#template === null) {
      throw new UnsupportedFault('This model has no chat template; let it continue a text instead.');
    }
    const ids =
      mode === 'chat' && this.#template
        ? this.#tokenizer.encode(this.#template.render(messages, this.#tokenizer), false)
        : this.#tokenizer.encode(last.content, true);
    if (ids.length === 0) throw new MissingFault('There is nothing to continue; write a first word.');
    const { vocabularySize } = this.info.architecture;
    const stranger = ids.find((id) => !(id >= 0 && id < vocabularySize));
    if (stranger !== undefined) {
      throw new MismatchFault(
        `tokenizer.json gives the token ${stranger} where the model knows ${vocabularySize}; add the tokenizer that belongs to it.`,
        { token: stranger, vocabularySize },
      );
    }
    return ids;
  }
}
