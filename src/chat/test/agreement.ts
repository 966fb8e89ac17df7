/**
 * Agreement: what every provider must show against the oracle, as one suite that `session.test.ts` runs on the CPU and
 * `session.gpu.test.ts` on the GPU. Not shipped.
 */

import { afterAll, describe, expect, it } from 'vitest';
import { CancelledFault, MismatchFault } from '../../bytes/fault.ts';
import { describeArchitecture } from '../architecture.ts';
import { Session } from '../session.ts';
import type { ChatWeights } from '../weights.ts';
import { forward, type Tensors } from './forward.ts';
import { randomWeights, TINY_MODELS, type TinyModel } from './tiny-models.ts';

/** Weights in their place, and how to change one there. */
export interface Placed {
  readonly weights: ChatWeights;
  /** Writes new values over a tensor, in place. */
  readonly edit: (name: string, data: Float32Array<ArrayBuffer>) => void;
  readonly free: () => void;
}

/** f32 sums over a few dozen terms against float64, relative to the largest logit. */
const TOLERANCE = 1e-5;

const prompt = (tokens: number, vocabulary: number) =>
  Array.from({ length: tokens }, (_, i) => (i * 31 + 7) % vocabulary);

/** Largest difference of two rows over the largest logit of the true one. */
function error(got: Float32Array, truth: Float64Array | undefined): number {
  if (truth === undefined || got.length !== truth.length) throw new Error('rows of different length');
  const scale = truth.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
  return truth.reduce((worst, value, i) => Math.max(worst, Math.abs(value - (got[i] ?? Number.NaN))), 0) / scale;
}

/** Defines the suite, for some models or for all. */
export function describeAgreement(
  place: (tensors: Tensors) => Promise<Placed> | Placed,
  models: readonly TinyModel[] = TINY_MODELS,
): void {
  const opened: { session: Session; placed: Placed }[] = [];
  const open = async (model: TinyModel, options: Parameters<typeof Session.open>[2]) => {
    const tensors = new Map(randomWeights(model, 11));
    const placed = await place(tensors);
    const session = await Session.open(describeArchitecture(model.config, tensors.keys()), placed.weights, options);
    opened.push({ session, placed });
    return { tensors, placed, session };
  };
  afterAll(async () => {
    for (const { session, placed } of opened) {
      await session.dispose();
      placed.free();
    }
  });

  describe.each(models)('$title', (model) => {
    it('gives the logits of the oracle for every token of a text, and of its last one in pieces', async () => {
      const { tensors, session } = await open(model, { logits: 'all' });
      const pieces = await open(model, { logits: 'last', chunkTokens: 31 });
      for (const length of [5, 70]) {
        const ids = prompt(length, 67);
        const truth = forward(model.config, tensors, ids);
        const cache = session.newCache();
        const all = await session.run(ids, cache);
        expect(all.length).toBe(length * 67);
        truth.forEach((row, token) => {
          expect(error(all.subarray(token * 67, (token + 1) * 67), row), `token ${token} of ${length}`).toBeLessThan(
            TOLERANCE,
          );
        });
        cache.dispose();

        const other = pieces.session.newCache();
        const last = await pieces.session.run(ids, other);
        expect(last.length).toBe(67);
        expect(error(last, truth[length - 1]), `${length} in pieces of 31`).toBeLessThan(TOLERANCE);
        other.dispose();
      }
    });

    it('decodes with the cache as if the text had been read at once, and goes back in it', async () => {
      const { tensors, session } = await open(model, { logits: 'last' });
      const ids = prompt(47, 67);
      const truth = forward(model.config, tensors, ids);
      const cache = session.newCache();
      await session.run(ids.slice(0, 33), cache);
      // A second turn of several tokens after cached ones, then one token at a time.
      const turn = await session.run(ids.slice(33, 40), cache);
      expect(error(turn, truth[39])).toBeLessThan(TOLERANCE);
      for (let token = 40; token < ids.length; token++) {
        const logits = await session.run(ids.slice(token, token + 1), cache);
        expect(error(logits, truth[token]), `token ${token}`).toBeLessThan(TOLERANCE);
      }
      expect(cache.ids).toEqual(ids);

      // Another continuation of the first 21 tokens, then the whole text anew.
      cache.rewind(21);
      const branch = [...ids.slice(0, 21), 5, 9, 2];
      const other = forward(model.config, tensors, branch);
      expect(error(await session.run(branch.slice(21, 23), cache), other[22])).toBeLessThan(TOLERANCE);
      expect(error(await session.run(branch.slice(23), cache), other[23])).toBeLessThan(TOLERANCE);
      expect(cache.ids).toEqual(branch);
      cache.rewind(0);
      expect(error(await session.run(ids.slice(0, 8), cache), truth[7])).toBeLessThan(TOLERANCE);
      expect(() => cache.rewind(9)).toThrow(RangeError);
      expect(() => cache.rewind(-1)).toThrow(RangeError);
      cache.dispose();
    });
  });

  const [first] = models;
  if (!first) throw new Error('no models');

  it('sees an edit of a weight in the next run, without a reload', async () => {
    const model = first;
    const { tensors, placed, session } = await open(model, { logits: 'last' });
    const ids = prompt(9, 67);
    const run = async () => {
      const cache = session.newCache();
      const logits = await session.run(ids, cache);
      cache.dispose();
      return logits;
    };
    const before = await run();
    const names = [
      'model.embed_tokens.weight',
      'model.layers.1.mlp.up_proj.weight',
      'model.layers.0.input_layernorm.weight',
    ];
    for (const name of names) {
      const tensor = tensors.get(name);
      if (!tensor) throw new Error(name);
      const data = tensor.data.map((value, i) => value * (i % 3 === 0 ? 0.5 : 1.25));
      tensors.set(name, { data, shape: tensor.shape });
      placed.edit(name, data);
      const truth = forward(model.config, tensors, ids)[8];
      expect(error(await run(), truth), name).toBeLessThan(TOLERANCE);
      expect(error(before, truth), name).toBeGreaterThan(100 * TOLERANCE);
    }
  });

  it('gives the rows of all pieces in order, each before the next piece runs', async () => {
    const { tensors, session } = await open(first, { logits: 'all', chunkTokens: 8 });
    const ids = prompt(19, 67);
    const truth = forward(first.config, tensors, ids);
    const cache = session.newCache();
    const given: number[][] = [];
    const last = await session.advance(ids, cache, undefined, (rows, start) => {
      given.push([start, rows.rows, cache.tokens]);
    });
    expect(given).toEqual([
      [0, 8, 8],
      [8, 8, 16],
      [16, 3, 19],
    ]);
    expect(last.rows).toBe(3);
    expect(error((await session.run([ids[0] ?? 0], session.newCache())).subarray(0, 67), truth[0])).toBeLessThan(
      TOLERANCE,
    );
    cache.dispose();
  });

  it('fills the context to the last position and no further', async () => {
    const { tensors, session } = await open(first, { logits: 'last' });
    const ids = prompt(128, 67);
    const cache = session.newCache();
    await session.run(ids.slice(0, 127), cache);
    const logits = await session.run(ids.slice(127), cache);
    expect(error(logits, forward(first.config, tensors, ids)[127])).toBeLessThan(TOLERANCE);
    await expect(session.run([1], cache)).rejects.toThrow(/128 tokens/);
    cache.dispose();
  });

  it('keeps texts apart that are decoded at the same time', async () => {
    const { tensors, session } = await open(first, { logits: 'last' });
    const texts = [prompt(12, 67), prompt(20, 61)];
    const logits = await Promise.all(
      texts.map(async (ids) => {
        const cache = session.newCache();
        let last = new Float32Array();
        for (const id of ids) last = new Float32Array(await session.run([id], cache));
        cache.dispose();
        return last;
      }),
    );
    texts.forEach((ids, index) => {
      const truth = forward(first.config, tensors, ids)[ids.length - 1];
      expect(error(logits[index] ?? new Float32Array(), truth)).toBeLessThan(TOLERANCE);
    });
  });

  it('stops between two pieces of a prompt', async () => {
    const { session } = await open(first, { logits: 'last', chunkTokens: 4 });
    const stop = new AbortController();
    const cache = session.newCache();
    const run = session.run(prompt(100, 67), cache, stop.signal);
    stop.abort();
    await expect(run).rejects.toBeInstanceOf(CancelledFault);
    expect(cache.tokens).toBeLessThan(9);
    cache.dispose();
    const next = session.newCache();
    await expect(session.run([1], next)).resolves.toHaveLength(67);
    next.dispose();
  });

  it('refuses weights of another shape and tokens outside the vocabulary', async () => {
    const { session, placed, tensors } = await open(first, { logits: 'last' });
    const architecture = describeArchitecture({ ...first.config, vocab_size: 66 }, tensors.keys());
    await expect(Session.open(architecture, placed.weights, { logits: 'last' })).rejects.toBeInstanceOf(MismatchFault);
    const cache = session.newCache();
    for (const id of [67, -1, 0.5, Number.NaN]) await expect(session.run([id], cache)).rejects.toThrow(RangeError);
    await expect(session.run([], cache)).rejects.toThrow(RangeError);
    cache.dispose();
  });

  it('serves no run after it was disposed of', async () => {
    const { session } = await open(first, { logits: 'last' });
    const cache = session.newCache();
    await session.dispose();
    await session.dispose();
    await expect(session.run([1], cache)).rejects.toBeInstanceOf(CancelledFault);
  });
}
