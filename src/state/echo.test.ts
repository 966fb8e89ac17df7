/** The echo over a studio and its chat: what answers again, when, and that its answers do not pile up. */

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createChat, currentConversation } from './chat-store.ts';
import { pathOf } from './conversation.ts';
import { createEcho } from './echo.ts';
import type { SayRequest } from './engine-api.ts';
import { blendReport, checkpoint, engineDouble, replied } from './engine-double.ts';
import { createStudio } from './studio.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** A chat that had one reply by blend 1; `say` waits for the test from then on. */
async function bench(isOn = true) {
  const double = engineDouble();
  const studio = createStudio(double.engine);
  const chat = createChat(studio);
  const echo = createEcho(studio, chat);
  studio.store.setState({ checkpoints: [checkpoint('base'), checkpoint('tune')] });
  const blend = (number: number) =>
    studio.store.setState({ blend: blendReport(number), blendText: `# recipe ${number}\n` });
  blend(1);
  echo.setOn(isOn);
  const says = () => double.of('say');
  const settle = async (text: string, number = 1) => {
    says()
      .at(-1)
      ?.resolve(replied(text, { blend: number }));
    await vi.advanceTimersByTimeAsync(1000);
  };
  void chat.send('Shout wood');
  await vi.advanceTimersByTimeAsync(1000);
  await settle('WOOD');
  const replies = () => currentConversation(chat.store.getState()).replies.map(({ text }) => text);
  const shown = () => pathOf(currentConversation(chat.store.getState())).at(-1)?.answers[0]?.reply?.text;
  const wait = () => vi.advanceTimersByTimeAsync(1000);
  return { ...double, studio, chat, echo, blend, says, settle, replies, shown, wait };
}

describe('the echo', () => {
  it('answers the last message again after a new blend, and only while it is on', async () => {
    const b = await bench(false);
    b.blend(2);
    await b.wait();
    expect(b.says()).toHaveLength(1);
    b.echo.setOn(true);
    b.blend(3);
    await b.wait();
    expect(b.says()).toHaveLength(2);
    const [requests] = (b.says()[1]?.args ?? []) as [readonly SayRequest[]];
    expect(requests.map(({ speaker }) => speaker.kind)).toEqual(['blend']);
    expect(requests[0]?.messages.at(-1)?.content).toBe('Shout wood');
    await b.settle('wood', 3);
    expect(b.shown()).toBe('wood');
    expect(b.replies()).toEqual(['WOOD', 'wood']);
  });

  it('puts each of its answers in the place of the one before, and keeps what was asked for', async () => {
    const b = await bench();
    for (const number of [2, 3, 4]) {
      b.blend(number);
      await b.wait();
      await b.settle(`answer ${number}`, number);
    }
    expect(b.replies()).toEqual(['WOOD', 'answer 4']);
    void b.chat.regenerate();
    await b.wait();
    await b.settle('asked for', 4);
    b.blend(5);
    await b.wait();
    await b.settle('answer 5', 5);
    expect(b.replies().filter((text) => text !== 'answer 4')).toEqual(['WOOD', 'asked for', 'answer 5']);
  });

  it('asks once for many blends in a row, and the newest wins over a reply that is under way', async () => {
    const b = await bench();
    for (let number = 2; number < 20; number++) b.blend(number);
    await b.wait();
    expect(b.says()).toHaveLength(2);
    b.blend(20);
    b.blend(21);
    await b.wait();
    expect(b.says()).toHaveLength(2);
    await b.settle('half of', 19);
    expect(b.says()).toHaveLength(3);
    await b.settle('the newest', 21);
    expect(b.says()).toHaveLength(3);
    expect(b.replies()).toEqual(['WOOD', 'the newest']);
  });

  it('leaves a person who types or edits alone', async () => {
    const b = await bench();
    b.chat.setDraft('Sp');
    b.blend(2);
    await b.wait();
    b.chat.setDraft('');
    b.chat.startEditing(2);
    b.blend(3);
    await b.wait();
    expect(b.says()).toHaveLength(1);
  });

  it('does not answer for others, nor where nothing was asked', async () => {
    const b = await bench();
    b.chat.choose({ kind: 'checkpoint', name: 'tune' });
    void b.chat.send('Spell wood');
    await b.wait();
    await b.settle('w-o-o-d');
    b.blend(2);
    await b.wait();
    expect(b.says()).toHaveLength(2);
    b.chat.clear();
    b.blend(3);
    await b.wait();
    expect(b.says()).toHaveLength(2);
  });

  it('is not moved by the first blend', async () => {
    const b = await bench();
    b.studio.store.setState({ blend: null, blendText: null });
    b.blend(2);
    await b.wait();
    expect(b.says()).toHaveLength(1);
  });
});
