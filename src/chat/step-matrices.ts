/**
 * StepMatrices: finds onnxruntime's products of matrices and the token's vector in a recorded step, and puts our own
 * (`decode-matrix.ts`) in their place: each by the weight that it binds, biases included. All of those that we have a
 * kernel for are exchanged, or none.
 *
 * On software adapters only, where it makes a token many times faster. Our kernels are written for them; on a GPU an
 * invocation that walks along rows of its own reads memory in the worst order, and nobody has measured it there. Which
 * of the two a device is follows from its name, never from the clock: the same text gives the same numbers again.
 */

import { isSoftwareAdapter } from '../gpu/device.ts';
import { type Linear, linearsOf } from './architecture.ts';
import { DecodeMatrices, type MatrixBuffers, type MatrixKernel, matrixKernelOf } from './decode-matrix.ts';
import { gpuBufferOf } from './runtime-buffers.ts';
import type { BoundBuffer, BoundKernel } from './step-kernels.ts';
import type { RecordedDispatch } from './step-recording.ts';
import type { StepFacts, StepReplacer } from './step-replacement.ts';

/** onnxruntime's optimisers that make one dispatch of several products and what stands around them. */
const JOINING = 'MatMulNBitsQkvFusion;MatMulNBitsMlpFusion';

/** What onnxruntime's shaders call what they bind; `null` is for what they do not. */
interface Variables {
  readonly x: string;
  readonly values: string;
  readonly scales: string | null;
  readonly bias: string;
}

const OF_FLOATS: Variables = { x: 'a', values: 'b', scales: null, bias: 'c' };
const OF_BLOCKS: Variables = { x: 'input_a', values: 'input_b', scales: 'scales_b', bias: 'bias' };
const OUTPUT = 'output';
const UNIFORMS = 'uniforms';

/** One product in a recording. */
interface Found {
  readonly index: number;
  readonly kernel: MatrixKernel;
  readonly linear: Linear;
  readonly buffers: MatrixBuffers;
}

/** Our products in the place of onnxruntime's. */
export const DECODE_MATRICES: StepReplacer = {
  kind: 'matrices',
  seesWindows: false,
  async replace({ recorded }, facts) {
    const { device } = facts;
    if (!isSoftware(device)) return null;
    const found = productsOf(recorded, facts);
    if (found === null) return null;
    const own = await DecodeMatrices.open(device, new Set(found.map(({ kernel }) => kernel)));
    return {
      replacements: found.map(({ index, kernel, linear, buffers }) => ({
        first: index,
        count: 1,
        dispatches: [own.dispatch(kernel, linear, buffers)],
      })),
      dispose: () => own.dispose(),
    };
  },
};

/**
 * Further options of onnxruntime for a session that is recorded: where our products stand in for its own, it makes a
 * dispatch of each. (It joins those of 4 bits otherwise.)
 */
export function productsApart(device: GPUDevice): Readonly<Record<string, unknown>> {
  return isSoftware(device) ? { optimization: { disable_specified_optimizers: JOINING } } : {};
}

/** Whether a device computes in software; one that does not say what it is does not. */
function isSoftware(device: GPUDevice): boolean {
  const info = device.adapterInfo as GPUAdapterInfo | undefined;
  return info !== undefined && isSoftwareAdapter(info);
}

/** All products that we have kernels for; null where there is none, or one is not there exactly as it is known. */
function productsOf(recorded: readonly RecordedDispatch[], facts: StepFacts): readonly Found[] | null {
  const all: Found[] = [];
  for (const linear of linearsOf(facts.architecture)) {
    const kernel = matrixKernelOf(linear, facts.forms.get(linear.weight) ?? 'f32');
    if (kernel === null) continue;
    const found = productOf(recorded, linear, kernel, facts);
    if (found === null) return null;
    all.push(found);
  }
  return all.length > 0 ? all : null;
}

function productOf(
  recorded: readonly RecordedDispatch[],
  linear: Linear,
  kernel: MatrixKernel,
  { weights }: StepFacts,
): Found | null {
  const bufferOf = (name: string | null) => {
    const tensor = name === null ? undefined : weights[name];
    return tensor ? gpuBufferOf(tensor) : null;
  };
  const hasBlocks = kernel === 'rows_q8' || kernel === 'rows_q4';
  const names = hasBlocks ? OF_BLOCKS : OF_FLOATS;
  const values = bufferOf(linear.weight);
  const scales = hasBlocks ? bufferOf(`${linear.weight}.scales`) : null;
  const bias = bufferOf(linear.bias);
  if (values === null || (scales === null) === hasBlocks || (bias === null) !== (linear.bias === null)) return null;

  // An embedding is bound by what gathers from it too, under another name.
  const places = recorded.flatMap((dispatch, index) =>
    dispatch.kernel?.bindings.get(names.values)?.buffer === values ? [{ bound: dispatch.kernel, index }] : [],
  );
  const [place] = places;
  if (!place || places.length > 1) return null;
  const x = whole(place.bound, names.x, 'read');
  const y = whole(place.bound, OUTPUT, 'read_write');
  const expected: readonly (readonly [name: string | null, buffer: GPUBuffer | null])[] = [
    [names.values, values],
    [names.scales, scales],
    [names.bias, bias],
  ];
  const isAsKnown =
    // These, the vectors and the uniforms, and nothing else.
    place.bound.bindings.size === 3 + expected.filter(([, buffer]) => buffer !== null).length &&
    place.bound.bindings.get(UNIFORMS)?.access === 'uniform' &&
    expected.every(([name, buffer]) => buffer === null || whole(place.bound, name, 'read') === buffer);
  if (!isAsKnown || x === null || y === null) return null;
  if (x.size < linear.inputs * 4 || y.size < linear.outputs * 4) return null;
  if ([x, values, scales, bias].includes(y)) return null;
  return { index: place.index, kernel, linear, buffers: { x, values, scales, bias, y } };
}

/** The buffer that is bound by a name as a whole; null where it is not. */
function whole({ bindings }: BoundKernel, name: string | null, access: BoundBuffer['access']): GPUBuffer | null {
  const bound = name === null ? undefined : bindings.get(name);
  if (bound?.access !== access || bound.offset !== 0) return null;
  return bound.size === undefined || bound.size === bound.buffer.size ? bound.buffer : null;
}
