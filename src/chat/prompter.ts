/**
 * Prompter: from a conversation to the tokens that a model reads, by the files beside the weights alone. No weights
 * and no session: a context meter can ask it while nothing is loaded.
 */

import { BudgetFault, MismatchFault, MissingFault, UnsupportedFault } from '../bytes/fault.ts';
import type { Bytes } from '../bytes/bytes.ts';
import type { SideFiles } from '../formats/checkpoint.ts';
import type { Architecture } from './architecture.ts';
import type { PromptOptions } from './generation.ts';
import { ChatTemplate } from './template.ts';
import { Tokenizer } from './tokenizer.ts';

/** What a prompter is made from. */
export interface PrompterSources {
  readonly sideFiles: SideFiles;
  /** tokenizer.model, where that is all there is. */
  readonly binarySideFiles?: ReadonlyMap<string, Bytes> | undefined;
  readonly architecture: Pick<Architecture, 'vocabularySize'>;
  /** Most tokens of prompt and reply together: what the model was trained for, or what its session holds. */
  readonly contextTokens: number;
}

/** What a prompt comes to. */
export interface PromptInfo {
  /** The text as the model reads it. */
  readonly text: string;
  readonly tokens: number;
  readonly contextTokens: number;
  /** The model's own template and the file it stands in; null where it has none. */
  readonly template: { readonly file: string; readonly text: string } | null;
}

/** A prompt in tokens. */
export interface Prompt {
  readonly text: string;
  readonly ids: readonly number[];
}

/** Makes prompts for one model. */
export class Prompter {
  readonly tokenizer: Tokenizer;
  /** The model's own template; null where it has none. */
  readonly template: ChatTemplate | null;
  readonly contextTokens: number;
  readonly #vocabularySize: number;
  /** What was rendered last: who counts a prompt asks for the same one next. */
  #last: { readonly options: PromptOptions; readonly prompt: Prompt } | null = null;

  private constructor(
    tokenizer: Tokenizer,
    template: ChatTemplate | null,
    vocabularySize: number,
    contextTokens: number,
  ) {
    this.tokenizer = tokenizer;
    this.template = template;
    this.contextTokens = contextTokens;
    this.#vocabularySize = vocabularySize;
  }

  /**
   * Reads tokenizer and template.
   * @throws MissingFault without a tokenizer, MalformedFault where a side file is broken.
   */
  static async open(sources: PrompterSources): Promise<Prompter> {
    const tokenizer = await Tokenizer.open(sources.sideFiles, sources.binarySideFiles);
    const template = ChatTemplate.read(sources.sideFiles);
    return new Prompter(tokenizer, template, sources.architecture.vocabularySize, sources.contextTokens);
  }

  /** The same prompter for another size of context. */
  withContext(contextTokens: number): Prompter {
    return new Prompter(this.tokenizer, this.template, this.#vocabularySize, contextTokens);
  }

  /**
   * What a prompt comes to; also where it is longer than the context.
   * @throws as `prompt` does, BudgetFault left out.
   */
  info(options: PromptOptions): PromptInfo {
    const { text, ids } = this.#render(options);
    const own = this.template;
    const template = own === null || own.file === null ? null : { file: own.file, text: own.text };
    return { text, tokens: ids.length, contextTokens: this.contextTokens, template };
  }

  /**
   * The prompt in tokens: at least one, and room for at least one more.
   * @throws UnsupportedFault for mode `chat` without a template, MissingFault where there is nothing to answer,
   *   MalformedFault where the template does not parse or refuses the conversation, MismatchFault where the tokenizer
   *   is of a larger vocabulary than the model, BudgetFault where the conversation fills the context.
   */
  prompt(options: PromptOptions): Prompt {
    const prompt = this.#render(options);
    const { contextTokens } = this;
    if (prompt.ids.length === 0) throw new MissingFault('There is nothing to continue; write a first word.');
    if (prompt.ids.length >= contextTokens) {
      throw new BudgetFault(
        `The conversation is ${prompt.ids.length} tokens long and this model reads at most ${contextTokens}; start a new one or shorten it.`,
        { promptTokens: prompt.ids.length, contextTokens },
      );
    }
    this.#checkVocabulary(prompt.ids);
    return prompt;
  }

  /** Renders once for the same list of messages, which nobody changes. */
  #render(options: PromptOptions): Prompt {
    const { messages, mode, template } = options;
    const last = this.#last;
    if (last?.options.messages === messages && last.options.mode === mode && last.options.template === template) {
      return last.prompt;
    }
    const prompt = this.#make(options);
    this.#last = { options: { messages, mode, template }, prompt };
    return prompt;
  }

  #make({ messages, mode, template }: PromptOptions): Prompt {
    const last = messages[messages.length - 1];
    if (!last) throw new MissingFault('There is nothing to answer; write a message.');
    if (mode === 'continue') return { text: last.content, ids: this.tokenizer.encode(last.content, true) };
    const chosen = template === null ? this.template : ChatTemplate.parse(template, null);
    if (chosen === null) {
      throw new UnsupportedFault('This model has no chat template; let it continue a text instead.');
    }
    const text = chosen.render(messages, this.tokenizer);
    return { text, ids: this.tokenizer.encode(text, false) };
  }

  #checkVocabulary(ids: readonly number[]): void {
    const stranger = ids.find((id) => !(id >= 0 && id < this.#vocabularySize));
    if (stranger === undefined) return;
    throw new MismatchFault(
      `tokenizer.json gives the token ${stranger} where the model knows ${this.#vocabularySize}; add the tokenizer that belongs to it.`,
      { token: stranger, vocabularySize: this.#vocabularySize },
    );
  }
}
