/** The kernel against its definition, bit for bit. */

import * as fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  BLOCK,
  type BlockForm,
  bitsOf,
  formBytes,
  heldMatrix,
  isTransposed,
  quantiseRows,
} from '../formats/block-quantised.ts';
import { BlockQuantiser, type QuantiseWork } from './block-quantising.ts';
import { BUFFER_USAGE, Buffers } from './buffers.ts';
import { type Device, gpuHere, openDevice } from './device.ts';
import { startOf } from './submission.ts';

const FORMS: readonly BlockForm[] = ['q8', 'q4', 'q8-transposed', 'q4-transposed'];
const { STORAGE, COPY_SRC, COPY_DST, MAP_READ } = BUFFER_USAGE;

let device: Device;
beforeAll(async () => {
  device = await openDevice(gpuHere());
});

function upload(data: Uint32Array<ArrayBuffer>): GPUBuffer {
  const buffer = device.device.createBuffer({ size: data.byteLength, usage: STORAGE | COPY_DST });
  device.device.queue.writeBuffer(buffer, 0, data);
  return buffer;
}

async function readBack(buffer: GPUBuffer): Promise<Uint8Array> {
  const staging = device.device.createBuffer({ size: buffer.size, usage: MAP_READ | COPY_DST });
  const encoder = device.device.createCommandEncoder();
  encoder.copyBufferToBuffer(buffer, 0, staging, 0, buffer.size);
  device.device.queue.submit([encoder.finish()]);
  await staging.mapAsync(1);
  const out = new Uint8Array(staging.getMappedRange().slice(0));
  staging.destroy();
  return out;
}

/** What the definition makes of a tensor as it lies in a checkpoint. */
function expected(form: BlockForm, shape: readonly number[], words: Uint32Array<ArrayBuffer>) {
  const { rows, columns } = heldMatrix(form, shape);
  const data = new Uint32Array(words.length);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const from = isTransposed(form) ? column * rows + row : row * columns + column;
      data[row * columns + column] = words[from] ?? 0;
    }
  }
  const { values, scales } = quantiseRows(new Float32Array(data.buffer), columns, bitsOf(form));
  return { values, scales: new Uint8Array(scales.buffer) };
}

/** What the kernel makes of it, in pieces that begin at `cuts`. */
async function quantised(
  form: BlockForm,
  shape: readonly number[],
  words: Uint32Array<ArrayBuffer>,
  { cuts = [], limitBytes }: { cuts?: readonly number[]; limitBytes?: number } = {},
) {
  const pool = new Buffers(device.device);
  const quantiser = new BlockQuantiser(device.device, pool, limitBytes);
  const bytes = formBytes(form, words.length);
  const place = (size: number) => device.device.createBuffer({ size, usage: STORAGE | COPY_SRC | COPY_DST });
  const values = place(bytes.values);
  const scales = place(bytes.scales);
  const ends = [...cuts, words.length];
  const sources: GPUBuffer[] = [];
  const work = ends.map((end, n): QuantiseWork => {
    const start = n === 0 ? 0 : (ends[n - 1] ?? 0);
    const source = upload(words.slice(start, end));
    sources.push(source);
    return {
      tensor: 'w',
      form,
      shape,
      start,
      elements: end - start,
      source: startOf(source, (end - start) * 4),
      values,
      scales,
    };
  });
  await quantiser.run(work);
  const out = { values: await readBack(values), scales: await readBack(scales) };
  for (const buffer of [...sources, values, scales]) buffer.destroy();
  expect(pool.usedBytes).toBe(0);
  pool.trim();
  return out;
}

function same(actual: Uint8Array, wanted: Uint8Array): void {
  expect(actual.length).toBe(wanted.length);
  let first = -1;
  for (let i = 0; i < wanted.length && first < 0; i++) if (actual[i] !== wanted[i]) first = i;
  if (first >= 0) expect.fail(`byte ${first} is ${actual[first]}, not ${wanted[first]}`);
}

async function holds(
  form: BlockForm,
  shape: readonly number[],
  words: Uint32Array<ArrayBuffer>,
  options?: { cuts?: readonly number[]; limitBytes?: number },
) {
  const [actual, wanted] = [await quantised(form, shape, words, options), expected(form, shape, words)];
  same(actual.scales, wanted.scales);
  same(actual.values, wanted.values);
}

/** Words of any bits: numbers of every size, subnormal ones, infinities and NaN among them. */
function anyWords(count: number, seed: number): Uint32Array<ArrayBuffer> {
  let state = seed >>> 0;
  return Uint32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state ^ (state >>> 15)) >>> 0;
  });
}

/** Blocks whose elements lie near one another in size, rounded to `keep` bits so that halves between steps occur. */
function nearWords(count: number, seed: number, keep: number): Uint32Array<ArrayBuffer> {
  const mask = (0xffffffff << (32 - keep)) >>> 0;
  return anyWords(count, seed).map((word, i) => {
    const exponent = 0x70 + (Math.floor(i / BLOCK) % 16) - ((word >>> 3) % 9);
    return (((word & 0x807fffff) | (exponent << 23)) & mask) >>> 0;
  });
}

const bits = (...values: number[]) => new Uint32Array(Float32Array.from(values).buffer);

describe('quantise.wgsl', () => {
  it.each(FORMS)('makes the same bits as the definition: %s', async (form) => {
    for (const [first, second] of [
      [1, 32],
      [3, 64],
      [65, 32],
      [33, 96],
      [13, 160],
    ] as const) {
      const rows = isTransposed(form) ? first * BLOCK : first;
      const shape = isTransposed(form) ? [second, rows] : [rows, second];
      await holds(form, shape, anyWords(rows * second, first + 1));
      await holds(form, shape, nearWords(rows * second, first + 2, 32));
      // Few bits of significand, as bfloat16 and smaller have: many elements lie half way between two steps.
      await holds(form, shape, nearWords(rows * second, first + 3, 16));
      await holds(form, shape, nearWords(rows * second, first + 4, 11));
    }
  });

  it.each(FORMS)('edges: zeros, subnormals, the least and the largest, halves, faulty elements: %s', async (form) => {
    const half = bitsOf(form) === 8 ? 128 : 8;
    const block = (...given: number[]) => [...given, ...new Array<number>(BLOCK - given.length).fill(0)];
    const largest = 2 ** 127 * (2 - 2 ** -23);
    const rows = [
      block(),
      block(-0),
      block(2 ** -149, -(2 ** -127)),
      block(2 ** -100, 2 ** -101, -(2 ** -107), 2 ** -149),
      block(2 ** -100 * (1 - 2 ** -24), 2 ** -110),
      block(largest, -largest, largest / 2),
      block(-largest, largest, 1),
      block(1, -1, ...Array.from({ length: 24 }, (_, i) => (i + 0.5) / half)),
      block(-1, 1, ...Array.from({ length: 24 }, (_, i) => -(i + 0.5) / half)),
      block(Number.NaN, 1, -0.5),
      block(Number.POSITIVE_INFINITY, 1, Number.NEGATIVE_INFINITY, -0.5),
      block(Number.POSITIVE_INFINITY, Number.NaN),
      new Array<number>(BLOCK).fill(Number.NaN),
      new Array<number>(BLOCK).fill(0.1),
    ];
    const words = bits(...rows.flat());
    if (!isTransposed(form)) return holds(form, [rows.length, BLOCK], words);
    // Every block in every one of the four places that an invocation has.
    const columns = 4 * BLOCK;
    const turned = new Uint32Array(BLOCK * columns);
    for (let column = 0; column < columns; column++) {
      const row = Math.floor(column / 4 + (column % 4) * 5) % rows.length;
      for (let i = 0; i < BLOCK; i++) turned[i * columns + column] = words[row * BLOCK + i] ?? 0;
    }
    await holds(form, [BLOCK, columns], turned);
  });

  it.each(FORMS)('pieces and small bindings change nothing: %s', async (form) => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 1, max: 6 }),
        fc.array(fc.integer({ min: 1, max: 239 }), { maxLength: 3 }),
        fc.integer({ min: 1, max: 8 }),
        fc.integer({ min: 0, max: 2 ** 31 }),
        async (someRows, rowBlocks, cutAt, size, seed) => {
          const rows = isTransposed(form) ? BLOCK * Math.ceil(someRows / 8) : someRows;
          const columns = rowBlocks * BLOCK;
          const shape = isTransposed(form) ? [columns, rows] : [rows, columns];
          const unit = isTransposed(form) ? BLOCK * rows : BLOCK;
          const units = (rows * columns) / unit;
          const cuts = [...new Set(cutAt.map((at) => at % units))].filter((at) => at > 0).sort((a, b) => a - b);
          await holds(form, shape, nearWords(rows * columns, seed, 20), {
            cuts: cuts.map((at) => at * unit),
            limitBytes: 2048 + size * 1024 + (isTransposed(form) ? BLOCK * rows * 4 : 0),
          });
        },
      ),
      { numRuns: 25 },
    );
  });

  it('a band of a transposed matrix that cannot be bound is refused, with its name', async () => {
    await expect(quantised('q8-transposed', [32, 64], anyWords(2048, 1), { limitBytes: 4096 })).rejects.toMatchObject({
      code: 'budget',
      message: expect.stringContaining('32 rows of w'),
    });
  });
});
