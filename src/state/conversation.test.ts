import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type Conversation,
  messagesFor,
  messagesForDraft,
  newConversation,
  pathOf,
  titleOf,
  updateReply,
  withColumn,
  withMessage,
  withMessageInstead,
  without,
  withoutColumn,
  withReply,
  withReplyInstead,
  withSibling,
} from './conversation.ts';

const EMPTY = newConversation(1, 0);

/** Asks and has every column answer with its own text. */
function exchange(conversation: Conversation, text: string, answer = `re ${text}`): Conversation {
  const asked = withMessage(conversation, { text, mode: 'chat' });
  return answered(asked.conversation, asked.message.id, answer);
}

function answered(conversation: Conversation, to: number, text: string): Conversation {
  return conversation.columns.reduce((next, { id }) => answeredIn(next, to, id, text), conversation);
}

function answeredIn(conversation: Conversation, to: number, column: number, text: string): Conversation {
  const speaker = { kind: 'blend' } as const;
  return withReply(conversation, { to, column, speaker, label: 'Merged', recipe: null, phase: 'done', text })
    .conversation;
}

/** The active path as text: messages and the first column's replies. */
const shown = (conversation: Conversation) =>
  pathOf(conversation).flatMap(({ message, answers }) => [message.text, answers[0]?.reply?.text ?? '(none)']);

const messageOf = (conversation: Conversation, text: string) => {
  const found = conversation.messages.find((message) => message.text === text);
  if (!found) throw new Error(`no message ${text}`);
  return found;
};

const replyOf = (conversation: Conversation, text: string) => {
  const found = conversation.replies.find((reply) => reply.text === text);
  if (!found) throw new Error(`no reply ${text}`);
  return found;
};

describe('branches', () => {
  const two = exchange(exchange(EMPTY, 'a'), 'b');

  it('shows an edited message and not what followed the old one, which stays', () => {
    const edited = withMessageInstead(two, messageOf(two, 'a').id, { text: 'A', mode: 'chat' });
    if (!edited) throw new Error('not on the path');
    expect(shown(edited.conversation)).toEqual(['A', '(none)']);
    const whole = answered(edited.conversation, edited.message.id, 're A');
    expect(shown(whole)).toEqual(['A', 're A']);
    expect(pathOf(whole)[0]).toMatchObject({ number: 2, of: 2 });
    const back = withSibling(whole, edited.message.id, -1);
    expect(shown(back)).toEqual(['a', 're a', 'b', 're b']);
    expect(shown(withSibling(back, messageOf(two, 'a').id, 1))).toEqual(['A', 're A']);
  });

  it('edits in the middle and keeps what was before', () => {
    const edited = withMessageInstead(two, messageOf(two, 'b').id, { text: 'B', mode: 'chat' });
    expect(shown(edited?.conversation ?? EMPTY)).toEqual(['a', 're a', 'B', '(none)']);
  });

  it('shows a further reply without what followed the first one, and goes back to it', () => {
    const again = answered(two, messageOf(two, 'a').id, 'other');
    expect(shown(again)).toEqual(['a', 'other']);
    expect(pathOf(again)[0]?.answers[0]).toMatchObject({ number: 2, of: 2 });
    expect(shown(withSibling(again, replyOf(again, 'other').id, -1))).toEqual(['a', 're a', 'b', 're b']);
  });

  it('writes a reply in the speaker’s place, and sends that', () => {
    const edited = withReplyInstead(two, replyOf(two, 're b').id, 'mine');
    if (!edited) throw new Error('no such reply');
    expect(shown(edited)).toEqual(['a', 're a', 'b', 'mine']);
    expect(replyOf(edited, 'mine')).toMatchObject({ isEdited: true, figures: null, tokens: [] });
    const next = exchange(edited, 'c');
    expect(messagesFor(next, messageOf(next, 'c').id, 1).map(({ content }) => content)).toEqual([
      'a',
      're a',
      'b',
      'mine',
      'c',
    ]);
  });

  it('stays where there is no further sibling', () => {
    expect(withSibling(two, messageOf(two, 'a').id, 1)).toBe(two);
    expect(withSibling(two, 999, 1)).toBe(two);
  });

  it('remembers which branch was shown under each one', () => {
    const again = answered(two, messageOf(two, 'b').id, 'second b');
    const edited = withMessageInstead(again, messageOf(two, 'a').id, { text: 'A', mode: 'chat' });
    const back = withSibling(edited?.conversation ?? EMPTY, edited?.message.id ?? 0, -1);
    expect(shown(back)).toEqual(['a', 're a', 'b', 'second b']);
  });

  it('removes a message with all that follows, and a reply with what was said after it', () => {
    expect(shown(without(two, messageOf(two, 'b').id))).toEqual(['a', 're a']);
    const gone = without(two, messageOf(two, 'a').id);
    expect([gone.messages, gone.replies]).toEqual([[], []]);
    const noReply = without(two, replyOf(two, 're a').id);
    expect(shown(noReply)).toEqual(['a', '(none)']);
    expect(noReply.messages.map(({ text }) => text)).toEqual(['a']);
  });
});

describe('columns', () => {
  const base = withColumn(exchange(EMPTY, 'a', 'first a'), { kind: 'checkpoint', name: 'one' });
  const [left, right] = base.columns.map(({ id }) => id) as [number, number];

  it('lends a later column the first one’s replies for what it was not asked', () => {
    expect(messagesForDraft(base, { text: 'b', mode: 'chat' }, right).map(({ content }) => content)).toEqual([
      'a',
      'first a',
      'b',
    ]);
  });

  it('gives each column its own replies from then on', () => {
    let both = withMessage(base, { text: 'b', mode: 'chat' });
    both = { ...both, conversation: answeredIn(both.conversation, both.message.id, left, 'left b') };
    both = { ...both, conversation: answeredIn(both.conversation, both.message.id, right, 'right b') };
    const sent = (column: number) =>
      messagesForDraft(both.conversation, { text: 'c', mode: 'chat' }, column).map(({ content }) => content);
    expect(sent(left)).toEqual(['a', 'first a', 'b', 'left b', 'c']);
    expect(sent(right)).toEqual(['a', 'first a', 'b', 'right b', 'c']);
    const again = answeredIn(both.conversation, both.message.id, right, 'right b2');
    const turn = pathOf(again)[1];
    expect(turn?.answers.map(({ reply }) => reply?.text)).toEqual(['left b', 'right b2']);
    expect(turn?.answers.map(({ number, of }) => [number, of])).toEqual([
      [1, 1],
      [2, 2],
    ]);
  });

  it('keeps the path when a column goes, and always has one', () => {
    const next = exchange(base, 'b');
    expect(shown(withoutColumn(next, right))).toEqual(shown(next));
    expect(withoutColumn(next, right).replies.every(({ column }) => column === left)).toBe(true);
    expect(shown(withoutColumn(next, left))).toEqual(['a', '(none)', 'b', 're b']);
    expect(withoutColumn(EMPTY, 1)).toBe(EMPTY);
  });
});

describe('what is sent', () => {
  it('is the system prompt where there is one, and only finished exchanges', () => {
    let own: Conversation = { ...exchange(EMPTY, 'a'), systemPrompt: 'Be brief.' };
    const asked = withMessage(own, { text: 'b', mode: 'chat' });
    const failed = withReply(asked.conversation, {
      to: asked.message.id,
      column: 1,
      speaker: { kind: 'blend' },
      label: 'Merged',
      recipe: null,
    });
    own = updateReply(failed.conversation, failed.reply.id, { phase: 'failed' });
    expect(
      messagesForDraft(own, { text: 'c', mode: 'chat' }, 1).map(({ role, content }) => `${role}: ${content}`),
    ).toEqual(['system: Be brief.', 'user: a', 'assistant: re a', 'user: c']);
    expect(messagesForDraft(own, { text: 'c', mode: 'chat' }, 1, 1)).toHaveLength(2);
    expect(messagesForDraft(own, { text: 'c', mode: 'continue' }, 1)).toEqual([{ role: 'user', content: 'c' }]);
  });
});

it('is called by its name, else as it begins', () => {
  expect(titleOf(EMPTY)).toBe('New conversation');
  expect(titleOf(exchange(EMPTY, '  Hello\nthere'))).toBe('Hello');
  expect(titleOf(exchange(EMPTY, 'x'.repeat(100)))).toHaveLength(60);
  expect(titleOf({ ...EMPTY, title: 'Mine' })).toBe('Mine');
});

it('never loses a message or shows a branch that is not one, whatever is done', () => {
  const step = fc.record({
    what: fc.constantFrom('ask', 'answer', 'edit', 'editReply', 'pick', 'column', 'dropColumn', 'remove'),
    at: fc.nat(20),
    by: fc.constantFrom(-1, 1),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      let own = EMPTY;
      for (const { what, at, by } of steps) {
        const path = pathOf(own);
        const turn = path[at % Math.max(1, path.length)];
        const reply = turn?.answers[at % turn.answers.length]?.reply;
        const count = own.messages.length + own.replies.length;
        if (what === 'ask') own = withMessage(own, { text: 'm', mode: 'chat' }).conversation;
        else if (what === 'column' && own.columns.length < 4) own = withColumn(own, null);
        else if (what === 'dropColumn') own = withoutColumn(own, own.columns[at % own.columns.length]?.id ?? 0);
        else if (turn && what === 'answer') own = answered(own, turn.message.id, 'r');
        else if (turn && what === 'edit') {
          own = withMessageInstead(own, turn.message.id, { text: 'e', mode: 'chat' })?.conversation ?? own;
        } else if (reply && what === 'editReply') own = withReplyInstead(own, reply.id, 'mine') ?? own;
        else if (turn && what === 'pick') own = withSibling(own, reply?.id ?? turn.message.id, by);
        else if (turn && what === 'remove') own = without(own, reply?.id ?? turn.message.id);
        if (what !== 'remove' && what !== 'dropColumn') {
          expect(own.messages.length + own.replies.length).toBeGreaterThanOrEqual(count);
        }
        const next = pathOf(own);
        next.forEach(({ message, answers, number, of }, index) => {
          expect(message.after).toBe(next[index - 1]?.message.id ?? null);
          expect(number).toBeGreaterThanOrEqual(1);
          expect(number).toBeLessThanOrEqual(of);
          for (const answer of answers) if (answer.reply) expect(answer.reply.to).toBe(message.id);
          // A message is shown only under the replies that it was written under.
          for (const { column, reply: under } of next[index - 1]?.answers ?? []) {
            if (message.follows[column] !== undefined) expect(under?.id).toBe(message.follows[column]);
          }
        });
      }
      const ids = [...own.messages, ...own.replies, ...own.columns].map(({ id }) => id);
      expect(new Set(ids).size).toBe(ids.length);
    }),
    { numRuns: 200 },
  );
});
