import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Fault } from '../bytes/fault.ts';
import { type Conversation, newConversation, withColumn, withMessage, withReply } from './conversation.ts';
import {
  conversationFileName,
  conversationJson,
  conversationMarkdown,
  conversationOf,
  conversationValue,
  readConversation,
} from './conversation-files.ts';
import { keptText, readKept } from './chat-keeping.ts';
import { reply, saidToken, speakerInfo } from './engine-double.ts';

function sample(): Conversation {
  let own = withColumn({ ...newConversation(7, 5), systemPrompt: 'Be brief.' }, { kind: 'checkpoint', name: 'one' });
  const asked = withMessage(own, { text: 'What is\n# this?', mode: 'chat' });
  own = asked.conversation;
  const { text: _, ...figures } = reply('', { blend: 3 });
  for (const { id } of own.columns) {
    own = withReply(own, {
      to: asked.message.id,
      column: id,
      speaker: { kind: 'blend' },
      label: 'Merged model',
      recipe: 'merge_method: varm',
      phase: 'done',
      text: `Answer ${id}`,
      tokens: [saidToken(1, 'Answer', { alternatives: [{ token: 2, text: 'No', probability: 0.2 }] })],
      info: speakerInfo(),
      figures,
    }).conversation;
  }
  return own;
}

describe('JSON', () => {
  it('gives back what was written', () => {
    const own = sample();
    expect(readConversation(conversationJson(own), 'x.json')).toEqual({ ...own, id: 0 });
  });

  it('ends a reply that was on its way', () => {
    const asked = withMessage(newConversation(1, 0), { text: 'a', mode: 'chat' });
    const { conversation } = withReply(asked.conversation, {
      to: asked.message.id,
      column: 1,
      speaker: { kind: 'blend' },
      label: '',
      recipe: null,
      phase: 'speaking',
      text: 'half',
    });
    expect(readConversation(conversationJson(conversation), 'x').replies[0]).toMatchObject({
      phase: 'done',
      text: 'half',
    });
  });

  it('refuses what is no conversation, in one sentence that names the file', () => {
    const wrong = (text: string) => {
      try {
        readConversation(text, 'x.json');
      } catch (thrown) {
        return thrown instanceof Fault ? `${thrown.code}: ${thrown.message}` : String(thrown);
      }
      return 'taken';
    };
    expect(wrong('hello')).toMatch(/^malformed: x\.json .*not JSON/);
    expect(wrong('{"kind":"other"}')).toMatch(/^malformed: x\.json .*"kind"/);
    expect(wrong('{"kind":"fusewright-conversation","version":2}')).toMatch(/^unsupported: .*version 2/);
    expect(wrong('{"kind":"fusewright-conversation","version":1,"conversation":{}}')).toMatch(/^malformed/);
  });

  it('refuses links that lead nowhere or in a circle, and two parts with one id', () => {
    const broken = (change: (value: Conversation) => Conversation) =>
      conversationOf(JSON.parse(JSON.stringify(conversationValue(change(sample())))));
    const first = sample().messages[0]?.id ?? 0;
    expect(broken((own) => own)).toMatchObject({ id: 0 });
    expect(broken((own) => ({ ...own, messages: own.messages.map((m) => ({ ...m, after: m.id })) }))).toMatch(
      /follows nothing/,
    );
    expect(broken((own) => ({ ...own, messages: own.messages.map((m) => ({ ...m, follows: { 1: 1 } })) }))).toMatch(
      /no reply/,
    );
    expect(broken((own) => ({ ...own, replies: own.replies.map((r) => ({ ...r, to: 99 })) }))).toMatch(
      /answers nothing/,
    );
    expect(broken((own) => ({ ...own, replies: own.replies.map((r) => ({ ...r, id: first })) }))).toMatch(/one id/);
    expect(broken((own) => ({ ...own, columns: [] }))).toMatch(/columns/);
  });

  it('survives any JSON', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(['string', 'object']).toContain(typeof conversationOf(value));
      }),
    );
  });
});

it('shows in Markdown what is shown on the page', () => {
  expect(conversationMarkdown(sample())).toBe(
    [
      '# What is',
      '**System**',
      'Be brief.',
      '**You**',
      'What is\n# this?',
      '**Merged model, blend 3, f32**',
      'Answer 1',
      '**Merged model, blend 3, f32**',
      'Answer 2\n',
    ].join('\n\n'),
  );
});

it('names files so that every system takes them', () => {
  const named = (title: string) => conversationFileName({ ...newConversation(1, 0), title }, 'json');
  expect(named('Héllo / wörld: 1?')).toBe('héllo-wörld-1.json');
  expect(named('../..')).toBe('conversation.json');
});

describe('what is kept', () => {
  it('comes back, without conversations that are empty', () => {
    expect(readKept(keptText([newConversation(1, 0), sample()]))).toEqual([{ ...sample(), id: 0 }]);
  });

  it('gives up probabilities before words, and old conversations before new ones', () => {
    const [old, recent] = [
      { ...sample(), changedMs: 1 },
      { ...sample(), changedMs: 2 },
    ];
    const whole = keptText([old, recent]);
    const less = readKept(keptText([old, recent], whole.length - 150));
    expect(less.map(({ changedMs, replies }) => [changedMs, replies[0]?.tokens.length])).toEqual([
      [2, 1],
      [1, 0],
    ]);
    const one = keptText([recent]);
    expect(readKept(keptText([old, recent], one.length)).map(({ changedMs }) => changedMs)).toEqual([2]);
  });

  it('leaves out what it cannot read', () => {
    expect(readKept('nonsense')).toEqual([]);
    expect(readKept('{"version":1,"conversations":[{}]}')).toEqual([]);
    expect(readKept('{"version":9,"conversations":[]}')).toEqual([]);
  });
});
