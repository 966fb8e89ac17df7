/**
 * Workbench: everything of one page put together: the studio, what follows from changes, the chat, saving, commands.
 */

import type { StoreApi } from 'zustand/vanilla';
import { type ChatFiles, createChatFiles } from './chat-files.ts';
import { keepConversations } from './chat-keeping.ts';
import { type Chat, createChat } from './chat-store.ts';
import { calmCommands } from './calm-commands.ts';
import { type Commands, createCommands } from './commands.ts';
import { meterContext } from './context-meter.ts';
import { createEcho, type Echo } from './echo.ts';
import type { EngineApi } from './engine-api.ts';
import { createFirstQuestion, type FirstQuestion } from './first-question.ts';
import { type Follower, follow } from './follow.ts';
import { watchMemory, type MemoryState } from './memory.ts';
import { createNotifier, type Notifier } from './notify.ts';
import { createOffline, type Offline } from './offline.ts';
import { createMixer, type Mixer } from './mixer.ts';
import { mixerCommands } from './mixer-commands.ts';
import { createOutput, type Output } from './output.ts';
import { createPerplexity, type Perplexity } from './perplexity.ts';
import { createStudio, type Studio } from './studio.ts';
import { createSurveyActions } from './survey-actions.ts';
import { createSurveyStore, type SurveyStore } from './survey-store.ts';
import type { Surroundings } from './surroundings.ts';
import { createTakes, type Takes } from './takes-store.ts';
import { createTour, type Tour } from './tour.ts';
import { createTensorNames, type TensorNamesState } from './tensor-names.ts';
import { createView, type View } from './view.ts';
import { createWorkspace, type Workspace } from './workspace.ts';

export interface Workbench {
  readonly studio: Studio;
  readonly follower: Follower;
  readonly chat: Chat;
  readonly chatFiles: ChatFiles;
  readonly perplexity: Perplexity;
  readonly output: Output;
  readonly commands: Commands;
  readonly mixer: Mixer;
  readonly echo: Echo;
  readonly view: View;
  readonly tensorNames: StoreApi<TensorNamesState>;
  readonly survey: SurveyStore;
  readonly firstQuestion: FirstQuestion;
  readonly tour: Tour;
  readonly offline: Offline;
  readonly notifier: Notifier;
  readonly memory: StoreApi<MemoryState>;
  readonly takes: Takes;
  readonly workspace: Workspace;
  readonly surroundings: Surroundings;
}

/** Puts a workbench together over an engine and starts both. */
export function createWorkbench(engine: EngineApi, surroundings: Surroundings): Workbench {
  const studio = createStudio(engine);
  const view = createView();
  const tensorNames = createTensorNames(studio);
  const follower = follow(studio, view);
  const chat = createChat(studio);
  const output = createOutput(studio, follower, surroundings);
  const chatFiles = createChatFiles(studio, chat, output, surroundings);
  const perplexity = createPerplexity(studio, chat);
  const survey = createSurveyStore(studio, follower, view);
  const surveyActions = createSurveyActions(studio, survey, surroundings);
  const firstQuestion = createFirstQuestion(studio, follower, chat);
  const tour = createTour(view, surroundings.store);
  const takes = createTakes(studio, chat);
  const kept = surroundings.store ? keepConversations(chat, surroundings.store, surroundings.visit ?? null) : null;
  if (kept) surroundings.visit?.onHide(kept.flush);
  const conversations = kept?.ready ?? Promise.resolve();
  const mixer = createMixer(studio, view, () => tensorNames.getState().names);
  const workspace = createWorkspace({ studio, chat, takes, mixer, view, output, surroundings, conversations });
  const echo = createEcho(studio, chat);
  const offline = createOffline(surroundings.keeper);
  const notifier = createNotifier(studio, surroundings.notifications);
  const commands = createCommands(
    studio,
    follower,
    chat,
    output,
    chatFiles,
    surroundings,
    view,
    firstQuestion,
    tour,
    surveyActions,
    takes,
    workspace,
    [...mixerCommands(studio, mixer, view, echo), ...calmCommands(studio, notifier, offline)],
  );
  const memory = watchMemory(studio, chat);
  meterContext(chat, studio);
  void studio.start();
  return {
    studio,
    follower,
    chat,
    chatFiles,
    perplexity,
    output,
    commands,
    mixer,
    echo,
    view,
    tensorNames,
    survey,
    firstQuestion,
    tour,
    offline,
    notifier,
    memory,
    takes,
    workspace,
    surroundings,
  };
}
