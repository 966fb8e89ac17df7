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
import { boundProduct, matrixBuffer, weightBuffer } from './bound-products.ts';
import { DecodeMatrices, matrixKernelOf } from './decode-matrix.ts';
import type { MatrixBuffers, MatrixKernel } from './matrix-kernels.ts';
import type { RecordedDispatch } from './step-recording.ts';
import type { StepFacts, StepReplacer } from './step-replacement.ts';

/** onnxruntime's optimisers that make one dispatch of several products and what stands around them. */
const JOINING = 'MatMulNBitsQkvFusion;MatMulNBitsMlpFusion';

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
export function isSoftware(device: GPUDevice): boolean {
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
  const values = weightBuffer(weights, linear.weight);
  // An embedding is bound by what gathers from it too, under another name.
  const places = recorded.flatMap((dispatch, index) =>
    dispatch.kernel && values !== null && matrixBuffer(dispatch.kernel, kernel) === values
      ? [{ bound: dispatch.kernel, index }]
      : [],
  );
  const [place] = places;
  if (!place || places.length > 1) return null;
  const buffers = boundProduct(place.bound, linear, kernel, weights, 1);
  return buffers && { index: place.index, kernel, linear, buffers };
}
