/**
 * Saver: a second blend, on the CPU, that only saves, for a graphics adapter that is only played in software. Its threads
 * start with the first save. Not the writing of files (`merge/save.ts`).
 */

import type { Checkpoint } from '../formats/checkpoint.ts';
import { Blend } from '../merge/blend.ts';
import { CpuArithmetic, type KernelThread } from '../merge/cpu-arithmetic.ts';
import { STAGE_SHARE, stagesAt } from '../merge/stage-runs.ts';

/** Most bytes that saving on the CPU holds, beside what the live blend holds on a software adapter. */
const SAVER_BUDGET_BYTES = 2 ** 28;

/** What saving needs once it began. */
interface Saving {
  readonly arithmetic: CpuArithmetic;
  readonly blend: Blend;
}

/** A blend that only saves. */
export class Saver {
  readonly #startKernelWorkers: () => readonly KernelThread[];
  #open: Saving | null = null;

  constructor(startKernelWorkers: () => readonly KernelThread[]) {
    this.#startKernelWorkers = startKernelWorkers;
  }

  readonly stages = stagesAt(
    () => this.#opened().arithmetic,
    () => SAVER_BUDGET_BYTES * STAGE_SHARE,
  );

  #opened(): Saving {
    if (!this.#open) {
      const arithmetic = new CpuArithmetic(this.#startKernelWorkers());
      const blend = new Blend(arithmetic, { budgetBytes: SAVER_BUDGET_BYTES, keepsSources: false });
      this.#open = { arithmetic, blend };
    }
    return this.#open;
  }

  /** @param budgetBytes what the user allows altogether. */
  blend(budgetBytes: number): Blend {
    const { blend } = this.#opened();
    blend.budgetBytes = Math.min(budgetBytes, SAVER_BUDGET_BYTES);
    return blend;
  }

  forget(checkpoint: Checkpoint): void {
    this.#open?.blend.forget(checkpoint);
  }

  async dispose(): Promise<void> {
    const open = this.#open;
    this.#open = null;
    await open?.blend.dispose();
    open?.arithmetic.dispose();
  }
}
