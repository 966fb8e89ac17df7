/**
 * Workspace: the work of a page, kept in this browser from one visit to the next: recipe with undo, takes, view, and how
 * to find the files again. Each tab has its own (`kept-workspaces.ts`). After a reload it comes back by itself where
 * nothing has to be asked; else it is offered. Where the browser keeps nothing that is no error. Not the form of what is kept (`workspace-text.ts`), not the conversations
 * (`chat-keeping.ts`).
 */

import { createStore, type StoreApi } from 'zustand/vanilla';
import { MissingFault } from '../bytes/fault.ts';
import { modelsNeeded } from '../recipe/recipe.ts';
import { diagnoseRecipe } from '../recipe/yaml.ts';
import { type Chat, currentConversation } from './chat-store.ts';
import {
  askToRead,
  changesSince,
  filesOf,
  type GivenFiles,
  marksOf,
  mayRead,
  type Opening,
  openingKey,
} from './kept-files.ts';
import { keptWorkspaces } from './kept-workspaces.ts';
import { namesToDrop, returnSentence } from './left-work.ts';
import type { Mixer } from './mixer.ts';
import type { Output } from './output.ts';
import { isLoose } from './picking.ts';
import { proposedRecipe } from './recipe-edits.ts';
import { fetchSamples, type PathedFile, type SamplesIndex } from './samples.ts';
import type { OnProgress, Studio, StudioState } from './studio.ts';
import type { Surroundings } from './surroundings.ts';
import { NO_TAKES } from './takes.ts';
import type { Takes } from './takes-store.ts';
import type { View } from './view.ts';
import {
  type CheckpointMark,
  checkpointMark,
  isMarked,
  type KeptWorkspace,
  readWorkspace,
  workspaceText,
} from './workspace-text.ts';

export interface WorkspaceState {
  /**
   * `looking`: what is kept is being read; `empty`: nothing is kept or open; `offered`: `left` can come back; `opening`: it
   * is coming; `working`: what is on the page is kept.
   */
  readonly phase: 'looking' | 'empty' | 'offered' | 'opening' | 'working';
  /** What was left on another visit, or forgotten on this one. */
  readonly left: KeptWorkspace | null;
  /** Folders and files that the person has to drop again, since the browser cannot find them by itself. */
  readonly toDrop: readonly string[];
  /** Whether a button can bring back at least some of it. */
  readonly canGoOn: boolean;
  /** True where the person has just forgotten `left`. */
  readonly isForgotten: boolean;
  /** True where the person did not let the page read the files. */
  readonly isDenied: boolean;
  /** Checkpoints of the work that came back that are not open yet. */
  readonly awaited: readonly CheckpointMark[];
  /** False where the browser keeps nothing. */
  readonly isKept: boolean;
}

export interface Workspace {
  readonly store: StoreApi<WorkspaceState>;
  /** Resolves when what is kept was read, and came back where it does so by itself. */
  readonly ready: Promise<void>;
  /** Opens files that a person gave, and remembers how to find them again. */
  readonly open: (given: GivenFiles) => Promise<void>;
  /** Brings back what was left. Must be called within a click: the browser may have to ask. */
  readonly goOn: () => Promise<void>;
  /** Closes everything and forgets it; `goOn` still brings it back until something else is opened. */
  readonly forget: () => Promise<void>;
  /** Waits no longer for checkpoints that did not come back. */
  readonly dismissAwaited: () => void;
}

/** Changes are written after this pause. */
const PAUSE_MS = 500;

/** What the workspace is made of; `conversations` resolves when the kept ones were taken in. */
export interface WorkspaceParts {
  readonly studio: Studio;
  readonly chat: Chat;
  readonly takes: Takes;
  readonly mixer: Mixer;
  readonly view: View;
  readonly output: Output;
  readonly surroundings: Surroundings;
  readonly conversations: Promise<void>;
}

/** An opening's files as this page has them: given on this visit, or handles of another one. */
interface Found {
  readonly files: readonly PathedFile[] | null;
  readonly handles: readonly FileSystemHandle[];
}

/** Whether all may be closed: not while files come in or a result goes out. */
export function canForget({ work }: Pick<StudioState, 'work'>): boolean {
  return work === null || work.kind === 'weigh' || work.kind === 'blend';
}

/** Makes the workspace beside the stores that it keeps, and begins to look for what was left. */
export function createWorkspace(parts: WorkspaceParts, now: () => number = () => Date.now()): Workspace {
  const { studio, chat, takes, mixer, view, output, surroundings } = parts;
  const { workspaces: texts, handles: handleStore, visit } = surroundings;
  const workspaces = texts ? keptWorkspaces(texts, visit?.tabs ?? null, visit?.key ?? null) : null;
  const store = createStore<WorkspaceState>()(() => ({
    phase: workspaces ? 'looking' : 'empty',
    left: null,
    toDrop: [],
    canGoOn: false,
    isForgotten: false,
    isDenied: false,
    awaited: [],
    isKept: workspaces !== null,
  }));
  const { getState: get, setState: set } = store;
  /** How the open files came in, in order. */
  let openings: readonly Opening[] = [];
  const found = new Map<string, Found>();
  let timer: ReturnType<typeof setTimeout> | undefined;
  let changedMs = now();

  /** The work as it is. */
  const current = (): KeptWorkspace => {
    const { checkpoints, blend, work } = studio.store.getState();
    const { centre, mapDetail } = view.store.getState();
    const { takes: kept, loaded, a, b } = takes.store.getState();
    const open = new Set(checkpoints.map(({ name }) => name));
    const awaited = get().awaited.filter(({ name }) => !open.has(name));
    const wanted = (name: string) => open.has(name) || awaited.some((own) => own.name === name);
    return {
      changedMs,
      ...copied(studio.history.entries()),
      checkpoints: [...checkpoints.map(checkpointMark), ...awaited].map((own) => ({
        ...own,
        weightFiles: [...own.weightFiles],
      })),
      openings: openings
        .filter(({ names }) => names.length === 0 || names.some(wanted))
        .map((own) => ({ ...own, files: [...own.files], names: [...own.names] })),
      takes: [...kept],
      loaded,
      a,
      b,
      centre,
      mapDetail,
      locks: [...mixer.store.getState().locks].map(([model, filters]) => ({ model, filters: [...filters] })),
      conversation: currentConversation(chat.store.getState()).startedMs,
      underWay: work?.kind === 'blend' ? 'merge' : work?.kind === 'save' ? `save ${placeOf(output)}` : null,
      hadBlend: blend !== null,
    };
  };

  const hasWork = () => studio.store.getState().checkpoints.length > 0 || get().awaited.length > 0;

  /** The text to keep; null where there is nothing worth it. */
  const textNow = () => (get().phase === 'working' && hasWork() ? workspaceText(current()) : null);

  const keep = () => {
    clearTimeout(timer);
    timer = undefined;
    if (!workspaces || get().phase !== 'working') return;
    const text = textNow();
    visit?.hint.write(text === null ? null : 'work');
    workspaces.write(text).then(
      () => set({ isKept: true }),
      () => set({ isKept: false }),
    );
  };
  const keepSoon = () => {
    if (get().phase === 'working') timer ??= setTimeout(keep, PAUSE_MS);
  };
  /** After what a person did, which makes this work the newest; what ends by itself in another tab does not. */
  const keepChanged = () => {
    changedMs = now();
    keepSoon();
  };

  visit?.onHide(() => {
    if (get().phase !== 'working') return;
    // The database may be too slow for a page that goes; the tab's own place is not.
    visit.tab.write(textNow());
    if (timer !== undefined) keep();
  });

  /** Adopts what was left where the person has dropped its files again; else lets it go for what is new. */
  const settle = () => {
    const { phase, left, toDrop, isForgotten } = get();
    const state = studio.store.getState();
    if ((phase !== 'offered' && phase !== 'empty') || isComing(state)) return;
    if (state.checkpoints.length === 0 && state.text.trim() === '') return;
    if (left !== null && toDrop.length > 0 && !isForgotten && isReturn(left, state)) {
      set({ phase: 'opening' });
      studio.history.restore(left);
      const isOpen = (name: string) => state.checkpoints.some((own) => own.name === name);
      comeBack(
        left,
        [],
        left.openings.filter(({ names }) => !names.every(isOpen)),
      );
      return;
    }
    set({ phase: 'working', left: null, toDrop: [], isForgotten: false, isDenied: false });
    // What was offered and not wanted here stays as it was for another tab, or a later visit.
    if (left !== null && !isForgotten) workspaces?.leave();
    // Takes go with their models: of those that are open again they are still true.
    const isAbout = (text: string) => {
      const { recipe } = diagnoseRecipe(text);
      return recipe !== null && modelsNeeded(recipe).some((name) => state.checkpoints.some((own) => own.name === name));
    };
    if (left !== null && !isForgotten && takes.store.getState().takes.length === 0) {
      const kept = left.takes.filter(({ text }) => isAbout(text));
      if (kept.length > 0) takes.restore({ ...NO_TAKES, takes: kept });
    }
    keepChanged();
  };

  /** Puts everything but the recipe as it was left, and says what is not. */
  const comeBack = (left: KeptWorkspace, changed: readonly string[], added: readonly Opening[]) => {
    const open = new Set(studio.store.getState().checkpoints.map(({ name }) => name));
    const awaited = left.checkpoints.filter(({ name }) => !open.has(name));
    takes.restore({ takes: left.takes, loaded: left.loaded, a: left.a, b: left.b, deleted: null });
    view.change({ centre: left.centre, mapDetail: left.mapDetail });
    mixer.store.setState({ locks: new Map(left.locks.map(({ model, filters }) => [model, new Set(filters)])) });
    if (studio.store.getState().samples !== null) chat.change({ context: 'none' });
    const spoken = chat.store.getState().conversations.find(({ startedMs }) => startedMs === left.conversation);
    if (spoken) chat.open(spoken.id);
    openings = [...added, ...openings];
    set({ phase: 'working', left: null, toDrop: [], isForgotten: false, isDenied: false, awaited });
    const missing = awaited.map(({ name }) => name);
    studio.store.setState({ outcome: returnSentence(left, { changed, missing }) });
    keepChanged();
  };

  studio.store.subscribe((state, before) => {
    if (state.samples !== before.samples && state.samples !== null && get().phase !== 'opening') {
      const { base, models } = state.samples;
      const names = [base, ...models.map(({ folder }) => folder)];
      openings = [...openings, { key: openingKey(now()), source: 'samples', files: [], names }];
    }
    if (state.checkpoints !== before.checkpoints && get().awaited.length > 0) {
      const isOpen = (name: string) => state.checkpoints.some((own) => own.name === name);
      set({ awaited: get().awaited.filter(({ name }) => !isOpen(name)) });
    }
    settle();
    const isChanged =
      state.text !== before.text ||
      state.canUndo !== before.canUndo ||
      state.canRedo !== before.canRedo ||
      state.checkpoints !== before.checkpoints;
    if (isChanged) keepChanged();
    else if (state.blend !== before.blend || state.work?.kind !== before.work?.kind) keepSoon();
  });
  takes.store.subscribe(keepChanged);
  view.store.subscribe(keepChanged);
  mixer.store.subscribe((state, before) => {
    if (state.locks !== before.locks) keepChanged();
  });
  chat.store.subscribe((state, before) => {
    if (state.current !== before.current) keepChanged();
  });

  /** What can be found of an opening without the person's dropping it again. */
  const isFound = ({ key, source }: Opening) => {
    const own = found.get(key);
    return source === 'samples' || (own !== undefined && (own.files !== null || own.handles.length > 0));
  };
  const handlesOf = (left: KeptWorkspace) =>
    left.openings.flatMap(({ key }) => (found.get(key)?.files ? [] : (found.get(key)?.handles ?? [])));
  const offer = (left: KeptWorkspace, isForgotten: boolean) => {
    const lost = left.openings.filter((opening) => !isFound(opening));
    const canGoOn = left.openings.some(isFound);
    set({ phase: 'offered', left, toDrop: namesToDrop(lost), canGoOn, isForgotten, isDenied: false });
  };

  /** Opens what was left, its handles being readable. */
  const reopen = async (left: KeptWorkspace): Promise<void> => {
    const { isForgotten } = get();
    set({ phase: 'opening', isDenied: false });
    const changed: string[] = [];
    const here = left.openings.filter(isFound);
    const files = async (onProgress: OnProgress) => {
      const groups: (readonly PathedFile[])[] = [];
      let samples: SamplesIndex | null = null;
      for (const { key, source, files: marks } of here) {
        if (source === 'samples') {
          const fetched = await fetchSamples(surroundings.fetch, (bytesDone, bytesTotal) =>
            onProgress({ bytesDone, bytesTotal }),
          );
          samples = fetched.index;
          groups.push(fetched.files);
          continue;
        }
        const own = found.get(key);
        const group = own?.files ?? (await filesOf(own?.handles ?? []));
        changed.push(...changesSince(marks, group).changed);
        if (group.length > 0) groups.push(group);
      }
      if (groups.length === 0) {
        throw new MissingFault('None of the files is where it was. Drop them again, and the recipe comes back.');
      }
      return { groups, samples };
    };
    const names = left.checkpoints.map(({ name }) => name);
    const entries = { text: left.text, past: left.past, future: left.future };
    const isOpen = (await studio.reopen({ files, names, entries })) && studio.store.getState().checkpoints.length > 0;
    if (!isOpen) {
      offer(left, isForgotten);
      set({ toDrop: namesToDrop(left.openings), canGoOn: left.openings.some(isFound) });
      return;
    }
    await parts.conversations;
    comeBack(left, changed, left.openings);
    if (isForgotten) for (const { key } of here) keepHandles(key);
  };

  const keepHandles = (key: string) => {
    const own = found.get(key);
    if (own && own.handles.length > 0 && handleStore) handleStore.write(key, own.handles).catch(() => undefined);
  };

  /** Reads what was kept, and lets it come back where nothing has to be asked. */
  const begin = async (): Promise<void> => {
    if (!workspaces) return;
    const { work: taken, isOwn } = await workspaces.take().catch(() => ({ work: null, isOwn: false }));
    const ofTab = visit?.wasReloaded || isOwn ? readWorkspace(visit?.tab.read() ?? '') : null;
    visit?.tab.write(null);
    // What this tab showed last: the database may have had no time for it.
    const left = ofTab !== null && ofTab.changedMs >= (taken?.changedMs ?? 0) ? ofTab : taken;
    if (left === null || left.checkpoints.length === 0) {
      visit?.hint.write(null);
      set({ phase: 'empty' });
      settle();
      return;
    }
    for (const { key } of left.openings) {
      const handles = handleStore ? await handleStore.read(key).catch(() => []) : [];
      if (handles.length > 0) found.set(key, { files: null, handles });
    }
    offer(left, false);
    settle();
    const mayComeBack = visit?.wasReloaded === true && get().phase === 'offered' && get().toDrop.length === 0;
    if (mayComeBack && (await mayRead(handlesOf(left)).catch(() => false)) && get().phase === 'offered') {
      await reopen(left);
    }
  };

  return {
    store,
    ready: begin(),
    async open({ files, handles }) {
      const key = openingKey(now());
      const names = await studio.open(files);
      const marks = marksOf(files);
      // Loose files may wait for others to become a model; anything else that came to nothing need not come again.
      if (names.length === 0 && (marks.length === 0 || !files.every(isLoose))) return;
      found.set(key, { files, handles });
      openings = [...openings, { key, source: 'files', files: marks, names }];
      keepHandles(key);
      keepChanged();
    },
    async goOn() {
      const { phase, left } = get();
      if (phase !== 'offered' || left === null) return;
      if (!(await askToRead(handlesOf(left)))) {
        set({ isDenied: true });
        return;
      }
      await reopen(left);
    },
    async forget() {
      const { phase } = get();
      const left = phase === 'working' ? current() : get().left;
      if (left === null || !canForget(studio.store.getState())) return;
      clearTimeout(timer);
      timer = undefined;
      set({ phase: 'opening' });
      // What is read or blended at the moment is of no use any more.
      if (studio.store.getState().work !== null) await studio.engine.cancel().catch(() => undefined);
      for (const { name } of studio.store.getState().checkpoints) await studio.close(name);
      studio.history.reset('');
      studio.store.setState({ samples: null, outcome: null, refusals: [] });
      takes.restore(NO_TAKES);
      openings = [];
      set({ awaited: [] });
      visit?.hint.write(null);
      visit?.tab.write(null);
      await workspaces?.write(null).catch(() => undefined);
      if (handleStore) {
        for (const { key } of left.openings) await handleStore.remove(key).catch(() => undefined);
      }
      offer(left, true);
    },
    dismissAwaited() {
      set({ awaited: [] });
      keepChanged();
    },
  };
}

function copied({ text, past, future }: ReturnType<Studio['history']['entries']>) {
  return { text, past: [...past], future: [...future] };
}

function placeOf(output: Output): 'to a folder' | 'as a zip' {
  return output.store.getState().kind === 'folder' ? 'to a folder' : 'as a zip';
}

/** While files come in, the recipe is not what it will be. */
function isComing({ work }: StudioState): boolean {
  return work?.kind === 'open' || work?.kind === 'fetch';
}

/** Whether what is open is some of what was left, and the recipe nothing but what the page proposes for it. */
function isReturn(left: KeptWorkspace, { checkpoints, text }: StudioState): boolean {
  if (checkpoints.length === 0) return false;
  const isKnown = checkpoints.every((own) => left.checkpoints.some((mark) => isMarked(mark, own)));
  return isKnown && (text === '' || text === proposedRecipe(checkpoints.map(({ name }) => name)));
}
