/**
 * Sampling: from the logits of one position to the next token. Greedy at temperature 0; otherwise drawn from the
 * softmax of logits / temperature, over the `topK` most likely where that is set. The same seed and the same logits
 * give the same tokens on every machine: arithmetic is float64, ties go to the lower index, and the n-th draw is a
 * pure function of (seed, n).
 */

import { MalformedFault } from '../bytes/fault.ts';

/** How to choose. */
export interface SamplingOptions {
  /** 0 is greedy; 1 is the model's own distribution. */
  readonly temperature: number;
  /** How many of the most likely tokens take part; 0 is all. */
  readonly topK: number;
  /** A whole number; its low 32 bits are used. */
  readonly seed: number;
}

/**
 * Chooses the token that follows.
 * @param logits f32 [vocabularySize].
 * @param draw the number of this draw within its reply, from 0.
 * @throws MalformedFault where a logit is NaN or all are minus infinity: the weights are not usable.
 */
export function sampleToken(logits: Float32Array, options: SamplingOptions, draw: number): number {
  const best = argmax(logits);
  if (options.temperature <= 0 || options.topK === 1) return best;

  const candidates = options.topK > 0 && options.topK < logits.length ? mostLikely(logits, options.topK) : null;
  const count = candidates?.length ?? logits.length;
  const logitAt = (rank: number) => logits[candidates?.[rank] ?? rank] ?? Number.NEGATIVE_INFINITY;
  const top = logits[best] ?? 0;
  const weightAt = (rank: number) => {
    const logit = logitAt(rank);
    // Equal infinities would give NaN; they are equally likely.
    return logit === top ? 1 : Math.exp((logit - top) / options.temperature);
  };
  let sum = 0;
  for (let rank = 0; rank < count; rank++) sum += weightAt(rank);
  let rest = uniform(options.seed, draw) * sum;
  let chosen = best;
  for (let rank = 0; rank < count; rank++) {
    const weight = weightAt(rank);
    if (weight <= 0) continue;
    chosen = candidates?.[rank] ?? rank;
    rest -= weight;
    if (rest < 0) break;
  }
  return chosen;
}

/** The index of the largest; the lowest of equals. */
function argmax(logits: Float32Array): number {
  let best = 0;
  let largest = Number.NEGATIVE_INFINITY;
  for (let index = 0; index < logits.length; index++) {
    const logit = logits[index] ?? Number.NaN;
    if (Number.isNaN(logit)) {
      throw new MalformedFault('The model answers with NaN; its weights hold NaN, infinity or values far too large.');
    }
    if (logit > largest) {
      largest = logit;
      best = index;
    }
  }
  if (largest === Number.NEGATIVE_INFINITY) {
    throw new MalformedFault('The model finds no next token possible; its weights hold infinity.');
  }
  return best;
}

/** The `count` indices of the largest, in ascending order of index; among equals the lower indices. */
function mostLikely(logits: Float32Array, count: number): number[] {
  // Float32Array sorts numerically and natively; the threshold then decides in one pass.
  const threshold = logits.slice().sort()[logits.length - count] ?? Number.NEGATIVE_INFINITY;
  const above: number[] = [];
  const equal: number[] = [];
  for (let index = 0; index < logits.length; index++) {
    const logit = logits[index] ?? Number.NEGATIVE_INFINITY;
    if (logit > threshold) above.push(index);
    else if (logit === threshold && equal.length < count) equal.push(index);
  }
  return [...above, ...equal.slice(0, count - above.length)].sort((a, b) => a - b);
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
