/**
 * BoundProducts: how onnxruntime's products of vectors and matrices are known among its dispatches: by the weight that one
 * binds, and by everything else that it binds beside it. Shared by what stands in for them in steps (`step-matrices.ts`) and
 * in prompts (`prompt-products.ts`).
 */

import type { Tensor } from 'onnxruntime-web';
import type { Linear } from './architecture.ts';
import type { MatrixBuffers, MatrixKernel } from './matrix-kernels.ts';
import { gpuBufferOf } from './runtime-buffers.ts';
import type { BoundBuffer, BoundKernel } from './step-kernels.ts';

/** What onnxruntime's shaders call what they bind; `null` is for what they do not. */
interface Variables {
  readonly x: string;
  readonly values: string;
  readonly scales: string | null;
  readonly bias: string;
}

const OF_FLOATS: Variables = { x: 'a', values: 'b', scales: null, bias: 'c' };
/** Of blocks; the shader for many rows calls the scales otherwise. */
const OF_BLOCKS: Variables = { x: 'input_a', values: 'input_b', scales: 'scales_b', bias: 'bias' };
const OF_MANY_BLOCKS: Variables = { ...OF_BLOCKS, scales: 'scales' };
const OUTPUT = 'output';
const UNIFORMS = 'uniforms';

/** Elements of a result that are written one after the other, and not added to by several. */
const PLAIN = /^array<(?:vec[24]<)?f32>+$/;

/** The weights by name of the graph's input. */
export type WeightTensors = Readonly<Record<string, Tensor>>;

/** The buffer in which a dispatch reads the matrix of a product, whichever it is; null where it reads none. */
export function matrixBuffer({ bindings }: BoundKernel, kernel: MatrixKernel): GPUBuffer | null {
  return bindings.get(variablesOf(kernel)[0].values)?.buffer ?? null;
}

/** The buffer of a weight; null where there is none of that name. */
export function weightBuffer(weights: WeightTensors, name: string | null): GPUBuffer | null {
  const tensor = name === null ? undefined : weights[name];
  return tensor ? gpuBufferOf(tensor) : null;
}

/**
 * What a dispatch binds that is the product of `rows` vectors with a matrix; null where it is not that in every respect.
 * @param kernel by which the matrix would be multiplied by us, which says how it is held.
 */
export function boundProduct(
  bound: BoundKernel,
  linear: Linear,
  kernel: MatrixKernel,
  weights: WeightTensors,
  rows: number,
): MatrixBuffers | null {
  const hasBlocks = kernel === 'rows_q8' || kernel === 'rows_q4';
  const values = weightBuffer(weights, linear.weight);
  const scales = hasBlocks ? weightBuffer(weights, `${linear.weight}.scales`) : null;
  const bias = weightBuffer(weights, linear.bias);
  if (values === null || (scales === null) === hasBlocks || (bias === null) !== (linear.bias === null)) return null;
  const names = variablesOf(kernel).find((one) => one.scales === null || bound.bindings.has(one.scales));
  if (names === undefined) return null;

  const x = whole(bound, names.x, 'read');
  const y = whole(bound, OUTPUT, 'read_write');
  const expected: readonly (readonly [name: string | null, buffer: GPUBuffer | null])[] = [
    [names.values, values],
    [names.scales, scales],
    [names.bias, bias],
  ];
  const isAsKnown =
    // These, the vectors and the uniforms, and nothing else.
    bound.bindings.size === 3 + expected.filter(([, buffer]) => buffer !== null).length &&
    bound.bindings.get(UNIFORMS)?.access === 'uniform' &&
    PLAIN.test(bound.bindings.get(OUTPUT)?.type ?? '') &&
    expected.every(([name, buffer]) => buffer === null || whole(bound, name, 'read') === buffer);
  if (!isAsKnown || x === null || y === null) return null;
  if (x.size < rows * linear.inputs * 4 || y.size < rows * linear.outputs * 4) return null;
  if ([x, values, scales, bias].includes(y)) return null;
  return { x, values, scales, bias, y };
}

/** The buffer that is bound by a name as a whole; null where it is not. */
export function whole({ bindings }: BoundKernel, name: string | null, access: BoundBuffer['access']): GPUBuffer | null {
  const bound = name === null ? undefined : bindings.get(name);
  if (bound?.access !== access || bound.offset !== 0) return null;
  return bound.size === undefined || bound.size === bound.buffer.size ? bound.buffer : null;
}

function variablesOf(kernel: MatrixKernel): readonly [Variables, ...Variables[]] {
  return kernel === 'rows_q8' || kernel === 'rows_q4' ? [OF_BLOCKS, OF_MANY_BLOCKS] : [OF_FLOATS];
}
