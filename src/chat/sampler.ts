/**
 * Sampler: from the logits of a run, wherever they are, to the next token and the model's own probabilities. The
 * token is always the one that `sampling.ts` chooses from the whole row; of a row on the GPU about 1 kB comes back,
 * unless that leaves a doubt, and then the row itself.
 */

import { choose, isGreedy, massOf, noneIsPossible, notANumber, penalisedLogit, RANKS, rankTokens } from './sampling.ts';
import { type SamplingOptions, sampleToken } from './sampling.ts';
import { type GpuLogits, GpuRanking, type RowView } from './gpu-ranking.ts';
import type { LogitsRows } from './session.ts';

/** What to choose by. */
export interface SamplerRequest {
  readonly sampling: SamplingOptions;
  /** The number of this draw within its reply, from 0. */
  readonly draw: number;
  /** Tokens of prompt and reply, for the repetition penalty. */
  readonly seen: Iterable<number>;
  /** How many likeliest tokens to tell; at most RANKS. */
  readonly alternatives: number;
}

/** A token with the model's own probability: softmax of the raw logits at temperature 1. */
export interface TokenProbability {
  readonly token: number;
  readonly probability: number;
}

/** The token that was chosen. */
export interface SampledToken extends TokenProbability {
  /** The likeliest ones, most likely first. */
  readonly alternatives: readonly TokenProbability[];
}

/** Rows no larger than what is found out about one are read as they are. */
const SMALL_ROW = 2 * RANKS;

/** Temperatures at which the device's float32 can be trusted to within DOUBT. */
const TEMPERATURES = { least: 1e-3, most: 1e3 };

/**
 * How wrong a sum of exponentials of the device may be, relatively. WGSL allows exp an error of 3 + 2|x| units in the
 * last place, which is 6e-6 at x = -20, where a term has no weight any more; the sums add about 1e-6.
 */
const DOUBT = 1e-4;

/** How wrong a penalised logit of the device may be, relatively: two roundings and WGSL's division, generously. */
const LOGIT_DOUBT = 2 ** -20;

/** Chooses tokens. Calls are served in turn. */
export class Sampler {
  readonly #rankings = new Map<GPUDevice, Promise<GpuRanking>>();
  #last: Promise<unknown> = Promise.resolve();
  #bytesRead = 0;

  /** Bytes brought from the GPU so far. */
  get bytesRead(): number {
    return this.#bytesRead;
  }

  /** Compiles what the device needs, so that the first token need not wait for it. */
  async prepare(device: GPUDevice): Promise<void> {
    await this.#ranking(device);
  }

  /**
   * Chooses the token that follows the last of the rows.
   * @throws MalformedFault as `sampleToken` does, DeviceFault where the device is lost.
   */
  next(logits: LogitsRows, request: SamplerRequest): Promise<SampledToken> {
    if (logits.kind === 'cpu') {
      const { data, rows, vocabularySize } = logits;
      const row = data.subarray((rows - 1) * vocabularySize, rows * vocabularySize);
      return Promise.resolve().then(() => sampleRow(row, request));
    }
    return this.#inTurn(logits, (ranking) => nextOnGpu(ranking, logits, request));
  }

  /**
   * Natural log-probabilities of given tokens, one for each row.
   * @throws MalformedFault where a row has NaN or gives no token; DeviceFault where the device is lost.
   */
  async score(logits: LogitsRows, targets: readonly number[]): Promise<number[]> {
    if (targets.length > logits.rows)
      throw new RangeError(`There are ${logits.rows} rows for ${targets.length} tokens.`);
    const scores =
      logits.kind === 'cpu'
        ? targets.map((target, row) => scoreRow(rowOf(logits.data, row, logits.vocabularySize), target))
        : await this.#inTurn(logits, (ranking) => ranking.score(logits, targets));
    if (scores.some(Number.isNaN)) throw notANumber();
    return scores;
  }

  /** Frees what it made on devices, after what is under way. Safe to call twice. */
  async dispose(): Promise<void> {
    await this.#last;
    const rankings = [...this.#rankings.values()];
    this.#rankings.clear();
    for (const ranking of await Promise.allSettled(rankings)) {
      if (ranking.status === 'fulfilled') ranking.value.dispose();
    }
  }

  #ranking(device: GPUDevice): Promise<GpuRanking> {
    const known = this.#rankings.get(device);
    if (known) return known;
    const opening = GpuRanking.open(device);
    this.#rankings.set(device, opening);
    opening.catch(() => this.#rankings.delete(device));
    return opening;
  }

  #inTurn<T>({ device }: GpuLogits, work: (ranking: GpuRanking) => Promise<T>): Promise<T> {
    const turn = this.#last.then(async () => {
      const ranking = await this.#ranking(device);
      const before = ranking.bytesRead;
      try {
        return await work(ranking);
      } finally {
        this.#bytesRead += ranking.bytesRead - before;
      }
    });
    this.#last = turn.catch(() => undefined);
    return turn;
  }
}

/** As `Sampler.next` does, from a whole row in memory. */
export function sampleRow(row: Float32Array, { sampling, draw, seen, alternatives }: SamplerRequest): SampledToken {
  const token = sampleToken(row, sampling, draw, seen);
  const first = rankTokens(row, Math.max(1, alternatives));
  const largest = row[first[0] ?? 0] ?? 0;
  const mass = massOf(row, largest, 1);
  const withProbability = (id: number) => {
    const logit = row[id] ?? Number.NEGATIVE_INFINITY;
    return { token: id, probability: (logit === largest ? 1 : Math.exp(logit - largest)) / mass };
  };
  return { ...withProbability(token), alternatives: Array.from(first.subarray(0, alternatives), withProbability) };
}

/** The natural log-probability of a token; NaN where the row is of no use. */
function scoreRow(row: Float32Array, target: number): number {
  const largest = row.reduce((most, logit) => (logit > most ? logit : most), Number.NEGATIVE_INFINITY);
  const logit = row[target] ?? Number.NaN;
  return Number.isFinite(largest) ? logit - largest - Math.log(massOf(row, largest, 1)) : Number.NaN;
}

function rowOf(data: Float32Array, row: number, size: number): Float32Array {
  return data.subarray(row * size, (row + 1) * size);
}

async function nextOnGpu(ranking: GpuRanking, logits: GpuLogits, request: SamplerRequest): Promise<SampledToken> {
  const { sampling, draw, seen } = request;
  const { repetitionPenalty } = sampling;
  const isOrdinary =
    isGreedy(sampling) || (sampling.temperature >= TEMPERATURES.least && sampling.temperature <= TEMPERATURES.most);
  const row = logits.rows - 1;
  const readAll = async () => sampleRow(await ranking.row(logits, row), request);
  if (logits.vocabularySize <= SMALL_ROW || !isOrdinary) return readAll();

  const temperature = isGreedy(sampling) ? 1 : sampling.temperature;
  const [raw, penalised] = await ranking.rank(logits, row, { temperature, repetitionPenalty, seen });
  if (raw.hasNaN) throw notANumber();
  if (!raw.hasAny) throw noneIsPossible();
  if (raw.hasInfinity) return readAll();

  const view = repetitionPenalty === 1 ? raw : penalised;
  const sure = repetitionPenalty === 1 ? unpenalised(raw) : penalisedAgain(penalised, repetitionPenalty, new Set(seen));
  const top = sure.logits[0];
  if (top === undefined) return readAll();
  const mass = view.massAtTemperature * Math.exp((view.largest - top) / temperature);
  const doubt = DOUBT + (repetitionPenalty === 1 ? 0 : LOGIT_DOUBT * (Math.abs(top) / temperature + 120));
  const facts = {
    vocabularySize: logits.vocabularySize,
    leastMass: mass * (1 - doubt),
    mostMass: mass * (1 + doubt),
  };
  const token = doubt < 0.1 ? choose({ ...sure, ...facts }, sampling, draw) : null;
  if (token === null) return readAll();
  return { ...withProbabilities(raw, view, token, request.alternatives) };
}

interface Ranked {
  readonly tokens: ArrayLike<number>;
  readonly logits: ArrayLike<number>;
}

function unpenalised({ tokens, logits }: RowView): Ranked {
  return { tokens, logits };
}

/** Ranks again by exact logits, and keeps only those that no other token can come before. */
function penalisedAgain({ tokens, logits, last }: RowView, penalty: number, seen: ReadonlySet<number>): Ranked {
  const limit = last + Math.max(Math.abs(last) * LOGIT_DOUBT, 1e-37);
  const ranked = Array.from(tokens, (token, rank) => {
    const logit = logits[rank] ?? Number.NEGATIVE_INFINITY;
    return { token, logit: seen.has(token) ? penalisedLogit(logit, penalty) : logit };
  })
    .filter(({ logit }) => logit > limit)
    .sort((a, b) => (a.logit === b.logit ? a.token - b.token : b.logit - a.logit));
  return { tokens: ranked.map(({ token }) => token), logits: ranked.map(({ logit }) => logit) };
}

function withProbabilities(raw: RowView, view: RowView, token: number, alternatives: number): SampledToken {
  const told = (id: number, logit: number) => ({ token: id, probability: Math.exp(logit - raw.largest) / raw.mass });
  const rank = view.tokens.indexOf(token);
  return {
    ...told(token, view.logits[rank] ?? Number.NEGATIVE_INFINITY),
    alternatives: Array.from(raw.tokens.subarray(0, alternatives), (id, at) => told(id, raw.logits[at] ?? 0)),
  };
}
