/**
 * Template: a model's chat template, which turns a conversation into the text that the model was trained on (the
 * rendering is @huggingface/jinja's). A model without one is continued instead of chatted with; see `chat.ts`.
 */

import { Template as JinjaTemplate } from '@huggingface/jinja';
import { MalformedFault } from '../bytes/fault.ts';
import type { SideFiles } from '../formats/checkpoint.ts';
import { isRecord, parseSideFile } from './side-file.ts';
import type { Tokenizer } from './tokenizer.ts';

/** One turn of a conversation. */
export interface ChatMessage {
  readonly role: string;
  readonly content: string;
}

/** A chat template that was parsed. */
export class ChatTemplate {
  readonly #template: JinjaTemplate;
  readonly #file: string;

  private constructor(template: JinjaTemplate, file: string) {
    this.#template = template;
    this.#file = file;
  }

  /**
   * Reads chat_template.jinja or, where it is not there, `chat_template` of tokenizer_config.json or of
   * chat_template.json: a text, or a list of named ones of which `default` (else the first) is taken.
   * @returns null where the model has none.
   * @throws MalformedFault where it does not parse.
   */
  static read(sideFiles: SideFiles): ChatTemplate | null {
    const [file, text] = findTemplate(sideFiles);
    if (text === null) return null;
    try {
      return new ChatTemplate(new JinjaTemplate(text), file);
    } catch (cause) {
      throw new MalformedFault(`The chat template in ${file} does not parse: ${reason(cause)}`, { file });
    }
  }

  /**
   * The conversation as text, ended by what opens the assistant's turn.
   * @throws MalformedFault with the template's own words where it refuses the conversation, as many do when roles do
   *   not alternate or a system prompt is not foreseen.
   */
  render(messages: readonly ChatMessage[], tokenizer: Pick<Tokenizer, 'bosToken' | 'eosToken'>): string {
    try {
      return this.#template.render({
        messages: messages.map(({ role, content }) => ({ role, content })),
        add_generation_prompt: true,
        bos_token: tokenizer.bosToken ?? '',
        eos_token: tokenizer.eosToken ?? '',
      });
    } catch (cause) {
      throw new MalformedFault(`The chat template in ${this.#file} refuses this conversation: ${reason(cause)}`, {
        file: this.#file,
      });
    }
  }
}

/** The name of the file that holds the template, and its text; null where there is none. */
function findTemplate(sideFiles: SideFiles): readonly [file: string, text: string | null] {
  const jinja = sideFiles.get('chat_template.jinja');
  if (jinja !== undefined) return ['chat_template.jinja', jinja];
  const found = ['tokenizer_config.json', 'chat_template.json']
    .map((file) => [file, pickNamed(parseSideFile(sideFiles, file)?.['chat_template'])] as const)
    .find(([, text]) => text !== null);
  return found ?? ['', null];
}

function pickNamed(value: unknown): string | null {
  if (typeof value === 'string') return value;
  if (!Array.isArray(value)) return null;
  const named = value.filter(isRecord);
  const chosen = named.find((entry) => entry['name'] === 'default') ?? named[0];
  return typeof chosen?.['template'] === 'string' ? chosen['template'] : null;
}

function reason(cause: unknown): string {
  const line = (cause instanceof Error ? cause.message : String(cause)).split('\n')[0] ?? '';
  return /[.!?]$/.test(line) ? line : `${line}.`;
}
