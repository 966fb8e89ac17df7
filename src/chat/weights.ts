/**
 * Weights: the tensors of a chat model, wherever they live and in whatever form. They belong to the caller, which may write into them
 * in place between two runs; the next run reads what is there then. Not a checkpoint and not a copy.
 */

import { BudgetFault, MismatchFault } from '../bytes/fault.ts';
import { formBytes, type LiveForm, possibleForm } from '../formats/block-quantised.ts';
import { parametersOf, type WeightInput } from './architecture.ts';

/** A tensor in a buffer of its own from byte 0: f32, or the values of blocks. Usage STORAGE | COPY_SRC | COPY_DST. */
export interface GpuTensor {
  readonly buffer: GPUBuffer;
  /** As in the checkpoint, whatever the form. */
  readonly shape: readonly number[];
  /** Absent: f32. */
  readonly form?: LiveForm;
  /** The blocks' scales, f32; there for every form but f32. */
  readonly scales?: GPUBuffer;
}

/** A tensor in memory. */
export interface CpuTensor {
  readonly data: Float32Array;
  readonly shape: readonly number[];
}

/** Weights on the GPU: bound, never copied. */
export interface GpuWeights {
  readonly kind: 'gpu';
  readonly device: GPUDevice;
  readonly tensors: ReadonlyMap<string, GpuTensor>;
}

/** Weights in memory, for the WASM provider: float32 only. */
export interface CpuWeights {
  readonly kind: 'cpu';
  readonly tensors: ReadonlyMap<string, CpuTensor>;
  /**
   * True: they are copied once, when chat is opened, and again when `Session.weightsChanged` has been called; an edit
   * without that call is NOT seen. False: every run copies all of them, and sees every edit. Absent: whichever suits
   * their size.
   */
  readonly isFixed?: boolean;
}

export type ChatWeights = GpuWeights | CpuWeights;

/** Weights of no more numbers than this are given to every run anew: that costs less than opening a session again. */
const SMALL_CPU_ELEMENTS = 2 ** 22;

/**
 * The largest model that the CPU runs, in numbers: what fits the 4 GiB of WebAssembly's memory in float32, with what is
 * computed beside it, and answers in a time that one waits for. "0.5 B" models have up to 0.63 billion.
 */
export const MAX_CPU_ELEMENTS = 640_000_000;

/** Whether a session keeps a copy of the weights. */
export function keepsCopy(weights: CpuWeights, required: readonly WeightInput[]): boolean {
  return weights.isFixed ?? parametersOf(required) > SMALL_CPU_ELEMENTS;
}

/** What to say of a tensor that has not the shape that config.json calls for; null of one that has. */
export function misfitOf(name: string, stored: readonly number[], wanted: readonly number[]): string | null {
  if (stored.join() === wanted.join()) return null;
  return `${name} has the shape [${stored.join(', ')}] where config.json calls for [${wanted.join(', ')}]; add the config.json that belongs to these weights.`;
}

/**
 * Checks that every required tensor is there, in its shape and with all its elements.
 * @throws MismatchFault naming the first tensor that is not as the architecture says; BudgetFault for a model that is too
 *   large for the CPU.
 */
export function checkWeights(weights: ChatWeights, required: readonly WeightInput[]): void {
  for (const { name, shape, role } of required) {
    const tensor = weights.tensors.get(name);
    if (!tensor) throw new MismatchFault(`${name} is not among the weights that chat was given.`, { tensor: name });
    const misfit = misfitOf(name, tensor.shape, shape);
    if (misfit !== null) throw new MismatchFault(misfit, { tensor: name, shape: tensor.shape, expected: shape });
    const elements = shape.reduce((product, size) => product * size, 1);
    if ('data' in tensor) {
      if (tensor.data.length !== elements) throw tooShort(name, tensor.data.length, elements);
    } else {
      checkForm(name, role, tensor);
      // A buffer may be rounded up; data in memory is exactly the tensor.
      const { values, scales } = formBytes(tensor.form ?? 'f32', elements);
      if (tensor.buffer.size < values)
        throw tooShort(name, Math.floor((tensor.buffer.size / values) * elements), elements);
      if ((tensor.scales?.size ?? 0) < scales) throw new MismatchFault(`${name} has too few scales.`, { tensor: name });
    }
  }
  if (weights.kind === 'cpu') checkCpuSize(parametersOf(required));
}

/** @throws BudgetFault for a model of more numbers than the CPU runs. */
export function checkCpuSize(elements: number): void {
  if (elements <= MAX_CPU_ELEMENTS) return;
  throw new BudgetFault(
    `This model has ${(elements / 1e9).toFixed(1)} billion parameters; without WebGPU chat runs models of up to 0.5 billion, so use a browser with WebGPU or save the merge and run it elsewhere.`,
    { elements, mostElements: MAX_CPU_ELEMENTS },
  );
}

/** How each matrix is held that is not f32, by tensor. */
export function formsOf(weights: ChatWeights): ReadonlyMap<string, LiveForm> {
  if (weights.kind === 'cpu') return new Map();
  const blocks = [...weights.tensors].flatMap(([name, { form = 'f32' }]) =>
    form === 'f32' ? [] : [[name, form] as const],
  );
  return new Map(blocks);
}

function checkForm(name: string, role: WeightInput['role'], { form = 'f32', shape }: GpuTensor): void {
  if (form === 'f32') return;
  const isTransposed = role === 'linear-transposed';
  if (role === 'vector' || form.endsWith('-transposed') !== isTransposed || possibleForm(form, shape) !== form) {
    throw new RangeError(`${name} cannot be held as ${form}.`);
  }
}

function tooShort(name: string, held: number, elements: number): MismatchFault {
  return new MismatchFault(`${name} holds ${held} numbers where its shape calls for ${elements}.`, { tensor: name });
}
