/**
 * Follow: what happens by itself after the recipe or the open checkpoints change: check, then the weights map, then
 * the live blend where there is one. Latest wins: what an older text started is dropped when it comes back.
 */

import { toReport } from '../bytes/fault.ts';
import { METHODS } from '../methods/index.ts';
import { defaults, encodeValue, type Method, type StatisticUnit } from '../methods/method.ts';
import { heardRecipe } from '../recipe/muted.ts';
import type { Recipe } from '../recipe/recipe.ts';
import type { BlendReport, PlanSummary } from './engine-api.ts';
import { bytesFigure, plural, timeFigure } from './figures.ts';
import { shownValue } from './shown-value.ts';
import type { Studio } from './studio.ts';
import { createView, type View } from './view.ts';

/** A change is followed after this pause, and during an unbroken run of changes at least this often. */
const PAUSE_MS = 100;
const LONGEST_WAIT_MS = 300;
/** The pause where a live blend follows without reading anything and nothing is under way: a slider that is let go. */
const QUICK_PAUSE_MS = 10;
/** Measuring that reads at most this much starts without being asked for. */
export const AUTO_MEASURE_BYTES = 512_000_000;
/** A live blend whose sources must be read again follows a change only up to this much. */
const AUTO_REREAD_BYTES = 512_000_000;

/** What follows, and the two steps of it that a person can also ask for. */
export interface Follower {
  /** Measures and shows the weights map of the newest recipe. */
  readonly measure: () => Promise<void>;
  /** Makes the live blend from the newest recipe; from then on it follows changes. */
  readonly merge: () => Promise<void>;
  /** Stops merge work and what would follow from it. */
  readonly cancel: () => Promise<void>;
  /** Holds back measuring and blending (a save is reading), until the returned function is called. */
  readonly holdBack: () => () => void;
  readonly stop: () => void;
}

/** Starts following a studio; the map is asked for as finely as the view shows it. */
export function follow(studio: Studio, view: View = createView()): Follower {
  const { store, engine, perform } = studio;
  const { getState: get, setState: set } = store;
  let turn = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let firstWaitedMs: number | null = null;
  /** From the first Merge on, changes are followed by the blend. */
  let isLive = false;
  /** The text that is being blended; null while none is. */
  let blending: string | null = null;
  /** Changes that are being followed. */
  let settling = 0;
  let heldBack = 0;
  /** Whether anything changed that was not followed while it was held back. */
  let isOwed = false;
  let measured: Reading | null = null;

  const later = () => {
    turn++;
    const now = performance.now();
    firstWaitedMs ??= now;
    clearTimeout(timer);
    const isQuick = isLive && settling === 0 && get().check?.plan?.mode === 'resident';
    const pause = isQuick ? QUICK_PAUSE_MS : PAUSE_MS;
    timer = setTimeout(() => void settle(), Math.max(0, Math.min(pause, firstWaitedMs + LONGEST_WAIT_MS - now)));
  };

  const stopListening = store.subscribe((state, before) => {
    if (state.text !== before.text || state.checkpoints !== before.checkpoints) later();
    const isHeldOtherwise =
      state.engine?.budgetBytes !== before.engine?.budgetBytes || state.engine?.precision !== before.engine?.precision;
    if (isHeldOtherwise && before.engine !== null) later();
  });

  // Another detail needs neither a check nor another blend.
  const stopLooking = view.store.subscribe(({ mapDetail }, before) => {
    const { text, recipe, map } = get();
    if (mapDetail === before.mapDetail || map === null || recipe === null) return;
    const mine = turn;
    void weigh(text, recipe, () => mine !== turn);
  });

  async function settle(): Promise<void> {
    firstWaitedMs = null;
    settling++;
    try {
      await catchUp();
    } finally {
      settling--;
    }
  }

  async function catchUp(): Promise<void> {
    const mine = ++turn;
    const isStale = () => mine !== turn;
    const { text, recipe, problems, checkpoints } = get();
    if (recipe === null || checkpoints.length === 0) {
      set({ check: null, checkFault: null, map: null, awaitsMeasure: false });
      return;
    }
    if (problems.length > 0) return;
    let plan: PlanSummary | null;
    try {
      const check = await engine.check(text);
      if (isStale()) return;
      plan = check.plan;
      set({ check, checkFault: null });
    } catch (thrown) {
      if (!isStale()) set({ check: null, checkFault: toReport(thrown), map: null, awaitsMeasure: false });
      return;
    }
    if (plan === null) {
      set({ map: null, awaitsMeasure: false });
      return;
    }
    if (heldBack > 0) {
      isOwed = true;
      return;
    }
    const follows = plan.mode === 'resident' || (plan.mode === 'cached' && plan.readBytes <= AUTO_REREAD_BYTES);
    const reblend = async () => {
      if (!isStale() && isLive && follows && (blending ?? get().blendText) !== text) await blend(text, recipe, isStale);
    };
    // The engine does one thing after another: only a newer blend stops one that is running.
    if (blending !== null) await reblend();
    if (isStale()) return;
    if (!needsReading(recipe) || plan.readBytes <= AUTO_MEASURE_BYTES) await weigh(text, recipe, isStale);
    else set({ awaitsMeasure: true, map: null });
    await reblend();
  }

  function needsReading(recipe: Recipe): boolean {
    return readingOf(recipe) !== null && !(measured && covers(measured, neededBy(recipe)));
  }

  function noteMeasured(recipe: Recipe): void {
    const needed = neededBy(recipe);
    // What is known of more models stays known while some of them are muted.
    if (!measured || !covers(measured, needed)) measured = needed;
  }

  async function weigh(text: string, recipe: Recipe, isStale: () => boolean): Promise<void> {
    const detail = view.store.getState().mapDetail;
    const map = await perform('weigh', (onProgress) => engine.weigh(text, onProgress, detail));
    const isWanted = () => !isStale() && view.store.getState().mapDetail === detail;
    if (map === null) {
      if (isWanted()) set({ awaitsMeasure: true });
      return;
    }
    noteMeasured(recipe);
    if (isWanted()) set({ map, awaitsMeasure: false });
    // Where there was no map yet, nobody else has asked for the detail that is wanted by now.
    else if (!isStale() && get().map === null) await weigh(text, recipe, isStale);
  }

  async function blend(text: string, recipe: Recipe, isStale: () => boolean): Promise<void> {
    blending = text;
    const report = await perform('blend', (onProgress) => engine.blend(text, onProgress));
    if (blending === text) blending = null;
    if (report === null) return;
    // A blend that finished is the live one, also where the text has moved on since.
    if (report.blend > (get().blend?.blend ?? -1))
      set({ blend: report, blendText: text, outcome: blendOutcome(report) });
    noteMeasured(recipe);
    if (!isStale() && (get().map === null || get().awaitsMeasure)) await weigh(text, recipe, isStale);
  }

  return {
    async measure() {
      const { text, recipe } = get();
      if (recipe === null) return;
      const mine = turn;
      await weigh(text, recipe, () => mine !== turn);
    },
    async merge() {
      const { text, recipe } = get();
      if (recipe === null) return;
      if (blending === text) return;
      isLive = true;
      const mine = turn;
      await blend(text, recipe, () => mine !== turn);
      if (blending === null) isLive = get().blend !== null;
    },
    async cancel() {
      turn++;
      clearTimeout(timer);
      firstWaitedMs = null;
      isLive = get().blend !== null;
      if (get().map === null && get().check?.plan) set({ awaitsMeasure: true });
      await engine.cancel();
    },
    holdBack() {
      heldBack++;
      return () => {
        heldBack--;
        // What was stopped before is not begun again because something else has ended.
        if (heldBack > 0 || !isOwed) return;
        isOwed = false;
        later();
      };
    },
    stop() {
      stopListening();
      stopLooking();
      clearTimeout(timer);
      turn++;
    },
  };
}

/**
 * What the map's figures need to have read: sums along rows or columns, per element, or of whole tensors, which the
 * changes from a base are, too; null where it needs nothing. Values that vary count by their rest.
 */
export function readingOf(recipe: Recipe): 'row' | 'column' | 'element' | 'tensor' | null {
  const method = METHODS.get(recipe.method);
  if (!method) return null;
  const unit: StatisticUnit | null = method.statistics(shownValues(method, recipe));
  if (unit === 'row' || unit === 'column' || unit === 'element') return unit;
  return unit !== null || (method.base !== 'none' && recipe.base !== null) ? 'tensor' : null;
}

function shownValues(method: Method, recipe: Recipe): Record<string, number> {
  const values: Record<string, number> = { ...defaults(method.params) };
  for (const [name, parameter] of Object.entries(method.params)) {
    if (parameter.kind !== 'ignored')
      values[name] = encodeValue(parameter, shownValue(recipe, name, parameter, null).value);
  }
  return values;
}

/** What was read of some models, or has to be. */
interface Reading {
  /** What was looked for, and the base. */
  readonly key: string;
  readonly models: ReadonlySet<string>;
  /** Whether the same of fewer models follows from it without reading anything. */
  readonly isOfEach: boolean;
}

function covers(has: Reading, needed: Reading): boolean {
  if (has.key !== needed.key) return false;
  const isSame = has.models.size === needed.models.size;
  return (isSame || has.isOfEach) && [...needed.models].every((model) => has.models.has(model));
}

/**
 * Statistics serve every unit down to tensors alike; rows, columns and elements each need their own reading. So do the
 * weights that a method finds by passes of its own, which depend on its parameters.
 */
function neededBy(recipe: Recipe): Reading {
  const method = METHODS.get(recipe.method);
  const isFound = method !== undefined && method.handle === null && (method.passes?.length ?? 0) > 0;
  const own = isFound ? [recipe.method, recipe.parameters] : [];
  const models = heardRecipe(recipe).models.map(({ model }) => model);
  return {
    key: JSON.stringify([readingOf(recipe), recipe.base, ...own]),
    models: new Set(models),
    isOfEach: own.length === 0,
  };
}

/** What a blend did, in one sentence. */
function blendOutcome(report: BlendReport): NonNullable<ReturnType<Studio['store']['getState']>['outcome']> {
  const measured = report.measureMs > 0 ? `, ${timeFigure(report.measureMs)} of it measuring` : '';
  const done =
    report.rewritten === report.tensors
      ? `Blended ${plural(report.tensors, 'tensor')}`
      : `Blended ${report.rewritten} of ${plural(report.tensors, 'tensor')}`;
  const sentence = `${done} in ${timeFigure(report.blendMs)}${measured} (blend ${report.blend}, ${bytesFigure(report.bytes)}).`;
  const [first] = report.nonFinite;
  if (first) {
    const more = report.nonFinite.length - 1;
    const others = more > 0 ? ` and ${plural(more, 'other tensor')}` : '';
    return {
      tone: 'warning',
      sentence: `${sentence} NaN or infinity in ${first.tensor} (${plural(first.count, 'value')})${others}: lower the weights.`,
    };
  }
  // Why stands with the checkpoints and in the chat.
  if (report.chatObstacle !== null) {
    return { tone: 'plain', sentence: `${sentence} It can be saved, but not chatted with.` };
  }
  return { tone: 'good', sentence };
}
