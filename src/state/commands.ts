/**
 * Commands: everything that a button or a shortcut does, once. A command says what it is called, when it can be
 * used and what it does; buttons and shortcuts read it and add nothing.
 */

import { chatCommands } from './chat-commands.ts';
import type { ChatFiles } from './chat-files.ts';
import { type Chat, currentConversation } from './chat-store.ts';
import type { FirstQuestion } from './first-question.ts';
import type { Follower } from './follow.ts';
import { rememberingMergekitScript } from './mergekit-script.ts';
import type { CalmCommandName } from './calm-commands.ts';
import type { MixerCommandName } from './mixer-commands.ts';
import { nameObstacle, type Output } from './output.ts';
import { pageCommands } from './page-commands.ts';
import { fetchSamples } from './samples.ts';
import { isRefused, mergeObstacle, saveObstacle } from './status.ts';
import type { Studio } from './studio.ts';
import type { SurveyActions } from './survey-actions.ts';
import type { Takes } from './takes-store.ts';
import type { Surroundings } from './surroundings.ts';
import type { Tour } from './tour.ts';
import type { View } from './view.ts';
import { canForget, type Workspace } from './workspace.ts';

/** One thing that a person can tell the page to do. */
export interface Command {
  readonly name: CommandName;
  /** The button's text. */
  readonly label: string;
  /** Where it stands in the palette and in the help. */
  readonly group: 'Files' | 'Recipe' | 'Mixer' | 'Chat' | 'View' | 'Help';
  /** What it does, in one sentence, where the label does not say it all. */
  readonly help?: string;
  /** In the form of Mantine's `useHotkeys`, e.g. `mod+Enter`; null where there is none. */
  readonly shortcut: string | null;
  readonly isEnabled: () => boolean;
  /** Why it cannot be used, where that needs saying; null or left out where it does not. */
  readonly obstacle?: () => string | null;
  /** True while there is nothing to do it to: the palette does not list it then. */
  readonly isHidden?: () => boolean;
  readonly perform: () => void | Promise<unknown>;
}

export type CommandName =
  | CalmCommandName
  | MixerCommandName
  | 'openSamples'
  | 'openSamplesOnly'
  | 'measure'
  | 'merge'
  | 'cancel'
  | 'undo'
  | 'redo'
  | 'stop'
  | 'regenerate'
  | 'editLast'
  | 'copyReply'
  | 'newConversation'
  | 'exportJson'
  | 'exportMarkdown'
  | 'clearChat'
  | 'save'
  | 'copyMergekit'
  | 'showMixer'
  | 'showModels'
  | 'showCurves'
  | 'showGroups'
  | 'useRecommended'
  | 'exportSurvey'
  | 'openPalette'
  | 'openHelp'
  | 'startTour'
  | 'keepTake'
  | 'toggleAB'
  | 'compareTakes'
  | 'forgetWorkspace';

export type Commands = Readonly<Record<CommandName, Command>>;

/** The commands of a workbench; `more` are those of parts that list their own. */
export function createCommands(
  studio: Studio,
  follower: Follower,
  chat: Chat,
  output: Output,
  files: ChatFiles,
  surroundings: Surroundings,
  view: View,
  firstQuestion: FirstQuestion,
  tour: Tour,
  survey: SurveyActions,
  takes: Takes,
  workspace: Workspace,
  more: readonly Command[],
): Commands {
  const state = studio.store.getState;
  const conversation = () => currentConversation(chat.store.getState());
  const forMergekit = rememberingMergekitScript();
  const savesNow = () => state().work?.kind === 'save';
  const openSamples = async () => {
    await studio.openSamples((onBytes) => fetchSamples(surroundings.fetch, onBytes));
    // The samples learned single questions; earlier turns would only confuse them.
    if (state().samples !== null) chat.change({ context: 'none' });
  };
  const list: readonly Command[] = [
    {
      name: 'openSamples',
      group: 'Files',
      label: 'Open samples',
      shortcut: null,
      help: 'Four small chat models that come with the page. On an empty page they are merged and asked a question.',
      isEnabled: () => state().work?.kind !== 'fetch',
      async perform() {
        const isFirst = state().checkpoints.length === 0;
        await openSamples();
        if (isFirst) await firstQuestion.ask();
      },
    },
    {
      name: 'openSamplesOnly',
      group: 'Files',
      label: 'Open samples without merging',
      help: 'The same four models; nothing is merged or asked.',
      shortcut: null,
      isEnabled: () => state().work?.kind !== 'fetch',
      perform: () => openSamples(),
    },
    {
      name: 'measure',
      group: 'Mixer',
      label: 'Measure',
      shortcut: null,
      isEnabled: () => state().awaitsMeasure && state().work === null,
      obstacle: () => 'Nothing waits to be measured.',
      perform: () => follower.measure(),
    },
    {
      name: 'merge',
      group: 'Mixer',
      label: 'Merge',
      shortcut: 'mod+Enter',
      isEnabled: () => (mergeObstacle(state()) === null || isRefused(state())) && !savesNow(),
      obstacle: () => mergeObstacle(state()) ?? (savesNow() ? 'A save is under way.' : null),
      perform() {
        // Takes effect when the blend is there.
        const hasColumn = conversation().columns.some(({ speaker }) => speaker?.kind === 'blend');
        if (!isRefused(state()) && !hasColumn) chat.choose({ kind: 'blend' });
        return follower.merge();
      },
    },
    {
      name: 'cancel',
      group: 'Mixer',
      label: 'Cancel',
      shortcut: null,
      isEnabled: () => ['weigh', 'blend', 'save'].includes(state().work?.kind ?? ''),
      obstacle: () => 'Nothing is under way.',
      perform: () => follower.cancel(),
    },
    {
      name: 'undo',
      group: 'Recipe',
      label: 'Undo',
      shortcut: 'mod+Z',
      isEnabled: () => state().canUndo,
      obstacle: () => 'Nothing to undo.',
      perform: () => studio.history.undo(),
    },
    {
      name: 'redo',
      group: 'Recipe',
      label: 'Redo',
      shortcut: 'mod+shift+Z',
      isEnabled: () => state().canRedo,
      obstacle: () => 'Nothing to redo.',
      perform: () => studio.history.redo(),
    },
    ...chatCommands(studio, chat, files),
    {
      name: 'save',
      group: 'Files',
      label: 'Save',
      shortcut: 'mod+S',
      isEnabled: () =>
        saveObstacle(state()) === null && nameObstacle(output.store.getState().name) === null && !savesNow(),
      obstacle: () =>
        saveObstacle(state()) ??
        nameObstacle(output.store.getState().name) ??
        (savesNow() ? 'A save is under way.' : null),
      perform: () => output.save(),
    },
    {
      name: 'copyMergekit',
      group: 'Recipe',
      label: 'Copy as mergekit command',
      shortcut: null,
      isEnabled: () => state().text.trim() !== '' && 'script' in forMergekit(state().text),
      obstacle() {
        const { text } = state();
        const made = forMergekit(text);
        return text.trim() !== '' && 'obstacle' in made ? made.obstacle : null;
      },
      async perform() {
        const made = forMergekit(state().text);
        if ('script' in made) await output.copy(made.script, 'The mergekit command, with its recipe,');
      },
    },
    {
      name: 'useRecommended',
      group: 'Recipe',
      label: 'Use this start',
      help: 'Writes the recommended method and parameters into the recipe, in one step that undo takes back.',
      shortcut: null,
      isEnabled: () => survey.startObstacle() === null,
      obstacle: survey.startObstacle,
      perform: survey.useStart,
    },
    {
      name: 'exportSurvey',
      group: 'Files',
      label: 'Export figures as CSV',
      help: 'What each model changed, tensor by tensor.',
      shortcut: null,
      isEnabled: survey.canExport,
      perform: survey.exportCsv,
    },
    ...pageCommands(studio, view, tour),
    {
      name: 'keepTake',
      group: 'Recipe',
      label: 'Keep take',
      help: 'Keeps the recipe as it is now under a name, to come back to or to compare with.',
      shortcut: 'mod+shift+K',
      isEnabled: () => takes.keepObstacle() === null,
      obstacle: takes.keepObstacle,
      perform: takes.keep,
    },
    {
      name: 'toggleAB',
      group: 'Recipe',
      label: 'Switch A and B',
      help: 'Puts the recipe to the other of two takes, or to a take and back. However often, undo is one step.',
      shortcut: 'X',
      isEnabled: () => takes.toggleObstacle() === null,
      obstacle: takes.toggleObstacle,
      perform: takes.toggle,
    },
    {
      name: 'compareTakes',
      group: 'Chat',
      label: 'Compare in chat',
      help: 'Has A and B answer side by side.',
      shortcut: null,
      isEnabled: () => takes.compareObstacle() === null,
      obstacle: takes.compareObstacle,
      perform: takes.compareInChat,
    },
    {
      name: 'forgetWorkspace',
      group: 'Files',
      label: 'Start afresh',
      help: 'Closes all models and forgets the recipe and its takes. Until something else is opened, it can be brought back.',
      shortcut: null,
      isEnabled: () =>
        canForget(state()) && (state().checkpoints.length > 0 || workspace.store.getState().left !== null),
      obstacle: () =>
        canForget(state()) ? 'Nothing is open.' : 'Files are being opened or saved: stop that, or let it end.',
      perform: workspace.forget,
    },
  ];
  return Object.fromEntries([...list, ...more].map((command) => [command.name, command])) as Commands;
}
