/**
 * Row source: a tensor whose rows are gathered from other tensors as they are read: embeddings rebuilt for another
 * tokenizer. It is computed range by range and never held. Which row comes from where is `token-rows.ts`.
 */

import { readTensor, type TensorEntry } from '../formats/checkpoint.ts';
import { decode, encode } from '../formats/codec.ts';
import { type BlendedDtype, elementBytes, isBlended } from '../formats/dtype.ts';

/** Where rows come from. */
export interface RowPlan {
  /** Per row the index of the tensor that has it; or one of the values below. */
  readonly source: Int32Array;
  /** Per row its number there. */
  readonly row: Int32Array;
  /** Rows that are the mean of several, each as tensor and row. */
  readonly means: ReadonlyMap<number, readonly (readonly [number, number])[]>;
  /** How many rows the mean of `MEAN_OF_ROWS` is taken over. */
  readonly realRows: number;
}

/** A row of zeros. */
export const ZERO = -1;
/** A row in `means`. */
export const MEAN = -2;
/** The mean of the first `realRows` rows of the result. */
export const MEAN_OF_ROWS = -3;

/** Rows that are summed at a time for the mean of all. */
const MEAN_BLOCK_ROWS = 256;

/**
 * The tensor that a plan makes of `tensors`, all of one row length and of blended dtypes. It has their dtype where they
 * agree and no row is a mean, else F32. Nothing is read before it is.
 */
export function gatherRows(name: string, tensors: readonly TensorEntry[], plan: RowPlan): TensorEntry {
  const rows = plan.source.length;
  const rest = tensors[0]?.shape.slice(1) ?? [];
  const rowElements = rest.reduce((product, n) => product * n, 1);
  const dtype = dtypeOf(tensors, plan);
  const width = elementBytes(dtype);
  const rowBytes = rowElements * width;
  const size = rows * rowBytes;
  let meanOfRows: Promise<Float64Array> | null = null;

  /** Elements [from, to) of a row of a source, in this tensor's dtype. */
  const part = async (source: number, from: number, to: number): Promise<Uint8Array> => {
    const entry = tensors[source];
    if (!entry || !isBlended(entry.dtype)) throw new Error(`${name} has no source ${source}`);
    const bytes = elementBytes(entry.dtype);
    const raw = await readTensor(entry, from * bytes, to * bytes);
    return entry.dtype === dtype ? raw : encode(decode(raw, entry.dtype), dtype);
  };
  const values = async (source: number, from: number, to: number): Promise<Float64Array> =>
    decode(await part(source, from, to), dtype);

  const slice = async (start: number, end: number): Promise<Uint8Array<ArrayBuffer>> => {
    if (!(start >= 0 && start <= end && end <= size) || start % width !== 0 || end % width !== 0)
      throw new RangeError(`bytes ${start} to ${end} are no elements of ${name}, which has ${size} bytes`);
    const out = new Uint8Array(end - start);
    let row = rowBytes === 0 ? rows : Math.floor(start / rowBytes);
    while (row * rowBytes < end && row < rows) {
      const source = plan.source[row] ?? ZERO;
      const first = plan.row[row] ?? 0;
      let next = row + 1;
      if (source >= 0) {
        // Neighbours there too are read at once.
        while (
          next < rows &&
          next * rowBytes < end &&
          plan.source[next] === source &&
          plan.row[next] === first + next - row
        )
          next++;
      }
      const from = Math.max(start, row * rowBytes);
      const to = Math.min(end, next * rowBytes);
      const a = (from - row * rowBytes) / width;
      const b = (to - row * rowBytes) / width;
      if (source >= 0) {
        out.set(await part(source, first * rowElements + a, first * rowElements + b), from - start);
      } else if (source === MEAN) {
        const sum = new Float64Array(b - a);
        const members = plan.means.get(row) ?? [];
        for (const [member, its] of members) {
          (await values(member, its * rowElements + a, its * rowElements + b)).forEach((x, i) => {
            sum[i] = (sum[i] ?? 0) + x;
          });
        }
        out.set(
          encode(
            sum.map((x) => x / members.length),
            dtype,
          ),
          from - start,
        );
      } else if (source === MEAN_OF_ROWS) {
        meanOfRows ??= average();
        out.set(encode((await meanOfRows).subarray(a, b), dtype), from - start);
      }
      row = next;
    }
    return out;
  };

  const average = async (): Promise<Float64Array> => {
    const sum = new Float64Array(rowElements);
    for (let row = 0; row < plan.realRows; row += MEAN_BLOCK_ROWS) {
      const last = Math.min(plan.realRows, row + MEAN_BLOCK_ROWS);
      const block = decode(await slice(row * rowBytes, last * rowBytes), dtype);
      block.forEach((x, i) => {
        sum[i % rowElements] = (sum[i % rowElements] ?? 0) + x;
      });
    }
    return sum.map((x) => x / Math.max(1, plan.realRows));
  };

  return {
    name,
    dtype,
    shape: [rows, ...rest],
    elements: rows * rowElements,
    file: { name: `${name}, rows gathered`, size, slice },
    start: 0,
    end: size,
  };
}

function dtypeOf(tensors: readonly TensorEntry[], plan: RowPlan): BlendedDtype {
  const [first] = tensors;
  const isOne = first !== undefined && isBlended(first.dtype) && tensors.every(({ dtype }) => dtype === first.dtype);
  const hasMeans = plan.means.size > 0 || plan.source.includes(MEAN_OF_ROWS);
  return isOne && isBlended(first.dtype) && !hasMeans ? first.dtype : 'F32';
}
