/**
 * Blend: a merge that stays. It keeps what one pass over the checkpoints found (statistics), the sources where the
 * budget allows (residents) and the result where chat reads it (live weights), so that a change of method, weight
 * or granularity touches only what it changes. Several may share an arithmetic, each with live weights of its own, as
 * long as one works at a time. Not the order of commands: that is the engine's (`state/engine.ts`).
 */

import { BudgetFault } from '../bytes/fault.ts';
import type { Checkpoint } from '../formats/checkpoint.ts';
import type { Arithmetic } from './arithmetic.ts';
import type { BlendTensor, Lineup } from './lineup.ts';
import { allPlain, type FormOf, liveBytesOf, liveWishes, type LiveWeights } from './live-weights.ts';
import { type MapView, needsPasses, weightsMap, type WeightsMap } from './map.ts';
import { plan, type Plan } from './plan.ts';
import { watched, type Progress, type Watch } from './progress.ts';
import { Residents } from './holding.ts';
import { type OutputPiece, Run } from './run.ts';
import { isMeasuringDue, MAP_WISH, type MeasureWish, PAGE_WISH, SURVEY_WISH } from './measure-wish.ts';
import { identityOf, sourcesKey } from './sources-key.ts';
import type { Statistics } from './statistics.ts';
import { placesIn, StatisticsShelf } from './statistics-shelf.ts';
import type { ChangeHistogram, Survey } from './survey.ts';
import { histogramOf, survey } from './surveying.ts';

/** What a blend did. */
export interface BlendResult {
  readonly measureMs: number;
  readonly blendMs: number;
  readonly tensors: number;
  readonly rewritten: number;
  /** Bytes of live weights. */
  readonly bytes: number;
  /** Faulty elements (NaN or infinite) per tensor that has any. */
  readonly nonFinite: ReadonlyMap<string, number>;
}

/** How long work is watched, and stopped. */
export interface WorkOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: Progress) => void) | undefined;
}

/** A run with the plan that it obeys. */
interface PlannedRun {
  readonly plan: Plan;
  readonly run: Run;
}

/** The same for the same sources that are cut and held in the same way. */
function keyOf(lineup: Lineup, { mode, layout }: Plan): string {
  const cut = layout.batches.map((batch) => batch.pieces.map((piece) => `${piece.tensor}.${piece.start}`).join());
  return [sourcesKey(lineup), mode, cut.join(';')].join('|');
}

/** Milliseconds since `start`. */
function msSince(start: number): number {
  return performance.now() - start;
}

/** A merge that stays. */
export class Blend {
  readonly #arithmetic: Arithmetic;
  #budgetBytes: number;
  readonly #statistics = new StatisticsShelf();
  #kept: {
    readonly key: string;
    readonly lineup: Lineup;
    readonly plan: Plan;
    readonly residents: Residents | null;
    readonly bytes: number;
  } | null = null;
  #live: { readonly key: string; readonly weights: LiveWeights } | null = null;
  /** Source bytes per second of the last pass that read files; null before one. */
  #rate: number | null = null;
  readonly #nonFinite = new Map<string, number>();

  readonly #keepsSources: boolean;
  readonly #beforeLiveGoes: () => Promise<void>;
  #formOf: FormOf;

  /**
   * @param keepsSources whether sources may stay in memory for the next blend.
   * @param beforeLiveGoes awaited before live weights are given up, so that a chat that reads them can close.
   * @param formOf in which form chat shall hold each tensor; all in float32 where nothing else is said.
   */
  constructor(
    arithmetic: Arithmetic,
    options: { budgetBytes: number; keepsSources: boolean; beforeLiveGoes?: () => Promise<void>; formOf?: FormOf },
  ) {
    this.#arithmetic = arithmetic;
    this.#budgetBytes = options.budgetBytes;
    this.#keepsSources = options.keepsSources;
    this.#beforeLiveGoes = options.beforeLiveGoes ?? (async () => undefined);
    this.#formOf = options.formOf ?? allPlain;
  }

  /**
   * In which form chat shall hold each tensor, by its name and its shape in the checkpoint. Where a tensor cannot be held
   * so it stays in float32, and without a GPU all do: `live` tells. Another function that says the same changes nothing;
   * where one form differs, the next blend gives the live weights up and writes new ones.
   */
  get formOf(): FormOf {
    return this.#formOf;
  }

  set formOf(formOf: FormOf) {
    this.#formOf = formOf;
  }

  get budgetBytes(): number {
    return this.#budgetBytes;
  }

  /** Most bytes that merging may hold from now on; what is kept beyond it is let go at the next run. */
  set budgetBytes(bytes: number) {
    this.#budgetBytes = bytes;
  }

  /** The live weights of the last blend, or null. Their buffers stay the same while shapes and forms do. */
  get live(): LiveWeights | null {
    return this.#live?.weights ?? null;
  }

  /** Most bytes that sources take which are kept for the next blend. */
  get sourceBytes(): number {
    return this.#kept?.residents ? this.#kept.bytes : 0;
  }

  /** Lets kept sources go, to make room; the next blend reads them again. Not while a run is under way. */
  releaseSources(): void {
    this.#letGo();
  }

  /** Source bytes per second seen so far, or null. */
  get bytesPerSecond(): number | null {
    return this.#rate;
  }

  /** How the merge will be done. Pure. */
  plan(lineup: Lineup): Plan {
    return this.#plan(lineup, this.#possibleFormOf);
  }

  #plan(lineup: Lineup, formOf: FormOf): Plan {
    const { batchBytes, depth } = this.#arithmetic;
    return plan(lineup, {
      budgetBytes: this.#budgetBytes,
      batchBytes,
      depth,
      keepsSources: this.#keepsSources,
      formOf,
    });
  }

  /** The processor computes with float32 alone. */
  get #possibleFormOf(): FormOf {
    return this.#arithmetic.place === 'gpu' ? this.#formOf : allPlain;
  }

  /** True where a pass over the checkpoints comes before anything is merged: weights are shared between tensors. */
  needsMeasuring(lineup: Lineup, wish: MeasureWish | null = null): boolean {
    const statistics = this.#statisticsOf(lineup);
    const isDue = () => lineup.tensors.some((tensor) => isMeasuringDue(lineup, statistics, tensor, wish));
    if (!isDue()) return false;
    this.#statistics.takeOver(sourcesKey(lineup));
    return isDue();
  }

  #statisticsOf(lineup: Lineup): Statistics {
    return this.#statistics.of(sourcesKey(lineup), lineup);
  }

  /** A run over this lineup; sources that an earlier one left at the arithmetic are used again where they fit. */
  #runOf(lineup: Lineup, plan: Plan, formOf = this.#possibleFormOf): PlannedRun {
    const key = keyOf(lineup, plan);
    if (this.#kept?.key !== key) {
      const within = this.#runWithin(lineup, formOf);
      if (within) return within;
      this.#letGo();
      const bytes = plan.layout.batches.reduce((sum, batch) => sum + batch.sourceBytes, 0);
      this.#kept = { key, lineup, plan, residents: plan.mode === 'resident' ? new Residents() : null, bytes };
    }
    return {
      plan,
      run: new Run(lineup, plan, this.#arithmetic, this.#kept.residents, this.#statisticsOf(lineup)),
    };
  }

  /**
   * A run over some of the sources that are kept, where they are: a mute reads nothing, and taking it back neither. Null
   * where other sources are kept, or the work would be cut otherwise.
   */
  #runWithin(lineup: Lineup, formOf: FormOf): PlannedRun | null {
    const kept = this.#kept;
    if (!kept?.residents || lineup.tensors.length !== kept.lineup.tensors.length) return null;
    const places: (readonly number[])[] = [];
    const tensors: BlendTensor[] = [];
    for (const [index, tensor] of lineup.tensors.entries()) {
      const wider = kept.lineup.tensors[index];
      const own = wider?.name === tensor.name ? placesIn(tensor, wider) : null;
      if (!wider || !own) return null;
      places.push(own);
      tensors.push({ ...tensor, sources: wider.sources, dtypes: wider.dtypes });
    }
    const plan = this.#plan({ ...lineup, tensors }, formOf);
    if (plan.mode !== 'resident' || keyOf(kept.lineup, plan) !== kept.key) return null;
    const wider = { tensors, places, key: sourcesKey(lineup) };
    const statistics = this.#statisticsOf(lineup);
    return { plan, run: new Run(lineup, plan, this.#arithmetic, kept.residents, statistics, wider) };
  }

  /** A run that leaves what is kept for the live blend as it is, and reads there where it is the same. */
  #runBeside(lineup: Lineup): PlannedRun {
    const kept = this.#kept;
    if (!kept) return this.#runOf(lineup, this.plan(lineup));
    const isSame = kept.key.startsWith(`${sourcesKey(lineup)}|`);
    const plan = isSame ? kept.plan : this.plan(lineup);
    const residents = isSame ? kept.residents : null;
    return { plan, run: new Run(lineup, plan, this.#arithmetic, residents, this.#statisticsOf(lineup)) };
  }

  #watch(phase: Progress['phase'], plan: Plan, options: WorkOptions): Watch {
    return watched(
      phase,
      plan.layout.batches.reduce((sum, batch) => sum + batch.sourceBytes, 0),
      options.onProgress,
      this.#kept?.residents?.count === plan.layout.batches.length,
    );
  }

  async #measure(lineup: Lineup, plan: Plan, run: Run, wish: MeasureWish | null, options: WorkOptions) {
    if (!this.needsMeasuring(lineup, wish)) return 0;
    const start = performance.now();
    const watch = this.#watch('measure', plan, options);
    await run.measure(wish, { signal: options.signal, onBytes: watch.onBytes });
    this.#rate = watch.bytesPerSecond() ?? this.#rate;
    return msSince(start);
  }

  /** The weights map; measures what its figures need first. */
  async map(lineup: Lineup, options: WorkOptions = {}, view: MapView = {}): Promise<WeightsMap> {
    const { plan, run } = this.#runOf(lineup, this.plan(lineup));
    await this.#measure(lineup, plan, run, MAP_WISH, options);
    const statistics = this.#statisticsOf(lineup);
    if (!needsPasses(lineup, statistics)) return weightsMap(lineup, statistics, null, view);
    // What passes find is kept: the merge that follows does not look for it again.
    const { signal } = options;
    const known = await run.weights({ signal, onBytes: this.#watch('measure', plan, options).onBytes });
    return weightsMap(lineup, statistics, known, view);
  }

  /** Whether a survey of this lineup has to read anything first. */
  isSurveyDue(lineup: Lineup): boolean {
    return this.needsMeasuring(lineup, SURVEY_WISH);
  }

  /**
   * The survey of a lineup whose method measures nothing itself; measures what is not known of it yet. Sources that are
   * kept for the live blend are read where they are, and stay.
   */
  async survey(lineup: Lineup, options: WorkOptions = {}): Promise<Survey> {
    if (this.isSurveyDue(lineup)) {
      const { plan, run } = this.#runBeside(lineup);
      await this.#measure(lineup, plan, run, SURVEY_WISH, options);
    }
    return survey(lineup, this.#statisticsOf(lineup));
  }

  /** How large the changes are, of one tensor or (null) of all; null where none were measured. Reads nothing. */
  histogram(lineup: Lineup, tensor: string | null): ChangeHistogram | null {
    return histogramOf(lineup, this.#statisticsOf(lineup), tensor);
  }

  /**
   * Makes the live weights what the recipe says, writing only tensors whose weights changed.
   * Throws BudgetFault where the result does not fit (mode 'streaming'), CancelledFault when stopped.
   */
  async blend(lineup: Lineup, options: WorkOptions = {}): Promise<BlendResult> {
    const start = performance.now();
    // Another one may be set while this runs.
    const formOf = this.#possibleFormOf;
    const wanted = this.#plan(lineup, formOf);
    if (wanted.mode === 'streaming') {
      const isPlain =
        this.#arithmetic.place === 'gpu' && wanted.chatBytes === liveBytesOf(liveWishes(lineup.tensors, allPlain));
      throw new BudgetFault(
        `The merged weights take ${wanted.chatBytes} bytes for chat, and merging them ${wanted.workingBytes} more, beyond the memory budget of ${this.#budgetBytes}; raise the budget, ${isPlain ? 'hold them in fewer bits, ' : ''}or save the merge without talking to it.`,
        { neededBytes: wanted.chatBytes + wanted.workingBytes, budgetBytes: this.#budgetBytes },
      );
    }
    const { plan, run } = this.#runOf(lineup, wanted, formOf);
    // Weights that are each tensor's own are found as the tensor comes by; only shared ones need a pass of their own.
    const measureMs = plan.isMeasuredFirst ? await this.#measure(lineup, plan, run, PAGE_WISH, options) : 0;
    const live = await this.#liveFor(lineup, formOf);
    live.written.clear();
    const watch = this.#watch('blend', plan, options);
    const watching = { signal: options.signal, onBytes: watch.onBytes, wish: PAGE_WISH };
    const faulty = await run.mergeInto(live, sourcesKey(lineup), watching);
    this.#rate = measureMs === 0 ? (watch.bytesPerSecond() ?? this.#rate) : this.#rate;
    for (const [name, count] of faulty) {
      if (count > 0) this.#nonFinite.set(name, count);
      else this.#nonFinite.delete(name);
    }
    return {
      measureMs,
      blendMs: msSince(start),
      tensors: lineup.tensors.length,
      rewritten: faulty.size,
      bytes: live.bytes,
      nonFinite: new Map(this.#nonFinite),
    };
  }

  async #liveFor(lineup: Lineup, formOf: FormOf): Promise<LiveWeights> {
    const wishes = liveWishes(lineup.tensors, formOf);
    const key = wishes.map(({ name, shape, form }) => `${name}:${shape.join('x')}:${form}`).join('\n');
    if (this.#live?.key === key) return this.#live.weights;
    await this.#giveUpLive();
    const weights = await this.#arithmetic.allocate(wishes);
    this.#live = { key, weights };
    return weights;
  }

  /**
   * The merged bytes in the result's order of tensors, piece by piece, after measuring what they need.
   * @param isAudited whether pieces come with the squares that the audit compares.
   */
  async *pieces(lineup: Lineup, isAudited: boolean, options: WorkOptions = {}): AsyncGenerator<OutputPiece> {
    const { plan, run } = this.#runOf(lineup, this.plan(lineup));
    if (plan.isMeasuredFirst) await this.#measure(lineup, plan, run, null, options);
    const watch = this.#watch('save', plan, options);
    yield* run.merge(isAudited, { signal: options.signal, onBytes: watch.onBytes });
  }

  /** Forgets everything that came from a checkpoint that is being closed. Live weights stay: they are a result. */
  forget(checkpoint: Checkpoint): void {
    const identity = String(identityOf(checkpoint));
    const names = (key: string) => key.split('|')[0]?.split(/[:,]/).includes(identity) ?? false;
    this.#statistics.forget(names);
    if (this.#kept && names(this.#kept.key)) this.#letGo();
  }

  #letGo(): void {
    if (!this.#kept) return;
    this.#kept.residents?.dispose();
    this.#kept = null;
    this.#arithmetic.trim();
  }

  async #giveUpLive(): Promise<void> {
    if (!this.#live) return;
    await this.#beforeLiveGoes();
    this.#live.weights.dispose();
    this.#live = null;
    this.#nonFinite.clear();
  }

  /** Gives all memory back. */
  async dispose(): Promise<void> {
    this.#letGo();
    await this.#giveUpLive();
    this.#statistics.forget(() => true);
  }
}
