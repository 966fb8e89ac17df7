/**
 * ChatStore: the conversations, whom they are with, the message that is being written and the replies that come in. A
 * vanilla store over the engine's `say` and `stop`. Not the tree of a conversation (`conversation.ts`), not how full
 * the context is (`context-meter.ts`), not the blend that it may talk to (`studio.ts`).
 */

import { createStore, type StoreApi } from 'zustand/vanilla';
import { CancelledFault, toReport } from '../bytes/fault.ts';
import { type ChatSettings, DEFAULT_SETTINGS, drawnBy } from './chat-settings.ts';
import {
  type Column,
  type Conversation,
  exchangesBefore,
  isUnderWay,
  messagesFor,
  newConversation,
  pathOf,
  type ReplyMessage,
  type UserMessage,
  updateReply,
  withColumn,
  withMessage,
  withMessageInstead,
  without,
  withoutColumn,
  withReply,
  withReplyInstead,
  withSibling,
  withSpeaker,
} from './conversation.ts';
import type { Message, PromptInfo, SayEvent, SayOutcome, SayRequest, Speaker } from './engine-api.ts';
import { fittingSkip } from './context-fit.ts';
import { type RememberedBlend, withBlend, withHeard } from './past-blends.ts';
import { type SpeakerChoice, speakerLabel, speakerOf } from './speaker-choices.ts';
import type { Studio, StudioState } from './studio.ts';

export { type ChatSettings, type ContextMode, DEFAULT_SETTINGS } from './chat-settings.ts';
export { MERGED_LABEL, type SpeakerChoice, sameSpeaker, speakerChoices, speakerKey } from './speaker-choices.ts';

/** How full a column's context would be if the draft were sent. */
export interface PromptState {
  /** Null before it is known, and where there is nothing to count or nobody to talk to. */
  readonly info: PromptInfo | null;
  /** How many of the oldest exchanges would be left out. */
  readonly leftOut: number;
  /** Why it cannot be told, such as a template that refuses the conversation. */
  readonly fault: string | null;
}

export interface ChatState {
  /** The newest first; at least one. */
  readonly conversations: readonly Conversation[];
  /** Id of the one that is shown. */
  readonly current: number;
  /** The message that is being written. */
  readonly draft: string;
  /** The message or reply that is being written anew; null while none is. */
  readonly editing: number | null;
  readonly settings: ChatSettings;
  /** The replies that are on their way, all of one conversation; empty while none is. */
  readonly replying: readonly number[];
  /** By column of the current conversation. */
  readonly prompts: Readonly<Record<number, PromptState>>;
  /** Blends that can be talked to again, the newest (which may be the live one) first. */
  readonly blends: readonly RememberedBlend[];
}

/** The conversation that is shown. */
export function currentConversation({ conversations, current }: ChatState): Conversation {
  const found = conversations.find(({ id }) => id === current) ?? conversations[0];
  if (!found) throw new Error('there is always a conversation');
  return found;
}

/** Who a column of the current conversation means; null where nobody can talk. */
export function columnSpeaker(chat: ChatState, studio: StudioState, column: Column): SpeakerChoice | null {
  return speakerOf(column, currentConversation(chat).columns.length === 1, studio, chat.blends);
}

/** Who the first column means. */
export function currentSpeaker(chat: ChatState, studio: StudioState): SpeakerChoice | null {
  const [first] = currentConversation(chat).columns;
  return first ? columnSpeaker(chat, studio, first) : null;
}

/** The speakers that would answer now, by column; columns whose speaker cannot talk are left out. */
function ready(chat: ChatState, studio: StudioState): readonly (readonly [Column, SpeakerChoice])[] {
  return currentConversation(chat).columns.flatMap((column): (readonly [Column, SpeakerChoice])[] => {
    const choice = columnSpeaker(chat, studio, column);
    return choice?.obstacle === null ? [[column, choice]] : [];
  });
}

/** Whether a message could be sent: nothing is under way, and somebody can talk. */
export function canSend(chat: ChatState, studio: StudioState): boolean {
  return !isReplying(chat) && ready(chat, studio).length > 0;
}

/** Continuation is the only mode where none of the speakers has a chat template. */
export function currentMode(chat: ChatState, studio: StudioState): SayRequest['mode'] {
  const { wantsContinuation, template } = chat.settings;
  const speakers = currentConversation(chat).columns.flatMap((column) => columnSpeaker(chat, studio, column) ?? []);
  const hasTemplate = template !== null || speakers.length === 0 || speakers.some((choice) => choice.hasChatTemplate);
  return wantsContinuation || !hasTemplate ? 'continue' : 'chat';
}

/** A speaker without a template continues what others answer. */
export function modeFor(message: Pick<UserMessage, 'mode'>, choice: SpeakerChoice, settings: ChatSettings) {
  return message.mode === 'chat' && (choice.hasChatTemplate || settings.template !== null) ? 'chat' : 'continue';
}

/** A continuation goes on with the last message alone. */
export function messagesIn(mode: SayRequest['mode'], messages: readonly Message[]): readonly Message[] {
  return mode === 'continue' ? messages.slice(-1) : messages;
}

/** Whether a reply is on its way. */
export function isReplying({ replying }: ChatState): boolean {
  return replying.length > 0;
}

export interface Chat {
  readonly store: StoreApi<ChatState>;
  /** Chooses who answers in a column; the first one where none is named. */
  readonly choose: (speaker: Speaker | null, column?: number) => void;
  readonly addColumn: (speaker: Speaker | null) => void;
  readonly removeColumn: (column: number) => void;
  readonly change: (settings: Partial<ChatSettings>) => void;
  readonly resetSettings: () => void;
  readonly setDraft: (draft: string) => void;
  readonly setSystemPrompt: (text: string) => void;
  /** Sends a message to every column that can talk, or to one; does nothing while a reply is running or nobody can. */
  readonly send: (text: string, column?: number) => Promise<void>;
  /** Has a message answered once more, beside what was answered: the last one, in all columns, unless said. */
  readonly regenerate: (which?: { readonly message?: number; readonly column?: number }) => Promise<void>;
  /** Shows a message or reply as a text to write anew; null gives that up. */
  readonly startEditing: (id: number | null) => void;
  /** Writes a message anew beside the old one and sends it, or a reply in the speaker's place. */
  readonly edit: (id: number, text: string) => Promise<void>;
  /** Shows the next (1) or previous (-1) sibling of a message or reply. */
  readonly pick: (id: number, step: 1 | -1) => void;
  /** Removes a message or reply and all that follows from it. */
  readonly remove: (id: number) => void;
  /** Stops the replies that are on their way (of one column). */
  readonly stop: (column?: number) => Promise<void>;
  /** Empties the current conversation; columns and system prompt stay. */
  readonly clear: () => void;
  /** Begins another conversation with the same columns, or goes to the newest one where it is empty still. */
  readonly begin: () => void;
  readonly open: (conversation: number) => void;
  readonly rename: (conversation: number, title: string) => void;
  readonly delete: (conversation: number) => Promise<void>;
  /** Takes conversations in (a file, what was kept); they get ids of their own. The first is shown where wanted. */
  readonly take: (conversations: readonly Conversation[], isShown: boolean) => void;
}

/** Makes the chat beside a studio. */
export function createChat(studio: Studio, now: () => number = () => Date.now()): Chat {
  const store = createStore<ChatState>()(() => ({
    conversations: [newConversation(1, now())],
    current: 1,
    draft: '',
    editing: null,
    settings: DEFAULT_SETTINGS,
    replying: [],
    prompts: {},
    blends: [],
  }));
  const { getState: get, setState: set } = store;
  const { engine } = studio;
  /** Recipes by the number of their blend, for replies that say only the number. */
  const recipes = new Map<number, string>();
  /** Whether the engine was asked for the replies that are on their way; before that there is nothing to stop there. */
  let isAsked = false;

  studio.store.subscribe(({ blend, blendText }, before) => {
    if (blend === null || blendText === null || blend === before.blend) return;
    recipes.set(blend.blend, blendText);
    for (const old of recipes.keys()) if (recipes.size > MOST_RECIPES) recipes.delete(old);
    set(({ blends }) => ({ blends: withBlend(blends, blend.blend, blendText, now()) }));
  });

  /** Changes one conversation; the one that changed comes first. */
  const put = (id: number, change: (old: Conversation) => Conversation) => {
    const { conversations } = get();
    const old = conversations.find((own) => own.id === id);
    if (!old) return;
    const next = change(old);
    if (next === old) return;
    set({ conversations: conversations.map((own) => (own === old ? { ...next, changedMs: now() } : own)) });
  };
  const putCurrent = (change: (old: Conversation) => Conversation) => put(currentConversation(get()).id, change);
  const nextId = () => Math.max(0, ...get().conversations.map(({ id }) => id)) + 1;

  const add = (conversations: readonly Conversation[], isShown: boolean) => {
    const first = nextId();
    const taken = conversations.map((own, index) => ({ ...own, id: first + index }));
    set((state) => ({
      conversations: [...(isShown ? taken : []), ...state.conversations, ...(isShown ? [] : taken)],
      current: isShown ? first : state.current,
    }));
  };

  /** The request for one column's reply, and how many of the oldest exchanges it leaves out. */
  const requestFor = async (
    conversation: Conversation,
    message: UserMessage,
    column: Column,
    choice: SpeakerChoice,
  ) => {
    const { settings } = get();
    const mode = modeFor(message, choice, settings);
    const request = (skip: number): SayRequest => ({
      speaker: choice.speaker,
      messages: messagesIn(mode, messagesFor(conversation, message.id, column.id, skip)),
      mode,
      ...drawnBy(settings),
    });
    const exchanges = mode === 'chat' ? exchangesBefore(conversation, message.id, column.id) : 0;
    if (settings.context === 'none') return { request: request(exchanges), leftOut: exchanges };
    if (settings.context === 'all' || exchanges === 0) return { request: request(0), leftOut: 0 };
    const { skip } = await fittingSkip(engine, request, exchanges, settings.maxNewTokens);
    return { request: request(skip), leftOut: skip };
  };

  /** Has a message of the current conversation answered by some of its columns. */
  const answer = async (messageId: number, only?: number) => {
    const conversation = currentConversation(get());
    const message = conversation.messages.find(({ id }) => id === messageId);
    const asked = ready(get(), studio.store.getState()).filter(([{ id }]) => only === undefined || id === only);
    if (!message || asked.length === 0) return;
    const ids: number[] = [];
    let next = conversation;
    for (const [column, { speaker, label }] of asked) {
      const recipe = speaker.kind === 'recipe' ? speaker.text : null;
      const made = withReply(next, { to: messageId, column: column.id, speaker, label, recipe });
      next = made.conversation;
      ids.push(made.reply.id);
    }
    put(conversation.id, () => next);
    set({ replying: ids });
    const update = (index: number, part: (reply: ReplyMessage) => Partial<ReplyMessage>) => {
      const id = ids[index];
      const reply = get()
        .conversations.find((own) => own.id === conversation.id)
        ?.replies.find((own) => own.id === id);
      // What comes after the end, or after it was removed, has nowhere to go.
      if (reply && isUnderWay(reply)) put(conversation.id, (own) => updateReply(own, reply.id, part(reply)));
    };
    try {
      const made = await Promise.all(asked.map(([column, choice]) => requestFor(next, message, column, choice)));
      made.forEach(({ leftOut }, index) => update(index, () => ({ leftOut })));
      // A stop while requests were prepared.
      if (get().replying !== ids) return;
      isAsked = true;
      const outcomes = await engine.say(
        made.map(({ request }) => request),
        (event) => update(event.column, (reply) => heard(reply, event)),
      );
      outcomes.forEach((outcome, index) => update(index, (reply) => ended(reply, outcome, recipes)));
      for (const outcome of outcomes) {
        const blend = 'reply' in outcome ? outcome.reply.blend : null;
        const text = blend === null ? undefined : recipes.get(blend);
        if (blend !== null && text !== undefined) {
          set(({ blends }) => ({ blends: withHeard(blends, blend, text, now()) }));
        }
      }
    } catch (thrown) {
      const fault = toReport(thrown);
      ids.forEach((_, index) => update(index, () => ({ phase: 'failed', fault })));
    } finally {
      if (get().replying === ids) {
        isAsked = false;
        set({ replying: [] });
      }
    }
  };

  /** Ends replies that nobody has been asked for yet. */
  const giveUp = () => {
    const fault = toReport(new CancelledFault('Stopped before the reply began.'));
    const { replying } = get();
    for (const { id } of get().conversations) {
      put(id, (own) => replying.reduce((next, reply) => updateReply(next, reply, { phase: 'failed', fault }), own));
    }
    set({ replying: [] });
  };

  return {
    store,
    choose: (speaker, column) => putCurrent((own) => withSpeaker(own, column ?? own.columns[0]?.id ?? 0, speaker)),
    addColumn: (speaker) => putCurrent((own) => withColumn(own, speaker)),
    removeColumn(column) {
      if (!isReplying(get())) putCurrent((own) => withoutColumn(own, column));
    },
    change: (settings) => set((state) => ({ settings: { ...state.settings, ...settings } })),
    resetSettings: () => set({ settings: DEFAULT_SETTINGS }),
    setDraft: (draft) => set({ draft }),
    setSystemPrompt: (systemPrompt) => putCurrent((own) => ({ ...own, systemPrompt })),
    async send(text, column) {
      const studioState = studio.store.getState();
      if (text === '' || !canSend(get(), studioState)) return;
      const mode = currentMode(get(), studioState);
      const { conversation, message } = withMessage(currentConversation(get()), { text, mode });
      putCurrent(() => conversation);
      await answer(message.id, column);
    },
    async regenerate({ message, column } = {}) {
      const id = message ?? pathOf(currentConversation(get())).at(-1)?.message.id;
      if (id !== undefined && canSend(get(), studio.store.getState())) await answer(id, column);
    },
    startEditing: (editing) => set({ editing }),
    async edit(id, text) {
      set({ editing: null });
      const current = currentConversation(get());
      const instead = withReplyInstead(current, id, text);
      if (instead) {
        if (!isReplying(get())) putCurrent(() => instead);
        return;
      }
      const studioState = studio.store.getState();
      if (text === '' || !canSend(get(), studioState)) return;
      const made = withMessageInstead(current, id, { text, mode: currentMode(get(), studioState) });
      if (!made) return;
      putCurrent(() => made.conversation);
      await answer(made.message.id);
    },
    pick(id, step) {
      if (!isReplying(get())) putCurrent((own) => withSibling(own, id, step));
    },
    remove(id) {
      if (!isReplying(get())) putCurrent((own) => without(own, id));
    },
    async stop(column) {
      if (!isReplying(get())) return;
      if (!isAsked) giveUp();
      else if (column === undefined) await engine.stop();
      else {
        const index = indexOfColumn(get(), column);
        if (index >= 0) await engine.stop(index);
      }
    },
    clear() {
      if (!isReplying(get())) putCurrent((own) => ({ ...own, messages: [], replies: [], chosen: {}, title: null }));
    },
    begin() {
      const current = currentConversation(get());
      const empty = get().conversations.find(({ messages }) => messages.length === 0);
      if (empty) set({ current: empty.id });
      else add([newConversation(0, now(), current)], true);
    },
    open(conversation) {
      if (get().conversations.some(({ id }) => id === conversation)) set({ current: conversation });
    },
    rename: (conversation, title) =>
      put(conversation, (own) => ({ ...own, title: title.trim() === '' ? null : title })),
    async delete(conversation) {
      const isBusy = get()
        .conversations.find(({ id }) => id === conversation)
        ?.replies.some(isUnderWay);
      if (isBusy && isAsked) await engine.stop();
      else if (isBusy) giveUp();
      set((state) => {
        const rest = state.conversations.filter(({ id }) => id !== conversation);
        const kept = rest.length > 0 ? rest : [newConversation(conversation + 1, now())];
        const current = kept.some(({ id }) => id === state.current) ? state.current : (kept[0]?.id ?? 0);
        return { conversations: kept, current };
      });
    },
    take: add,
  };
}

/** Recipes of blends that are kept for replies that are still on their way; a slider makes many. */
const MOST_RECIPES = 64;

/** Which of the requests on their way is a column's; -1 where it has none. */
function indexOfColumn(chat: ChatState, column: number): number {
  const replies = chat.conversations.flatMap((own) => own.replies);
  return chat.replying.findIndex((id) => replies.some((reply) => reply.id === id && reply.column === column));
}

/** What an event says of a reply. */
function heard(reply: ReplyMessage, event: SayEvent): Partial<ReplyMessage> {
  if (event.phase === 'loading') return { phase: 'loading' };
  if (event.phase === 'reading') return { phase: 'reading', info: event.info };
  return { phase: 'speaking', text: event.text, tokens: [...reply.tokens, ...event.tokens] };
}

/** What the end says of a reply. */
function ended(reply: ReplyMessage, outcome: SayOutcome, recipes: ReadonlyMap<number, string>): Partial<ReplyMessage> {
  if ('fault' in outcome) return { phase: 'failed', fault: outcome.fault };
  const { text, ...figures } = outcome.reply;
  const recipe = figures.blend === null ? reply.recipe : (recipes.get(figures.blend) ?? null);
  return { phase: 'done', text, figures, recipe };
}

/** The name that a reply's speaker goes by. */
export function replyLabel({ speaker, label, figures }: ReplyMessage): string {
  const name = label === '' ? speakerLabel(speaker) : label;
  return figures?.blend === null || figures?.blend === undefined ? name : `${name}, blend ${figures.blend}`;
}
