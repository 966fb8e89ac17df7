/** StoredValues: the numbers that an exported model's blocks stand for, by our own dequantiser. Not shipped. */

import { bitsOf, dequantiseRows, heldMatrix, isTransposed, quantiseRows } from '../../formats/block-quantised.ts';
import type { OnnxPlan } from '../export.ts';
import type { Tensors } from './forward.ts';

/** The tensors that a plan stores, as whoever loads them sees them, in float32 and in the checkpoint's layout. */
export function storedValues(plan: OnnxPlan, tensors: Tensors): Tensors {
  const placed = plan.dataFiles.flatMap((file) => file.tensors);
  return new Map(
    placed.map(({ name, form, shape }) => {
      const data = tensors.get(name)?.data ?? new Float32Array();
      if (form === 'f32' || form === 'f16') return [name, { data, shape }];
      const { rows, columns } = heldMatrix(form, shape);
      const bits = bitsOf(form);
      const held = isTransposed(form) ? transposed(data, rows) : data;
      const values = dequantiseRows(quantiseRows(held, columns, bits), bits);
      return [name, { data: isTransposed(form) ? transposed(values, columns) : values, shape }];
    }),
  );
}

/** A matrix of so many columns, with rows and columns exchanged. */
function transposed(data: Float32Array, columns: number): Float32Array {
  const rows = data.length / columns;
  return Float32Array.from({ length: data.length }, (_, i) => data[(i % rows) * columns + Math.floor(i / rows)] ?? 0);
}
