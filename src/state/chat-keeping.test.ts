import { describe, expect, it, vi } from 'vitest';
import { keepConversations, type TextStore } from './chat-keeping.ts';
import { createChat } from './chat-store.ts';
import { newConversation, withMessage } from './conversation.ts';
import { engineDouble } from './engine-double.ts';
import { createStudio } from './studio.ts';
import type { TextPlace } from './visit.ts';

/** Something that was said at a time. */
function talk(startedMs: number, text: string) {
  return withMessage(newConversation(1, startedMs), { text, mode: 'chat' }).conversation;
}

function place(): TextPlace & { text: string | null } {
  const own = {
    text: null as string | null,
    read: () => own.text,
    write: (text: string | null) => {
      own.text = text;
    },
  };
  return own;
}

/** A database that answers, or one that a page which goes does not wait for. */
function database(isLost = false): TextStore & { text: string | null } {
  const own = {
    text: null as string | null,
    read: async () => own.text,
    write: async (_: string, text: string) => {
      if (!isLost) own.text = text;
    },
  };
  return own;
}

async function visit(store: TextStore, tab: TextPlace, wasReloaded: boolean) {
  const chat = createChat(createStudio(engineDouble().engine));
  const keeping = keepConversations(chat, store, { talk: tab, wasReloaded });
  await keeping.ready;
  const texts = () => chat.store.getState().conversations.flatMap(({ messages }) => messages.map(({ text }) => text));
  return { chat, keeping, texts };
}

describe('what was said just before a reload', () => {
  it('is there again, though the database was too slow for it', async () => {
    vi.useFakeTimers();
    const [store, tab] = [database(true), place()];
    const before = await visit(store, tab, false);
    before.chat.take([talk(5, 'a last word')], true);
    // A page that goes is told so twice: it is hidden, and it goes.
    before.keeping.flush();
    before.keeping.flush();
    expect(tab.text).toContain('a last word');
    const after = await visit(store, tab, true);
    expect(after.texts()).toEqual(['a last word']);
    expect(tab.text).toBeNull();
    vi.useRealTimers();
  });

  it('stands in place of the older state of the same conversation, beside the others', async () => {
    vi.useFakeTimers();
    const [store, tab] = [database(), place()];
    const first = await visit(store, tab, false);
    first.chat.take([talk(5, 'old'), talk(6, 'another')], false);
    await vi.runAllTimersAsync();
    expect(store.text).toContain('old');
    tab.write(store.text?.replaceAll('"old"', '"new"').replaceAll('another', 'new too') ?? null);
    const after = await visit(store, tab, true);
    expect(after.texts().sort()).toEqual(['new', 'new too']);
    vi.useRealTimers();
  });

  it('is not kept where nothing is owed, so that it never comes back older than the database', async () => {
    vi.useFakeTimers();
    const [store, tab] = [database(), place()];
    const before = await visit(store, tab, false);
    before.chat.take([talk(5, 'a')], true);
    before.keeping.flush();
    expect(tab.text).not.toBeNull();
    await vi.runAllTimersAsync();
    before.keeping.flush();
    expect(tab.text).toBeNull();
    vi.useRealTimers();
  });

  it('is not taken by another visit', async () => {
    const tab = place();
    tab.write('{"version":1,"conversations":[]}');
    expect((await visit(database(), tab, false)).texts()).toEqual([]);
  });
});
