/**
 * Conversation: what a chat with a trained model must do on every provider, as one suite for `chat.test.ts` and
 * `chat.gpu.test.ts`. Not shipped.
 */

import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import {
  BudgetFault,
  CancelledFault,
  MalformedFault,
  MismatchFault,
  MissingFault,
  UnsupportedFault,
} from '../../bytes/fault.ts';
import { KeyValueCache } from '../cache.ts';
import { Chat, type GenerateOptions } from '../chat.ts';
import type { Placed } from './agreement.ts';
import { forward, type Tensors } from './forward.ts';
import { loadStories, STORY, type Stories } from './stories.ts';

const CHATML =
  "{% for m in messages %}{{ m.role + ': ' + m.content + '\\n' }}{% endfor %}{% if add_generation_prompt %}{{ 'assistant:' }}{% endif %}";

/** Defines the suite. */
export function describeConversation(place: (tensors: Tensors) => Promise<Placed> | Placed): void {
  let stories: Stories;
  let placed: Placed;
  let chat: Chat;
  beforeAll(async () => {
    stories = await loadStories();
    placed = await place(stories.tensors);
    chat = await Chat.open({ config: stories.config, sideFiles: stories.sideFiles, weights: placed.weights });
  });
  afterAll(async () => {
    await chat.dispose();
    placed.free();
  });
  const continueFrom = (text: string, options: Partial<GenerateOptions> = {}) =>
    chat.generate({
      messages: [{ role: 'user', content: text }],
      mode: 'continue',
      maxNewTokens: 60,
      temperature: 0,
      topK: 0,
      seed: 1,
      ...options,
    });

  it('writes the known story greedily, streamed piece by piece', async () => {
    const pieces: string[] = [];
    const reply = await continueFrom('Once upon a time', {
      onText: (piece, tokens) => {
        pieces.push(piece);
        expect(tokens).toBeGreaterThan(0);
      },
    });
    expect(reply.text.slice(0, STORY.length)).toBe(STORY);
    expect(reply).toMatchObject({ stoppedBy: 'length', tokens: 60, promptTokens: 5 });
    expect(pieces.join('')).toBe(reply.text);
    expect(pieces.length).toBeGreaterThan(40);
    expect(reply.msToFirstToken).toBeGreaterThan(0);
    expect(reply.tokensPerSecond).toBeGreaterThan(0);
  });

  it('goes on from a beginning of more than 32 tokens as from a short one', async () => {
    // Cut at a space: the rest then begins with a token of its own.
    const cut = STORY.indexOf(' ', 95);
    const reply = await continueFrom(`Once upon a time${STORY.slice(0, cut)}`, { maxNewTokens: 18 });
    expect(reply.promptTokens).toBeGreaterThan(32);
    expect(reply.text.slice(0, STORY.length - cut)).toBe(STORY.slice(cut));
  });

  it('gives the logits of the oracle on trained weights', async () => {
    const ids = [1, 403, 407, 261, 378, 432, 383, 286, 261, 376, 298, 315, 421, 395, 317, 426, 338, 401, 396, 267];
    const got = await chat.logits(ids);
    const truth = forward(stories.config, stories.tensors, ids)[ids.length - 1];
    expect(got).toHaveLength(512);
    truth?.forEach((logit, token) => {
      expect(Math.abs(logit - (got[token] ?? Number.NaN))).toBeLessThan(1e-4);
    });
  });

  it('samples the same text from the same seed, and another from another', async () => {
    const draw = (seed: number) =>
      continueFrom('Once upon a time', { temperature: 1, topK: 40, seed, maxNewTokens: 12 });
    const [first, same, other] = [await draw(7), await draw(7), await draw(8)];
    expect(same.text).toBe(first.text);
    expect(other.text).not.toBe(first.text);
  });

  it('stops when it is told to, and keeps what it wrote', async () => {
    const stop = new AbortController();
    const reply = await continueFrom('Once upon a time', {
      maxNewTokens: 400,
      signal: stop.signal,
      onText: (_, tokens) => {
        if (tokens >= 7) stop.abort();
      },
    });
    expect(reply.stoppedBy).toBe('user');
    expect(reply.tokens).toBe(7);
    expect(STORY.startsWith(reply.text)).toBe(true);
    const never = await continueFrom('Once upon a time', { signal: AbortSignal.abort() });
    expect(never).toMatchObject({ stoppedBy: 'user', text: '', tokens: 0 });
  });

  it('refuses what has no answer, in words', async () => {
    await expect(chat.generate({ ...request('x'), mode: 'chat' })).rejects.toBeInstanceOf(UnsupportedFault);
    await expect(chat.generate({ ...request('x'), messages: [] })).rejects.toBeInstanceOf(MissingFault);
    await expect(continueFrom('park '.repeat(600))).rejects.toBeInstanceOf(BudgetFault);
  });

  it('reads an edit of the weights in the next reply, and NaN as a fault', async () => {
    const before = await continueFrom('Once upon a time', { maxNewTokens: 8 });
    const name = 'model.layers.2.mlp.down_proj.weight';
    const original = stories.tensors.get(name)?.data.slice();
    if (!original) throw new Error(name);
    placed.edit(
      name,
      original.map((value) => -3 * value),
    );
    expect((await continueFrom('Once upon a time', { maxNewTokens: 8 })).text).not.toBe(before.text);
    placed.edit(
      name,
      original.map(() => Number.NaN),
    );
    await expect(continueFrom('Once upon a time')).rejects.toBeInstanceOf(MalformedFault);
    placed.edit(name, original);
    expect((await continueFrom('Once upon a time', { maxNewTokens: 8 })).text).toBe(before.text);
  });

  describe('with a template', () => {
    it('renders the conversation, ends at an end token, and starts the reply without a space', async () => {
      const comma = 432;
      const sideFiles = new Map([
        ...stories.sideFiles,
        ['chat_template.jinja', CHATML],
        ['generation_config.json', JSON.stringify({ eos_token_id: [2, comma] })],
      ]);
      const templated = await Chat.open({ config: stories.config, sideFiles, weights: placed.weights });
      expect(templated.info).toMatchObject({ hasTemplate: true, contextTokens: 512, parameters: 260_032 });
      const messages = [
        { role: 'system', content: 'Tell a story.' },
        { role: 'user', content: 'About a park.' },
      ];
      const reply = await templated.generate({ ...request(''), messages, mode: 'chat', maxNewTokens: 30 });
      expect(reply.text).not.toMatch(/^ /);
      expect(reply.text).not.toContain('<s>');
      const ended = await templated.generate({ ...request('Once upon a time') });
      expect(ended).toMatchObject({ text: '', tokens: 0, stoppedBy: 'end' });
      await templated.dispose();
    });
  });

  it('says so where the tokenizer is of a larger vocabulary', async () => {
    const tokenizer = stories.sideFiles.get('tokenizer.json')?.replaceAll('"id": 1,', '"id": 600,');
    if (tokenizer === undefined) throw new Error('no tokenizer');
    const sideFiles = new Map([...stories.sideFiles, ['tokenizer.json', tokenizer]]);
    const foreign = await Chat.open({ config: stories.config, sideFiles, weights: placed.weights });
    const reply = foreign.generate(request('Once upon a time'));
    await expect(reply).rejects.toThrow(/tokenizer\.json gives the token 600 where the model knows 512/);
    await expect(reply).rejects.toBeInstanceOf(MismatchFault);
    await foreign.dispose();
  });

  it('shows the half of a character with which a reply was cut off', async () => {
    // The comma that the story begins with and the first byte of a character change places.
    const tokenizer = stories.sideFiles
      .get('tokenizer.json')
      ?.replace('",": 432', '"<0xE2>": 432')
      .replace('"<0xE2>": 229', '",": 229');
    if (!tokenizer?.includes('"<0xE2>": 432')) throw new Error('no tokenizer');
    const sideFiles = new Map([...stories.sideFiles, ['tokenizer.json', tokenizer]]);
    const cut = await Chat.open({ config: stories.config, sideFiles, weights: placed.weights });
    const pieces: string[] = [];
    const reply = await cut.generate({
      ...request('Once upon a time'),
      maxNewTokens: 1,
      onText: (piece) => pieces.push(piece),
    });
    expect(reply).toMatchObject({ text: '\uFFFD', tokens: 1 });
    expect(pieces).toEqual(['\uFFFD']);
    await cut.dispose();
  });

  it('gives the cache of every reply back, however it ended', async () => {
    const dispose = vi.spyOn(KeyValueCache.prototype, 'dispose');
    await continueFrom('Once upon a time', { maxNewTokens: 2 });
    await continueFrom('Once upon a time', { signal: AbortSignal.abort() });
    const failing = () => {
      throw new Error('the listener failed');
    };
    await expect(continueFrom('Once upon a time', { onText: failing })).rejects.toThrow('the listener failed');
    await chat.logits([1, 2]);
    expect(dispose).toHaveBeenCalledTimes(4);
    dispose.mockRestore();
  });

  it('ends for length where the context ends', async () => {
    const config = { ...stories.config, max_position_embeddings: 24 };
    const short = await Chat.open({ config, sideFiles: stories.sideFiles, weights: placed.weights });
    const reply = await short.generate({ ...request('Once upon a time'), maxNewTokens: 100 });
    expect(reply).toMatchObject({ stoppedBy: 'length', tokens: 24 - 5 });
    await short.dispose();
  });

  it('rejects a reply that was under way when it was closed, and all later ones', async () => {
    const closing = await Chat.open({ config: stories.config, sideFiles: stories.sideFiles, weights: placed.weights });
    const reply = closing.generate({
      ...request('Once upon a time'),
      maxNewTokens: 300,
      onText: (_, tokens) => {
        if (tokens === 3) void closing.dispose();
      },
    });
    await expect(reply).rejects.toBeInstanceOf(CancelledFault);
    await expect(closing.generate(request('x'))).rejects.toBeInstanceOf(CancelledFault);
    await closing.dispose();
  });

  it('is not opened when it was stopped before', async () => {
    const open = Chat.open({ ...stories, weights: placed.weights, signal: AbortSignal.abort() });
    await expect(open).rejects.toBeInstanceOf(CancelledFault);
  });
}

function request(text: string): GenerateOptions {
  return {
    messages: [{ role: 'user', content: text }],
    mode: 'continue',
    maxNewTokens: 20,
    temperature: 0,
    topK: 0,
    seed: 0,
  };
}
