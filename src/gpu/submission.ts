/**
 * Submission: a batch of dispatches encoded, submitted once and read back once. The dispatches differ only by their
 * pipeline, an offset into one uniform buffer, and the ranges that they read and write. Not what the kernels compute,
 * and not the life of the source words, which stay the caller's.
 */

import { DeviceFault } from '../bytes/fault.ts';
import type { PieceShape } from '../methods/kernel.ts';
import { BUFFER_USAGE, type Buffers, wholeWords } from './buffers.ts';
import { PIECE_BYTES } from './compose.ts';

/** Offsets of uniforms and of bound ranges are multiples of this on every device. */
export const OFFSET_BYTES = 256;

/** Most workgroups in one dimension of a dispatch. */
export const MOST_GROUPS = 65535;

/** WebGPU's GPUMapMode.READ by value: the namespace does not exist in Node before Dawn is loaded. */
const MAP_READ = 1;

/** The uniform `Piece` of prelude.wgsl, but for where its numbers begin. What a kernel does not read is 0. */
export interface PieceFields {
  readonly elements: number;
  readonly firstIndex: number;
  readonly firstColumn: number;
  readonly rowElements: number;
  readonly outputWord: number;
  readonly scratchWord: number;
  readonly counter: number;
  readonly firstItem: number;
  readonly items: number;
  readonly spanElements: number;
  readonly spanFirst: number;
  /** From the first of its numbers. */
  readonly queries: number;
  readonly shift: number;
  readonly width: number;
  readonly run: number;
  /** First word of every source. */
  readonly starts: readonly number[];
}

/** A range of a buffer, as it is bound. Dispatches that use the same range share the object. */
export interface BufferRange {
  readonly buffer: GPUBuffer;
  readonly offset: number;
  readonly size: number;
}

/** The first bytes of a buffer, whole words of them. */
export function startOf(buffer: GPUBuffer, bytes: number): BufferRange {
  return { buffer, offset: 0, size: Math.max(4, wholeWords(bytes)) };
}

/** One dispatch. */
export interface Dispatch {
  readonly fields: PieceFields;
  /** What it reads as `numbers`; null where it reads none. The same array is uploaded once. */
  readonly numbers: Uint32Array | null;
  readonly pipeline: GPUComputePipeline;
  readonly groups: number;
  /** What it writes. */
  readonly result: BufferRange;
  /** What an earlier dispatch wrote and this one reads, or null. Never of the buffer of `result`. */
  readonly scratch: BufferRange | null;
}

/** The start of a buffer that is to come back. */
export interface Wanted {
  readonly buffer: GPUBuffer;
  readonly bytes: number;
}

/** What came back. */
export interface ReadBack {
  /** Per wanted buffer its bytes. */
  readonly parts: readonly Uint8Array<ArrayBuffer>[];
  readonly counters: Uint32Array<ArrayBuffer>;
}

/** The fields of a piece that follow from its shape; blocks are counted over the tensor as one row. */
export function pieceFields(shape: PieceShape, starts: readonly number[]): PieceFields {
  return {
    elements: shape.elements,
    firstIndex: shape.start,
    firstColumn: shape.start % shape.rowElements,
    rowElements: shape.rowElements,
    outputWord: 0,
    scratchWord: 0,
    counter: 0,
    firstItem: 0,
    items: 0,
    spanElements: shape.tensorElements,
    spanFirst: shape.start,
    queries: 0,
    shift: 0,
    width: 0,
    run: 0,
    starts,
  };
}

/** Submits to one device. */
export class Submission {
  readonly #device: GPUDevice;
  readonly #buffers: Buffers;
  readonly #layout: GPUBindGroupLayout;

  constructor(device: GPUDevice, buffers: Buffers, layout: GPUBindGroupLayout) {
    this.#device = device;
    this.#buffers = buffers;
    this.#layout = layout;
  }

  /**
   * Runs dispatches over one buffer of source words, in order: each sees what those before it wrote.
   * Throws DeviceFault where the device refuses or is lost: zeros are never taken for a result.
   * @param counters how many counters there are; they begin at zero and come back.
   * @param encodeLast encodes what comes behind the dispatches in the same submission.
   */
  async run(
    words: BufferRange,
    dispatches: readonly Dispatch[],
    wanted: readonly Wanted[],
    counters: number,
    encodeLast?: (encoder: GPUCommandEncoder) => void,
  ): Promise<ReadBack> {
    const { numberData, pieceData } = encodeDispatches(dispatches);
    const counterBytes = Math.max(1, counters) * 4;
    const resultBytes = wanted.reduce((sum, { bytes }) => sum + wholeWords(bytes), 0);
    const readBytes = resultBytes + counterBytes;
    const { STORAGE, COPY_SRC, COPY_DST, UNIFORM, MAP_READ: MAPPED } = BUFFER_USAGE;
    const taken: GPUBuffer[] = [];
    const take = (bytes: number, usage: number) => {
      const buffer = this.#buffers.take(Math.max(4, bytes), usage);
      taken.push(buffer);
      return buffer;
    };
    let staging: GPUBuffer | null = null;
    try {
      const numbers = take(numberData.byteLength, STORAGE | COPY_DST);
      const pieces = take(pieceData.byteLength, UNIFORM | COPY_DST);
      const counted = take(counterBytes, STORAGE | COPY_SRC | COPY_DST);
      staging = take(readBytes, MAPPED | COPY_DST);
      const { queue } = this.#device;
      if (numberData.length > 0) queue.writeBuffer(numbers, 0, numberData);
      if (pieceData.length > 0) queue.writeBuffer(pieces, 0, pieceData);

      this.#device.pushErrorScope('validation');
      const encoder = this.#device.createCommandEncoder({ label: 'merge' });
      encoder.clearBuffer(counted, 0, counterBytes);
      this.#encodePass(encoder, dispatches, { words, numbers, counted, pieces });
      encodeLast?.(encoder);
      let at = 0;
      for (const { buffer, bytes } of wanted) {
        if (bytes > 0) encoder.copyBufferToBuffer(buffer, 0, staging, at, wholeWords(bytes));
        at += wholeWords(bytes);
      }
      encoder.copyBufferToBuffer(counted, 0, staging, resultBytes, counterBytes);
      queue.submit([encoder.finish()]);
      const refusal = this.#device.popErrorScope();

      await staging.mapAsync(MAP_READ, 0, readBytes).catch((error: unknown) => {
        const reason = error instanceof Error ? error.message : String(error);
        throw new DeviceFault(`The graphics device stopped during the work (${reason}); start it again.`);
      });
      const refused = await refusal;
      if (refused) throw new DeviceFault(`The graphics device refused the work: ${refused.message}`);
      return split(staging.getMappedRange(0, readBytes), wanted, counters);
    } finally {
      if (staging?.mapState === 'mapped') staging.unmap();
      for (const buffer of taken) this.#buffers.give(buffer);
    }
  }

  #encodePass(
    encoder: GPUCommandEncoder,
    dispatches: readonly Dispatch[],
    shared: { words: BufferRange; numbers: GPUBuffer; counted: GPUBuffer; pieces: GPUBuffer },
  ): void {
    const pass = encoder.beginComputePass();
    let bound: (Pick<Dispatch, 'result' | 'scratch'> & { readonly group: GPUBindGroup }) | null = null;
    dispatches.forEach((dispatch, n) => {
      const { result, scratch, pipeline, groups } = dispatch;
      if (groups === 0) return;
      if (bound?.result !== result || bound.scratch !== scratch) {
        const group = this.#device.createBindGroup({
          layout: this.#layout,
          entries: [
            { binding: 0, resource: shared.words },
            { binding: 1, resource: { buffer: shared.numbers } },
            { binding: 2, resource: result },
            { binding: 3, resource: { buffer: shared.counted } },
            { binding: 4, resource: { buffer: shared.pieces, size: PIECE_BYTES } },
            // Where nothing is read there, any buffer will do.
            { binding: 5, resource: scratch ?? { buffer: shared.numbers } },
          ],
        });
        bound = { result, scratch, group };
      }
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, bound.group, [n * OFFSET_BYTES]);
      const x = Math.min(groups, MOST_GROUPS);
      pass.dispatchWorkgroups(x, Math.ceil(groups / x));
    });
    pass.end();
  }
}

/** Copies out of mapped memory: the wanted parts, then the counters. */
function split(mapped: ArrayBuffer, wanted: readonly Wanted[], counters: number): ReadBack {
  let at = 0;
  const parts = wanted.map(({ bytes }) => {
    const part = new Uint8Array(mapped.slice(at, at + bytes));
    at += wholeWords(bytes);
    return part;
  });
  return { parts, counters: new Uint32Array(mapped.slice(at, at + counters * 4)) };
}

/** The uniforms and the numbers of all dispatches, one after another. */
function encodeDispatches(dispatches: readonly Dispatch[]): {
  numberData: Uint32Array<ArrayBuffer>;
  pieceData: Uint32Array<ArrayBuffer>;
} {
  const firsts = new Map<Uint32Array, number>();
  let words = 0;
  for (const { numbers } of dispatches) {
    if (!numbers || firsts.has(numbers)) continue;
    firsts.set(numbers, words);
    words += numbers.length;
  }
  const numberData = new Uint32Array(words);
  for (const [numbers, first] of firsts) numberData.set(numbers, first);

  const pieceData = new Uint32Array((dispatches.length * OFFSET_BYTES) / 4);
  dispatches.forEach(({ fields: f, numbers }, n) => {
    const first = (numbers && firsts.get(numbers)) ?? 0;
    const head = [f.elements, f.firstIndex, f.firstColumn, f.rowElements, first, f.outputWord, f.scratchWord];
    const tail = [f.counter, f.firstItem, f.items, f.spanElements, f.spanFirst, first + f.queries];
    pieceData.set([...head, ...tail, f.shift, f.width, f.run, ...f.starts], (n * OFFSET_BYTES) / 4);
  });
  return { numberData, pieceData };
}
