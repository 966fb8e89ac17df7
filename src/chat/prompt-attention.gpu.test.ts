import { afterAll, describe, expect, it } from 'vitest';
import type { Block } from './architecture.ts';
import type { AttentionShape } from './decode-attention.ts';
import { PromptAttention } from './prompt-attention.ts';
import { uniform } from './sampling.ts';
import { testDevice } from './test/gpu-weights.ts';

/** Room for tokens, no multiple of a tile. */
const CAPACITY = 147;

const SHAPES: readonly AttentionShape[] = [
  { heads: 8, keyValueHeads: 1, headSize: 64 },
  { heads: 4, keyValueHeads: 4, headSize: 8 },
  { heads: 14, keyValueHeads: 2, headSize: 16 },
  { heads: 3, keyValueHeads: 1, headSize: 40 },
  { heads: 2, keyValueHeads: 1, headSize: 136 },
];

/** What is known of a layer that sees all of a text. */
const BLOCK = { attention: { softCap: null, windowTokens: null } } as Block;

/** Where the first of the new tokens stands, and how many there are. */
const PIECES = [
  [0, 1],
  [0, 8],
  [0, 33],
  [5, 2],
  [61, 40],
  [130, CAPACITY - 130],
] as const;

const { STORAGE, COPY_SRC, COPY_DST, MAP_READ } = GPUBufferUsage;

interface Case {
  readonly shape: AttentionShape;
  readonly position: number;
  readonly tokens: number;
  /** What queries are multiplied with, so that scores are large or tiny. */
  readonly size?: number;
  readonly mostScoreBytes?: number;
}

describe('attention of a piece of text', async () => {
  const device = await testDevice();
  const errors: string[] = [];
  device.onuncapturederror = ({ error }) => errors.push(error.message);
  afterAll(() => device.destroy());

  const placed = (data: Float32Array<ArrayBuffer>) => {
    const buffer = device.createBuffer({ size: data.byteLength + 256, usage: STORAGE | COPY_SRC | COPY_DST });
    device.queue.writeBuffer(buffer, 0, data);
    return buffer;
  };

  const expectRight = async ({ shape, position, tokens, size = 1, mostScoreBytes }: Case) => {
    const { heads, keyValueHeads, headSize } = shape;
    const scale = 1 / Math.sqrt(headSize);
    const queries = random(tokens * heads * headSize, 1).map((value) => value * size);
    // What lies behind the text would show.
    const [keys, values] = [2, 3].map((seed) => {
      const all = random(keyValueHeads * CAPACITY * headSize, seed);
      for (let head = 0; head < keyValueHeads; head++) {
        const row = head * CAPACITY;
        all.fill(Number.NaN, (row + position + tokens) * headSize, (row + CAPACITY) * headSize);
      }
      return all;
    }) as [Float32Array<ArrayBuffer>, Float32Array<ArrayBuffer>];
    const buffers = {
      queries: placed(queries),
      keys: placed(keys),
      values: placed(values),
      mixed: placed(new Float32Array(queries.length).fill(Number.NaN)),
    };
    const own = await PromptAttention.open(device, { ...shape, cacheKind: 'static', blocks: [BLOCK] }, mostScoreBytes);
    if (own === null) throw new Error('there is no attention for it');
    const encoder = device.createCommandEncoder({ label: 'test' });
    const pass = encoder.beginComputePass();
    const all = own.dispatches(buffers, { position, tokens, capacityTokens: CAPACITY }, scale);
    if (mostScoreBytes !== undefined) expect(all.length).toBeGreaterThan(3);
    for (const { pipeline, groups, size: workgroups } of all) {
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, groups[0]);
      pass.dispatchWorkgroups(...workgroups);
    }
    pass.end();
    const staging = device.createBuffer({ size: queries.byteLength, usage: MAP_READ | COPY_DST });
    encoder.copyBufferToBuffer(buffers.mixed, 0, staging, 0, staging.size);
    device.queue.submit([encoder.finish()]);
    await staging.mapAsync(GPUMapMode.READ);
    const got = new Float32Array(staging.getMappedRange().slice(0));
    for (const buffer of [...Object.values(buffers), staging]) buffer.destroy();
    own.dispose();

    const { truth, largestScore } = reference(shape, queries, keys, values, position, tokens);
    // A score in float32 is off by its own rounding, of which its exponential makes a relative error.
    const allowed = 2e-6 + largestScore * 4e-7;
    const worst = got.reduce((most, value, i) => Math.max(most, Math.abs(value - (truth[i] ?? Number.NaN))), 0);
    const label = `${JSON.stringify(shape)}, ${tokens} tokens from ${position}`;
    expect(got.every(Number.isFinite), label).toBe(true);
    expect(worst, label).toBeLessThan(allowed);
    expect(errors).toEqual([]);
  };

  it.each(SHAPES)('is right for $heads heads of $headSize over $keyValueHeads', async (shape) => {
    for (const [position, tokens] of PIECES) await expectRight({ shape, position, tokens });
  });

  it('takes a piece in slices where its scores are many', async () => {
    const shape = { heads: 6, keyValueHeads: 2, headSize: 16 };
    for (const [position, tokens] of [
      [0, 61],
      [50, 40],
    ] as const) {
      await expectRight({ shape, position, tokens, mostScoreBytes: 1 });
      await expectRight({ shape, position, tokens, mostScoreBytes: 6 * 16 * 4 * 112 });
    }
  });

  it.each([1e-6, 40, 1000])('keeps to its numbers where scores are of the order of %d', async (size) => {
    const shape = { heads: 4, keyValueHeads: 2, headSize: 16 };
    await expectRight({ shape, position: 20, tokens: 30, size });
  });
});

/** softmax(q k' scale) v in float64 for each new token over those that it sees. */
function reference(
  { heads, keyValueHeads, headSize }: AttentionShape,
  queries: Float32Array,
  keys: Float32Array,
  values: Float32Array,
  position: number,
  tokens: number,
): { truth: Float64Array; largestScore: number } {
  const truth = new Float64Array(queries.length);
  const scale = Math.fround(1 / Math.sqrt(headSize));
  let largestScore = 0;
  for (let token = 0; token < tokens; token++) {
    const end = position + token + 1;
    for (let head = 0; head < heads; head++) {
      const row = Math.floor(head / (heads / keyValueHeads)) * CAPACITY;
      const query = (token * heads + head) * headSize;
      const scores: number[] = [];
      for (let key = 0; key < end; key++) {
        let score = 0;
        for (let i = 0; i < headSize; i++) score += (queries[query + i] ?? 0) * (keys[(row + key) * headSize + i] ?? 0);
        scores.push(score * scale);
      }
      const largest = Math.max(...scores);
      largestScore = Math.max(largestScore, ...scores.map(Math.abs));
      const weights = scores.map((score) => Math.exp(score - largest));
      const sum = weights.reduce((all, weight) => all + weight, 0);
      weights.forEach((weight, index) => {
        const value = (row + index) * headSize;
        for (let i = 0; i < headSize; i++) {
          truth[query + i] = (truth[query + i] ?? 0) + (weight / sum) * (values[value + i] ?? 0);
        }
      });
    }
  }
  return { truth, largestScore };
}

/** Numbers between -1 and 1. */
function random(count: number, seed: number): Float32Array<ArrayBuffer> {
  return Float32Array.from({ length: count }, (_, draw) => 2 * uniform(seed, draw) - 1);
}
