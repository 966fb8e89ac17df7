/**
 * SessionLogits: what a session's runs give, where it was made, and how it is brought here. Choosing by it is
 * `sampler.ts`.
 */

import { BUFFER_USAGE } from '../gpu/buffers.ts';

/** Captured and ordinary runs may add in another order. */
const CAPTURE_TOLERANCE = 1e-3;

/**
 * Logits where they were made, row by row, `rows` x `vocabularySize` f32 from byte 0. Valid until the next run with the
 * same cache, or its end; neither to be written nor destroyed by the reader.
 */
export type LogitsRows =
  | {
      readonly kind: 'gpu';
      readonly device: GPUDevice;
      readonly buffer: GPUBuffer;
      readonly rows: number;
      readonly vocabularySize: number;
    }
  | { readonly kind: 'cpu'; readonly data: Float32Array; readonly rows: number; readonly vocabularySize: number };

/** Is given the rows of each piece of a text in order; `start` counts the rows before them. The next piece waits. */
export type RowsReader = (rows: LogitsRows, start: number) => Promise<void> | void;

/** Brings logits here. */
export async function readRows(rows: LogitsRows): Promise<Float32Array> {
  if (rows.kind === 'cpu') return rows.data;
  const size = rows.rows * rows.vocabularySize * 4;
  const { MAP_READ, COPY_DST } = BUFFER_USAGE;
  const buffer = rows.device.createBuffer({ size, usage: MAP_READ | COPY_DST });
  try {
    const encoder = rows.device.createCommandEncoder({ label: 'read logits' });
    encoder.copyBufferToBuffer(rows.buffer, 0, buffer, 0, size);
    rows.device.queue.submit([encoder.finish()]);
    await buffer.mapAsync(1);
    return new Float32Array(buffer.getMappedRange().slice(0));
  } finally {
    buffer.destroy();
  }
}

/** Whether two rows of logits are the same up to rounding. Weights that give no numbers prove nothing. */
export function agree(got: Float32Array, truth: Float32Array, tolerance = CAPTURE_TOLERANCE): boolean {
  const scale = truth.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
  if (!Number.isFinite(scale)) return true;
  return truth.every((value, i) => Math.abs(value - (got[i] ?? Number.NaN)) <= tolerance * scale);
}
