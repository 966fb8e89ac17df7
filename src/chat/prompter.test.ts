import { beforeAll, describe, expect, it, vi } from 'vitest';
import { BudgetFault, MismatchFault, MissingFault, UnsupportedFault } from '../bytes/fault.ts';
import type { PromptOptions } from './generation.ts';
import { Prompter } from './prompter.ts';
import { loadStories, type Stories } from './test/stories.ts';

const asked = (content: string, options: Partial<PromptOptions> = {}): PromptOptions => ({
  messages: [{ role: 'user', content }],
  mode: 'continue',
  template: null,
  ...options,
});

describe('Prompter', () => {
  let stories: Stories;
  beforeAll(async () => {
    stories = await loadStories();
  });
  const open = (files: Record<string, string> = {}, vocabularySize = 512, contextTokens = 64) =>
    Prompter.open({
      sideFiles: new Map([...stories.sideFiles, ...Object.entries(files)]),
      architecture: { vocabularySize },
      contextTokens,
    });

  it('makes a prompt without weights', async () => {
    const prompter = await open();
    expect(prompter.prompt(asked('Once upon a time'))).toEqual({
      text: 'Once upon a time',
      ids: [1, 403, 407, 261, 378],
    });
    expect(prompter.info(asked('Once upon a time'))).toMatchObject({ tokens: 5, contextTokens: 64, template: null });
    expect(prompter.withContext(9).info(asked('')).contextTokens).toBe(9);
  });

  it('renders a prompt that is counted first and then written once', async () => {
    const prompter = await open({ 'chat_template.jinja': '{{ messages[0].content }}' });
    const encode = vi.spyOn(prompter.tokenizer, 'encode');
    const options = asked('park', { mode: 'chat' });
    const { tokens } = prompter.info(options);
    expect(prompter.prompt({ ...options }).ids).toHaveLength(tokens);
    expect(encode).toHaveBeenCalledTimes(1);
    // Another template, mode or list is another prompt.
    expect(prompter.prompt({ ...options, template: 'B' }).text).toBe('B');
    expect(prompter.prompt({ ...options, mode: 'continue' }).text).toBe('park');
    expect(prompter.prompt({ ...options, messages: [{ role: 'user', content: 'ball' }] }).text).toBe('ball');
    expect(encode).toHaveBeenCalledTimes(4);
  });

  it('renders the own template, or another that is given', async () => {
    const prompter = await open({ 'chat_template.jinja': 'A {{ messages[0].content }}' });
    const own = prompter.info(asked('park', { mode: 'chat' }));
    expect(own).toMatchObject({
      text: 'A park',
      template: { file: 'chat_template.jinja', text: 'A {{ messages[0].content }}' },
    });
    const other = prompter.info(asked('park', { mode: 'chat', template: 'B {{ messages[0].content }}' }));
    expect(other).toMatchObject({ text: 'B park', template: own.template });
    expect(prompter.info(asked('park', { template: 'B' })).text).toBe('park');
  });

  it('continues a text, and takes another template, where the own one is broken', async () => {
    const prompter = await open({ 'chat_template.jinja': '{% for %}' });
    expect(prompter.info(asked('park'))).toMatchObject({
      text: 'park',
      template: { file: 'chat_template.jinja', text: '{% for %}' },
    });
    expect(prompter.info(asked('park', { mode: 'chat', template: 'B' })).text).toBe('B');
    expect(() => prompter.info(asked('park', { mode: 'chat' }))).toThrow(/chat_template\.jinja does not parse/);
  });

  it('counts a prompt that is too long, and refuses to make it', async () => {
    const prompter = await open();
    const long = asked('park '.repeat(100));
    const { tokens } = prompter.info(long);
    expect(tokens).toBeGreaterThan(64);
    let fault: unknown;
    try {
      prompter.prompt(long);
    } catch (thrown) {
      fault = thrown;
    }
    expect(fault).toBeInstanceOf(BudgetFault);
    expect(fault).toMatchObject({ details: { promptTokens: tokens, contextTokens: 64 } });
  });

  it('refuses what has no answer', async () => {
    const prompter = await open();
    expect(() => prompter.info(asked('x', { messages: [] }))).toThrow(MissingFault);
    expect(() => prompter.info(asked('x', { mode: 'chat' }))).toThrow(UnsupportedFault);
    expect(() => prompter.prompt(asked('x', { mode: 'chat', template: '' }))).toThrow(MissingFault);
    const small = await open({}, 400);
    expect(() => small.prompt(asked('Once upon a time'))).toThrow(MismatchFault);
  });
});
