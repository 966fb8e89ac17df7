/**
 * FirstQuestion: what happens by itself after a newcomer opened the samples: they are merged, the merged model is asked
 * the samples' first question, and then its parents are asked the same. It stops wherever a person does something else
 * first. Not the samples' files (`samples.ts`), and no reply is known beforehand: the models say what they say.
 */

import { createStore, type StoreApi } from 'zustand/vanilla';
import { type Chat, currentConversation } from './chat-store.ts';
import { type Conversation, pathOf, type ReplyMessage } from './conversation.ts';
import type { Follower } from './follow.ts';
import type { SamplesIndex } from './samples.ts';
import { mergeObstacle } from './status.ts';
import type { Studio, StudioState } from './studio.ts';

/** `answered`: the merge answered right and no parent did; anything else ends with null. */
export type FirstQuestionPhase = 'merging' | 'asking' | 'comparing' | 'answered';

type Showcase = NonNullable<SamplesIndex['showcase']>;

export interface FirstQuestionState {
  /** Null before, after a person went on by themselves, and where it came to nothing. */
  readonly phase: FirstQuestionPhase | null;
}

export interface FirstQuestion {
  readonly store: StoreApi<FirstQuestionState>;
  /** Merges and asks; resolves when that is over. Does nothing where something was merged or said already. */
  readonly ask: () => Promise<void>;
}

/** Makes it over a page that may be used all the while. */
export function createFirstQuestion(studio: Studio, follower: Follower, chat: Chat): FirstQuestion {
  const store = createStore<FirstQuestionState>()(() => ({ phase: null }));
  const go = (phase: FirstQuestionPhase | null) => store.setState({ phase });
  const state = studio.store.getState;
  const conversation = () => currentConversation(chat.store.getState());

  chat.store.subscribe((next) => {
    // The person goes on: what was said about the first question is no news any more.
    const { messages } = currentConversation(next);
    if (store.getState().phase === 'answered' && messages.length !== 1) go(null);
  });

  /** Puts the merged model and its parents in columns side by side; returns the columns' ids, the merged model's first. */
  const arrange = (): readonly number[] => {
    chat.choose({ kind: 'blend' });
    for (const { model } of state().recipe?.models ?? []) chat.addColumn({ kind: 'checkpoint', name: model });
    return conversation().columns.map(({ id }) => id);
  };

  const run = async (showcase: Showcase): Promise<boolean> => {
    const { text } = state();
    const { id } = conversation();
    const [merged, ...parents] = arrange();
    const isLeft = (asked: number) =>
      state().text !== text || conversation().id !== id || conversation().messages.length !== asked;
    const last = () => lastReply(conversation());

    await until(studio, (now) => isLeft(0) || isChecked(now));
    if (isLeft(0) || state().map === null || mergeObstacle(state()) !== null) return tidy(parents);
    await follower.merge();
    if (isLeft(0) || state().blend === null || state().blend?.chatObstacle !== null) return tidy(parents);

    go('asking');
    await chat.send(showcase.prompt, merged);
    if (isLeft(1) || !isWhole(last())) return false;
    const [message] = conversation().messages;
    const answer = last()?.text.trim();

    go('comparing');
    let isAlone = true;
    for (const column of parents) {
      // A column that a person has taken away is not asked.
      if (!conversation().columns.some((own) => own.id === column)) continue;
      await chat.regenerate({ ...(message ? { message: message.id } : {}), column });
      if (isLeft(1) || !isWhole(last())) return false;
      if (last()?.text.trim() === showcase.answer) isAlone = false;
    }
    return isAlone && answer === showcase.answer;
  };

  /** Where nothing was asked, the columns that wait for it go. */
  const tidy = (columns: readonly number[]): false => {
    if (conversation().messages.length === 0) for (const column of columns) chat.removeColumn(column);
    return false;
  };

  return {
    store,
    async ask() {
      const { samples, blend } = state();
      const showcase = samples?.showcase;
      const isFresh = blend === null && conversation().messages.length === 0 && conversation().columns.length === 1;
      if (!showcase || !isFresh || store.getState().phase !== null) return;
      go('merging');
      try {
        go((await run(showcase)) ? 'answered' : null);
      } catch (thrown) {
        go(null);
        throw thrown;
      }
    },
  };
}

/** What the chat says about it in one sentence; null where there is nothing to say. */
export function firstQuestionSentence(phase: FirstQuestionPhase | null, showcase: Showcase | undefined): string | null {
  switch (phase) {
    case 'merging':
      return 'The samples are being merged. Then the merged model gets its first question.';
    case 'asking':
      return 'The merged model gets its first question.';
    case 'comparing':
      return 'Now its parents get the same question.';
    case 'answered':
      return showcase?.note ?? null;
    case null:
      return null;
  }
}

/** Whether the pre-flight and the map are there, or will not come. */
function isChecked({ check, checkFault, map, awaitsMeasure, problems }: StudioState): boolean {
  if (checkFault !== null || problems.length > 0 || awaitsMeasure) return true;
  return check !== null && (check.plan === null || map !== null);
}

/** The reply that came last. */
function lastReply(conversation: Conversation): ReplyMessage | undefined {
  const replies = pathOf(conversation).flatMap(({ answers }) => answers.flatMap(({ reply }) => reply ?? []));
  return replies.sort((a, b) => a.id - b.id).at(-1);
}

/** Whether a reply came to its own end. */
function isWhole(reply: ReplyMessage | undefined): boolean {
  return reply?.phase === 'done' && reply.figures?.stoppedBy !== 'user';
}

/** Resolves as soon as the studio's state fulfils a condition. */
function until({ store }: Studio, isSo: (state: StudioState) => boolean): Promise<void> {
  return new Promise((resolve) => {
    if (isSo(store.getState())) return resolve();
    const stop = store.subscribe((state) => {
      if (!isSo(state)) return;
      stop();
      resolve();
    });
  });
}
