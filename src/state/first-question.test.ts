/** What happens after a newcomer opened the samples, over an engine whose answers the test plays. */

import { describe, expect, it } from 'vitest';
import { type ChatState, currentConversation } from './chat-store.ts';
import { pathOf } from './conversation.ts';
import type { SayRequest, SayOutcome } from './engine-api.ts';
import { blendReport, checkpoint, checkReport, engineDouble, reply, weightsMap } from './engine-double.ts';
import { firstQuestionSentence } from './first-question.ts';
import { createWorkbench } from './workbench.ts';

const SHOWCASE = { prompt: 'Do both to it', answer: 'BOTH', note: 'Both at once.' };
const INDEX = {
  family: 'Tiny',
  description: 'Small.',
  base: 'tiny-base',
  models: [
    { folder: 'tiny-shout', title: 'S', skill: 'shout', description: 'Shouts.' },
    { folder: 'tiny-spell', title: 'P', skill: 'spell', description: 'Spells.' },
  ],
  files: {
    'tiny-base': [{ name: 'a', bytes: 1 }],
    'tiny-shout': [{ name: 'a', bytes: 1 }],
    'tiny-spell': [{ name: 'a', bytes: 1 }],
  },
  try: ['Shout it'],
  showcase: SHOWCASE,
};

/** What each speaker says. */
const SAID: Readonly<Record<string, string>> = { blend: 'BOTH', 'tiny-shout': 'Shouted', 'tiny-spell': 'spelt' };

function bench(said: Readonly<Record<string, string>> = SAID) {
  const double = engineDouble();
  const workbench = createWorkbench(double.engine, {
    fetch: (async (url: string) =>
      new Response(url.endsWith('index.json') ? JSON.stringify(INDEX) : '{}')) as typeof fetch,
    pickFolder: null,
    download: () => undefined,
    copy: async () => undefined,
  });
  double.answer('add', (files) => ({
    added: files.map(({ path }) => checkpoint(path.split('/')[0] ?? '')),
    faults: [],
  }));
  double.answer('check', () => checkReport());
  double.answer('weigh', () => weightsMap(['tiny-shout', 'tiny-spell']));
  double.answer('blend', () => blendReport(1));
  double.answer('say', (requests) =>
    requests.map(({ speaker }): SayOutcome => {
      const name = speaker.kind === 'checkpoint' ? speaker.name : speaker.kind;
      return { reply: reply(said[name] ?? '?', { blend: speaker.kind === 'blend' ? 1 : null }) };
    }),
  );
  const { chat, firstQuestion, commands } = workbench;
  const conversation = () => currentConversation(chat.store.getState());
  const phases: unknown[] = [];
  firstQuestion.store.subscribe(({ phase }) => phases.push(phase));
  const asked = () =>
    double.of('say').map((call) => {
      const [requests] = call.args as [readonly SayRequest[]];
      return requests.map(({ speaker }) => (speaker.kind === 'checkpoint' ? speaker.name : speaker.kind));
    });
  const shown = () =>
    pathOf(conversation()).map(({ message, answers }) => [
      message.text,
      ...answers.map((own) => own.reply?.text ?? null),
    ]);
  const phase = () => firstQuestion.store.getState().phase;
  const has = (isSo: (state: ChatState) => boolean) =>
    new Promise<void>((resolve) => {
      const stop = chat.store.subscribe((state) => {
        if (!isSo(state)) return;
        stop();
        resolve();
      });
    });
  return {
    ...double,
    ...workbench,
    conversation,
    phases,
    asked,
    shown,
    phase,
    has,
    open: () => commands.openSamples.perform(),
  };
}

describe('the first question', () => {
  it('comes by itself: merged, asked, and then asked of each parent, one after another', async () => {
    const b = bench();
    await b.open();
    expect(b.phases).toEqual(['merging', 'asking', 'comparing', 'answered']);
    expect(b.of('weigh')).toHaveLength(1);
    expect(b.of('blend')).toHaveLength(1);
    expect(b.asked()).toEqual([['blend'], ['tiny-shout'], ['tiny-spell']]);
    expect(b.shown()).toEqual([[SHOWCASE.prompt, 'BOTH', 'Shouted', 'spelt']]);
    expect(firstQuestionSentence(b.phase(), SHOWCASE)).toBe('Both at once.');
  });

  it('claims nothing where the merge was wrong, or a parent right', async () => {
    for (const said of [
      { ...SAID, blend: 'neither' },
      { ...SAID, 'tiny-spell': 'BOTH' },
    ]) {
      const b = bench(said);
      await b.open();
      expect(b.asked()).toHaveLength(3);
      expect(b.phase()).toBeNull();
    }
  });

  it('has its columns before anything is merged, so that nothing moves when replies come', async () => {
    const b = bench();
    const columns: number[] = [];
    b.answer('blend', () => {
      columns.push(b.conversation().columns.length);
      return blendReport(1);
    });
    await b.open();
    expect(columns).toEqual([3]);
  });

  it('says no more once the person goes on', async () => {
    const b = bench();
    await b.open();
    await b.chat.send('My own');
    expect(b.phase()).toBeNull();
  });

  it('leaves a message alone that is being written', async () => {
    const b = bench();
    const done = b.open();
    b.chat.setDraft('My ow');
    await done;
    expect(b.chat.store.getState().draft).toBe('My ow');
  });

  it('does not ask where the person asked first', async () => {
    const b = bench();
    const done = b.open();
    await b.has(({ conversations }) => conversations[0]?.columns.length === 3);
    await b.chat.send('My own');
    await done;
    expect(b.shown().map(([text]) => text)).toEqual(['My own']);
    expect(b.of('blend')).toHaveLength(0);
    expect(b.phase()).toBeNull();
  });

  it('does not merge where the recipe was changed first, and takes its columns back', async () => {
    const b = bench();
    const done = b.open();
    await b.has(({ conversations }) => conversations[0]?.columns.length === 3);
    b.studio.edit((text) => text.replace('varm', 'ties'));
    await done;
    expect(b.of('blend')).toHaveLength(0);
    expect(b.conversation().columns).toHaveLength(1);
  });

  it('asks nobody where the merge was refused', async () => {
    const b = bench();
    b.answer('check', () => ({ ...checkReport(), plan: null }));
    await b.open();
    expect(b.of('blend')).toHaveLength(0);
    expect(b.asked()).toEqual([]);
    expect(b.conversation().columns).toHaveLength(1);
    expect(b.phase()).toBeNull();
  });

  it('asks no parent where the person stopped the reply', async () => {
    const b = bench();
    b.answer('say', () => [{ reply: reply('BO', { blend: 1, stoppedBy: 'user' }) }]);
    await b.open();
    expect(b.asked()).toEqual([['blend']]);
    expect(b.phase()).toBeNull();
  });

  it('is only for an empty page', async () => {
    const b = bench();
    b.studio.store.setState({ checkpoints: [checkpoint('mine')] });
    await b.open();
    expect(b.of('blend')).toHaveLength(0);
    expect(b.asked()).toEqual([]);
  });

  it('can be left out', async () => {
    const b = bench();
    await b.commands.openSamplesOnly.perform();
    expect(b.studio.store.getState().samples?.showcase).toEqual(SHOWCASE);
    expect(b.of('blend')).toHaveLength(0);
    expect(b.conversation().columns).toHaveLength(1);
  });
});
