import { expect, it } from 'vitest';
import type { Chat, Generated, GenerateOptions } from '../chat/chat.ts';
import { GREEDY } from '../chat/sampling.ts';
import type { SayEvent, SayRequest } from './engine-api.ts';
import { Replies } from './replies.ts';
import type { Voice } from './voice.ts';

const REQUEST: SayRequest = {
  speaker: { kind: 'checkpoint', name: 'a' },
  messages: [{ role: 'user', content: 'Say' }],
  mode: 'continue',
  template: null,
  maxNewTokens: 2,
  sampling: GREEDY,
  stop: [],
  alternatives: 0,
};

/** A chat that says two words at once, as far as replies know one. */
const chat = {
  prompt: () => ({ tokens: 1 }),
  generate: async ({ onTokens }: GenerateOptions) => {
    onTokens?.('one', []);
    onTokens?.('one two', []);
    return { text: 'one two', tokens: 2 } as Generated;
  },
} as unknown as Chat;

const voice = {
  info: null,
  chat: async () => chat,
  use: (_chat: Chat, _stop: AbortController, work: (chat: Chat) => Promise<unknown>) => work(chat),
} as unknown as Voice;

function replies(): Replies {
  return new Replies({
    inTurn: (work) => work(new AbortController().signal),
    ready: async () => ({ voice, blend: null }),
  });
}

/** A listener across a boundary: what it is told arrives in order, but later, and it says so only then. */
function farListener(onArrival: (event: SayEvent) => void) {
  let last: Promise<void> = Promise.resolve();
  return (event: SayEvent): Promise<void> => {
    last = last.then(() => new Promise((resolve) => setTimeout(resolve, 5))).then(() => onArrival(event));
    return last;
  };
}

it('tells of the end only after the last word has arrived', async () => {
  const arrived: string[] = [];
  const listener = farListener((event) => {
    if (event.phase === 'speaking') arrived.push(event.text);
  });
  const outcomes = await replies().say([REQUEST, REQUEST], listener);
  expect(arrived).toEqual(['one', 'one two', 'one', 'one two']);
  expect(outcomes).toMatchObject([{ reply: { text: 'one two' } }, { reply: { text: 'one two' } }]);
});

it('tells of the end also where the listener has failed', async () => {
  const outcomes = await replies().say([REQUEST], () => Promise.reject(new Error('the page has gone')));
  expect(outcomes).toMatchObject([{ reply: { text: 'one two' } }]);
});
