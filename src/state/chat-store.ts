/**
 * ChatStore: the conversation, whom it is with and how replies are drawn. A vanilla store over the engine's
 * `talkTo`, `say` and `stop`. Not the blend it may talk to (`studio.ts`).
 */

import { createStore, type StoreApi } from 'zustand/vanilla';
import { type FaultReport, toReport } from '../bytes/fault.ts';
import type { Message, Reply, SayRequest, Speaker } from './engine-api.ts';
import type { Studio, StudioState } from './studio.ts';

/** A prompt and its reply. */
export interface Turn {
  readonly id: number;
  readonly prompt: string;
  readonly mode: SayRequest['mode'];
  readonly speaker: Speaker;
  /** The reply so far. */
  readonly text: string;
  readonly phase: 'preparing' | 'speaking' | 'done' | 'failed';
  readonly reply: Reply | null;
  readonly fault: FaultReport | null;
}

/** How replies are drawn. */
export interface ChatSettings {
  /** Continue the text as it stands even where there is a chat template. */
  readonly wantsContinuation: boolean;
  readonly systemPrompt: string;
  /** 0 is greedy. */
  readonly temperature: number;
  /** 0 is off. */
  readonly topK: number;
  readonly seed: number;
  readonly maxNewTokens: number;
  /** Whether earlier turns are sent along. */
  readonly remembers: boolean;
}

export interface ChatState {
  /** Null: the page chooses (the blend where there is one, else the first checkpoint that can talk). */
  readonly chosen: Speaker | null;
  readonly turns: readonly Turn[];
  readonly settings: ChatSettings;
}

/** Somebody in the list "Talk to". */
export interface SpeakerChoice {
  readonly speaker: Speaker;
  readonly label: string;
  /** Null where it can be talked to now. */
  readonly obstacle: string | null;
  readonly hasChatTemplate: boolean;
}

export const MERGED_LABEL = 'Merged model';

/** Everybody who could be talked to, the merged model first. */
export function speakerChoices(state: StudioState): readonly SpeakerChoice[] {
  const base = state.checkpoints.find(({ name }) => name === (state.recipe?.base ?? state.recipe?.models[0]?.model));
  const obstacle = state.blend === null ? 'Press Merge first to talk to the merged model.' : state.blend.chatObstacle;
  const merged = {
    speaker: { kind: 'blend' },
    label: MERGED_LABEL,
    obstacle,
    hasChatTemplate: base?.hasChatTemplate ?? false,
  } as const;
  return [
    merged,
    ...state.checkpoints.map(({ name, chatObstacle, hasChatTemplate }) => ({
      speaker: { kind: 'checkpoint', name } as const,
      label: name,
      obstacle: chatObstacle,
      hasChatTemplate,
    })),
  ];
}

/** Whether two speakers are the same. */
export function sameSpeaker(a: Speaker | null, b: Speaker | null): boolean {
  return speakerKey(a) === speakerKey(b);
}

/** A speaker as one string, for lists. */
export function speakerKey(speaker: Speaker | null): string {
  if (speaker === null) return '';
  return speaker.kind === 'blend' ? 'blend' : `checkpoint:${speaker.name}`;
}

/** Who is talked to: the chosen one while it is there, else the first who can talk, else nobody. */
export function currentSpeaker(chat: ChatState, studio: StudioState): SpeakerChoice | null {
  const choices = speakerChoices(studio);
  const chosen = choices.find(({ speaker }) => sameSpeaker(speaker, chat.chosen));
  if (chosen && (chosen.obstacle === null || chosen.speaker.kind === 'checkpoint')) return chosen;
  return choices.find(({ obstacle }) => obstacle === null) ?? null;
}

/** Continuation is the only mode where the speaker has no chat template. */
export function currentMode(chat: ChatState, studio: StudioState): SayRequest['mode'] {
  const speaker = currentSpeaker(chat, studio);
  return chat.settings.wantsContinuation || !(speaker?.hasChatTemplate ?? true) ? 'continue' : 'chat';
}

export interface Chat {
  readonly store: StoreApi<ChatState>;
  readonly choose: (speaker: Speaker) => void;
  readonly change: (settings: Partial<ChatSettings>) => void;
  /** Sends a prompt to the current speaker; does nothing while a reply is running or nobody can talk. */
  readonly send: (prompt: string) => Promise<void>;
  /** Sends the last prompt again, to whoever is talked to now; the last turn is replaced. */
  readonly regenerate: () => Promise<void>;
  readonly stop: () => Promise<void>;
  readonly clear: () => void;
}

const AT_FIRST: ChatState = {
  chosen: null,
  turns: [],
  settings: {
    wantsContinuation: false,
    systemPrompt: '',
    // Greedy: then a changed answer comes from changed weights and from nothing else.
    temperature: 0,
    topK: 0,
    seed: 0,
    maxNewTokens: 256,
    remembers: true,
  },
};

/** Makes the chat beside a studio. */
export function createChat(studio: Studio): Chat {
  const store = createStore<ChatState>()(() => AT_FIRST);
  const { getState: get, setState: set } = store;
  const { engine } = studio;
  let lastId = 0;

  const update = (id: number, part: Partial<Turn>) =>
    set(({ turns }) => ({ turns: turns.map((turn) => (turn.id === id ? { ...turn, ...part } : turn)) }));

  const say = async (prompt: string, before: readonly Turn[]) => {
    const choice = currentSpeaker(get(), studio.store.getState());
    if (choice === null || choice.obstacle !== null || prompt === '' || isReplying(get())) return;
    const { settings } = get();
    const { speaker } = choice;
    const mode = currentMode(get(), studio.store.getState());
    const id = ++lastId;
    const turn: Turn = { id, prompt, mode, speaker, text: '', phase: 'preparing', reply: null, fault: null };
    set({ turns: [...before, turn] });
    try {
      await engine.talkTo(speaker);
      update(id, { phase: 'speaking' });
      const { maxNewTokens, temperature, topK, seed } = settings;
      const messages =
        mode === 'chat' ? conversation(before, prompt, settings) : [{ role: 'user' as const, content: prompt }];
      const reply = await engine.say({ speaker, messages, mode, maxNewTokens, temperature, topK, seed }, (text) => {
        if (get().turns.some((t) => t.id === id && t.phase === 'speaking')) update(id, { text });
      });
      update(id, { phase: 'done', text: reply.text, reply });
    } catch (thrown) {
      update(id, { phase: 'failed', fault: toReport(thrown) });
    }
  };

  return {
    store,
    choose: (chosen) => set({ chosen }),
    change: (settings) => set((state) => ({ settings: { ...state.settings, ...settings } })),
    send: (prompt) => say(prompt, get().turns),
    async regenerate() {
      const last = get().turns.at(-1);
      if (last) await say(last.prompt, get().turns.slice(0, -1));
    },
    async stop() {
      if (isReplying(get())) await engine.stop();
    },
    clear: () => set({ turns: [] }),
  };
}

/** Whether a reply is on its way. */
export function isReplying({ turns }: ChatState): boolean {
  const phase = turns.at(-1)?.phase;
  return phase === 'preparing' || phase === 'speaking';
}

/** What the chat template is given: the system prompt if there is one, earlier turns if wanted, the prompt. */
function conversation(before: readonly Turn[], prompt: string, settings: ChatSettings): readonly Message[] {
  const messages: Message[] = [];
  if (settings.systemPrompt.trim() !== '') messages.push({ role: 'system', content: settings.systemPrompt });
  for (const turn of settings.remembers ? before : []) {
    if (turn.mode !== 'chat' || turn.phase !== 'done') continue;
    messages.push({ role: 'user', content: turn.prompt }, { role: 'assistant', content: turn.text });
  }
  messages.push({ role: 'user', content: prompt });
  return messages;
}
