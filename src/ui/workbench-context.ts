/** The workbench as React components reach it, and the hooks that read its stores. */

import { createContext, use, useCallback, useSyncExternalStore } from 'react';
import { useStore } from 'zustand';
import { type ChatState, currentConversation } from '../state/chat-store.ts';
import type { Command } from '../state/commands.ts';
import type { Conversation } from '../state/conversation.ts';
import { METHODS } from '../methods/index.ts';
import type { MixerState } from '../state/mixer.ts';
import { isModelLocked } from '../state/mixer-locks.ts';
import type { OutputState } from '../state/output.ts';
import type { StudioState } from '../state/studio.ts';
import type { SurveyState } from '../state/survey-store.ts';
import type { TakesState } from '../state/takes.ts';
import type { ViewState } from '../state/view.ts';
import type { Workbench } from '../state/workbench.ts';
import type { WorkspaceState } from '../state/workspace.ts';

export const WorkbenchContext = createContext<Workbench | null>(null);

export function useWorkbench(): Workbench {
  const workbench = use(WorkbenchContext);
  if (!workbench) throw new Error('This component is outside the workbench');
  return workbench;
}

/** A part of the studio; the selector must return something that stays equal while nothing changes. */
export function useStudio<T>(select: (state: StudioState) => T): T {
  return useStore(useWorkbench().studio.store, select);
}

export function useChat<T>(select: (state: ChatState) => T): T {
  return useStore(useWorkbench().chat.store, select);
}

/** While replies come in, what shows them is drawn this often and not for every token. */
const DRAWN_EVERY_MS = 60;

/** As `useChat`, for what changes with every token: while a reply comes in it follows a few times a second. */
export function usePacedChat<T>(select: (state: ChatState) => T): T {
  const { store } = useWorkbench().chat;
  const subscribe = useCallback(
    (onChange: () => void) => {
      let timer: ReturnType<typeof setTimeout> | undefined;
      const tell = () => {
        timer = undefined;
        onChange();
      };
      const stop = store.subscribe((state, before) => {
        if (state.replying.length === 0 || before.replying.length === 0) {
          clearTimeout(timer);
          tell();
        } else timer ??= setTimeout(tell, DRAWN_EVERY_MS);
      });
      return () => {
        stop();
        clearTimeout(timer);
      };
    },
    [store],
  );
  return useSyncExternalStore(subscribe, () => select(store.getState()));
}

/** The columns of the conversation that is shown; they stay equal while replies come in. */
export function useColumns(): Conversation['columns'] {
  return useChat((state) => currentConversation(state).columns);
}

export function useView<T>(select: (state: ViewState) => T): T {
  return useStore(useWorkbench().view.store, select);
}

export function useOutput<T>(select: (state: OutputState) => T): T {
  return useStore(useWorkbench().output.store, select);
}

export function useSurvey<T>(select: (state: SurveyState) => T): T {
  return useStore(useWorkbench().survey.store, select);
}

export function useTakes<T>(select: (state: TakesState) => T): T {
  return useStore(useWorkbench().takes.store, select);
}

export function useWorkspace<T>(select: (state: WorkspaceState) => T): T {
  return useStore(useWorkbench().workspace.store, select);
}

/** The names of the tensors that the recipe merges; empty while nothing can be merged. */
export function useTensorNames(): readonly string[] {
  return useStore(useWorkbench().tensorNames, (state) => state.names);
}

export function useMixer<T>(select: (state: MixerState) => T): T {
  return useStore(useWorkbench().mixer.store, select);
}

/** Whether a parameter of a model is held by the model's lock: locks hold what the map sets, and no other. */
export function useHeld(name: string, model: string | null): boolean {
  const isLocked = useMixer(({ locks }) => model !== null && isModelLocked(locks, model));
  const handle = useStudio(({ recipe }) => METHODS.get(recipe?.method ?? '')?.handle);
  return isLocked && name === handle;
}

/** Whether a command can be used now. */
export function useEnabled(command: Command): boolean {
  const { studio, chat, output, view, survey, takes, workspace, mixer, echo } = useWorkbench();
  const subscribe = useCallback(
    (onChange: () => void) => {
      const stops = [studio, chat, output, view, survey, takes, workspace, mixer, mixer.mutes, echo].map(({ store }) =>
        store.subscribe(onChange),
      );
      return () => {
        for (const stop of stops) stop();
      };
    },
    [studio, chat, output, view, survey, takes, workspace, mixer, echo],
  );
  return useSyncExternalStore(subscribe, command.isEnabled);
}
