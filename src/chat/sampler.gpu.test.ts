import { beforeAll, describe, expect, it } from 'vitest';
import { MalformedFault } from '../bytes/fault.ts';
import { Sampler, type SamplerRequest, sampleRow } from './sampler.ts';
import { GREEDY, type SamplingOptions } from './sampling.ts';
import type { LogitsRows } from './session.ts';
import { testDevice } from './test/gpu-weights.ts';

/** A stream of numbers in [0, 1) that is the same every time. */
function numbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Logits of the shape that models give: a long tail and a few large ones. */
function logitsLike(size: number, seed: number, spread = 2.5): Float32Array {
  const next = numbers(seed);
  return Float32Array.from({ length: size }, () => {
    const normal = Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
    return normal * spread - 3;
  });
}

const request = (sampling: Partial<SamplingOptions> = {}, more: Partial<SamplerRequest> = {}): SamplerRequest => ({
  sampling: { ...GREEDY, ...sampling },
  draw: 0,
  seen: [],
  alternatives: 0,
  ...more,
});

describe('the sampler on the GPU', () => {
  let device: GPUDevice;
  beforeAll(async () => {
    device = await testDevice();
  });
  const onGpu = (row: Float32Array, rows = 1): Extract<LogitsRows, { kind: 'gpu' }> => {
    const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
    const buffer = device.createBuffer({ size: row.byteLength, usage });
    device.queue.writeBuffer(buffer, 0, row.slice());
    return { kind: 'gpu', device, buffer, rows, vocabularySize: row.length / rows };
  };
  /** Compares with the CPU; gives the bytes that were read. */
  const agree = async (row: Float32Array, requests: readonly SamplerRequest[]) => {
    const sampler = new Sampler();
    const logits = onGpu(row);
    for (const one of requests) {
      const got = await sampler.next(logits, one);
      const truth = sampleRow(row, one);
      expect(got.token, JSON.stringify(one.sampling)).toBe(truth.token);
      expect(got.probability).toBeCloseTo(truth.probability, 5);
      expect(got.alternatives.map(({ token }) => token)).toEqual(truth.alternatives.map(({ token }) => token));
      got.alternatives.forEach(({ probability }, at) => {
        expect(probability).toBeCloseTo(truth.alternatives[at]?.probability ?? Number.NaN, 5);
      });
    }
    logits.buffer.destroy();
    const { bytesRead } = sampler;
    await sampler.dispose();
    return bytesRead;
  };

  it.each([1, 2, 127, 128, 129, 256, 257, 4095, 4096, 4097, 4100, 5000, 50_257, 152_000])(
    'chooses as the CPU does from %i tokens',
    async (size) => {
      const row = logitsLike(size, size);
      const seen = Array.from({ length: 40 }, (_, i) => (i * 7919) % size);
      const some: Partial<SamplingOptions>[] = [
        {},
        { temperature: 1, topK: 40 },
        { temperature: 0.8, topP: 0.9 },
        { temperature: 0.7, minP: 0.1 },
        { temperature: 1, topK: 300, repetitionPenalty: 1.2 },
        { temperature: 1.4 },
      ];
      await agree(
        row,
        some.flatMap((sampling, index) =>
          Array.from({ length: size > 10_000 ? 2 : 6 }, (_, draw) =>
            request({ ...sampling, seed: index }, { draw, seen, alternatives: 20 }),
          ),
        ),
      );
    },
  );

  it('reads about 1 kB a token where that decides, and the row where it does not', async () => {
    const row = logitsLike(50_257, 5);
    expect(await agree(row, [request({}, { alternatives: 20 })])).toBe(1056);
    expect(await agree(row, [request({ temperature: 0.7, topK: 40, seed: 3 })])).toBe(1056);
    expect(await agree(row, [request({ temperature: 0.4, topP: 0.8, seed: 3 })])).toBe(1056);
    expect(await agree(row, [request({ temperature: 0.6, minP: 0.2, seed: 3 })])).toBe(1056);
    expect(await agree(row, [request({ repetitionPenalty: 1.3 }, { seen: [4, 5] })])).toBe(2112);
    expect(await agree(row, [request({ temperature: 50, seed: 3 }, { draw: 1 })])).toBe(1056 + row.byteLength);
  });

  it('takes the lower index of equal ones, wherever they lie', async () => {
    const flat = new Float32Array(9000).fill(-2.5);
    await agree(flat, [request({}, { alternatives: 20 }), request({ temperature: 1, topK: 128, seed: 4 })]);
    await agree(
      flat,
      Array.from({ length: 4 }, (_, draw) => request({ temperature: 1, seed: 4 }, { draw })),
    );
    const two = logitsLike(9000, 1);
    two[8999] = two[17] = 50;
    expect((await agree(two, [request({}, { alternatives: 20 })])) > 0).toBe(true);
    const zeros = new Float32Array(5000).map((_, i) => (i % 2 === 0 ? -0 : 0));
    await agree(zeros, [request({}, { alternatives: 20 }), request({ temperature: 1, topK: 100, seed: 2 })]);
    const steps = new Float32Array(20_000).map((_, i) => -(i % 300));
    await agree(steps, [request({ temperature: 3, topK: 120, seed: 8 }, { alternatives: 20 })]);
    // The penalty makes one of many equal ones the lesser.
    await agree(flat, [request({ repetitionPenalty: 2 }, { seen: [0, 1, 2] })]);
    await agree(
      flat.map((value) => -value),
      [request({ repetitionPenalty: 2 }, { seen: [0, 1, 2] })],
    );
  });

  it('passes over minus infinity, and survives the largest values', async () => {
    const masked = logitsLike(9000, 2).map((logit, token) => (token % 7 === 0 ? logit : Number.NEGATIVE_INFINITY));
    await agree(masked, [request({}, { alternatives: 5 }), request({ temperature: 1, topK: 50, seed: 5 })]);
    const one = new Float32Array(9000).fill(Number.NEGATIVE_INFINITY);
    one[8888] = -7;
    await agree(one, [request(), request({ temperature: 1 }), request({ temperature: 1, topP: 0.5 })]);
    const large = logitsLike(9000, 3).map((logit, token) => (token % 2 === 0 ? logit * 1e38 : logit));
    await agree(large, [
      request(),
      request({ temperature: 1, seed: 2 }),
      request({ repetitionPenalty: 1.5 }, { seen: [3] }),
    ]);
    const infinite = logitsLike(9000, 4);
    infinite[40] = infinite[7000] = Number.POSITIVE_INFINITY;
    await agree(infinite, [request(), request({ temperature: 1, seed: 1 })]);
  });

  it('refuses NaN and rows of minus infinity', async () => {
    for (const size of [100, 9000]) {
      for (const bits of [0x7fc00000, 0xffc00000, 0x7f800001]) {
        const row = logitsLike(size, 6);
        new Uint32Array(row.buffer)[size - 3] = bits;
        await expect(agree(row, [request()])).rejects.toBeInstanceOf(MalformedFault);
      }
      const none = new Float32Array(size).fill(Number.NEGATIVE_INFINITY);
      await expect(agree(none, [request({ temperature: 1 })])).rejects.toBeInstanceOf(MalformedFault);
    }
  });

  it('penalises what was seen, up and down', async () => {
    const row = logitsLike(9000, 7, 4).map((logit) => logit + 4);
    const order = [...row.keys()].sort((a, b) => (row[b] ?? 0) - (row[a] ?? 0));
    for (const repetitionPenalty of [1.05, 1.3, 5, 0.7]) {
      for (const seen of [order.slice(0, 3), order.slice(0, 400), order.slice(8000), order]) {
        await agree(row, [
          request({ repetitionPenalty }, { seen, alternatives: 20 }),
          request({ repetitionPenalty, temperature: 1, topP: 0.7, seed: 9 }, { seen }),
          request({ repetitionPenalty, temperature: 0.5, minP: 0.05, seed: 9 }, { seen, draw: 3 }),
        ]);
      }
    }
  });

  it('takes the last of several rows, which begins anywhere', async () => {
    const rows = 3;
    const all = logitsLike(rows * 5001, 11);
    const logits = onGpu(all, rows);
    const sampler = new Sampler();
    const got = await sampler.next(logits, request({}, { alternatives: 7 }));
    const truth = sampleRow(all.subarray(2 * 5001), request({}, { alternatives: 7 }));
    expect(got.alternatives.map(({ token }) => token)).toEqual(truth.alternatives.map(({ token }) => token));
    await sampler.dispose();
  });

  it('scores rows', async () => {
    for (const [rows, size] of [
      [1, 1],
      [5, 129],
      [33, 5000],
      [2, 152_000],
    ] as const) {
      const data = logitsLike(rows * size, rows);
      const targets = Array.from({ length: rows }, (_, row) => (row * 31 + 7) % size);
      const sampler = new Sampler();
      const got = await sampler.score(onGpu(data, rows), targets);
      const truth = await sampler.score({ kind: 'cpu', data, rows, vocabularySize: size }, targets);
      expect(got).toHaveLength(rows);
      got.forEach((score, row) => {
        expect(Math.abs(score - (truth[row] ?? Number.NaN))).toBeLessThan(2e-5);
      });
      expect(sampler.bytesRead).toBe(rows * 16);
      await sampler.dispose();
    }
    const broken = logitsLike(3000, 1);
    broken[5] = Number.NaN;
    await expect(new Sampler().score(onGpu(broken, 3), [0, 1, 2])).rejects.toBeInstanceOf(MalformedFault);
  });
});
