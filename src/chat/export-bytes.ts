/**
 * ExportBytes: one tensor's bytes as they come from a checkpoint, turned into what an exported model stores: float32,
 * float16, or blocks of 8 or 4 bits. It holds a piece at a time, the scales of one tensor, and of a matrix that has to
 * be transposed its codes. Not where they lie (`export.ts`).
 */

import {
  type Bits,
  bitsOf,
  BLOCK,
  type BlockForm,
  heldMatrix,
  isTransposed,
  quantiseRows,
} from '../formats/block-quantised.ts';
import { decodeFloat32, encode } from '../formats/codec.ts';
import { type BlendedDtype, elementBytes } from '../formats/dtype.ts';
import type { PlacedTensor } from './export.ts';

/** Finite numbers from here on are rounded to infinity in float16. */
const HALF_OVERFLOW = 65_520;

/** What is known of a tensor once its bytes are all stored. */
export interface Stored {
  /** Of a form in blocks; null of any other. */
  readonly scales: Float32Array<ArrayBuffer> | null;
  /** Finite elements that became infinite in float16. */
  readonly overflowed: number;
}

/**
 * Yields a tensor's stored bytes.
 * @param pieces its bytes in its own dtype, cut anywhere between elements.
 */
export async function* storedBytes(
  { form, dtype, shape }: Pick<PlacedTensor, 'form' | 'dtype' | 'shape'>,
  pieces: AsyncIterable<Uint8Array<ArrayBuffer>>,
): AsyncGenerator<Uint8Array<ArrayBuffer>, Stored> {
  if (form === 'f32' || form === 'f16') {
    const wanted = form === 'f16' ? 'F16' : 'F32';
    let overflowed = 0;
    for await (const piece of pieces) {
      if (dtype === wanted) {
        yield piece;
        continue;
      }
      const values = decodeFloat32(piece, dtype);
      if (form === 'f16') overflowed += countOverflows(values);
      yield encode(values, wanted);
    }
    return { scales: null, overflowed };
  }
  const make = isTransposed(form) ? transposedBlocks : blocks;
  return { scales: yield* make(form, shape, floats(pieces, dtype)), overflowed: 0 };
}

function countOverflows(values: Float32Array): number {
  let count = 0;
  for (const x of values) if (Math.abs(x) >= HALF_OVERFLOW && Number.isFinite(x)) count++;
  return count;
}

async function* floats(
  pieces: AsyncIterable<Uint8Array<ArrayBuffer>>,
  dtype: BlendedDtype,
): AsyncGenerator<Float32Array<ArrayBuffer>> {
  for await (const piece of pieces) if (piece.length >= elementBytes(dtype)) yield decodeFloat32(piece, dtype);
}

/** Rows as they come. */
async function* blocks(
  form: BlockForm,
  shape: readonly number[],
  pieces: AsyncIterable<Float32Array<ArrayBuffer>>,
): AsyncGenerator<Uint8Array<ArrayBuffer>, Float32Array<ArrayBuffer>> {
  const { rows, columns } = heldMatrix(form, shape);
  const scales = new Float32Array((rows * columns) / BLOCK);
  let done = 0;
  for await (const whole of inMultiples(pieces, columns)) {
    const quantised = quantiseRows(whole, columns, bitsOf(form));
    scales.set(quantised.scales, done);
    done += quantised.scales.length;
    yield quantised.values;
  }
  return scales;
}

/** 32 rows as they come are one block of every row as it is held. */
async function* transposedBlocks(
  form: BlockForm,
  shape: readonly number[],
  pieces: AsyncIterable<Float32Array<ArrayBuffer>>,
): AsyncGenerator<Uint8Array<ArrayBuffer>, Float32Array<ArrayBuffer>> {
  const { rows, columns } = heldMatrix(form, shape);
  const bits: Bits = bitsOf(form);
  const blobBytes = (BLOCK * bits) / 8;
  const perRow = columns / BLOCK;
  const values = new Uint8Array(rows * perRow * blobBytes);
  const scales = new Float32Array(rows * perRow);
  const turned = new Float32Array(rows * BLOCK);
  let block = 0;
  for await (const whole of inMultiples(pieces, BLOCK * rows)) {
    for (let start = 0; start < whole.length; start += BLOCK * rows, block++) {
      for (let input = 0; input < BLOCK; input++) {
        for (let row = 0; row < rows; row++) turned[row * BLOCK + input] = whole[start + input * rows + row] ?? 0;
      }
      const quantised = quantiseRows(turned, BLOCK, bits);
      for (let row = 0; row < rows; row++) {
        const place = row * perRow + block;
        values.set(quantised.values.subarray(row * blobBytes, (row + 1) * blobBytes), place * blobBytes);
        scales[place] = quantised.scales[row] ?? 0;
      }
    }
  }
  yield values;
  return scales;
}

/** The same elements, cut at multiples of `length`. Their number is one. */
async function* inMultiples(
  pieces: AsyncIterable<Float32Array<ArrayBuffer>>,
  length: number,
): AsyncGenerator<Float32Array<ArrayBuffer>> {
  let rest = new Float32Array();
  for await (const piece of pieces) {
    const joined = rest.length === 0 ? piece : new Float32Array(rest.length + piece.length);
    if (rest.length > 0) {
      joined.set(rest);
      joined.set(piece, rest.length);
    }
    const whole = joined.length - (joined.length % length);
    if (whole > 0) yield joined.subarray(0, whole);
    rest = joined.slice(whole);
  }
  if (rest.length > 0) throw new RangeError(`${rest.length} elements are left over of rows of ${length}.`);
}
