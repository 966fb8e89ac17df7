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
import { Chat, type GenerateOptions, type SaidToken } from '../chat.ts';
import { GREEDY } from '../sampling.ts';
import { Session } from '../session.ts';
import type { Placed } from './agreement.ts';
import { forward, type Tensors } from './forward.ts';
import { loadStories, STORY, type Stories } from './stories.ts';

const CHATML =
  "{% for m in messages %}{{ m.role + ': ' + m.content + '\\n' }}{% endfor %}{% if add_generation_prompt %}{{ 'assistant:' }}{% endif %}";

const original = KeyValueCache.prototype.added;

/** Defines the suite. */
export function describeConversation(place: (tensors: Tensors) => Promise<Placed> | Placed): void {
  let stories: Stories;
  let placed: Placed;
  let chat: Chat;
  beforeAll(async () => {
    stories = await loadStories();
    placed = await place(stories.tensors);
    chat = await Chat.open({ config: stories.config, sideFiles: stories.sideFiles, weights: placed.weights });
    // The first chat checks the device, which takes long where it is only played in software.
  });
  afterAll(async () => {
    await chat.dispose();
    placed.free();
  });
  const continueFrom = (text: string, options: Partial<GenerateOptions> = {}) =>
    chat.generate({
      ...request(text),
      maxNewTokens: 60,
      ...options,
    });

  it('writes the known story greedily, streamed piece by piece', async () => {
    const texts: string[] = [];
    const said: SaidToken[] = [];
    const reply = await continueFrom('Once upon a time', {
      onTokens: (text, tokens) => {
        texts.push(text);
        said.push(...tokens);
      },
    });
    expect(reply.text.slice(0, STORY.length)).toBe(STORY);
    expect(reply).toMatchObject({ stoppedBy: 'length', tokens: 60, promptTokens: 5 });
    expect(texts.at(-1)).toBe(reply.text);
    expect(texts.every((text, index) => text.startsWith(texts[index - 1] ?? ''))).toBe(true);
    expect(said).toHaveLength(60);
    expect(said.map(({ text }) => text).join('')).toBe(reply.text);
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
      continueFrom('Once upon a time', {
        sampling: { ...GREEDY, temperature: 1.5, topK: 40, seed },
        maxNewTokens: 12,
      });
    const [first, same, other] = [await draw(7), await draw(7), await draw(9)];
    expect(same.text).toBe(first.text);
    expect(other.text).not.toBe(first.text);
  });

  it('stops when it is told to, and keeps what it wrote', async () => {
    const stop = new AbortController();
    let tokens = 0;
    const reply = await continueFrom('Once upon a time', {
      maxNewTokens: 400,
      signal: stop.signal,
      onTokens: () => {
        tokens += 1;
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
    const tell = (text = 'Once upon a time') => continueFrom(text, { maxNewTokens: 8 });
    const before = await tell();
    const name = 'model.layers.2.mlp.down_proj.weight';
    const original = stories.tensors.get(name)?.data.slice();
    if (!original) throw new Error(name);
    const edit = (data: Float32Array<ArrayBuffer>) => {
      placed.edit(name, data);
      chat.weightsChanged();
    };
    edit(original.map((value) => -3 * value));
    const edited = await tell();
    expect(edited.text).not.toBe(before.text);
    expect(edited.readTokens).toBe(edited.promptTokens);
    const fresh = await Chat.open({ ...stories, weights: placed.weights });
    expect((await fresh.generate({ ...request('Once upon a time'), maxNewTokens: 8 })).text).toBe(edited.text);
    await fresh.dispose();
    edit(original.map(() => Number.NaN));
    await expect(tell()).rejects.toBeInstanceOf(MalformedFault);
    await expect(chat.score('Once upon a time')).rejects.toBeInstanceOf(MalformedFault);
    edit(original);
    expect((await tell()).text).toBe(before.text);
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
    const texts: string[] = [];
    const reply = await cut.generate({
      ...request('Once upon a time'),
      maxNewTokens: 1,
      onTokens: (text) => texts.push(text),
    });
    expect(reply).toMatchObject({ text: '\uFFFD', tokens: 1 });
    expect(texts).toEqual(['', '\uFFFD']);
    await cut.dispose();
  });

  it('gives every cache back when it is closed, however its replies ended', async () => {
    const dispose = vi.spyOn(KeyValueCache.prototype, 'dispose');
    const made = new Set<unknown>();
    const newCache = Session.prototype.newCache;
    const making = vi.spyOn(Session.prototype, 'newCache').mockImplementation(function (this: Session) {
      const cache = newCache.call(this);
      made.add(cache);
      return cache;
    });
    const other = await Chat.open({ ...stories, weights: placed.weights });
    await other.generate({ ...request('Once upon a time'), maxNewTokens: 2 });
    await other.generate({ ...request('One day'), signal: AbortSignal.abort() });
    const failing = () => {
      throw new Error('the listener failed');
    };
    await expect(other.generate({ ...request('The sun'), onTokens: failing })).rejects.toThrow('the listener failed');
    await other.logits([1, 2]);
    await other.score('Once upon a time');
    await other.dispose();
    for (const cache of made) expect(dispose.mock.contexts).toContain(cache);
    expect(made.size).toBeGreaterThan(2);
    dispose.mockRestore();
    making.mockRestore();
  });

  it('reads only what is new in a conversation, and writes the same', async () => {
    const mine = await Chat.open({ ...stories, weights: placed.weights });
    const say = (text: string, options: Partial<GenerateOptions> = {}) =>
      mine.generate({ ...request(text), maxNewTokens: 4, ...options });
    const fresh = async (text: string) => {
      mine.weightsChanged();
      return say(text);
    };
    const start = 'Once upon a time, there was a little girl named Lily. She loved to play';
    const first = await say(start);
    expect(first.readTokens).toBe(first.promptTokens);
    // Again: only the last token, whose run gives the logits.
    expect(await say(start)).toMatchObject({ text: first.text, readTokens: 1 });
    // Its continuation by the reply: what was generated is known, its last token was never run.
    const longer = `${start}${first.text} and`;
    const second = await say(longer);
    expect(second.readTokens).toBeLessThan(6);
    // Another text with the same beginning.
    const edited = start.replace('loved', 'went');
    const third = await say(edited);
    expect(third.readTokens).toBeLessThan(third.promptTokens);
    // Back to the first one.
    const fourth = await say(start);
    expect(fourth.text).toBe(first.text);
    expect(fourth.readTokens).toBeLessThan(fourth.promptTokens);
    // A stop in the middle leaves a cache that can be used.
    const stop = new AbortController();
    await say(longer, { signal: stop.signal, onTokens: () => stop.abort() });
    expect(await say(longer)).toMatchObject({ text: second.text, readTokens: 1 });
    for (const [text, reply] of [
      [start, first],
      [longer, second],
      [edited, third],
    ] as const) {
      const again = await fresh(text);
      expect(again.text).toBe(reply.text);
      expect(again.readTokens).toBe(again.promptTokens);
    }
    await mine.dispose();
  });

  it('can be stopped while it reads, and goes on from there', async () => {
    const mine = await Chat.open({ ...stories, weights: placed.weights, chunkTokens: 64 });
    const long = `Once upon a time${STORY}`.repeat(6);
    const stop = new AbortController();
    const added = vi.spyOn(KeyValueCache.prototype, 'added').mockImplementation(function (this: KeyValueCache, ids) {
      stop.abort();
      original.call(this, ids);
    });
    const reply = await mine.generate({ ...request(long), signal: stop.signal });
    expect(reply).toMatchObject({ stoppedBy: 'user', tokens: 0, text: '' });
    added.mockRestore();
    const next = await mine.generate({ ...request(long), maxNewTokens: 1 });
    expect(next.readTokens).toBeLessThan(next.promptTokens);
    expect(next.readTokens).toBeGreaterThan(1);
    await mine.dispose();
  });

  it('stops a reply when the weights change, and keeps nothing that they made', async () => {
    const mine = await Chat.open({ ...stories, weights: placed.weights });
    let tokens = 0;
    const reply = await mine.generate({
      ...request('Once upon a time'),
      maxNewTokens: 200,
      onTokens: () => {
        tokens += 1;
        if (tokens === 5) mine.weightsChanged();
      },
    });
    expect(reply).toMatchObject({ stoppedBy: 'user', tokens: 5 });
    const next = await mine.generate({ ...request('Once upon a time'), maxNewTokens: 5 });
    expect(next).toMatchObject({ text: reply.text, readTokens: 5 });
    await mine.dispose();
  });

  it('writes several replies at a time as it writes them alone', async () => {
    const texts = ['Once upon a time', 'One day, a boy', 'The sun was'];
    const alone: string[] = [];
    for (const text of texts) alone.push((await continueFrom(text, { maxNewTokens: 8 })).text);
    const together = await Promise.all(texts.map((text) => continueFrom(text, { maxNewTokens: 8 })));
    expect(together.map(({ text }) => text)).toEqual(alone);
  });

  it.each([
    ['between tokens', ' girl'],
    ['inside of one', 'irl nam'],
    ['at the beginning', ','],
  ])('ends before a stop string %s, which never shows', async (_, stop) => {
    const texts: string[] = [];
    const reply = await continueFrom('Once upon a time', {
      stop: ['never', '', stop],
      onTokens: (text) => texts.push(text),
    });
    expect(reply.stoppedBy).toBe('stop');
    expect(reply.text).toBe(STORY.slice(0, STORY.indexOf(stop)));
    for (const text of texts) expect(reply.text.startsWith(text)).toBe(true);
    expect(reply.tokens).toBeLessThan(20);
  });

  it('gives at the end what it held back', async () => {
    const reply = await continueFrom('Once upon a time', { maxNewTokens: 6, stop: [', there was a little boy'] });
    expect(reply.stoppedBy).toBe('length');
    expect(STORY.startsWith(reply.text)).toBe(true);
    expect(reply.text.length).toBeGreaterThan(10);
  });

  it('tells probabilities and what else was likely', async () => {
    const said: SaidToken[] = [];
    await continueFrom('Once upon a time', {
      maxNewTokens: 8,
      alternatives: 5,
      onTokens: (_, tokens) => said.push(...tokens),
    });
    expect(said).toHaveLength(8);
    const ids = [1, 403, 407, 261, 378];
    for (const { token, probability, alternatives } of said) {
      const row = Array.from(forward(stories.config, stories.tensors, ids)[ids.length - 1] ?? []);
      const sum = row.reduce((total, logit) => total + Math.exp(logit), 0);
      expect(probability).toBeCloseTo(Math.exp(row[token] ?? 0) / sum, 4);
      expect(alternatives).toHaveLength(5);
      // Greedy: the chosen one is the likeliest.
      expect(alternatives[0]).toMatchObject({ token, probability });
      const best = [...row.keys()].sort((a, b) => (row[b] ?? 0) - (row[a] ?? 0)).slice(0, 5);
      expect(alternatives.map((choice) => choice.token)).toEqual(best);
      ids.push(token);
    }
  });

  it('scores a text as the oracle does, in windows where it is longer than the context', async () => {
    const text = `Once upon a time${STORY}`;
    const ids = [1, 403, 407, 261, 378];
    const progress: number[] = [];
    const score = await chat.score(text, undefined, (done, all) => {
      expect(all).toBe(chat.prompt(request(text)).tokens);
      progress.push(done);
    });
    const tokens = score.tokens;
    expect(progress.at(-1)).toBe(tokens);
    expect(score.pieces).toHaveLength(tokens);
    expect(score.pieces[0]?.logProbability).toBeNull();
    expect(score.pieces.map((piece) => piece.text).join('')).toBe(`<s> ${text}`);
    const sum = score.pieces.reduce((total, piece) => total + (piece.logProbability ?? 0), 0);
    expect(score.perplexity).toBeCloseTo(Math.exp(-sum / (tokens - 1)), 6);
    expect(score.bitsPerByte).toBeCloseTo(-sum / Math.LN2 / text.length, 6);
    const rows = forward(stories.config, stories.tensors, ids);
    for (let place = 1; place < ids.length; place++) {
      const row = Array.from(rows[place - 1] ?? []);
      const mass = row.reduce((total, logit) => total + Math.exp(logit), 0);
      const truth = (row[ids[place] ?? 0] ?? 0) - Math.log(mass);
      expect(Math.abs((score.pieces[place]?.logProbability ?? 0) - truth)).toBeLessThan(1e-4);
    }

    const config = { ...stories.config, max_position_embeddings: 24 };
    const short = await Chat.open({ config, sideFiles: stories.sideFiles, weights: placed.weights });
    const windowed = await short.score(text);
    expect(windowed.tokens).toBe(tokens);
    // Each token is foreseen from the window it is in: the same at first, then from at least half of it.
    for (let place = 1; place < 24; place++) {
      const [a = 0, b = 1] = [windowed, score].map(({ pieces }) => pieces[place]?.logProbability ?? Number.NaN);
      expect(Math.abs(a - b)).toBeLessThan(1e-4);
    }
    expect(windowed.pieces.slice(1).every(({ logProbability }) => Number.isFinite(logProbability))).toBe(true);
    expect(windowed.perplexity).toBeGreaterThan(score.perplexity);
    expect(windowed.perplexity).toBeLessThan(score.perplexity * 3);
    await short.dispose();

    await expect(chat.score('')).rejects.toBeInstanceOf(MissingFault);
    await expect(chat.score(text, AbortSignal.abort())).rejects.toBeInstanceOf(CancelledFault);
  });

  it('counts a prompt, and takes a template that came with the request', async () => {
    expect(chat.prompt(request('Once upon a time'))).toEqual({
      text: 'Once upon a time',
      tokens: 5,
      contextTokens: 512,
      template: null,
    });
    const asked = {
      ...request('Once upon a time'),
      mode: 'chat',
      template: '{{ bos_token }}{{ messages[0].content }}',
    };
    expect(chat.prompt(asked as GenerateOptions)).toMatchObject({ text: '<s>Once upon a time', tokens: 5 });
    const reply = await chat.generate(asked as GenerateOptions);
    expect(STORY.trimStart().startsWith(reply.text.slice(0, 20))).toBe(true);
    await expect(chat.generate({ ...asked, template: '{% if %}' } as GenerateOptions)).rejects.toThrow(
      /^The chat template does not parse/,
    );
  });

  it('talks with a vocabulary of characters', async () => {
    const itos = Array.from({ length: 512 }, (_, id) => String.fromCodePoint(0x100 + id));
    const sideFiles = new Map([['meta.json', JSON.stringify({ itos })]]);
    const spelling = await Chat.open({ config: stories.config, sideFiles, weights: placed.weights });
    const text = [403, 407, 261, 378].map((id) => itos[id]).join('');
    const reply = await spelling.generate({ ...request(text), maxNewTokens: 5, alternatives: 2 });
    expect([...reply.text]).toHaveLength(5);
    await expect(spelling.generate(request('Once'))).rejects.toBeInstanceOf(UnsupportedFault);
    await spelling.dispose();
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
    let tokens = 0;
    const reply = closing.generate({
      ...request('Once upon a time'),
      maxNewTokens: 300,
      onTokens: () => {
        tokens += 1;
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
    template: null,
    maxNewTokens: 20,
    sampling: GREEDY,
    stop: [],
    alternatives: 0,
  };
}
