/**
 * Perplexity: how well each of some speakers foresees a pasted text, one after another. A store over the engine's
 * `score`. Not the computing (`chat/scoring.ts`).
 */

import { createStore, type StoreApi } from 'zustand/vanilla';
import { type FaultReport, toReport } from '../bytes/fault.ts';
import type { Chat } from './chat-store.ts';
import type { Speaker, TextScore } from './engine-api.ts';
import { type SpeakerChoice, speakerChoices, speakerKey } from './speaker-choices.ts';
import type { Studio } from './studio.ts';

/** One speaker's result, or how far it is. */
export interface PerplexityRow {
  readonly speaker: Speaker;
  readonly label: string;
  /** Number of the blend that was scored; null for another speaker. */
  readonly blend: number | null;
  readonly phase: 'waiting' | 'running' | 'done' | 'failed';
  readonly tokensDone: number;
  /** 0 while it is not known. */
  readonly tokens: number;
  readonly score: TextScore | null;
  readonly fault: FaultReport | null;
}

export interface PerplexityState {
  readonly text: string;
  /** Keys (`speakerKey`) of those who are asked; null: everybody who can talk, earlier blends left out. */
  readonly chosen: readonly string[] | null;
  readonly isRunning: boolean;
  /** Of the newest run, in its order. */
  readonly rows: readonly PerplexityRow[];
  /** The text that the rows are about; null before the first run. */
  readonly scoredText: string | null;
}

export interface Perplexity {
  readonly store: StoreApi<PerplexityState>;
  readonly setText: (text: string) => void;
  /** Whether a speaker is asked; all are until one is left out. */
  readonly include: (speaker: Speaker, isIn: boolean) => void;
  /** Scores the text; does nothing where there is none, nobody is asked, or it runs already. */
  readonly start: () => Promise<void>;
  readonly stop: () => Promise<void>;
}

/** Longer texts take very long and tell no more. In UTF-16 units. */
export const MAX_SCORED_CHARS = 400_000;

/** Those who would be asked. */
export function scoredSpeakers(state: PerplexityState, choices: readonly SpeakerChoice[]): readonly SpeakerChoice[] {
  const able = choices.filter(({ obstacle }) => obstacle === null);
  if (state.chosen === null) return able.filter(({ speaker }) => speaker.kind !== 'recipe');
  return able.filter(({ speaker }) => state.chosen?.includes(speakerKey(speaker)));
}

/** Makes it beside a studio and its chat, whose earlier blends can be scored, too. */
export function createPerplexity(studio: Studio, chat: Chat): Perplexity {
  const store = createStore<PerplexityState>()(() => ({
    text: '',
    chosen: null,
    isRunning: false,
    rows: [],
    scoredText: null,
  }));
  const { getState: get, setState: set } = store;
  const choices = () => speakerChoices(studio.store.getState(), chat.store.getState().blends);
  const update = (index: number, part: Partial<PerplexityRow>) =>
    set(({ rows }) => ({ rows: rows.map((row, at) => (at === index ? { ...row, ...part } : row)) }));

  return {
    store,
    setText: (text) => set({ text: text.slice(0, MAX_SCORED_CHARS) }),
    include(speaker, isIn) {
      const key = speakerKey(speaker);
      // Choosing begins from those who are asked without a choice; earlier blends only where they are chosen.
      const now = get().chosen ?? scoredSpeakers(get(), choices()).map((choice) => speakerKey(choice.speaker));
      const others = now.filter((own) => own !== key);
      set({ chosen: isIn ? [...others, key] : others });
    },
    async start() {
      const { text, isRunning } = get();
      const asked = scoredSpeakers(get(), choices());
      if (isRunning || text.trim() === '' || asked.length === 0) return;
      const live = studio.store.getState().blend?.blend ?? null;
      set({
        isRunning: true,
        scoredText: text,
        rows: asked.map(({ speaker, label }) => ({
          speaker,
          label,
          blend: speaker.kind === 'blend' ? live : null,
          phase: 'waiting',
          tokensDone: 0,
          tokens: 0,
          score: null,
          fault: null,
        })),
      });
      try {
        const outcomes = await studio.engine.score(
          asked.map(({ speaker }) => speaker),
          text,
          (index, tokensDone, tokens) => {
            if (get().isRunning) update(index, { phase: 'running', tokensDone, tokens });
          },
        );
        outcomes.forEach((outcome, index) => {
          if ('score' in outcome) update(index, { phase: 'done', score: outcome.score });
          else update(index, { phase: 'failed', fault: outcome.fault });
        });
      } catch (thrown) {
        const fault = toReport(thrown);
        set(({ rows }) => ({ rows: rows.map((row) => ({ ...row, phase: 'failed', fault })) }));
      } finally {
        set({ isRunning: false });
      }
    },
    async stop() {
      if (get().isRunning) await studio.engine.stop();
    },
  };
}
