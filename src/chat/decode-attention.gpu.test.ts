import { afterAll, describe, expect, it } from 'vitest';
import { type AttentionShape, DecodeAttention } from './decode-attention.ts';
import { testDevice } from './test/gpu-weights.ts';

/** Room for tokens: no multiple of a split, and more than so many splits of the smallest size hold. */
const CAPACITY = 1100;

/** Around one split, around as many splits as there are, and all of the room. */
const TOTALS = [1, 2, 15, 16, 17, 31, 33, 64, 700, 1023, 1024, 1025, 1099, CAPACITY];

const SHAPES: readonly AttentionShape[] = [
  { heads: 8, keyValueHeads: 1, headSize: 64 },
  { heads: 4, keyValueHeads: 4, headSize: 8 },
  { heads: 14, keyValueHeads: 2, headSize: 64 },
  // Quarters of a head that do not fill a workgroup evenly.
  { heads: 6, keyValueHeads: 2, headSize: 20 },
  { heads: 4, keyValueHeads: 2, headSize: 80 },
  { heads: 2, keyValueHeads: 1, headSize: 256 },
  // More heads share a key than are worked for at once: in two halves, in three parts, one by one.
  { heads: 16, keyValueHeads: 1, headSize: 16 },
  { heads: 24, keyValueHeads: 2, headSize: 8 },
  { heads: 11, keyValueHeads: 1, headSize: 8 },
];

const { STORAGE, COPY_SRC, COPY_DST, MAP_READ } = GPUBufferUsage;

interface Case {
  readonly shape: AttentionShape;
  readonly total: number;
  readonly window: number | null;
  /** What queries are multiplied with, so that scores are large or tiny. */
  readonly size?: number;
  readonly scale?: number;
}

describe('attention of one token', async () => {
  const device = await testDevice();
  const errors: string[] = [];
  device.onuncapturederror = ({ error }) => errors.push(error.message);
  afterAll(() => device.destroy());

  const placed = (data: Float32Array<ArrayBuffer> | Int32Array<ArrayBuffer>) => {
    const buffer = device.createBuffer({ size: data.byteLength, usage: STORAGE | COPY_SRC | COPY_DST });
    device.queue.writeBuffer(buffer, 0, data);
    return buffer;
  };

  /** Runs it and holds it against float64. Gives the largest error relative to what rounding may cost. */
  const expectRight = async ({ shape, total, window, size = 1, scale = 1 / Math.sqrt(shape.headSize) }: Case) => {
    const { heads, keyValueHeads, headSize } = shape;
    const queries = random(heads * headSize, 1).map((value) => value * size);
    const first = Math.max(0, total - (window ?? total));
    // Whatever is not seen would show.
    const [keys, values] = [2, 3].map((seed) => {
      const all = random(keyValueHeads * CAPACITY * headSize, seed);
      for (let head = 0; head < keyValueHeads; head++) {
        const row = head * CAPACITY;
        all.fill(Number.NaN, row * headSize, (row + first) * headSize);
        all.fill(Number.NaN, (row + total) * headSize, (row + CAPACITY) * headSize);
      }
      return all;
    }) as [Float32Array<ArrayBuffer>, Float32Array<ArrayBuffer>];
    const buffers = {
      queries: placed(queries),
      keys: placed(keys),
      values: placed(values),
      totalTokens: placed(Int32Array.of(total)),
      mixed: placed(new Float32Array(heads * headSize).fill(Number.NaN)),
    };
    const own = await DecodeAttention.open(device, shape, CAPACITY);
    const encoder = device.createCommandEncoder({ label: 'test' });
    const pass = encoder.beginComputePass();
    for (const { pipeline, groups, size: workgroups } of own.dispatches(buffers, scale, window)) {
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, groups[0]);
      const found = typeof workgroups === 'function' ? workgroups({ total_tokens: total }) : workgroups;
      if ('buffer' in found) throw new Error('a size in a buffer');
      pass.dispatchWorkgroups(...found);
    }
    pass.end();
    const staging = device.createBuffer({ size: buffers.mixed.size, usage: MAP_READ | COPY_DST });
    encoder.copyBufferToBuffer(buffers.mixed, 0, staging, 0, staging.size);
    device.queue.submit([encoder.finish()]);
    await staging.mapAsync(GPUMapMode.READ);
    const got = new Float32Array(staging.getMappedRange().slice(0));
    for (const buffer of [...Object.values(buffers), staging]) buffer.destroy();
    own.dispose();
    const { truth, largestScore } = reference(shape, queries, keys, values, first, total, scale);
    // A score in float32 is off by its own rounding, of which its exponential makes a relative error.
    const allowed = 2e-6 + largestScore * 2e-7;
    const worst = got.reduce((most, value, i) => Math.max(most, Math.abs(value - (truth[i] ?? Number.NaN))), 0);
    const label = `${JSON.stringify(shape)}, ${total} tokens, window ${window}`;
    expect(got.every(Number.isFinite), label).toBe(true);
    expect(worst, label).toBeLessThan(allowed);
    expect(errors).toEqual([]);
  };

  it.each(SHAPES)('is right for $heads heads of $headSize over $keyValueHeads', async (shape) => {
    for (const total of TOTALS) await expectRight({ shape, total, window: null });
  });

  it('sees no further than the window, whatever lies before it', async () => {
    const shape = { heads: 4, keyValueHeads: 2, headSize: 16 };
    for (const window of [1, 2, 15, 16, 17, 512, 1024, 1025]) {
      for (const total of [1, window - 1, window, window + 1, 1030, CAPACITY]) {
        if (total >= 1 && total <= CAPACITY) await expectRight({ shape, total, window });
      }
    }
  });

  it.each([
    ['large', 3e3, undefined],
    ['far apart', 3e5, undefined],
    ['tiny', 1e-30, undefined],
    ['all the same', 0, undefined],
    ['of a scale of their own', 1, 0.7],
  ])('is right where scores are %s', async (_, size, scale) => {
    const shape = { heads: 8, keyValueHeads: 2, headSize: 32 };
    for (const total of [1, 17, 900]) {
      await expectRight({ shape, total, window: null, size, ...(scale === undefined ? {} : { scale }) });
    }
  });

  it('refuses heads that it was not made for', async () => {
    await expect(DecodeAttention.open(device, { heads: 2, keyValueHeads: 1, headSize: 6 }, 8)).rejects.toThrow(
      RangeError,
    );
    await expect(DecodeAttention.open(device, { heads: 3, keyValueHeads: 2, headSize: 8 }, 8)).rejects.toThrow(
      RangeError,
    );
  });
});

/** softmax(q k' scale) v over the tokens from `first` to `total`, in float64. */
function reference(
  { heads, keyValueHeads, headSize }: AttentionShape,
  queries: Float32Array,
  keys: Float32Array,
  values: Float32Array,
  first: number,
  total: number,
  scale: number,
): { truth: Float64Array; largestScore: number } {
  const truth = new Float64Array(heads * headSize);
  // The scale is a float32 in the kernel.
  const factor = Math.fround(scale);
  let largestScore = 0;
  for (let head = 0; head < heads; head++) {
    const row = Math.floor(head / (heads / keyValueHeads)) * CAPACITY;
    const scores: number[] = [];
    for (let token = first; token < total; token++) {
      let score = 0;
      for (let i = 0; i < headSize; i++) {
        score += (queries[head * headSize + i] ?? 0) * (keys[(row + token) * headSize + i] ?? 0);
      }
      scores.push(score * factor);
    }
    const largest = Math.max(...scores);
    largestScore = Math.max(largestScore, ...scores.map(Math.abs));
    const weights = scores.map((score) => Math.exp(score - largest));
    const sum = weights.reduce((all, weight) => all + weight, 0);
    weights.forEach((weight, index) => {
      for (let i = 0; i < headSize; i++) {
        truth[head * headSize + i] =
          (truth[head * headSize + i] ?? 0) + (weight / sum) * (values[(row + first + index) * headSize + i] ?? 0);
      }
    });
  }
  return { truth, largestScore };
}

/** Numbers between -1 and 1. */
function random(count: number, seed: number): Float32Array<ArrayBuffer> {
  let state = seed * 0x9e3779b9;
  return Float32Array.from({ length: count }, () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state | 0) / 2 ** 31;
  });
}
