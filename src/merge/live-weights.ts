/**
 * LiveWeights: the result of a blend kept where the chat model reads it: one F32 buffer per tensor, written in
 * place by the merge and never moved, so that a change of weights needs no reload. On the GPU these are the
 * very buffers that the chat's graph is bound to; without one they are arrays.
 */

/** One tensor's place. */
export type LiveTensor =
  | { readonly kind: 'gpu'; readonly buffer: GPUBuffer; readonly shape: readonly number[]; readonly elements: number }
  | {
      readonly kind: 'cpu';
      readonly data: Float32Array<ArrayBuffer>;
      readonly shape: readonly number[];
      readonly elements: number;
    };

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
    for (const tensor of this.tensors.values()) bytes += tensor.elements * 4;
    return bytes;
  }

  /** Gives the memory back. The chat that reads them must be gone before. */
  dispose(): void {
    for (const tensor of this.tensors.values()) if (tensor.kind === 'gpu') tensor.buffer.destroy();
    this.written.clear();
    this.holds.clear();
  }
}

/** Bytes that live weights of these tensors take. */
export function liveBytesOf(tensors: readonly { readonly elements: number }[]): number {
  return tensors.reduce((sum, tensor) => sum + tensor.elements * 4, 0);
}
