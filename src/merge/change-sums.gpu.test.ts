/** What a survey counts, on the GPU, against the same plain loops as on the CPU. */

import { beforeAll, describe, expect, it } from 'vitest';
import { BLENDED_DTYPES } from '../formats/dtype.ts';
import { type Device, gpuHere, openDevice } from '../gpu/device.ts';
import { type LoadedPiece, surveyQuantities } from '../methods/kernel.ts';
import { sumChanges } from './change-sums.ts';
import { GpuArithmetic } from './gpu-arithmetic.ts';
import { sumBlocks } from './statistics.ts';
import { changePiece, expectedChanges, RAGGED_LENGTHS } from './test/change-cases.ts';

let device: Device;

beforeAll(async () => {
  device = await openDevice(gpuHere());
});

/** @param resultBytes small, so that a piece's sums come in several parts */
async function holds(pieces: readonly LoadedPiece[], resultBytes?: number): Promise<void> {
  const gpu = new GpuArithmetic(device, undefined, resultBytes);
  const batch = await gpu.load(pieces.map((piece) => ({ ...piece, bytes: piece.bytes.map((own) => own.slice()) })));
  const kind = { plain: true, axis: null, from: 'deltas', isSurveyed: true } as const;
  const all = await gpu.measure(
    batch,
    pieces.map((_, n) => n),
    kind,
  );
  batch.release();
  gpu.dispose();
  pieces.forEach((piece, n) => {
    const found = all[n];
    if (!found?.plain || !found.sizes) throw new Error('nothing was measured');
    const want = expectedChanges(piece);
    const models = piece.dtypes.length - 1;
    const changes = sumChanges(found.plain, models, found.sizes);
    expect([...changes.opposed]).toEqual(want.opposed);
    expect(changes.contested).toBe(want.contested);
    expect([...found.sizes]).toEqual(want.sizes);
    const { changed } = sumBlocks(found.plain, models, piece.elements, surveyQuantities(models));
    expect([...changed]).toEqual(want.changed);
    // float32 holds squares of up to 2^127: the cases' largest are beyond.
    if (want.baseSquares < 2 ** 127) {
      expect(Math.abs(changes.baseSquares - want.baseSquares)).toBeLessThanOrEqual(1e-5 * want.baseSquares);
    }
  });
}

describe('what a survey counts on the GPU', () => {
  it('is right in ragged lengths and every dtype, edges included', async () => {
    for (const [seed] of BLENDED_DTYPES.entries()) {
      const dtypes = Array.from({ length: 3 }, () => BLENDED_DTYPES[seed] ?? 'F32');
      await holds([
        ...RAGGED_LENGTHS.map((elements) => changePiece({ models: 3, elements, seed })),
        ...RAGGED_LENGTHS.map((elements) => changePiece({ models: 2, elements, seed, dtypes })),
      ]);
    }
  });

  it('is right for one model and for many, in pieces that begin in the middle', async () => {
    await holds([1, 2, 4, 5, 9].map((models) => changePiece({ models, elements: 6000, start: 1003, seed: models })));
  });

  it('is right where the sums of a piece come in several parts', async () => {
    await holds([changePiece({ models: 3, elements: 40_000 }), changePiece({ models: 3, elements: 9000 })], 256);
  });
});
