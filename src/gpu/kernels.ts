/**
 * Kernels: the compiled kernels of one device by what they do. What they depend on is named here once, so that a
 * source is composed and compiled once. Not their text (`compose.ts`).
 */

import type { BlendedDtype } from '../formats/dtype.ts';
import type { Axis, Method, SelectPass, SumPass } from '../methods/method.ts';
import {
  composeAudit,
  composeKeys,
  composeMeasure,
  composeMerge,
  composeRanks,
  composeSums,
  type MeasureShape,
  type OutputShape,
  sourceKey,
  type SourceShape,
} from './compose.ts';
import { Pipelines } from './pipelines.ts';
import type { RankPipelines } from './ranking.ts';

/** The entry point of sums.wgsl for sums along an axis. */
function sumsEntry(over: Axis): string {
  return over === 'column' ? 'sum_columns' : 'sum_blocks';
}

const known = new WeakMap<GPUDevice, Kernels>();

/** The kernels of a device: whoever asks shares what was compiled. */
export function kernelsOf(device: GPUDevice): Kernels {
  const own = known.get(device) ?? new Kernels(device);
  known.set(device, own);
  return own;
}

/** Kernels of one device. Every getter throws DeviceFault where the driver refuses the source. */
export class Kernels {
  readonly #pipelines: Pipelines;

  constructor(device: GPUDevice) {
    this.#pipelines = new Pipelines(device);
  }

  get bindGroupLayout(): GPUBindGroupLayout {
    return this.#pipelines.bindGroupLayout;
  }

  merge(method: Method, sources: SourceShape, output: OutputShape): Promise<GPUComputePipeline> {
    const variant = `${sourceKey(sources)} ${output.out} ${output.storage}`;
    return this.#pipelines.get(method.name, variant, () => composeMerge(method, sources, output), 'main');
  }

  sums(method: Method, pass: SumPass, sources: SourceShape): Promise<GPUComputePipeline> {
    const name = `${method.name}/${pass.name}`;
    return this.#pipelines.get(
      name,
      sourceKey(sources),
      () => composeSums(method, pass, sources),
      sumsEntry(pass.over),
    );
  }

  keys(
    method: Method,
    pass: SelectPass,
    sources: SourceShape,
    entryPoint: 'count_digits' | 'count_equals' | 'list_keys',
  ): Promise<GPUComputePipeline> {
    const name = `${method.name}/${pass.name}`;
    return this.#pipelines.get(name, sourceKey(sources), () => composeKeys(method, pass, sources), entryPoint);
  }

  measure(sources: SourceShape, shape: MeasureShape, over: Axis): Promise<GPUComputePipeline> {
    const variant = `${sourceKey(sources)} ${shape.from} ${shape.isPlain} ${shape.isSurveyed}`;
    return this.#pipelines.get('measure', variant, () => composeMeasure(sources, shape), sumsEntry(over));
  }

  audit(sources: SourceShape, out: BlendedDtype): Promise<GPUComputePipeline> {
    return this.#pipelines.get('audit', `${sourceKey(sources)} ${out}`, () => composeAudit(sources, out), 'sum_blocks');
  }

  async ranks(): Promise<RankPipelines> {
    const [sort, join] = await Promise.all([
      this.#pipelines.get('ranks', '', composeRanks, 'sort_runs'),
      this.#pipelines.get('ranks', '', composeRanks, 'join_runs'),
    ]);
    return { sort, join };
  }
}
