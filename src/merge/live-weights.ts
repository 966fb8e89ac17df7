/**
 * LiveWeights: the result of a blend kept where the chat model reads it, each tensor in a form: its values in float32,
 * or its matrix in blocks (`formats/block-quantised.ts`). Written in place by the merge and never moved, so that a
 * change of weights needs no reload. On the GPU these are the very buffers that the chat's graph is bound to; without
 * one they are arrays of float32.
 */

import { type BlockForm, formBytes, type LiveForm, possibleForm } from '../formats/block-quantised.ts';

export type { BlockForm, LiveForm } from '../formats/block-quantised.ts';

interface Live {
  /** As in the checkpoint. */
  readonly shape: readonly number[];
  readonly elements: number;
}

/** A tensor in float32 on the GPU. */
export interface PlainLive extends Live {
  readonly kind: 'gpu';
  readonly form: 'f32';
  readonly buffer: GPUBuffer;
}

/** A matrix in blocks on the GPU. */
export interface BlockLive extends Live {
  readonly kind: 'gpu';
  readonly form: BlockForm;
  /** Codes. */
  readonly buffer: GPUBuffer;
  readonly scales: GPUBuffer;
}

/** A tensor in memory. */
export interface CpuLive extends Live {
  readonly kind: 'cpu';
  readonly form: 'f32';
  readonly data: Float32Array<ArrayBuffer>;
}

/** One tensor's place. */
export type LiveTensor = PlainLive | BlockLive | CpuLive;

/** A tensor that wants a place, and the form that it is to have there. */
export interface LiveWish {
  readonly name: string;
  readonly shape: readonly number[];
  readonly elements: number;
  readonly form: LiveForm;
}

/** Live tensors by name. */
export class LiveWeights {
  readonly tensors: ReadonlyMap<string, LiveTensor>;
  /** The GPUDevice that owns the buffers, or null on the CPU. */
  readonly device: GPUDevice | null;
  /** What each tensor was last written with (see `weights.ts`, signature); absent where it holds nothing whole. */
  readonly holds = new Map<string, string>();
  /** The tensors that hold what the last blend wanted of them; it is emptied where a blend begins. */
  readonly written = new Set<string>();

  constructor(tensors: ReadonlyMap<string, LiveTensor>, device: GPUDevice | null) {
    this.tensors = tensors;
    this.device = device;
  }

  /** False while some tensor holds neither the old blend nor the new one, as after a stop midway. */
  get isWhole(): boolean {
    for (const [name, { elements }] of this.tensors) if (elements > 0 && !this.written.has(name)) return false;
    return true;
  }

  /** Bytes held. */
  get bytes(): number {
    let bytes = 0;
    for (const tensor of this.tensors.values()) bytes += heldBytes(tensor);
    return bytes;
  }

  /** Gives the memory back. The chat that reads them must be gone before. */
  dispose(): void {
    for (const tensor of this.tensors.values()) destroyLive(tensor);
    this.written.clear();
    this.holds.clear();
  }
}

function heldBytes(tensor: LiveTensor): number {
  if (tensor.kind === 'cpu') return tensor.data.byteLength;
  return tensor.buffer.size + (tensor.form === 'f32' ? 0 : tensor.scales.size);
}

/** Destroys a tensor's buffers. */
export function destroyLive(tensor: LiveTensor): void {
  if (tensor.kind === 'cpu') return;
  tensor.buffer.destroy();
  if (tensor.form !== 'f32') tensor.scales.destroy();
}

/** The form in which a tensor is wished for; `shape` as in the checkpoint. */
export type FormOf = (name: string, shape: readonly number[]) => LiveForm;

/** Everything in float32. */
export const allPlain: FormOf = () => 'f32';

/** The places that tensors want, in forms that are possible for their shapes. */
export function liveWishes(
  tensors: readonly { readonly name: string; readonly shape: readonly number[]; readonly elements: number }[],
  formOf: FormOf,
): LiveWish[] {
  return tensors.map(({ name, shape, elements }) => {
    return { name, shape, elements, form: possibleForm(formOf(name, shape), shape) };
  });
}

/** Bytes that live weights of these tensors take. */
export function liveBytesOf(tensors: readonly { readonly elements: number; readonly form: LiveForm }[]): number {
  return tensors.reduce((sum, { form, elements }) => {
    const { values, scales } = formBytes(form, elements);
    return sum + values + scales;
  }, 0);
}
