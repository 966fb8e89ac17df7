import { describe, expect, it } from 'vitest';
import { MissingFault } from '../bytes/fault.ts';
import {
  createChat,
  currentConversation,
  currentMode,
  currentSpeaker,
  DEFAULT_SETTINGS,
  isReplying,
  speakerChoices,
} from './chat-store.ts';
import { isUnderWay, pathOf } from './conversation.ts';
import type { SayEvent, SayOutcome, SayRequest } from './engine-api.ts';
import {
  blendReport,
  checkpoint,
  engineDouble,
  promptInfo,
  replied,
  reply,
  saidToken,
  speakerInfo,
} from './engine-double.ts';
import { nobodySentence } from './speaker-choices.ts';
import { createStudio } from './studio.ts';

const settled = () => new Promise((resolve) => setTimeout(resolve, 0));
const RECIPE = 'merge_method: linear\nmodels:\n  - model: one\n  - model: two\n';

function bench(...checkpoints: ReturnType<typeof checkpoint>[]) {
  const double = engineDouble();
  const studio = createStudio(double.engine);
  studio.store.setState({ checkpoints });
  const chat = createChat(studio);
  const state = chat.store.getState;
  const said = () => double.of('say').map((call) => call.args[0] as readonly SayRequest[]);
  const conversation = () => currentConversation(state());
  const event = (what: SayEvent) => {
    const onEvent = double.of('say').at(-1)?.args[1] as ((event: SayEvent) => void) | undefined;
    onEvent?.(what);
  };
  const shown = () =>
    pathOf(conversation()).flatMap(({ message, answers }) => [
      message.text,
      ...answers.map(({ reply: one }) => one?.text ?? null),
    ]);
  const lastReply = (column = 0) => pathOf(conversation()).at(-1)?.answers[column]?.reply;
  const merge = (blend: number, text = RECIPE) => studio.store.setState({ blend: blendReport(blend), blendText: text });
  return { ...double, studio, chat, state, said, conversation, event, shown, lastReply, merge };
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

  it('says why there is nobody', () => {
    const said = (...checkpoints: ReturnType<typeof checkpoint>[]) =>
      nobodySentence(bench(...checkpoints).studio.store.getState());
    expect(said()).toBe('Open a checkpoint with its config and tokenizer to talk to it.');
    expect(said(checkpoint('mute', { chatObstacle: 'mute has no tokenizer.' }))).toBe('mute has no tokenizer.');
    expect(said(checkpoint('mute', { chatObstacle: 'a' }), checkpoint('deaf', { chatObstacle: 'b' }))).toBe(
      'None of the open checkpoints can be talked to; the list of checkpoints says why.',
    );
  });

  it('is the blend once there is one, unless a source was chosen, and another when that is closed', () => {
    const { chat, studio, merge } = bench(checkpoint('one'), checkpoint('two'));
    merge(1);
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
    expect(currentMode(plain.state(), plain.studio.store.getState())).toBe('continue');
    plain.chat.change({ template: '{{ messages }}' });
    expect(currentMode(plain.state(), plain.studio.store.getState())).toBe('chat');
    const one = bench(checkpoint('one'));
    expect(currentMode(one.state(), one.studio.store.getState())).toBe('chat');
    one.chat.change({ wantsContinuation: true });
    expect(currentMode(one.state(), one.studio.store.getState())).toBe('continue');
  });

  it('offers earlier blends by their recipe, the live one only as itself', () => {
    const { studio, state, merge } = bench(checkpoint('one'), checkpoint('two'));
    const other = `${RECIPE}parameters: {normalize: false}\n`;
    merge(1);
    const first = state().blends[0];
    expect(first).toMatchObject({ blend: 1, label: 'Blend 1 · linear' });
    // Long enough after the first one not to be of the same burst, as it was heard.
    studio.store.setState({ blend: blendReport(1), blendText: RECIPE });
    expect(speakerChoices(studio.store.getState(), state().blends).map(({ label }) => label)).toEqual([
      'Merged model',
      'one',
      'two',
    ]);
    const blends = [{ blend: 2, label: 'Blend 2 · linear', text: other }, ...state().blends];
    studio.store.setState({ blendText: other, checkpoints: [checkpoint('one')] });
    const choice = speakerChoices(studio.store.getState(), blends)[1];
    expect(choice).toMatchObject({ label: 'Blend 1 · linear', speaker: { kind: 'recipe', text: RECIPE } });
    expect(choice?.obstacle).toMatch(/two is not open any more/);
  });
});

describe('a reply', () => {
  it('goes through its phases and keeps text, tokens, figures and the blend’s recipe', async () => {
    const { chat, event, of, lastReply, merge, state } = bench(checkpoint('one'));
    merge(3);
    const sending = chat.send('Hello');
    expect(lastReply()?.phase).toBe('waiting');
    await settled();
    event({ column: 0, phase: 'loading', speaker: { kind: 'blend' } });
    expect(lastReply()?.phase).toBe('loading');
    event({ column: 0, phase: 'reading', info: speakerInfo({ precision: 'q8' }), promptTokens: 4 });
    expect(lastReply()).toMatchObject({ phase: 'reading', info: { precision: 'q8' } });
    event({ column: 0, phase: 'speaking', text: 'He', tokens: [saidToken(1, 'He')] });
    // A newer blend comes while it streams; the reply says which one it was read from.
    merge(4, `${RECIPE}# moved\n`);
    event({ column: 0, phase: 'speaking', text: 'Hello', tokens: [saidToken(2, 'llo')] });
    of('say')[0]?.resolve(replied('Hello too', { blend: 3 }));
    await sending;
    expect(lastReply()).toMatchObject({ phase: 'done', text: 'Hello too', recipe: RECIPE, figures: { blend: 3 } });
    expect(lastReply()?.tokens.map(({ token }) => token)).toEqual([1, 2]);
    expect(state().blends.map(({ blend, wasHeard }) => [blend, wasHeard])).toEqual([
      [4, false],
      [3, true],
    ]);
    event({ column: 0, phase: 'speaking', text: 'late', tokens: [] });
    expect(lastReply()?.text).toBe('Hello too');
  });

  it('is sent the system prompt only if there is one, and earlier turns only if wanted', async () => {
    const { chat, answer, said } = bench(checkpoint('one'));
    answer('say', () => replied('yes'));
    await chat.send('a');
    await chat.send('b');
    chat.change({ context: 'none' });
    chat.setSystemPrompt('Be brief.');
    await chat.send('c');
    expect(said().map(([r]) => r?.messages.map(({ role, content }) => `${role}: ${content}`))).toEqual([
      ['user: a'],
      ['user: a', 'assistant: yes', 'user: b'],
      ['system: Be brief.', 'user: c'],
    ]);
  });

  it('leaves the oldest exchanges out where only what fits is wanted', async () => {
    const { chat, answer, said, lastReply } = bench(checkpoint('one'));
    answer('say', () => replied('yes'));
    for (const text of ['a', 'b', 'c']) await chat.send(text);
    chat.change({ context: 'fitting', maxNewTokens: 100 });
    // 100 tokens a message: of 512, 412 stay for the prompt.
    answer('prompt', ({ messages }) => promptInfo(messages.length * 100));
    await chat.send('d');
    expect(
      said()
        .at(-1)?.[0]
        ?.messages.map(({ content }) => content),
    ).toEqual(['c', 'yes', 'd']);
    expect(lastReply()?.leftOut).toBe(2);
  });

  it('continues only the text itself, with the settings as they are', async () => {
    const { chat, answer, said } = bench(checkpoint('plain', { hasChatTemplate: false }));
    answer('say', () => replied(', there was'));
    chat.setSystemPrompt('ignored');
    chat.change({ temperature: 0.7, topK: 40, topP: 0.9, seed: 9, maxNewTokens: 24, stop: ['', '.'] });
    await chat.send('Once upon a time');
    await chat.send('Once more');
    expect(said()[1]).toEqual([
      {
        speaker: { kind: 'checkpoint', name: 'plain' },
        messages: [{ role: 'user', content: 'Once more' }],
        mode: 'continue',
        template: null,
        maxNewTokens: 24,
        sampling: { temperature: 0.7, topK: 40, topP: 0.9, minP: 0, repetitionPenalty: 1, seed: 9 },
        stop: ['.'],
        alternatives: 0,
      },
    ]);
    chat.resetSettings();
    expect(chat.store.getState().settings).toEqual(DEFAULT_SETTINGS);
  });

  it('takes one message at a time', async () => {
    const { chat, of, state } = bench(checkpoint('one'));
    void chat.send('a');
    void chat.send('b');
    await settled();
    expect(of('say')).toHaveLength(1);
    expect(isReplying(state())).toBe(true);
  });

  it('shows a fault in its place, leaves failed turns out of what is sent, and goes on', async () => {
    const { chat, answer, lastReply, said } = bench(checkpoint('one'));
    answer('say', () => {
      throw new MissingFault('The tokenizer is missing; add it.');
    });
    await chat.send('a');
    expect(lastReply()).toMatchObject({ phase: 'failed', fault: { code: 'missing' } });
    answer('say', () => replied('yes'));
    await chat.send('b');
    expect(said().at(-1)?.[0]?.messages).toEqual([{ role: 'user', content: 'b' }]);
  });

  it('stops only what is running', async () => {
    const { chat, of, answer, state } = bench(checkpoint('one'));
    answer('stop', () => undefined);
    await chat.stop();
    expect(of('stop')).toHaveLength(0);
    const sending = chat.send('a');
    await settled();
    await chat.stop();
    expect(of('stop')).toHaveLength(1);
    of('say')[0]?.resolve(replied('y', { stoppedBy: 'user' }));
    await sending;
    expect(isReplying(state())).toBe(false);
  });

  it('can be stopped while what fits is still being counted', async () => {
    const { chat, answer, of, lastReply, state } = bench(checkpoint('one'));
    answer('say', () => replied('yes'));
    await chat.send('a');
    chat.change({ context: 'fitting' });
    const sending = chat.send('b');
    await settled();
    expect(of('prompt')).toHaveLength(1);
    await chat.stop();
    expect(isReplying(state())).toBe(false);
    of('prompt')[0]?.resolve(promptInfo(1));
    await sending;
    expect(of('say')).toHaveLength(1);
    expect(lastReply()).toMatchObject({ phase: 'failed', fault: { code: 'cancelled' } });
  });
});

describe('branches', () => {
  it('regenerates beside the last reply, from whoever is talked to now', async () => {
    const { chat, answer, shown, said, lastReply } = bench(checkpoint('one'), checkpoint('two'));
    answer('say', () => replied('yes'));
    await chat.send('a');
    await chat.send('b');
    answer('say', () => replied('no'));
    chat.choose({ kind: 'checkpoint', name: 'two' });
    await chat.regenerate();
    expect(shown()).toEqual(['a', 'yes', 'b', 'no']);
    expect(said().at(-1)).toMatchObject([{ speaker: { name: 'two' }, messages: [{}, {}, { content: 'b' }] }]);
    chat.pick(lastReply()?.id ?? 0, -1);
    expect(shown()).toEqual(['a', 'yes', 'b', 'yes']);
  });

  it('edits a message and sends it, without what came after it', async () => {
    const { chat, answer, shown, conversation, said } = bench(checkpoint('one'));
    answer('say', ([request]) => replied(`re ${request?.messages.at(-1)?.content}`));
    for (const text of ['a', 'b', 'c']) await chat.send(text);
    chat.startEditing(pathOf(conversation())[1]?.message.id ?? 0);
    await chat.edit(pathOf(conversation())[1]?.message.id ?? 0, 'B');
    expect(chat.store.getState().editing).toBeNull();
    expect(shown()).toEqual(['a', 're a', 'B', 're B']);
    expect(said().at(-1)?.[0]?.messages).toHaveLength(3);
    chat.pick(pathOf(conversation())[1]?.message.id ?? 0, -1);
    expect(shown()).toEqual(['a', 're a', 'b', 're b', 'c', 're c']);
  });

  it('edits a reply without asking anybody', async () => {
    const { chat, answer, shown, lastReply, of } = bench(checkpoint('one'));
    answer('say', () => replied('yes'));
    await chat.send('a');
    await chat.edit(lastReply()?.id ?? 0, 'mine');
    expect(shown()).toEqual(['a', 'mine']);
    expect(of('say')).toHaveLength(1);
    chat.remove(lastReply()?.id ?? 0);
    expect(shown()).toEqual(['a', 'yes']);
  });
});

describe('columns', () => {
  it('asks all of them at once, and each ends for itself', async () => {
    const { chat, of, said, event, shown, conversation, state, answer } = bench(checkpoint('one'), checkpoint('two'));
    answer('stop', () => undefined);
    chat.addColumn({ kind: 'checkpoint', name: 'two' });
    const sending = chat.send('Hello');
    await settled();
    expect(said()[0]?.map(({ speaker }) => speaker)).toEqual([
      { kind: 'checkpoint', name: 'one' },
      { kind: 'checkpoint', name: 'two' },
    ]);
    event({ column: 1, phase: 'speaking', text: 'from two', tokens: [] });
    event({ column: 0, phase: 'speaking', text: 'from one', tokens: [] });
    expect(shown()).toEqual(['Hello', 'from one', 'from two']);
    await chat.stop(conversation().columns[1]?.id);
    expect(of('stop').at(-1)?.args).toEqual([1]);
    const outcomes: readonly SayOutcome[] = [
      { fault: { code: 'device', message: 'The GPU failed.', details: {} } },
      { reply: reply('from two', { stoppedBy: 'user' }) },
    ];
    of('say')[0]?.resolve(outcomes);
    await sending;
    expect(pathOf(conversation())[0]?.answers.map(({ reply: one }) => one?.phase)).toEqual(['failed', 'done']);
    expect(isReplying(state())).toBe(false);
    void chat.regenerate({ column: conversation().columns[0]?.id ?? 0 });
    await settled();
    expect(said().at(-1)).toHaveLength(1);
  });

  it('has the template decide in each column, and leaves out whom it cannot reach', async () => {
    const { chat, answer, said, studio } = bench(
      checkpoint('one'),
      checkpoint('plain', { hasChatTemplate: false }),
      checkpoint('mute', { chatObstacle: 'no tokenizer' }),
    );
    answer('say', (requests) => requests.map(() => ({ reply: reply('yes') })));
    chat.addColumn({ kind: 'checkpoint', name: 'plain' });
    chat.addColumn({ kind: 'checkpoint', name: 'mute' });
    expect(currentMode(chat.store.getState(), studio.store.getState())).toBe('chat');
    await chat.send('a');
    await chat.send('b');
    expect(said()[1]?.map(({ mode, messages }) => [mode, messages.length])).toEqual([
      ['chat', 3],
      ['continue', 1],
    ]);
  });
});

describe('conversations', () => {
  it('begins another one, goes back, and takes the empty one again', async () => {
    const { chat, answer, shown, state } = bench(checkpoint('one'));
    answer('say', () => replied('yes'));
    await chat.send('a');
    chat.setSystemPrompt('Be brief.');
    chat.begin();
    expect(shown()).toEqual([]);
    expect(currentConversation(state()).systemPrompt).toBe('Be brief.');
    const [empty, first] = state().conversations.map(({ id }) => id);
    chat.open(first ?? 0);
    expect(shown()).toEqual(['a', 'yes']);
    chat.begin();
    expect(state().current).toBe(empty);
    expect(state().conversations).toHaveLength(2);
  });

  it('streams into the conversation that was asked, whichever is shown', async () => {
    const { chat, event, of, shown, state } = bench(checkpoint('one'));
    const sending = chat.send('a');
    await settled();
    chat.begin();
    event({ column: 0, phase: 'speaking', text: 'here', tokens: [] });
    expect(shown()).toEqual([]);
    of('say')[0]?.resolve(replied('here'));
    await sending;
    expect(state().conversations.some(({ replies }) => replies[0]?.text === 'here')).toBe(true);
  });

  it('stops the reply of one that is deleted, and always has one', async () => {
    const { chat, of, answer, state } = bench(checkpoint('one'));
    answer('stop', () => of('say')[0]?.resolve(replied('y', { stoppedBy: 'user' })));
    const sending = chat.send('a');
    await settled();
    await chat.delete(state().current);
    await sending;
    expect(of('stop')).toHaveLength(1);
    expect(state().conversations).toHaveLength(1);
    expect(currentConversation(state()).messages).toEqual([]);
    expect(isReplying(state())).toBe(false);
    expect(
      state()
        .conversations.flatMap(({ replies }) => replies)
        .some(isUnderWay),
    ).toBe(false);
  });

  it('renames and clears', async () => {
    const { chat, answer, conversation, shown } = bench(checkpoint('one'));
    answer('say', () => replied('yes'));
    await chat.send('a');
    chat.rename(conversation().id, 'Mine');
    expect(conversation().title).toBe('Mine');
    chat.clear();
    expect([shown(), conversation().title]).toEqual([[], null]);
  });
});
