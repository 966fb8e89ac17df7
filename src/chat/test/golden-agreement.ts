/**
 * GoldenAgreement: how near to transformers a session has to be, and a reply held against a golden token by token; for
 * `architectures.test.ts` and `architectures.gpu.test.ts`. Not shipped.
 */

import { expect } from 'vitest';
import type { Session } from '../session.ts';
import { type Golden, type GoldenText, goldenRows } from './golden.ts';

/** float32 sums against float64, of the largest logit. What transformers itself reaches in float32 is in the manifest. */
export const TOLERANCE = 1e-5;

/** The largest difference of two rows, of the largest logit of the true one. */
export function rowError(got: ArrayLike<number>, truth: ArrayLike<number>): number {
  if (got.length !== truth.length || truth.length === 0) throw new Error(`${got.length} and ${truth.length} logits`);
  let [worst, largest] = [0, 0];
  for (let i = 0; i < truth.length; i++) {
    const value = truth[i] ?? Number.NaN;
    const difference = Math.abs(value - (got[i] ?? Number.NaN));
    // A NaN is no smaller than anything.
    if (!(difference <= worst)) worst = difference;
    largest = Math.max(largest, Math.abs(value));
  }
  return worst / largest;
}

/** A golden's text by the length of its prompt. */
export function textOf(golden: Golden, length: number): GoldenText {
  const text = golden.texts[length];
  if (!text) throw new Error(`${golden.name} has no text of ${length}`);
  return text;
}

/** Logits of all tokens of a prompt, from a session with `logits: 'all'`, against the golden's rows. */
export async function expectRows(session: Session, golden: Golden, length: number): Promise<void> {
  const { ids, positions } = textOf(golden, length);
  const truth = await goldenRows(golden, length);
  const size = session.architecture.vocabularySize;
  const cache = session.newCache();
  const all = await session.run(ids, cache);
  cache.dispose();
  expect(all.length).toBe(length * size);
  positions.forEach((position, row) => {
    if (position >= length) return;
    const got = all.subarray(position * size, (position + 1) * size);
    expect(rowError(got, truth[row] ?? []), `token ${position} of ${length}`).toBeLessThan(TOLERANCE);
  });
}

/**
 * Reads a prompt and says what the golden says after it, one token at a time with the cache: each must be the best, and
 * logits those of the golden wherever it has some.
 * @param cut the prompt is read up to here and then from here; 0: at once.
 * @param said how many tokens are run after the prompt, at most all but the last that the golden says.
 */
export async function expectSaid(
  session: Session,
  golden: Golden,
  length: number,
  { cut, said }: { cut: number; said: number },
): Promise<void> {
  const { ids, positions, greedy } = textOf(golden, length);
  const truth = await goldenRows(golden, length);
  const steps = Math.min(said, greedy.length - 1);
  const cache = session.newCache();
  if (cut > 0) await session.run(ids.slice(0, cut), cache);
  let row = await session.run(ids.slice(cut), cache);
  for (let step = 0; step <= steps; step++) {
    if (step > 0) row = await session.run([greedy[step - 1] ?? 0], cache);
    const position = length - 1 + step;
    const known = truth[positions.indexOf(position)];
    if (known) expect(rowError(row, known), `token ${position} after ${length}`).toBeLessThan(TOLERANCE);
    expect(best(row), `token ${position + 1} after ${length}`).toBe(greedy[step]);
  }
  expect(cache.tokens).toBe(length + steps);
  cache.dispose();
}

/** The token of the largest logit. */
export function best(row: ArrayLike<number>): number {
  let token = 0;
  for (let i = 1; i < row.length; i++) if ((row[i] ?? 0) > (row[token] ?? 0)) token = i;
  return token;
}
