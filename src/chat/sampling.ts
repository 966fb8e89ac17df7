/**
 * Sampling: from the logits of one position to the next token. Greedy at temperature 0; otherwise drawn from what
 * repetition penalty, temperature, top-k, top-p and min-p leave, in this order, each as Hugging Face transformers
 * defines it. Pure, in float64. Where logits come from is `session.ts`, and how a whole row stays on the GPU is
 * `sampler.ts`.
 *
 * The same seed and the same logits give the same token on every machine, because every sum has one order. Tokens are
 * ranked by (penalised) logit, ties by the lower index. The mass of all tokens is summed by index, every other one by
 * rank; the n-th draw is a pure function of (seed, n), and takes the first rank at which the sum exceeds it. One
 * difference from transformers follows: top-k keeps k tokens also where more are equal to the k-th.
 */

import { MalformedFault } from '../bytes/fault.ts';

/** How to choose. */
export interface SamplingOptions {
  /** 0 is greedy; 1 is the model's own distribution. */
  readonly temperature: number;
  /** How many of the most likely tokens take part; 0 is all. */
  readonly topK: number;
  /** The most likely tokens take part until their probabilities sum to this; 1 is all. */
  readonly topP: number;
  /** Tokens take part that are at least this times as probable as the most likely one; 0 is all. */
  readonly minP: number;
  /** Logits of tokens of prompt and reply are divided by this where they are positive, else multiplied; 1 is off. */
  readonly repetitionPenalty: number;
  /** A whole number; its low 32 bits are used. */
  readonly seed: number;
}

/** The likeliest token, always. */
export const GREEDY: SamplingOptions = {
  temperature: 0,
  topK: 0,
  topP: 1,
  minP: 0,
  repetitionPenalty: 1,
  seed: 0,
};

/** How many ranks are looked at before a whole row is sorted, or read from the GPU. */
export const RANKS = 128;

/** What is known of a row of logits: all that a choice can be made from, most of the time. */
export interface Ranking {
  /** Tokens in order of rank, from the first; exactly those that come first in the row. */
  readonly tokens: ArrayLike<number>;
  /** Their penalised logits. */
  readonly logits: ArrayLike<number>;
  /** How many tokens the row has; where `tokens` has as many, everything is known. */
  readonly vocabularySize: number;
  /** Sum over all tokens of exp((logit - largest) / temperature): it lies between the two. Greedy choices ignore it. */
  readonly leastMass: number;
  readonly mostMass: number;
}

/**
 * Chooses the token that follows.
 * @param logits f32 [vocabularySize].
 * @param draw the number of this draw within its reply, from 0.
 * @param seen tokens of prompt and reply, for the repetition penalty; in any order, repeated or not.
 * @throws MalformedFault where a logit is NaN or all are minus infinity: the weights are not usable.
 */
export function sampleToken(
  logits: Float32Array,
  options: SamplingOptions,
  draw: number,
  seen: Iterable<number> = [],
): number {
  refuseUnusable(logits);
  const penalised = penalise(logits, options.repetitionPenalty, seen);
  const largest = penalised[rankTokens(penalised, 1)[0] ?? 0] ?? 0;
  const mass = isGreedy(options) ? 0 : massOf(penalised, largest, options.temperature);
  const chooseAmong = (count: number) => {
    const tokens = rankTokens(penalised, count);
    const known = { tokens, logits: Float64Array.from(tokens, (token) => penalised[token] ?? Number.NaN) };
    const facts = { vocabularySize: logits.length, leastMass: mass, mostMass: mass };
    return choose({ ...known, ...facts }, options, draw);
  };
  // Sorting a whole row takes long; it is hardly ever needed.
  for (let count = isGreedy(options) ? 1 : RANKS; ; count *= 16) {
    const chosen = chooseAmong(Math.min(count, logits.length));
    if (chosen !== null) return chosen;
    if (count >= logits.length) throw new RangeError('A whole row was not enough to choose from.');
  }
}

/** True where options leave nothing to chance. */
export function isGreedy({ temperature, topK }: SamplingOptions): boolean {
  return !(temperature > 0) || topK === 1;
}

/**
 * Chooses from what is known of a row.
 * @returns null where that is not enough to be sure. With the whole row it always is.
 */
export function choose(known: Ranking, options: SamplingOptions, draw: number): number | null {
  const { tokens, logits, vocabularySize } = known;
  const { temperature, topK, topP, minP } = options;
  const count = tokens.length;
  const first = tokens[0];
  if (first === undefined) return null;
  if (isGreedy(options)) return first;

  const top = logits[0] ?? 0;
  const weights = Float64Array.from({ length: count }, (_, rank) => weight(logits[rank] ?? 0, top, temperature));
  // The mass of the ranks before each.
  const before = new Float64Array(count + 1);
  for (let rank = 0; rank < count; rank++) before[rank + 1] = (before[rank] ?? 0) + (weights[rank] ?? 0);
  const massBefore = (end: number) => before[end] ?? 0;
  const isWhole = count >= vocabularySize;

  // How many ranks take part, where it is known to be no more than are known; else infinite.
  const k = topK > 0 ? Math.min(topK, vocabularySize) : vocabularySize;
  let end = k <= count ? k : Number.POSITIVE_INFINITY;
  let [least, most] = [Math.max(known.leastMass, isWhole ? 0 : massBefore(count)), known.mostMass];
  if (k < vocabularySize) {
    if (k <= count) least = most = massBefore(k);
    else {
      least = massBefore(count);
      most = Math.min(most, least + (k - count) * (weights[count - 1] ?? 0));
    }
  }
  // Of an uncertain mass each bound asks for its own number of ranks.
  let [fewest, furthest] = [end, end];
  if (topP < 1) {
    const reached = (mass: number) => {
      for (let rank = 1; rank <= Math.min(count, k); rank++) if (massBefore(rank) >= topP * mass) return rank;
      return end;
    };
    [fewest, furthest] = [reached(least), reached(most)];
  }
  if (minP > 0) {
    let likely = 1;
    while (likely < count && (weights[likely] ?? 0) >= minP) likely++;
    if (likely < count || isWhole) [fewest, furthest] = [Math.min(fewest, likely), Math.min(furthest, likely)];
  }
  if (fewest !== furthest) return null;
  end = fewest;
  if (end <= count && end < vocabularySize) least = most = massBefore(end);
  else if (end > count && (topP < 1 || minP > 0)) least = massBefore(count);

  const share = uniform(options.seed, draw);
  for (let rank = 0; rank < Math.min(end, count); rank++) {
    if (massBefore(rank + 1) <= share * least) continue;
    return massBefore(rank + 1) > share * most ? (tokens[rank] ?? first) : null;
  }
  if (end > count) return null;
  // Two orders of summing differ in the last bit: the last rank that has any mass.
  let last = Math.min(end, count) - 1;
  while (last > 0 && weights[last] === 0) last--;
  return tokens[last] ?? first;
}

/**
 * Logits with the repetition penalty applied to the tokens that were seen; the same array where it is off.
 * Keskar et al., CTRL (arXiv 1909.05858), with Hugging Face's rule for negative logits.
 */
export function penalise(logits: Float32Array, penalty: number, seen: Iterable<number>): Float32Array | Float64Array {
  if (penalty === 1) return logits;
  const penalised = Float64Array.from(logits);
  for (const token of new Set(seen)) {
    const logit = logits[token];
    if (logit !== undefined) penalised[token] = penalisedLogit(logit, penalty);
  }
  return penalised;
}

/** The logit of a token that was seen. */
export function penalisedLogit(logit: number, penalty: number): number {
  return logit > 0 ? logit / penalty : logit * penalty;
}

/** Sum by index of exp((logit - largest) / temperature). */
export function massOf(logits: ArrayLike<number>, largest: number, temperature: number): number {
  let mass = 0;
  for (let token = 0; token < logits.length; token++) mass += weight(logits[token] ?? 0, largest, temperature);
  return mass;
}

function weight(logit: number, largest: number, temperature: number): number {
  // Equal infinities would give NaN; they are equally likely.
  return logit === largest ? 1 : Math.exp((logit - largest) / temperature);
}

/**
 * Throws MalformedFault for a row that no choice can be made from.
 * @param logits f32 [vocabularySize].
 */
export function refuseUnusable(logits: Float32Array): void {
  let isPossible = false;
  for (const logit of logits) {
    if (Number.isNaN(logit)) throw notANumber();
    if (logit !== Number.NEGATIVE_INFINITY) isPossible = true;
  }
  if (!isPossible) throw noneIsPossible();
}

/** The fault of a row with NaN in it. */
export function notANumber(): MalformedFault {
  return new MalformedFault('The model answers with NaN; its weights hold NaN, infinity or values far too large.');
}

/** The fault of a row of minus infinity. */
export function noneIsPossible(): MalformedFault {
  return new MalformedFault('The model finds no next token possible; its weights hold infinity.');
}

/** The first `count` tokens by logit, descending, equal ones by index. */
export function rankTokens(logits: ArrayLike<number>, count: number): Uint32Array<ArrayBuffer> {
  const at = (token: number) => logits[token] ?? Number.NEGATIVE_INFINITY;
  const order = (a: number, b: number) => {
    const [x, y] = [at(a), at(b)];
    return x === y ? a - b : x > y ? -1 : 1;
  };
  if (count >= logits.length) return Uint32Array.from({ length: logits.length }, (_, token) => token).sort(order);
  // Twice as many as needed are collected before each sort, and what cannot be among them is not collected.
  let kept: number[] = [];
  let threshold = Number.NEGATIVE_INFINITY;
  let isFull = false;
  for (let token = 0; token < logits.length; token++) {
    if (isFull && at(token) <= threshold) continue;
    kept.push(token);
    if (kept.length < 2 * count) continue;
    kept = kept.sort(order).slice(0, count);
    threshold = at(kept[count - 1] ?? 0);
    isFull = true;
  }
  return Uint32Array.from(kept.sort(order).slice(0, count));
}

/** A number in [0, 1) with 53 random bits. */
export function uniform(seed: number, draw: number): number {
  const [high, low] = philox2x32(draw >>> 0, 0, seed >>> 0);
  return ((high >>> 5) * 2 ** 26 + (low >>> 6)) / 2 ** 53;
}

/**
 * Philox2x32-10: Salmon et al., Parallel Random Numbers: As Easy as 1, 2, 3 (SC 2011).
 * @param counter0 low word of the counter; @param counter1 high word; @param key the key. All unsigned 32-bit.
 */
export function philox2x32(counter0: number, counter1: number, key: number): readonly [number, number] {
  let [left, right, roundKey] = [counter0 >>> 0, counter1 >>> 0, key >>> 0];
  for (let round = 0; round < 10; round++) {
    const product = BigInt(left) * 0xd256d193n;
    const high = Number(product >> 32n);
    const low = Number(product & 0xffffffffn);
    left = (high ^ roundKey ^ right) >>> 0;
    right = low;
    roundKey = (roundKey + 0x9e3779b9) >>> 0;
  }
  return [left, right];
}
