/**
 * ContextMeter: how many tokens the next prompt of each column comes to, of those that its speaker reads, counted after
 * a pause in typing. It asks the engine, which needs the tokenizer only. Not what is sent: `conversation.ts`.
 */

import { toReport } from '../bytes/fault.ts';
import {
  type Chat,
  columnSpeaker,
  currentConversation,
  currentMode,
  messagesIn,
  modeFor,
  type PromptState,
} from './chat-store.ts';
import { type Column, messagesFor, withMessage, exchangesBefore } from './conversation.ts';
import { fittingSkip } from './context-fit.ts';
import type { PromptRequest } from './engine-api.ts';
import type { Studio } from './studio.ts';

/** A change is counted after this pause. */
const PAUSE_MS = 300;

/** Starts counting; returns the way to stop. */
export function meterContext(chat: Chat, studio: Studio): () => void {
  const { getState: get, setState: set } = chat.store;
  let timer: ReturnType<typeof setTimeout> | undefined;
  /** What was counted last, by column. */
  const counted = new Map<number, string>();
  let turn = 0;

  async function count(column: Column): Promise<PromptState | 'as before'> {
    const state = get();
    const studioState = studio.store.getState();
    const choice = columnSpeaker(state, studioState, column);
    const conversation = currentConversation(state);
    const mode = currentMode(state, studioState);
    const isNothing = state.draft === '' && (mode === 'continue' || conversation.messages.length === 0);
    if (choice?.obstacle !== null || isNothing) return unlessCounted(column, '', NOTHING);
    const made = withMessage(conversation, { text: state.draft, mode });
    const { id } = made.message;
    const own = modeFor(made.message, choice, state.settings);
    const request = (skip: number): PromptRequest => ({
      speaker: choice.speaker,
      messages: messagesIn(own, messagesFor(made.conversation, id, column.id, skip)),
      mode: own,
      template: state.settings.template,
    });
    const { context, maxNewTokens } = state.settings;
    const exchanges = own === 'chat' ? exchangesBefore(made.conversation, id, column.id) : 0;
    const key = JSON.stringify([request(0), context, context === 'fitting' ? maxNewTokens : 0, studioState.blendText]);
    if (counted.get(column.id) === key) return 'as before';
    counted.set(column.id, key);
    try {
      if (context === 'fitting' && exchanges > 0) {
        const { skip, info } = await fittingSkip(studio.engine, request, exchanges, maxNewTokens);
        return { info, leftOut: skip, fault: null };
      }
      const leftOut = context === 'none' ? exchanges : 0;
      return { info: await studio.engine.prompt(request(leftOut)), leftOut, fault: null };
    } catch (thrown) {
      return { info: null, leftOut: 0, fault: toReport(thrown).message };
    }
  }

  function unlessCounted(column: Column, key: string, state: PromptState): PromptState | 'as before' {
    if (counted.get(column.id) === key) return 'as before';
    counted.set(column.id, key);
    return state;
  }

  async function countAll(): Promise<void> {
    const mine = ++turn;
    const { columns, id } = currentConversation(get());
    for (const column of columns) {
      const state = await count(column);
      if (mine !== turn) {
        // Somebody else counts now, and must not take this for done.
        counted.clear();
        return;
      }
      if (state !== 'as before') set(({ prompts }) => ({ prompts: { ...prompts, [column.id]: state } }));
    }
    // Columns of another conversation, or that are gone.
    const known = new Set(columns.map((column) => String(column.id)));
    const { prompts } = get();
    if (currentConversation(get()).id === id && Object.keys(prompts).some((key) => !known.has(key))) {
      set({ prompts: Object.fromEntries(Object.entries(prompts).filter(([key]) => known.has(key))) });
    }
  }

  const later = () => {
    clearTimeout(timer);
    timer = setTimeout(() => void countAll(), PAUSE_MS);
  };
  const stops = [
    chat.store.subscribe((state, before) => {
      const changed =
        state.draft !== before.draft ||
        state.current !== before.current ||
        state.settings !== before.settings ||
        // While a reply comes in, the conversation changes with every token.
        (state.replying.length === 0 && (state.conversations !== before.conversations || before.replying.length > 0));
      if (changed) later();
    }),
    studio.store.subscribe((state, before) => {
      if (state.blend !== before.blend || state.checkpoints !== before.checkpoints) later();
    }),
  ];
  return () => {
    for (const stop of stops) stop();
    clearTimeout(timer);
    turn++;
  };
}

const NOTHING: PromptState = { info: null, leftOut: 0, fault: null };
