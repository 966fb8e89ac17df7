import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { MalformedFault } from '../bytes/fault.ts';
import { createChat, currentConversation } from './chat-store.ts';
import { meterContext } from './context-meter.ts';
import type { PromptRequest } from './engine-api.ts';
import { checkpoint, engineDouble, promptInfo, replied } from './engine-double.ts';
import { createStudio } from './studio.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

function bench() {
  const double = engineDouble();
  const studio = createStudio(double.engine);
  studio.store.setState({ checkpoints: [checkpoint('one'), checkpoint('two')] });
  const chat = createChat(studio);
  const stop = meterContext(chat, studio);
  double.answer('prompt', ({ messages }) => promptInfo(messages.reduce((sum, { content }) => sum + content.length, 0)));
  double.answer('say', () => replied('yes'));
  const prompts = () => Object.values(chat.store.getState().prompts);
  const asked = () => double.of('prompt').at(-1)?.args[0] as PromptRequest | undefined;
  return { ...double, studio, chat, stop, prompts, asked, later: () => vi.advanceTimersByTimeAsync(400) };
}

it('counts once after a pause in typing, and nothing where there is nothing', async () => {
  const { chat, of, prompts, later } = bench();
  for (const draft of ['H', 'He', 'Hel']) chat.setDraft(draft);
  await later();
  expect(of('prompt')).toHaveLength(1);
  expect(prompts()).toMatchObject([{ info: { tokens: 3, contextTokens: 512 }, leftOut: 0, fault: null }]);
  chat.setDraft('');
  await later();
  expect(prompts()).toMatchObject([{ info: null }]);
  expect(of('prompt')).toHaveLength(1);
});

it('counts again for another speaker, the settings that matter, and after a reply, but not for what changes nothing', async () => {
  const { chat, of, prompts, asked, later } = bench();
  chat.setDraft('Hello');
  await later();
  chat.change({ temperature: 1 });
  await later();
  expect(of('prompt')).toHaveLength(1);
  chat.choose({ kind: 'checkpoint', name: 'two' });
  await later();
  expect(asked()?.speaker).toEqual({ kind: 'checkpoint', name: 'two' });
  chat.change({ template: '{{ own }}' });
  await later();
  expect(asked()?.template).toBe('{{ own }}');
  const before = of('prompt').length;
  chat.setDraft('');
  await chat.send('Hello');
  await later();
  expect(of('prompt')).toHaveLength(before + 1);
  expect(prompts()).toMatchObject([{ info: { tokens: 8 } }]);
});

it('tells each column its own, drops those that are gone, and says why it cannot', async () => {
  const { chat, answer, prompts, later } = bench();
  chat.addColumn({ kind: 'checkpoint', name: 'two' });
  answer('prompt', ({ speaker }) => {
    if (speaker.kind === 'checkpoint' && speaker.name === 'two') throw new MalformedFault('The template refuses it.');
    return promptInfo(7);
  });
  chat.setDraft('x');
  await later();
  expect(prompts()).toMatchObject([{ info: { tokens: 7 } }, { info: null, fault: 'The template refuses it.' }]);
  chat.removeColumn(currentConversation(chat.store.getState()).columns[1]?.id ?? 0);
  await later();
  expect(prompts()).toHaveLength(1);
});

it('drops an answer that comes after something newer was asked', async () => {
  const { chat, engine, later } = bench();
  const waiting: ((tokens: number) => void)[] = [];
  engine.prompt = () => new Promise((resolve) => waiting.push((tokens) => resolve(promptInfo(tokens))));
  chat.setDraft('a');
  await later();
  chat.setDraft('ab');
  await later();
  waiting[1]?.(2);
  await later();
  waiting[0]?.(1);
  await later();
  const { prompts } = chat.store.getState();
  expect(Object.values(prompts)).toMatchObject([{ info: { tokens: 2 } }]);
});
