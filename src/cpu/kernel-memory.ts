/**
 * KernelMemory: the one memory that a thread's kernels share, as numbers of every size, and the totals and counts that
 * kernels leave in it. Kernels run one after another, so that each may have all of it. Not what fills it
 * (`tile-runner.ts`).
 */

import type { CompiledKernel } from './compiled-kernel.ts';
import { TOTAL_BYTES } from './totals.ts';
import { PAGE_BYTES } from './wasm.ts';

/** A memory and its views, which are made anew where it grows. */
export class KernelMemory {
  readonly memory = new WebAssembly.Memory({ initial: 1 });
  u8 = new Uint8Array(this.memory.buffer);
  u16 = new Uint16Array(this.memory.buffer);
  u32 = new Uint32Array(this.memory.buffer);
  f32 = new Float32Array(this.memory.buffer);
  f64 = new Float64Array(this.memory.buffer);

  /** Makes room for a kernel. */
  fit(bytes: number): void {
    const missing = bytes - this.u8.length;
    if (missing <= 0) return;
    this.memory.grow(Math.ceil(missing / PAGE_BYTES));
    const { buffer } = this.memory;
    this.u8 = new Uint8Array(buffer);
    this.u16 = new Uint16Array(buffer);
    this.u32 = new Uint32Array(buffer);
    this.f32 = new Float32Array(buffer);
    this.f64 = new Float64Array(buffer);
  }

  /** Puts zeros where a kernel adds to. */
  clear(kernel: CompiledKernel): void {
    const bytes = kernel.quantities * (kernel.totalsStride || TOTAL_BYTES);
    this.f64.fill(0, kernel.totals / 8, (kernel.totals + bytes) / 8);
    this.u32.fill(0, kernel.faulty / 4, kernel.faulty / 4 + 4);
  }

  /** The total of a quantity since `clear`; not of totals over columns. */
  total(kernel: CompiledKernel, q: number): number {
    const at = (kernel.totals + q * TOTAL_BYTES) / 8;
    const join = kernel.joinOf(q);
    if (join === 'float32 maximum') {
      const [a, b, c, d] = this.f32.subarray(2 * at, 2 * at + 4);
      return Math.max(a ?? 0, b ?? 0, c ?? 0, d ?? 0);
    }
    if (join === 'count') {
      const [a, b, c, d] = this.u32.subarray(2 * at, 2 * at + 4);
      return (a ?? 0) + (b ?? 0) + (c ?? 0) + (d ?? 0);
    }
    const [a, b] = [this.f64[at] ?? 0, this.f64[at + 1] ?? 0];
    return join === 'sum' ? a + b : Math.max(a, b);
  }

  /** How many elements a merge has counted as NaN or infinite since `clear`. */
  faulty(kernel: CompiledKernel): number {
    let faulty = 0;
    for (let lane = 0; lane < 4; lane++) faulty += this.u32[kernel.faulty / 4 + lane] ?? 0;
    return faulty;
  }
}
