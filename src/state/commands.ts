/**
 * Commands: everything that a button or a shortcut does, once. A command says what it is called, when it can be
 * used and what it does; buttons and shortcuts read it and add nothing.
 */

import { clearFiltered } from '../recipe/yaml.ts';
import { type ChatFiles, lastReplies } from './chat-files.ts';
import { type Chat, canSend, currentConversation, isReplying } from './chat-store.ts';
import { pathOf } from './conversation.ts';
import type { Follower } from './follow.ts';
import { rememberingMergekitScript } from './mergekit-script.ts';
import { nameObstacle, type Output } from './output.ts';
import { fetchSamples } from './samples.ts';
import { hasFilteredValues } from './shown-value.ts';
import { isRefused, mergeObstacle, saveObstacle } from './status.ts';
import type { Studio } from './studio.ts';
import type { Surroundings } from './surroundings.ts';

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
  readonly perform: () => void | Promise<unknown>;
}

export type CommandName =
  | 'openSamples'
  | 'measure'
  | 'merge'
  | 'cancel'
  | 'undo'
  | 'redo'
  | 'resetWeights'
  | 'stop'
  | 'regenerate'
  | 'editLast'
  | 'copyReply'
  | 'newConversation'
  | 'exportJson'
  | 'exportMarkdown'
  | 'clearChat'
  | 'save'
  | 'copyMergekit';

export type Commands = Readonly<Record<CommandName, Command>>;

/** The commands of a workbench. */
export function createCommands(
  studio: Studio,
  follower: Follower,
  chat: Chat,
  output: Output,
  files: ChatFiles,
  surroundings: Surroundings,
): Commands {
  const state = studio.store.getState;
  const conversation = () => currentConversation(chat.store.getState());
  const hasMessages = () => conversation().messages.length > 0;
  const isIdle = () => !isReplying(chat.store.getState());
  const forMergekit = rememberingMergekitScript();
  const savesNow = () => state().work?.kind === 'save';
  const list: readonly Command[] = [
    {
      name: 'openSamples',
      group: 'Files',
      label: 'Open samples',
      shortcut: null,
      isEnabled: () => state().work?.kind !== 'fetch',
      async perform() {
        await studio.openSamples((onBytes) => fetchSamples(surroundings.fetch, onBytes));
        // The samples learned single questions; earlier turns would only confuse them.
        if (state().samples !== null) chat.change({ context: 'none' });
      },
    },
    {
      name: 'measure',
      group: 'Mixer',
      label: 'Measure',
      shortcut: null,
      isEnabled: () => state().awaitsMeasure && state().work === null,
      perform: () => follower.measure(),
    },
    {
      name: 'merge',
      group: 'Mixer',
      label: 'Merge',
      shortcut: 'mod+Enter',
      isEnabled: () => (mergeObstacle(state()) === null || isRefused(state())) && !savesNow(),
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
      perform: () => follower.cancel(),
    },
    {
      name: 'undo',
      group: 'Recipe',
      label: 'Undo',
      shortcut: 'mod+Z',
      isEnabled: () => state().canUndo,
      perform: () => studio.history.undo(),
    },
    {
      name: 'redo',
      group: 'Recipe',
      label: 'Redo',
      shortcut: 'mod+shift+Z',
      isEnabled: () => state().canRedo,
      perform: () => studio.history.redo(),
    },
    {
      name: 'resetWeights',
      group: 'Mixer',
      label: 'Reset weights',
      shortcut: null,
      isEnabled: () => {
        const { recipe, map, problems } = state();
        if (recipe === null || map === null || map.handle === null || problems.length > 0) return false;
        return hasFilteredValues(recipe, map.handle);
      },
      perform() {
        const handle = state().map?.handle ?? null;
        if (handle !== null) studio.edit((text) => clearFiltered(text, { name: handle, model: null }));
      },
    },
    {
      name: 'stop',
      group: 'Chat',
      label: 'Stop',
      shortcut: 'Escape',
      isEnabled: () => isReplying(chat.store.getState()),
      perform: () => chat.stop(),
    },
    {
      name: 'regenerate',
      group: 'Chat',
      label: 'Regenerate',
      shortcut: 'mod+shift+Enter',
      isEnabled: () => hasMessages() && canSend(chat.store.getState(), state()),
      perform: () => chat.regenerate(),
    },
    {
      name: 'editLast',
      group: 'Chat',
      label: 'Edit last message',
      shortcut: null,
      isEnabled: () => hasMessages() && isIdle(),
      perform: () => chat.startEditing(pathOf(conversation()).at(-1)?.message.id ?? null),
    },
    {
      name: 'copyReply',
      group: 'Chat',
      label: 'Copy reply',
      shortcut: null,
      isEnabled: () => lastReplies(conversation()).length > 0,
      perform: () => files.copy(),
    },
    {
      name: 'newConversation',
      group: 'Chat',
      label: 'New chat',
      shortcut: 'mod+shift+O',
      isEnabled: () => hasMessages() && isIdle(),
      perform: () => chat.begin(),
    },
    {
      name: 'exportJson',
      group: 'Chat',
      label: 'Export as JSON',
      shortcut: null,
      isEnabled: hasMessages,
      perform: () => files.exportAs('json'),
    },
    {
      name: 'exportMarkdown',
      group: 'Chat',
      label: 'Export as Markdown',
      shortcut: null,
      isEnabled: hasMessages,
      perform: () => files.exportAs('markdown'),
    },
    {
      name: 'clearChat',
      group: 'Chat',
      label: 'Clear chat',
      shortcut: null,
      isEnabled: () => hasMessages() && isIdle(),
      perform: () => chat.clear(),
    },
    {
      name: 'save',
      group: 'Files',
      label: 'Save',
      shortcut: 'mod+S',
      isEnabled: () =>
        saveObstacle(state()) === null && nameObstacle(output.store.getState().name) === null && !savesNow(),
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
  ];
  return Object.fromEntries(list.map((command) => [command.name, command])) as Commands;
}
