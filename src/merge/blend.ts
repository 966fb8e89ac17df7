/**
 * Blend: a merge that stays. It keeps what one pass over the checkpoints found (statistics), the sources where the
 * budget allows (residents) and the result where chat reads it (live weights), so that a change of method, weight
 * or granularity touches only what it changes. One at a time per arithmetic. Not the order of commands: that is
 * the engine's (`state/engine.ts`).
 */

import { BudgetFault } from '../bytes/fault.ts';
import type { Checkpoint } from '../formats/checkpoint.ts';
import type { Arithmetic } from './arithmetic.ts';
import type { Lineup } from './lineup.ts';
import type { LiveWeights } from './live-weights.ts';
import { weightsMap, type WeightsMap } from './map.ts';
import { BLOCK_ELEMENTS, layOut } from './layout.ts';
import { plan, type Plan } from './plan.ts';
import { watched, type Progress, type Watch } from './progress.ts';
import { Residents, Run } from './run.ts';
import { Statistics } from './statistics.ts';
import { signature, unitOf, weigh, type TensorWeights } from './weights.ts';

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

/** Numbers checkpoints, so that one that was closed and opened again under its name is not taken for itself. */
const identities = new WeakMap<Checkpoint, number>();
let lastIdentity = 0;

function identityOf(checkpoint: Checkpoint): number {
  const known = identities.get(checkpoint);
  if (known !== undefined) return known;
  lastIdentity += 1;
  identities.set(checkpoint, lastIdentity);
  return lastIdentity;
}

/** The same key means the same bytes in the same order. */
function sourcesKey(lineup: Lineup): string {
  const base = lineup.base ? identityOf(lineup.base) : 0;
  return `${base}:${lineup.models.map(identityOf).join(',')}`;
}

/** Milliseconds since `start`. */
function msSince(start: number): number {
  return performance.now() - start;
}

/** A merge that stays. */
export class Blend {
  readonly #arithmetic: Arithmetic;
  #budgetBytes: number;
  readonly #statistics = new Map<string, Statistics>();
  #kept: { readonly key: string; readonly residents: Residents | null } | null = null;
  #live: { readonly key: string; readonly weights: LiveWeights } | null = null;
  /** Source bytes per second of the last pass that read files; null before one. */
  #rate: number | null = null;
  readonly #nonFinite = new Map<string, number>();

  readonly #keepsSources: boolean;
  readonly #beforeLiveGoes: () => Promise<void>;

  /**
   * @param keepsSources whether sources may stay in memory for the next blend.
   * @param beforeLiveGoes awaited before live weights are given up, so that a chat that reads them can close.
   */
  constructor(
    arithmetic: Arithmetic,
    options: { budgetBytes: number; keepsSources: boolean; beforeLiveGoes?: () => Promise<void> },
  ) {
    this.#arithmetic = arithmetic;
    this.#budgetBytes = options.budgetBytes;
    this.#keepsSources = options.keepsSources;
    this.#beforeLiveGoes = options.beforeLiveGoes ?? (async () => undefined);
  }

  get budgetBytes(): number {
    return this.#budgetBytes;
  }

  /** Most bytes that merging may hold from now on; what is kept beyond it is let go at the next run. */
  set budgetBytes(bytes: number) {
    this.#budgetBytes = bytes;
  }

  /** The live weights of the last blend, or null. Their buffers stay the same while the tensors' shapes do. */
  get live(): LiveWeights | null {
    return this.#live?.weights ?? null;
  }

  /** Source bytes per second seen so far, or null. */
  get bytesPerSecond(): number | null {
    return this.#rate;
  }

  /** How the merge will be done. Pure. */
  plan(lineup: Lineup): Plan {
    const { batchBytes, depth } = this.#arithmetic;
    return plan(lineup, { budgetBytes: this.#budgetBytes, batchBytes, depth, keepsSources: this.#keepsSources });
  }

  /** True where the weights (and, with `forMap`, the figures shown) need a pass over the checkpoints first. */
  needsMeasuring(lineup: Lineup, forMap: boolean): boolean {
    const statistics = this.#statistics.get(sourcesKey(lineup));
    return lineup.tensors.some((tensor) => {
      const unit = unitOf(lineup, tensor);
      if (unit === null || tensor.elements === 0 || (unit === 'element' && !forMap)) return false;
      return !statistics?.has(tensor.name) || (unit === 'row' && !statistics.hasRows(tensor.name));
    });
  }

  #statisticsOf(lineup: Lineup): Statistics {
    const key = sourcesKey(lineup);
    const known = this.#statistics.get(key);
    if (known) return known;
    const fresh = new Statistics(lineup.models.length);
    this.#statistics.set(key, fresh);
    return fresh;
  }

  /** A run over this lineup; sources that an earlier one left at the arithmetic are used again where they fit. */
  #runOf(lineup: Lineup, plan: Plan): Run {
    const cut = plan.batches.map((batch) => batch.pieces.map((piece) => `${piece.tensor}.${piece.start}`).join());
    const names = lineup.tensors.map((tensor) => tensor.name);
    const key = [sourcesKey(lineup), plan.mode, cut.join(';'), names.join('\n')].join('|');
    if (this.#kept?.key !== key) {
      this.#letGo();
      this.#kept = { key, residents: plan.mode === 'resident' ? new Residents() : null };
    }
    return new Run(lineup, plan.batches, this.#arithmetic, this.#kept.residents);
  }

  #watch(phase: Progress['phase'], plan: Plan, options: WorkOptions): Watch {
    return watched(
      phase,
      plan.batches.reduce((sum, batch) => sum + batch.sourceBytes, 0),
      options.onProgress,
    );
  }

  async #measure(lineup: Lineup, plan: Plan, run: Run, forMap: boolean, options: WorkOptions): Promise<number> {
    if (!this.needsMeasuring(lineup, forMap)) return 0;
    const start = performance.now();
    const watch = this.#watch('measure', plan, options);
    const byRow = plan.statistics === 'row';
    const statistics = this.#statisticsOf(lineup);
    const watching = { signal: options.signal, onBytes: watch.onBytes };
    if (byRow && plan.batches.some((batch) => batch.pieces.some(({ start }) => start % BLOCK_ELEMENTS !== 0))) {
      // Cut at rows that are no whole blocks, the tensors' own sums need cuts of their own, and so a pass of their own.
      const batches = layOut(lineup.tensors, plan.batchBytes, false);
      await new Run(lineup, batches, this.#arithmetic, null).measure(statistics, false, watching);
    }
    await run.measure(statistics, byRow, watching);
    this.#rate = watch.bytesPerSecond() ?? this.#rate;
    return msSince(start);
  }

  #weigh(lineup: Lineup): Map<string, TensorWeights> {
    const statistics = this.#statisticsOf(lineup);
    return new Map(
      lineup.tensors.flatMap((tensor) =>
        tensor.elements === 0 ? [] : [[tensor.name, weigh(lineup, tensor, statistics)] as const],
      ),
    );
  }

  /** The weights map; measures what its figures need first. */
  async map(lineup: Lineup, options: WorkOptions = {}): Promise<WeightsMap> {
    const plan = this.plan(lineup);
    await this.#measure(lineup, plan, this.#runOf(lineup, plan), true, options);
    return weightsMap(lineup, this.#statistics.get(sourcesKey(lineup)) ?? null);
  }

  /**
   * Makes the live weights what the recipe says, writing only tensors whose weights changed.
   * Throws BudgetFault where the result does not fit (mode 'streaming'), CancelledFault when stopped.
   */
  async blend(lineup: Lineup, options: WorkOptions = {}): Promise<BlendResult> {
    const start = performance.now();
    const plan = this.plan(lineup);
    if (plan.mode === 'streaming') {
      throw new BudgetFault(
        `The merged weights take ${plan.chatBytes} bytes for chat, more than the memory budget of ${this.#budgetBytes}; raise the budget, or save the merge without talking to it.`,
        { neededBytes: plan.chatBytes, budgetBytes: this.#budgetBytes },
      );
    }
    const run = this.#runOf(lineup, plan);
    const measureMs = await this.#measure(lineup, plan, run, false, options);
    const weights = this.#weigh(lineup);
    const live = await this.#liveFor(lineup);
    const sources = sourcesKey(lineup);
    const signatures = new Map(
      lineup.tensors.flatMap((tensor) => {
        const own = weights.get(tensor.name);
        return own ? [[tensor.name, `${sources}|${signature(lineup, tensor, own)}`] as const] : [];
      }),
    );
    const isDue = (name: string) => signatures.has(name) && live.written.get(name) !== signatures.get(name);
    const due = [...signatures.keys()].filter(isDue);
    for (const name of due) {
      // Until it is whole again it holds neither the old blend nor the new one.
      live.written.delete(name);
      this.#nonFinite.delete(name);
    }
    const watch = this.#watch('blend', plan, options);
    const dueNames = new Set(due);
    const faulty = await run.mergeInto(live, weights, (name) => dueNames.has(name), {
      signal: options.signal,
      onBytes: watch.onBytes,
    });
    for (const name of due) live.written.set(name, signatures.get(name) ?? '');
    for (const [name, count] of faulty) this.#nonFinite.set(name, count);
    return {
      measureMs,
      blendMs: msSince(start),
      tensors: lineup.tensors.length,
      rewritten: due.length,
      bytes: live.bytes,
      nonFinite: new Map(this.#nonFinite),
    };
  }

  async #liveFor(lineup: Lineup): Promise<LiveWeights> {
    const key = lineup.tensors.map((tensor) => `${tensor.name}:${tensor.shape.join('x')}`).join('\n');
    if (this.#live?.key === key) return this.#live.weights;
    await this.#giveUpLive();
    const weights = await this.#arithmetic.allocate(lineup.tensors);
    this.#live = { key, weights };
    return weights;
  }

  /**
   * The merged bytes in the donor's order of tensors, piece by piece, after measuring what they need.
   * @param faulty filled with faulty elements per tensor as they are found.
   */
  async *pieces(
    lineup: Lineup,
    faulty: Map<string, number>,
    options: WorkOptions = {},
  ): AsyncGenerator<{ readonly tensor: string; readonly bytes: Uint8Array<ArrayBuffer> }> {
    const plan = this.plan(lineup);
    const run = this.#runOf(lineup, plan);
    await this.#measure(lineup, plan, run, false, options);
    const watch = this.#watch('save', plan, options);
    yield* run.merge(this.#weigh(lineup), faulty, { signal: options.signal, onBytes: watch.onBytes });
  }

  /** Forgets everything that came from a checkpoint that is being closed. Live weights stay: they are a result. */
  forget(checkpoint: Checkpoint): void {
    const identity = String(identityOf(checkpoint));
    const names = (key: string) => key.split('|')[0]?.split(/[:,]/).includes(identity) ?? false;
    for (const key of this.#statistics.keys()) if (names(key)) this.#statistics.delete(key);
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
    this.#statistics.clear();
  }
}
