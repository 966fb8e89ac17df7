/**
 * ReferenceWork: one piece of work for a method's float64 reference, as plain data that a worker can be handed,
 * and the function that does it. The CPU path without a GPU, and the oracle that the kernels are tested against.
 */

import { decode, decodeFloat32, encode } from '../formats/codec.ts';
import { elementBytes, type BlendedDtype } from '../formats/dtype.ts';
import { METHODS } from '../methods/index.ts';
import type { Values } from '../methods/method.ts';
import { blocksOf, type PieceShape } from './arithmetic.ts';
import { BLOCK_ELEMENTS } from './layout.ts';
import { quantityCount } from './statistics.ts';

/** Merge one piece. */
export interface MergeWork {
  readonly kind: 'merge';
  readonly shape: PieceShape;
  readonly bytes: readonly Uint8Array<ArrayBuffer>[];
  readonly method: string;
  readonly params: Values;
  readonly perModel: readonly Values[];
  /** K × rows of the rows that the piece touches. */
  readonly coefficients: Float64Array;
  readonly rows: number;
  readonly out: BlendedDtype;
  /** `packed`: bytes as in a file; `float32`: rounded to `out`, then widened. */
  readonly storage: 'packed' | 'float32';
}

/** Measure one piece; the first source is the base. */
export interface MeasureWork {
  readonly kind: 'measure';
  readonly shape: PieceShape;
  readonly bytes: readonly Uint8Array<ArrayBuffer>[];
  readonly rowElements: number;
}

export type ReferenceWork = MergeWork | MeasureWork;

/** Result of either kind of work. */
export interface ReferenceResult {
  /** `packed` bytes; empty otherwise. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** `float32` values; empty otherwise. */
  readonly values: Float32Array<ArrayBuffer>;
  /** Partial sums; empty otherwise. */
  readonly partials: Float64Array<ArrayBuffer>;
  readonly faulty: number;
}

const NO_BYTES = new Uint8Array();
const NO_VALUES = new Float32Array();
const NO_PARTIALS = new Float64Array();

/** The buffers that a worker may hand over with a result. The empty ones are shared constants and must stay. */
export function transferables(result: ReferenceResult): ArrayBuffer[] {
  return [result.bytes.buffer, result.values.buffer, result.partials.buffer].filter((buffer) => buffer.byteLength > 0);
}

/** Does one piece of work. */
export function doReferenceWork(work: ReferenceWork): ReferenceResult {
  return work.kind === 'merge' ? merge(work) : measure(work);
}

function merge(work: MergeWork): ReferenceResult {
  const method = METHODS.get(work.method);
  if (!method) throw new Error(`no method '${work.method}'`);
  const sources = work.shape.dtypes.map((dtype, s) => decode(work.bytes[s] ?? NO_BYTES, dtype));
  const hasBase = method.base === 'required';
  const { rows, coefficients, shape } = work;
  const firstColumn = shape.start % shape.rowElements;
  const values = method.reference({
    base: hasBase ? (sources[0] ?? null) : null,
    models: hasBase ? sources.slice(1) : sources,
    params: work.params,
    perModel: work.perModel,
    coefficient:
      rows === 1
        ? (k) => coefficients[k] ?? 0
        : (k, i) => coefficients[k * rows + Math.floor((firstColumn + i) / shape.rowElements)] ?? 0,
  });
  const bytes = encode(values, work.out);
  const faulty = countFaulty(bytes, work.out);
  if (work.storage === 'packed') return { bytes, values: NO_VALUES, partials: NO_PARTIALS, faulty };
  return { bytes: NO_BYTES, values: Float32Array.from(decodeFloat32(bytes, work.out)), partials: NO_PARTIALS, faulty };
}

/** NaN and infinity by the bits: an exponent of all ones. */
function countFaulty(bytes: Uint8Array<ArrayBuffer>, dtype: BlendedDtype): number {
  const size = elementBytes(dtype);
  // The top byte, and the next one's high bits, hold the exponent in all three dtypes.
  const [top, next] = { F32: [0x7f, 0x80], BF16: [0x7f, 0x80], F16: [0x7c, 0] }[dtype] as [number, number];
  let faulty = 0;
  for (let at = size - 1; at < bytes.length; at += size) {
    if (((bytes[at] ?? 0) & top) === top && ((bytes[at - 1] ?? 0) & next) === next) faulty++;
  }
  return faulty;
}

function measure(work: MeasureWork): ReferenceResult {
  const [base, ...models] = work.shape.dtypes.map((dtype, s) => decode(work.bytes[s] ?? NO_BYTES, dtype));
  if (!base) throw new Error('nothing to measure from');
  const count = models.length;
  const quantities = quantityCount(count);
  const pairs = (count * (count + 1)) / 2;
  const blocks = [...blocksOf(work.shape, work.rowElements, BLOCK_ELEMENTS)];
  const partials = new Float64Array(blocks.length * quantities);
  const delta = new Float64Array(count);
  blocks.forEach(([from, to], b) => {
    const sums = partials.subarray(b * quantities, (b + 1) * quantities);
    for (let i = from; i < to; i++) {
      const pivot = base[i] ?? 0;
      let q = 0;
      for (let k = 0; k < count; k++) {
        const d = (models[k]?.[i] ?? 0) - pivot;
        const size = Math.abs(d);
        delta[k] = d;
        sums[pairs + k] = (sums[pairs + k] ?? 0) + size;
        if (size > (sums[pairs + count + k] ?? 0) || Number.isNaN(size)) sums[pairs + count + k] = size;
        if (size > 0) sums[pairs + 2 * count + k] = (sums[pairs + 2 * count + k] ?? 0) + 1;
        for (let j = 0; j <= k; j++) {
          sums[q] = (sums[q] ?? 0) + (delta[j] ?? 0) * d;
          q++;
        }
      }
    }
  });
  return { bytes: NO_BYTES, values: NO_VALUES, partials, faulty: 0 };
}
