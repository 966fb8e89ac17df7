/**
 * HeldWeights: tensors held in forms, in buffers of a GPU as live weights lie there, and the float32 values that the
 * codes stand for. Not shipped.
 */

import {
  bitsOf,
  dequantiseRows,
  heldMatrix,
  isTransposed,
  type LiveForm,
  type QuantisedRows,
  quantiseRows,
} from '../../formats/block-quantised.ts';
import { BUFFER_USAGE } from '../../gpu/buffers.ts';
import type { GpuTensor } from '../weights.ts';
import type { Placed } from './agreement.ts';
import type { Tensors } from './forward.ts';
import { turned } from './graph-runner.ts';

type Forms = ReadonlyMap<string, LiveForm>;

/** The tensors as whoever reads them in their forms sees them: float32, in the layout of the checkpoint. */
export function valuesOf(tensors: Tensors, forms: Forms): Tensors {
  const values = new Map(tensors);
  for (const [name, { data, shape }] of tensors) {
    const form = forms.get(name) ?? 'f32';
    if (form === 'f32') continue;
    const { rows, columns } = heldMatrix(form, shape);
    const read = dequantiseRows(blocksOf(data, form, shape), bitsOf(form));
    values.set(name, { data: isTransposed(form) ? turned(read, rows, columns) : read, shape });
  }
  return values;
}

/** Puts tensors into buffers of their own, in their forms. */
export function placeInForms(device: GPUDevice, tensors: Tensors, forms: Forms): Placed {
  const placed = new Map<string, GpuTensor>();
  const upload = (data: Float32Array | Uint8Array): GPUBuffer => {
    const { STORAGE, COPY_SRC, COPY_DST } = BUFFER_USAGE;
    const buffer = device.createBuffer({ size: data.byteLength, usage: STORAGE | COPY_SRC | COPY_DST });
    device.queue.writeBuffer(buffer, 0, data.slice());
    return buffer;
  };
  for (const [name, { data, shape }] of tensors) {
    const form = forms.get(name) ?? 'f32';
    if (form === 'f32') placed.set(name, { buffer: upload(data), shape, form });
    else {
      const { values, scales } = blocksOf(data, form, shape);
      placed.set(name, { buffer: upload(values), scales: upload(scales), shape, form });
    }
  }
  return {
    weights: { kind: 'gpu', device, tensors: placed },
    edit: (name) => {
      throw new Error(`${name} is not edited here`);
    },
    free: () => {
      for (const { buffer, scales } of placed.values()) {
        buffer.destroy();
        scales?.destroy();
      }
    },
  };
}

function blocksOf(data: Float32Array, form: Exclude<LiveForm, 'f32'>, shape: readonly number[]): QuantisedRows {
  const { rows, columns } = heldMatrix(form, shape);
  return quantiseRows(isTransposed(form) ? turned(data, columns, rows) : data, columns, bitsOf(form));
}
