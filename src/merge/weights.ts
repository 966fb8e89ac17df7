/**
 * Weights: the numbers that one tensor is merged with: its coefficients in float64 and everything else that its kernel
 * reads. Pure: from a lineup, statistics and what the method's passes found. Not the map that shows them (`map.ts`).
 */

import { RecipeFault } from '../bytes/fault.ts';
import type { KernelNumbers, Lines, Slots } from '../methods/kernel.ts';
import type { Axis, Evidence, Pass, PassResult, StatisticUnit } from '../methods/method.ts';
import { streamKey } from '../methods/random.ts';
import { Checksum } from './checksum.ts';
import type { BlendTensor, Lineup } from './lineup.ts';
import { thresholdsOf } from './selection.ts';
import type { Measured, RawPass, Statistics } from './statistics.ts';

/** What a tensor is merged with. */
export interface TensorWeights {
  readonly numbers: KernelNumbers;
  /** The unit whose statistics decided; null where none did. */
  readonly unit: StatisticUnit | null;
}

/** What a lineup's statistics are of, for a tensor: changes from its base, or the sources themselves. */
export function measuredOf(lineup: Lineup, tensor: BlendTensor): Measured {
  return tensor.hasBase && lineup.method.measures !== 'sources' ? 'deltas' : 'sources';
}

/** How many vectors a tensor's Gram matrix has. */
export function measuredCount(tensor: BlendTensor, from: Measured): number {
  return tensor.sources.length - (from === 'deltas' && tensor.hasBase ? 1 : 0);
}

/** Tensors in which the same models take part have the same group. */
export function groupOf(tensor: BlendTensor): string {
  return tensor.modelOf.join();
}

/** The unit that decides a tensor's weights, or null. */
export function unitOf(lineup: Lineup, tensor: BlendTensor): StatisticUnit | null {
  return lineup.method.statistics(tensor.params);
}

/** True where a unit reaches beyond one tensor, so that all of it has to be measured before any of it is merged. */
export function isPooled(unit: StatisticUnit | null): boolean {
  return unit === 'model' || unit === 'layer' || unit === 'module';
}

/** The passes that a tensor needs at its parameters, in order. */
export function passesOf(lineup: Lineup, tensor: BlendTensor): readonly Pass[] {
  return (lineup.method.passes ?? []).filter(
    (pass) => pass.isNeeded?.(tensor.params, tensor.perModel, tensor.name) ?? true,
  );
}

/** Whether any tensor needs anything of the files to be known before it can be merged. */
export function needsEvidence(lineup: Lineup): boolean {
  return lineup.tensors.some((tensor) => {
    const unit = unitOf(lineup, tensor);
    return (unit !== null && unit !== 'element') || passesOf(lineup, tensor).length > 0;
  });
}

/** How many lines a tensor has along an axis. */
export function lineCount(tensor: BlendTensor, over: Axis): number {
  if (over === 'tensor') return 1;
  return over === 'row' ? Math.max(1, tensor.elements / tensor.rowElements) : tensor.rowElements;
}

/** Numbers for all lines of nothing. */
function noLines(width: number): Lines {
  return { over: 'tensor', width, lines: 1, values: new Float64Array(width) };
}

/** What is known of a tensor so far, as declarations see it. */
export function evidenceOf(
  lineup: Lineup,
  tensor: BlendTensor,
  statistics: Statistics | null,
  passes: ReadonlyMap<string, PassResult>,
): Evidence {
  const unit = unitOf(lineup, tensor);
  const from = measuredOf(lineup, tensor);
  const needsSums = unit !== null && unit !== 'row' && unit !== 'column' && unit !== 'element';
  const sums = needsSums ? (statistics?.pooled(tensor.name, unit, from) ?? null) : null;
  const lineSums = unit === 'row' || unit === 'column' ? (statistics?.linesOf(tensor.name, unit, from) ?? null) : null;
  return {
    models: tensor.modelOf.length,
    hasBase: tensor.hasBase,
    tensor: tensor.name,
    params: tensor.params,
    perModel: tensor.perModel,
    elements: tensor.elements,
    rowElements: tensor.rowElements,
    dimensions: tensor.shape.length,
    sums,
    lineSums,
    passes,
  };
}

/** A tensor's numbers as its passes find them, before its coefficients are known. */
export class NumbersSoFar {
  readonly #lineup: Lineup;
  readonly #tensor: BlendTensor;
  readonly #statistics: Statistics | null;
  readonly #results = new Map<string, PassResult>();
  readonly #found = new Map<string, Lines>();
  readonly #slots = new Map<string, Slots>();

  constructor(lineup: Lineup, tensor: BlendTensor, statistics: Statistics | null) {
    this.#lineup = lineup;
    this.#tensor = tensor;
    this.#statistics = statistics;
  }

  get evidence(): Evidence {
    return evidenceOf(this.#lineup, this.#tensor, this.#statistics, this.#results);
  }

  /** Takes what a pass found, and makes the pass's own numbers of it. */
  take(pass: Pass, raw: RawPass): void {
    const { name, finds } = pass;
    const result = {
      totals: raw.totals,
      lines: raw.lines,
      thresholds: thresholdsOf(raw.bits),
      cuts: Float64Array.from(raw.cuts),
      found: new Float64Array(),
    };
    this.#results.set(name, result);
    if (pass.kind === 'select') this.#slots.set(name, { bits: raw.bits, cuts: raw.cuts });
    if (!finds) return;
    const { models } = this.evidence;
    const lines = lineCount(this.#tensor, finds.over);
    const values = finds.from(this.evidence);
    const width = finds.width(models);
    if (values.length !== width * lines) {
      throw new Error(`${this.#lineup.method.name}: pass ${name} gave ${values.length} numbers, not ${width * lines}`);
    }
    this.#results.set(name, { ...result, found: values });
    this.#found.set(name, { over: finds.over, width, lines, values });
  }

  /** What kernels can read at this point. */
  numbers(coefficients: Lines | null = null): KernelNumbers {
    const { params, perModel, name, modelOf } = this.#tensor;
    const width = modelOf.length + (this.#lineup.method.extraCoefficients ?? 0);
    return {
      params,
      perModel,
      coefficients: coefficients ?? noLines(width),
      found: this.#found,
      slots: this.#slots,
      streams: modelOf.map((model) => streamKey(params.seed ?? 0, name, model)),
    };
  }

  /**
   * The weights of the tensor. Throws RecipeFault where they are not finite numbers, and a defect where statistics that
   * the method asked for are missing.
   */
  weights(): TensorWeights {
    return { numbers: this.numbers(this.coefficients()), unit: unitOf(this.#lineup, this.#tensor) };
  }

  /** The coefficients of the weights alone. Throws as `weights` does. */
  coefficients(): Lines {
    const { method } = this.#lineup;
    const tensor = this.#tensor;
    const { evidence } = this;
    const unit = unitOf(this.#lineup, tensor);
    if (unit !== null && unit !== 'element' && !evidence.sums && !evidence.lineSums) {
      throw new Error(`${tensor.name} was not measured`);
    }
    const values = method.coefficients(evidence);
    const over = method.coefficientsOver?.(tensor.params) ?? (unit === 'row' || unit === 'column' ? unit : 'tensor');
    const lines = lineCount(tensor, over);
    const width = tensor.modelOf.length + (method.extraCoefficients ?? 0);
    if (values.length !== width * lines) {
      throw new Error(`${method.name} gave ${values.length} coefficients instead of ${width} for ${lines} lines`);
    }
    if (!values.every(Number.isFinite)) {
      throw new RecipeFault(
        `The weights of ${tensor.name} come out as ${describe(values)}: with ${method.name} the models’ weights must not add up to zero, and all of them must be finite.`,
        { tensors: [tensor.name] },
      );
    }
    return { over, width, lines, values };
  }
}

function describe(values: Float64Array): string {
  return Array.from(values.subarray(0, 8), (v) => String(v)).join(', ');
}

/** The weights of a tensor that need nothing but statistics: no passes. As `NumbersSoFar.weights`. */
export function weigh(lineup: Lineup, tensor: BlendTensor, statistics: Statistics | null): TensorWeights {
  return new NumbersSoFar(lineup, tensor, statistics).weights();
}

/** A short text that changes whenever the result of a tensor would. */
export function signature(lineup: Lineup, tensor: BlendTensor, { numbers }: TensorWeights): string {
  const lines = ({ over, width, values }: Lines) => [
    over,
    width,
    values.length > 64 ? new Checksum().numbers(values).value : [...values],
  ];
  return JSON.stringify([
    lineup.method.name,
    tensor.out,
    Object.values(numbers.params),
    numbers.perModel.map((values) => Object.values(values)),
    lines(numbers.coefficients),
    [...numbers.found].map(([name, found]) => [name, lines(found)]),
    [...numbers.slots].map(([name, { bits, cuts }]) => [name, [...bits], [...cuts]]),
    numbers.streams,
  ]);
}
