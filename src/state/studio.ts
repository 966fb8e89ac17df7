/**
 * Studio: what the page knows about checkpoints, recipe, map, blend and work in progress, and what a person can do
 * with them. A vanilla store; the recipe text in `history.ts` is the single truth and everything about it here is
 * derived. Not the chat (`chat-store.ts`), not what follows by itself from a change (`follow.ts`).
 */

import { createStore, type StoreApi } from 'zustand/vanilla';
import { type FaultReport, RecipeFault, toReport } from '../bytes/fault.ts';
import type { Method } from '../methods/method.ts';
import { MAX_RECIPE_CHARS } from '../recipe/document.ts';
import type { Recipe } from '../recipe/recipe.ts';
import { diagnoseRecipe, type Problem } from '../recipe/yaml.ts';
import type {
  BlendReport,
  CheckpointSummary,
  CheckReport,
  EngineApi,
  EngineInfo,
  PrecisionChoice,
  WeightsMap,
} from './engine-api.ts';
import { createHistory, type History, type HistoryEntries } from './history.ts';
import { droppedParameters, withMethod } from './method-switch.ts';
import { type Swept, sweptSentence } from './mixer-keeping.ts';
import { type Pace, paceAtStart, paced, type Report } from './progress.ts';
import { afterClosing, afterOpening, proposedRecipe, withBase, withModel } from './recipe-edits.ts';
import type { PathedFile, SamplesIndex } from './samples.ts';

/** Long work that the page waits for. */
export interface Work {
  readonly id: number;
  readonly kind: 'open' | 'fetch' | 'weigh' | 'blend' | 'save';
  readonly pace: Pace;
}

/** A file that could not be opened. */
export interface Refusal {
  readonly file: string;
  readonly report: FaultReport;
}

/** The newest thing that was finished, for the status line. */
export interface Outcome {
  readonly tone: 'good' | 'warning' | 'plain';
  readonly sentence: string;
}

export interface StudioState {
  /** Null until the engine has started. */
  readonly engine: EngineInfo | null;
  readonly checkpoints: readonly CheckpointSummary[];
  readonly refusals: readonly Refusal[];
  /** Null where the samples have not been opened. */
  readonly samples: SamplesIndex | null;
  /** The recipe document. */
  readonly text: string;
  /** Null while the text cannot be read. */
  readonly recipe: Recipe | null;
  readonly problems: readonly Problem[];
  readonly canUndo: boolean;
  readonly canRedo: boolean;
  /** The pre-flight of the newest text that got one; null before. */
  readonly check: CheckReport | null;
  readonly checkFault: FaultReport | null;
  readonly map: WeightsMap | null;
  /** True where measuring would read much and waits for the button. */
  readonly awaitsMeasure: boolean;
  readonly work: Work | null;
  readonly blend: BlendReport | null;
  /** The recipe text that the live blend was made from. */
  readonly blendText: string | null;
  /** Why the last work failed; null after the next success. */
  readonly fault: FaultReport | null;
  readonly outcome: Outcome | null;
}

const AT_FIRST: StudioState = {
  engine: null,
  checkpoints: [],
  refusals: [],
  samples: null,
  text: '',
  recipe: null,
  problems: [],
  canUndo: false,
  canRedo: false,
  check: null,
  checkFault: null,
  map: null,
  awaitsMeasure: false,
  work: null,
  blend: null,
  blendText: null,
  fault: null,
  outcome: null,
};

/** The store with its history and the actions on checkpoints and the document. */
export interface Studio {
  readonly store: StoreApi<StudioState>;
  readonly history: History;
  readonly engine: EngineApi;
  readonly start: () => Promise<void>;
  readonly setBudget: (budgetBytes: number) => Promise<void>;
  /** How chat holds matrices from now on. */
  readonly setPrecision: (precision: PrecisionChoice) => Promise<void>;
  /** Opens files and takes what they hold into the recipe; gives the names of the checkpoints that came of them. */
  readonly open: (files: readonly PathedFile[]) => Promise<readonly string[]>;
  /** Opens the samples' files and proposes their recipe. */
  readonly openSamples: (fetchThem: FetchSamples) => Promise<void>;
  /**
   * Opens what a person left, group by group as it came then, and puts the recipe with its history as it was. Resolves to
   * false where that failed; then nothing was changed.
   */
  readonly reopen: (left: Left) => Promise<boolean>;
  readonly close: (name: string) => Promise<void>;
  readonly dismissRefusals: () => void;
  /** Edits the document; edits of one gesture that follow closely are one undo entry. */
  readonly edit: (change: (text: string) => string, gesture?: string) => void;
  /** An edit that may change many places at once: what is locked keeps its weight, and that is said. */
  readonly sweep: (change: (text: string) => string, gesture?: string) => Swept;
  /** What a sweep would make of the text. Throws where the change does. */
  readonly swept: (change: (text: string) => string) => string;
  /** Who knows what is locked; before anybody does, nothing is. */
  readonly keepBy: (keeper: Keeper) => void;
  readonly chooseBase: (name: string) => void;
  readonly include: (name: string, isIn: boolean) => void;
  /** Gives the recipe another method, in one step; `models` where it takes others than the recipe has. */
  readonly chooseMethod: (method: Method, models?: readonly string[] | null) => void;
  /**
   * Does long work under the status line: sets `work`, turns a failure into `fault`, clears both after success.
   * Resolves to null where the work failed or was stopped.
   */
  readonly perform: <T>(kind: Work['kind'], task: (onProgress: OnProgress) => Promise<T>) => Promise<T | null>;
}

/** Keeps what is locked as it was. */
export interface Keeper {
  readonly keep: (before: string, after: string) => Swept;
  /** Hears what came of a sweep. */
  readonly heard: (swept: Swept, gesture?: string) => void;
}

export type OnProgress = (progress: Report) => void;
export type FetchSamples = (
  onBytes: (done: number, total: number) => void,
) => Promise<{ readonly index: SamplesIndex; readonly files: readonly PathedFile[] }>;

/** What a person left, to be opened again. */
export interface Left {
  /** The files, in the groups in which they came; `samples` where the page's own were among them. */
  readonly files: (onProgress: OnProgress) => Promise<{
    readonly groups: readonly (readonly PathedFile[])[];
    readonly samples: SamplesIndex | null;
  }>;
  /** The checkpoints that were open; what else the files hold is closed again. */
  readonly names: readonly string[];
  readonly entries: HistoryEntries;
}

/** Makes the studio over an engine. */
export function createStudio(engine: EngineApi, history: History = createHistory()): Studio {
  const store = createStore<StudioState>()(() => AT_FIRST);
  const { getState: get, setState: set } = store;
  let lastWork = 0;

  history.subscribe(() => {
    const text = history.text();
    const undoable = { canUndo: history.canUndo(), canRedo: history.canRedo() };
    set(text === get().text ? undoable : { ...undoable, text, ...readRecipe(text, get().recipe) });
  });

  const edit: Studio['edit'] = (change, gesture) => {
    try {
      history.edit(change(history.text()), gesture);
    } catch (thrown) {
      set({ fault: toReport(thrown) });
    }
  };

  const unkept = (text: string): Swept => ({ text, kept: [], lost: [], obstacle: null });
  let keeper: Keeper = { keep: (_, after) => unkept(after), heard: () => {} };
  const sweep: Studio['sweep'] = (change, gesture) => {
    let swept = unkept(history.text());
    edit((text) => {
      swept = keeper.keep(text, change(text));
      return swept.text;
    }, gesture);
    keeper.heard(swept, gesture);
    return swept;
  };

  const perform: Studio['perform'] = async (kind, task) => {
    const id = ++lastWork;
    set({ work: { id, kind, pace: paceAtStart(performance.now()) }, fault: null });
    try {
      return await task((report) => {
        const { work } = get();
        if (work?.id === id) set({ work: { id, kind, pace: paced(work.pace, report, performance.now()) } });
      });
    } catch (thrown) {
      const report = toReport(thrown);
      // Work that newer work has replaced has nothing to say any more.
      if (id !== lastWork) return null;
      if (report.code === 'cancelled') set({ outcome: { tone: 'plain', sentence: 'Stopped. Nothing was changed.' } });
      else set({ fault: report, outcome: null });
      return null;
    } finally {
      if (get().work?.id === id) set({ work: null });
    }
  };

  const takeIn = ({ added, faults, settled = [] }: Awaited<ReturnType<EngineApi['add']>>) => {
    const names = new Set(added.map(({ name }) => name));
    set((state) => ({
      checkpoints: [...state.checkpoints.filter(({ name }) => !names.has(name)), ...added],
      refusals: [
        ...state.refusals.filter(({ file, report }) => !settled.includes(`${file}: ${report.message}`)),
        ...faults,
      ],
    }));
    return added.map(({ name }) => name);
  };
  const addFiles = async (files: readonly PathedFile[]) => takeIn(await engine.add(files));

  const openNames = () => get().checkpoints.map(({ name }) => name);

  return {
    store,
    history,
    engine,
    edit,
    sweep,
    swept: (change) => keeper.keep(history.text(), change(history.text())).text,
    keepBy(own) {
      keeper = own;
    },
    perform,
    async start() {
      try {
        set({ engine: await engine.start() });
      } catch (thrown) {
        set({ fault: toReport(thrown) });
      }
    },
    async setBudget(budgetBytes) {
      try {
        set({ engine: await engine.setBudget(budgetBytes) });
      } catch (thrown) {
        set({ fault: toReport(thrown) });
      }
    },
    async setPrecision(precision) {
      try {
        set({ engine: await engine.setPrecision(precision) });
      } catch (thrown) {
        set({ fault: toReport(thrown) });
      }
    },
    async open(files) {
      if (files.length === 0) return [];
      const names = await perform('open', async () => {
        const [recipeFile, rest] = apartRecipe(files);
        const added = rest.length > 0 ? await addFiles(rest) : [];
        if (recipeFile) {
          history.edit(await recipeText(recipeFile.file));
          return added;
        }
        const isFirst = history.text() === '';
        const text = afterOpening(history.text(), get().recipe, openNames(), added);
        if (isFirst) history.reset(text);
        else history.edit(text);
        return added;
      });
      return names ?? [];
    },
    async openSamples(fetchThem) {
      await perform('fetch', async (onProgress) => {
        const { index, files } = await fetchThem((bytesDone, bytesTotal) => onProgress({ bytesDone, bytesTotal }));
        const open = new Set(openNames());
        const missing = files.filter(({ path }) => !open.has(path.split('/')[0] ?? ''));
        if (missing.length === 0) {
          set({ samples: index, outcome: { tone: 'plain', sentence: 'The samples are open already.' } });
          return;
        }
        await addFiles(missing);
        const family = new Set([index.base, ...index.models.map(({ folder }) => folder)]);
        const text = proposedRecipe(
          openNames().filter((name) => family.has(name)),
          index.base,
        );
        set({ samples: index });
        if (history.text() === '') history.reset(text);
        else history.edit(text);
      });
    },
    async reopen({ files, names, entries }) {
      const isDone = await perform('open', async (onProgress) => {
        const { groups, samples } = await files(onProgress);
        const results: Awaited<ReturnType<EngineApi['add']>>[] = [];
        for (const group of groups) results.push(await engine.add(group));
        const opened = new Set(results.flatMap(({ added }) => added.map(({ name }) => name)));
        for (const name of opened) if (!names.includes(name)) await engine.remove(name);
        // At once, so that nothing is checked before all of it is there.
        for (const result of results) {
          takeIn({ ...result, added: result.added.filter(({ name }) => names.includes(name)) });
        }
        if (samples) set({ samples });
        history.restore(entries);
        return true;
      });
      return isDone === true;
    },
    async close(name) {
      try {
        await engine.remove(name);
      } catch (thrown) {
        set({ fault: toReport(thrown) });
        return;
      }
      set((state) => ({ checkpoints: state.checkpoints.filter((checkpoint) => checkpoint.name !== name) }));
      edit((text) => afterClosing(text, get().recipe, openNames(), name));
    },
    dismissRefusals: () => set({ refusals: [] }),
    chooseBase(name) {
      const { recipe } = get();
      if (recipe) edit((text) => withBase(text, recipe, name));
    },
    include(name, isIn) {
      const { recipe } = get();
      if (recipe) edit((text) => withModel(text, recipe, name, isIn));
    },
    chooseMethod(method, models = null) {
      const { recipe } = get();
      if (!recipe || (recipe.method === method.name && models === null)) return;
      const swept = sweep((text) => withMethod(text, recipe, method, openNames(), models));
      const sentences = [droppedSentence(recipe, method), sweptSentence(swept)].filter((own) => own !== null);
      if (sentences.length > 0) set({ outcome: { tone: 'plain', sentence: sentences.join(' ') } });
    },
  };
}

/** What has to be said of parameters that go with a method; null where none do. */
function droppedSentence(recipe: Recipe, method: Method): string | null {
  const dropped = droppedParameters(recipe, method);
  if (dropped.length === 0) return null;
  const others = dropped.slice(0, -1);
  const what = others.length === 0 ? dropped[0] : `${others.join(', ')} or ${dropped.at(-1)}`;
  const [was, them] = dropped.length === 1 ? ['it was', 'it'] : ['they were', 'them'];
  return `${method.title} has no ${what}; ${was} removed. Undo brings ${them} back.`;
}

/** A recipe that was picked by itself; one inside a model's folder is a record of how that model came to be. */
function apartRecipe(files: readonly PathedFile[]): readonly [PathedFile | undefined, readonly PathedFile[]] {
  const recipe = files.find(({ path }) => /^[^/]+\.ya?ml$/i.test(path));
  return [recipe, files.filter((file) => file !== recipe)];
}

async function recipeText(file: File): Promise<string> {
  if (file.size > MAX_RECIPE_CHARS)
    throw new RecipeFault(`${file.name} is too long to be a recipe. Open another file.`);
  return file.text();
}

/** What a text means. A text that cannot be read keeps the last recipe, so that the controls do not vanish. */
function readRecipe(text: string, last: Recipe | null): Pick<StudioState, 'recipe' | 'problems'> {
  if (text.trim() === '') return { recipe: null, problems: [] };
  const { recipe, problems } = diagnoseRecipe(text);
  return { recipe: recipe ?? last, problems };
}
