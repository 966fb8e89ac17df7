/**
 * GoldenAgreement: what every provider must show against the goldens of transformers, as one suite that
 * `architectures.test.ts` runs on the CPU and `architectures.gpu.test.ts` on the GPU. Not shipped.
 */

import { afterAll, describe, expect, it } from 'vitest';
import { type Architecture, describeArchitecture } from '../architecture.ts';
import { Session, type SessionOptions } from '../session.ts';
import type { Placed } from './agreement.ts';
import type { Tensors } from './forward.ts';
import { type Golden, goldenRows, goldenWeights } from './golden.ts';

/** float32 sums against float64, of the largest logit. What transformers itself reaches in float32 is in the manifest. */
export const TOLERANCE = 1e-5;

/** The largest difference of two rows, of the largest logit of the true one. */
export function rowError(got: ArrayLike<number>, truth: ArrayLike<number>): number {
  if (got.length !== truth.length) throw new Error(`rows of ${got.length} and ${truth.length} logits`);
  let [worst, largest] = [0, 0];
  for (let i = 0; i < truth.length; i++) {
    const value = truth[i] ?? Number.NaN;
    largest = Math.max(largest, Math.abs(value));
    worst = Math.max(worst, Math.abs(value - (got[i] ?? Number.NaN)));
  }
  return worst / largest;
}

/** The token of the largest logit. */
export function best(row: ArrayLike<number>): number {
  let token = 0;
  for (let i = 1; i < row.length; i++) if ((row[i] ?? 0) > (row[token] ?? 0)) token = i;
  return token;
}

/** What a suite may leave out where a provider is slow. */
export interface GoldenSuite {
  readonly place: (tensors: Tensors) => Placed | Promise<Placed>;
  /** Most tokens of one run in the chunked tests. */
  readonly chunkTokens: number;
  /** How many tokens are decoded after each prompt, by the prompt's length; the goldens hold 24, 32 and 24. */
  readonly decode: Readonly<Record<number, number>>;
}

/** Defines the suite for some goldens. */
export function describeGoldens(goldens: readonly Golden[], { place, chunkTokens, decode }: GoldenSuite): void {
  describe.each(goldens)('$name', (golden) => {
    let placed: Placed | null = null;
    let architecture: Architecture;
    const sessions: Session[] = [];
    const open = async (options: SessionOptions): Promise<Session> => {
      if (!placed) {
        const { tensors, names } = await goldenWeights(golden);
        architecture = describeArchitecture(golden.config, names);
        placed = await place(tensors);
      }
      const session = await Session.open(architecture, placed.weights, options);
      sessions.push(session);
      return session;
    };
    afterAll(async () => {
      for (const session of sessions) await session.dispose();
      placed?.free();
    });
    const lengths = Object.keys(golden.texts).map(Number);

    it('gives the logits of transformers for whole prompts', async () => {
      const session = await open({ logits: 'all' });
      for (const length of lengths) {
        const { ids, positions } = textOf(golden, length);
        const truth = await goldenRows(golden, length);
        const cache = session.newCache();
        const all = await session.run(ids, cache);
        cache.dispose();
        const size = truth[0]?.length ?? 0;
        expect(all.length).toBe(length * size);
        positions.forEach((position, row) => {
          if (position >= length) return;
          const got = all.subarray(position * size, (position + 1) * size);
          expect(rowError(got, truth[row] ?? []), `token ${position} of ${length}`).toBeLessThan(TOLERANCE);
        });
      }
    });

    it('says the tokens of transformers after prompts in pieces, one by one with the cache', async () => {
      const session = await open({ logits: 'last', chunkTokens });
      for (const length of lengths) {
        const { ids, positions, greedy } = textOf(golden, length);
        const truth = await goldenRows(golden, length);
        const cache = session.newCache();
        let row = await session.run(ids, cache);
        const steps = Math.min(greedy.length, decode[length] ?? 0);
        for (let step = 0; ; step++) {
          const position = length - 1 + step;
          const known = truth[positions.indexOf(position)];
          if (known) expect(rowError(row, known), `token ${position} after ${length}`).toBeLessThan(TOLERANCE);
          expect(best(row), `token ${position + 1} after ${length}`).toBe(greedy[step]);
          if (step === steps || step + 1 === greedy.length) break;
          row = await session.run([greedy[step] ?? 0], cache);
        }
        expect(cache.tokens).toBe(length + Math.min(steps, greedy.length - 1));
        cache.dispose();
      }
    });
  });
}

function textOf(golden: Golden, length: number) {
  const text = golden.texts[length];
  if (!text) throw new Error(`${golden.name} has no text of ${length}`);
  return text;
}
