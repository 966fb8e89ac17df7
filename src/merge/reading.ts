/**
 * Reading: brings the bytes of pieces' sources from their files. What lies side by side in a file is read in one go: a
 * model of 100 000 small tensors is some hundred reads and not 300 000, each of which costs a browser about a millisecond
 * and, while it is open, a pipe. Not when something is read, or how often (`run.ts`).
 */

import type { TensorEntry } from '../formats/checkpoint.ts';
import type { LoadedPiece } from '../methods/kernel.ts';
import type { Piece } from './layout.ts';
import type { BlendTensor } from './lineup.ts';

/** Ranges up to this are read with their neighbours; larger ones gain nothing, and would be copied once more. */
const SMALL_BYTES = 2 ** 18;
/** Most bytes that are read in one go. */
const MOST_SPAN_BYTES = 2 ** 24;

/** Some bytes of a file: [start, end). */
export interface FileRange extends Pick<TensorEntry, 'file'> {
  readonly start: number;
  readonly end: number;
}

/** Ranges that touch, read together. */
interface Span {
  readonly file: FileRange['file'];
  readonly start: number;
  end: number;
  /** Indices of its ranges. */
  readonly members: number[];
}

function isSmall({ start, end }: FileRange): boolean {
  return end - start <= SMALL_BYTES;
}

/** The reads that some ranges come to. */
function spansOf(ranges: readonly FileRange[]): Span[] {
  const byFile = new Map<FileRange['file'], number[]>();
  ranges.forEach(({ file }, index) => {
    const own = byFile.get(file);
    if (own) own.push(index);
    else byFile.set(file, [index]);
  });
  const spans: Span[] = [];
  for (const [file, indices] of byFile) {
    let last: Span | null = null;
    for (const index of indices.toSorted((a, b) => (ranges[a]?.start ?? 0) - (ranges[b]?.start ?? 0))) {
      const range = ranges[index];
      if (!range) continue;
      const joins =
        last !== null && isSmall(range) && range.start === last.end && range.end - last.start <= MOST_SPAN_BYTES;
      if (last !== null && joins) {
        last.end = range.end;
        last.members.push(index);
        continue;
      }
      const span: Span = { file, start: range.start, end: range.end, members: [index] };
      spans.push(span);
      last = isSmall(range) ? span : null;
    }
  }
  return spans;
}

/**
 * Reads ranges of files, all at once.
 * @returns one array per range. Those that were read in one go lie in one memory, so that a batch of thousands of small
 * ones is handed to another thread as a few buffers: whoever gives one away gives away all of the call. Rejects as
 * `Bytes.slice` does.
 */
export async function readRanges(ranges: readonly FileRange[]): Promise<Uint8Array<ArrayBuffer>[]> {
  const out = ranges.map(() => new Uint8Array());
  await Promise.all(
    spansOf(ranges).map(async ({ file, start, end, members }) => {
      const bytes = await file.slice(start, end);
      for (const member of members) {
        const range = ranges[member];
        if (!range) continue;
        out[member] = members.length === 1 ? bytes : bytes.subarray(range.start - start, range.end - start);
      }
    }),
  );
  return out;
}

/** Reads pieces with all their sources. */
export async function readPieces(
  pieces: readonly Piece[],
  tensorAt: (index: number) => BlendTensor,
): Promise<LoadedPiece[]> {
  const owners = pieces.map((piece) => ({ piece, tensor: tensorAt(piece.tensor) }));
  const ranges = owners.flatMap(({ piece, tensor }) =>
    tensor.sources.map(({ file, start, end }): FileRange => {
      const size = (end - start) / tensor.elements;
      return { file, start: start + piece.start * size, end: start + piece.end * size };
    }),
  );
  const read = await readRanges(ranges);
  let at = 0;
  return owners.map(({ piece, tensor }) => {
    const first = at;
    at += tensor.sources.length;
    return {
      tensor: tensor.name,
      start: piece.start,
      elements: piece.end - piece.start,
      tensorElements: tensor.elements,
      rowElements: tensor.rowElements,
      hasBase: tensor.hasBase,
      dtypes: tensor.dtypes,
      bytes: read.slice(first, at),
    };
  });
}
