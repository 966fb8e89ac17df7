import { describe, expect, it } from 'vitest';
import { MissingFault } from '../bytes/fault.ts';
import { createChat, currentMode, currentSpeaker, isReplying, speakerChoices } from './chat-store.ts';
import type { SayRequest } from './engine-api.ts';
import { blendReport, checkpoint, engineDouble, reply } from './engine-double.ts';
import { createStudio } from './studio.ts';

const settled = () => new Promise((resolve) => setTimeout(resolve, 0));

function bench(...checkpoints: ReturnType<typeof checkpoint>[]) {
  const double = engineDouble();
  const studio = createStudio(double.engine);
  studio.store.setState({ checkpoints });
  const chat = createChat(studio);
  double.answer('talkTo', () => ({
    modelType: 'llama',
    contextTokens: 512,
    hasChatTemplate: true,
    provider: 'webgpu',
  }));
  const said = () => double.of('say').map((call) => call.args[0] as SayRequest);
  return { ...double, studio, chat, said, turns: () => chat.store.getState().turns };
}

describe('whom to talk to', () => {
  it('is the first checkpoint that can talk while there is no blend', () => {
    const { chat, studio } = bench(
      checkpoint('mute', { chatObstacle: 'no tokenizer' }),
      checkpoint('one'),
      checkpoint('two'),
    );
    expect(currentSpeaker(chat.store.getState(), studio.store.getState())?.label).toBe('one');
    expect(speakerChoices(studio.store.getState()).map(({ label }) => label)).toEqual([
      'Merged model',
      'mute',
      'one',
      'two',
    ]);
  });

  it('is nobody where nobody can talk', () => {
    const { chat, studio } = bench(checkpoint('mute', { chatObstacle: 'no tokenizer' }));
    expect(currentSpeaker(chat.store.getState(), studio.store.getState())).toBeNull();
  });

  it('is the blend once there is one, unless a source was chosen, and another when that is closed', () => {
    const { chat, studio } = bench(checkpoint('one'), checkpoint('two'));
    studio.store.setState({ blend: blendReport(1) });
    const label = () => currentSpeaker(chat.store.getState(), studio.store.getState())?.label;
    expect(label()).toBe('Merged model');
    chat.choose({ kind: 'checkpoint', name: 'two' });
    expect(label()).toBe('two');
    studio.store.setState({ checkpoints: [checkpoint('one')] });
    expect(label()).toBe('Merged model');
  });

  it('says why a blend cannot talk', () => {
    const { studio } = bench(checkpoint('one'));
    studio.store.setState({ blend: blendReport(1, { chatObstacle: 'no tokenizer' }) });
    expect(speakerChoices(studio.store.getState())[0]?.obstacle).toBe('no tokenizer');
  });

  it('continues text where there is no chat template, or where that is wanted', () => {
    const plain = bench(checkpoint('plain', { hasChatTemplate: false }));
    expect(currentMode(plain.chat.store.getState(), plain.studio.store.getState())).toBe('continue');
    const one = bench(checkpoint('one'));
    expect(currentMode(one.chat.store.getState(), one.studio.store.getState())).toBe('chat');
    one.chat.change({ wantsContinuation: true });
    expect(currentMode(one.chat.store.getState(), one.studio.store.getState())).toBe('continue');
  });
});

describe('a conversation', () => {
  it('streams a reply and keeps the finished text', async () => {
    const { chat, of, turns } = bench(checkpoint('one'));
    const sending = chat.send('Hello');
    expect(turns()).toMatchObject([{ prompt: 'Hello', phase: 'preparing' }]);
    await settled();
    const onText = of('say')[0]?.args[1] as (text: string) => void;
    onText('He');
    expect(turns()).toMatchObject([{ text: 'He', phase: 'speaking' }]);
    of('say')[0]?.resolve(reply('Hello too'));
    await sending;
    expect(turns()).toMatchObject([{ text: 'Hello too', phase: 'done' }]);
    onText('late');
    expect(turns()[0]?.text).toBe('Hello too');
  });

  it('sends the system prompt only if there is one, and earlier turns only if wanted', async () => {
    const { chat, answer, said } = bench(checkpoint('one'));
    answer('say', () => reply('yes'));
    await chat.send('a');
    await chat.send('b');
    chat.change({ systemPrompt: 'Be brief.', remembers: false });
    await chat.send('c');
    expect(said().map(({ messages }) => messages.map(({ role, content }) => `${role}: ${content}`))).toEqual([
      ['user: a'],
      ['user: a', 'assistant: yes', 'user: b'],
      ['system: Be brief.', 'user: c'],
    ]);
  });

  it('continues only the text itself, with the settings as they are', async () => {
    const { chat, answer, said } = bench(checkpoint('plain', { hasChatTemplate: false }));
    answer('say', () => reply(', there was'));
    chat.change({ systemPrompt: 'ignored', temperature: 0.7, topK: 40, seed: 9, maxNewTokens: 24 });
    await chat.send('Once upon a time');
    await chat.send('Once more');
    expect(said()[1]).toEqual({
      speaker: { kind: 'checkpoint', name: 'plain' },
      messages: [{ role: 'user', content: 'Once more' }],
      mode: 'continue',
      temperature: 0.7,
      topK: 40,
      seed: 9,
      maxNewTokens: 24,
    });
  });

  it('takes one prompt at a time', async () => {
    const { chat, of } = bench(checkpoint('one'));
    void chat.send('a');
    void chat.send('b');
    await settled();
    expect(of('say')).toHaveLength(1);
    expect(isReplying(chat.store.getState())).toBe(true);
  });

  it('shows a fault in its turn, leaves failed turns out of what is sent, and goes on', async () => {
    const { chat, answer, turns, said } = bench(checkpoint('one'));
    answer('say', () => {
      throw new MissingFault('The tokenizer is missing; add it.');
    });
    await chat.send('a');
    expect(turns()[0]).toMatchObject({ phase: 'failed', fault: { code: 'missing' } });
    answer('say', () => reply('yes'));
    await chat.send('b');
    expect(said().at(-1)?.messages).toEqual([{ role: 'user', content: 'b' }]);
  });

  it('regenerates the last reply, from whoever is talked to now', async () => {
    const { chat, answer, turns, said } = bench(checkpoint('one'), checkpoint('two'));
    answer('say', () => reply('yes'));
    await chat.send('a');
    await chat.send('b');
    chat.choose({ kind: 'checkpoint', name: 'two' });
    await chat.regenerate();
    expect(turns().map(({ prompt }) => prompt)).toEqual(['a', 'b']);
    expect(said().at(-1)).toMatchObject({ speaker: { name: 'two' }, messages: [{}, {}, { content: 'b' }] });
  });

  it('stops only what is running', async () => {
    const { chat, of, answer } = bench(checkpoint('one'));
    answer('stop', () => undefined);
    await chat.stop();
    expect(of('stop')).toHaveLength(0);
    const sending = chat.send('a');
    await chat.stop();
    expect(of('stop')).toHaveLength(1);
    await settled();
    of('say')[0]?.resolve(reply('y', { stoppedBy: 'user' }));
    await sending;
    expect(isReplying(chat.store.getState())).toBe(false);
  });
});
