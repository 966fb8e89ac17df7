/**
 * Submission: a batch of dispatches encoded, submitted once and read back once. The dispatches differ only by their
 * pipeline, an offset into one uniform buffer and the range that they write. Not what the kernels compute, and not
 * the life of the source words, which stay the caller's.
 */

import { DeviceFault } from '../bytes/fault.ts';
import { BUFFER_USAGE, type Buffers, wholeWords } from './buffers.ts';
import { PIECE_BYTES, UNSET } from './compose.ts';

/** Offsets of uniforms and of bound ranges are multiples of this on every device. */
export const OFFSET_BYTES = 256;

/** Most workgroups in one dimension of a dispatch. */
const MOST_GROUPS = 65535;

/** WebGPU's GPUMapMode.READ by value: the namespace does not exist in Node before Dawn is loaded. */
const MAP_READ = 1;

/** One dispatch; the fields up to `blocks` are the uniform `Piece` of prelude.wgsl, in its order. */
export interface Dispatch {
  readonly elements: number;
  readonly firstColumn: number;
  readonly rowElements: number;
  readonly rows: number;
  readonly outputWord: number;
  /** Which counter of faulty elements it adds to. */
  readonly counter: number;
  readonly blocks: number;
  /** First word of every source. */
  readonly starts: readonly number[];
  /** Parameters, then coefficients; NaN stands for a number that is not set. */
  readonly numbers: readonly number[];
  readonly pipeline: GPUComputePipeline;
  readonly groups: number;
  /** The range of a buffer that it writes. */
  readonly result: { readonly buffer: GPUBuffer; readonly offset: number; readonly size: number };
}

/** What came back. */
export interface ReadBack {
  /** The wanted bytes; empty where none were. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** NaN or infinite elements per counter. */
  readonly faulty: Uint32Array;
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
   * Runs dispatches over one buffer of source words.
   * Throws DeviceFault where the device refuses or is lost: zeros are never taken for a result.
   * @param wanted the buffer whose first `bytes` come back, or null where only the counters matter.
   */
  async run(
    words: GPUBuffer,
    dispatches: readonly Dispatch[],
    wanted: { readonly buffer: GPUBuffer; readonly bytes: number } | null,
    counters: number,
  ): Promise<ReadBack> {
    const { numberData, pieceData } = encodeDispatches(dispatches);
    const resultBytes = wanted ? wholeWords(wanted.bytes) : 0;
    const readBytes = resultBytes + counters * 4;
    const { STORAGE, COPY_SRC, COPY_DST, UNIFORM, MAP_READ: MAPPED } = BUFFER_USAGE;
    const numbers = this.#buffers.take(Math.max(4, numberData.byteLength), STORAGE | COPY_DST);
    const pieces = this.#buffers.take(pieceData.byteLength, UNIFORM | COPY_DST);
    const faulty = this.#buffers.take(counters * 4, STORAGE | COPY_SRC | COPY_DST);
    const staging = this.#buffers.take(readBytes, MAPPED | COPY_DST);
    try {
      const { queue } = this.#device;
      if (numberData.length > 0) queue.writeBuffer(numbers, 0, numberData);
      queue.writeBuffer(pieces, 0, pieceData);

      this.#device.pushErrorScope('validation');
      const encoder = this.#device.createCommandEncoder();
      encoder.clearBuffer(faulty, 0, counters * 4);
      this.#encodePass(encoder, dispatches, { words, numbers, faulty, pieces });
      if (wanted) encoder.copyBufferToBuffer(wanted.buffer, 0, staging, 0, resultBytes);
      encoder.copyBufferToBuffer(faulty, 0, staging, resultBytes, counters * 4);
      queue.submit([encoder.finish()]);
      const refusal = this.#device.popErrorScope();

      await staging.mapAsync(MAP_READ, 0, readBytes).catch((error: unknown) => {
        const reason = error instanceof Error ? error.message : String(error);
        throw new DeviceFault(`The graphics device stopped during the work (${reason}); start it again.`);
      });
      const refused = await refusal;
      if (refused) throw new DeviceFault(`The graphics device refused the work: ${refused.message}`);
      const mapped = staging.getMappedRange(0, readBytes);
      const bytes = new Uint8Array(mapped.slice(0, wanted?.bytes ?? 0));
      const counted = new Uint32Array(mapped.slice(resultBytes));
      return { bytes, faulty: counted };
    } finally {
      if (staging.mapState === 'mapped') staging.unmap();
      for (const buffer of [numbers, pieces, faulty, staging]) this.#buffers.give(buffer);
    }
  }

  #encodePass(
    encoder: GPUCommandEncoder,
    dispatches: readonly Dispatch[],
    shared: { words: GPUBuffer; numbers: GPUBuffer; faulty: GPUBuffer; pieces: GPUBuffer },
  ): void {
    const pass = encoder.beginComputePass();
    let bound: { readonly result: Dispatch['result']; readonly group: GPUBindGroup } | null = null;
    dispatches.forEach((dispatch, n) => {
      if (bound?.result !== dispatch.result) {
        const group = this.#device.createBindGroup({
          layout: this.#layout,
          entries: [
            { binding: 0, resource: { buffer: shared.words } },
            { binding: 1, resource: { buffer: shared.numbers } },
            { binding: 2, resource: dispatch.result },
            { binding: 3, resource: { buffer: shared.faulty } },
            { binding: 4, resource: { buffer: shared.pieces, size: PIECE_BYTES } },
          ],
        });
        bound = { result: dispatch.result, group };
      }
      pass.setPipeline(dispatch.pipeline);
      pass.setBindGroup(0, bound.group, [n * OFFSET_BYTES]);
      const x = Math.max(1, Math.min(dispatch.groups, MOST_GROUPS));
      pass.dispatchWorkgroups(x, Math.ceil(dispatch.groups / x));
    });
    pass.end();
  }
}

/** The uniforms and the numbers of all dispatches, one after another. */
function encodeDispatches(dispatches: readonly Dispatch[]): {
  numberData: Float32Array<ArrayBuffer>;
  pieceData: Uint32Array<ArrayBuffer>;
} {
  const numberData = new Float32Array(dispatches.reduce((sum, { numbers }) => sum + numbers.length, 0));
  const pieceData = new Uint32Array((dispatches.length * OFFSET_BYTES) / 4);
  let first = 0;
  dispatches.forEach((d, n) => {
    const piece = [d.elements, d.firstColumn, d.rowElements, d.rows, first, d.outputWord, d.counter, d.blocks];
    pieceData.set([...piece, ...d.starts], (n * OFFSET_BYTES) / 4);
    for (const value of d.numbers) numberData[first++] = Number.isNaN(value) ? UNSET : value;
  });
  return { numberData, pieceData };
}
