/**
 * Chat template: the template that a recipe asks for, and where it is written. `auto` is the one that most of the
 * models have, the base's where they are even.
 */

import type { Checkpoint } from '../formats/checkpoint.ts';
import { CHAT_TEMPLATES } from '../recipe/chat-templates.ts';

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A checkpoint's own template as Jinja text, or null. */
export function templateTextOf({ sideFiles }: Checkpoint): string | null {
  const own = sideFiles.get('chat_template.jinja');
  if (own !== undefined) return own;
  const text = sideFiles.get('tokenizer_config.json');
  if (text === undefined) return null;
  const config: unknown = JSON.parse(text);
  const template = isRecord(config) ? config.chat_template : null;
  if (typeof template === 'string') return template;
  // Several by name: tools take the one called default.
  const named = Array.isArray(template) ? template.filter(isRecord) : [];
  const chosen = named.find(({ name }) => name === 'default');
  return typeof chosen?.template === 'string' ? chosen.template : null;
}

/** The text that a recipe's `chat_template` means; null where `auto` finds none. */
export function chosenTemplate(setting: string, members: readonly Checkpoint[]): string | null {
  if (setting !== 'auto') return CHAT_TEMPLATES.get(setting) ?? setting;
  const votes = new Map<string, number>();
  for (const member of members) {
    const text = templateTextOf(member)?.trim();
    if (text) votes.set(text, (votes.get(text) ?? 0) + 1);
  }
  let best: string | null = null;
  for (const [text, count] of votes) if (best === null || count > (votes.get(best) ?? 0)) best = text;
  return best;
}

/** Puts a template into tokenizer files: where they have one already, and in any case where tools look for it. */
export function withTemplate(texts: Map<string, string>, template: string): void {
  const config = texts.get('tokenizer_config.json');
  const json: unknown = config === undefined ? null : JSON.parse(config);
  if (isRecord(json)) {
    texts.set('tokenizer_config.json', `${JSON.stringify({ ...json, chat_template: template }, null, 2)}\n`);
  }
  if (!isRecord(json) || texts.has('chat_template.jinja')) texts.set('chat_template.jinja', template);
}
