/**
 * Method cases: recipes that exercise a method, made from its declaration alone, and what its float64 reference makes
 * of the same sources. For tests of any place that computes; not shipped.
 */

import type { Checkpoint } from '../../formats/checkpoint.ts';
import { readTensor } from '../../formats/checkpoint.ts';
import { decode } from '../../formats/codec.ts';
import type { BlendedDtype } from '../../formats/dtype.ts';
import type { LineSums, Method, Parameter, Parameters } from '../../methods/method.ts';
import { streamKey, uniform } from '../../methods/random.ts';
import type { BlendTensor, Lineup } from '../lineup.ts';
import { emptyLines, emptySums, Statistics } from '../statistics.ts';
import { groupOf, measuredOf, NumbersSoFar } from '../weights.ts';
import { checkpoint, random } from './checkpoints.ts';

/** One recipe's parameters, in recipe form. */
export interface MethodCase {
  readonly name: string;
  readonly params: Readonly<Record<string, unknown>>;
  readonly perModel: Readonly<Record<string, unknown>>;
}

/** A value within a parameter's range that is not its default where that is possible; undefined to leave it out. */
function middle(p: Parameter): unknown {
  if (p.kind !== 'number') return undefined;
  const value = (p.min + p.max) / 2;
  // A power of two below it is exact in float32, so that kernels and references compare with the same number.
  const exact = value > 0 ? 2 ** Math.floor(Math.log2(value)) : value;
  return p.step >= 1 ? Math.max(p.min, Math.round(exact)) : exact;
}

function middles(parameters: Parameters): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(parameters)
      .map(([name, p]) => [name, middle(p)] as const)
      .filter(([, value]) => value !== undefined),
  );
}

/** Defaults; all numbers at the middle of their ranges; and that with every switch and choice turned in turn. */
export function casesOf(method: Method): MethodCase[] {
  const params = middles(method.params);
  const perModel = middles(method.perModel);
  const cases: MethodCase[] = [
    { name: 'defaults', params: {}, perModel: {} },
    { name: 'middle', params, perModel },
  ];
  for (const [name, p] of Object.entries(method.params)) {
    if (p.kind === 'boolean') {
      cases.push({ name: `${name} ${!p.default}`, params: { ...params, [name]: !p.default }, perModel });
    }
    if (p.kind === 'choice') {
      for (const option of p.options) {
        if (option !== p.default)
          cases.push({ name: `${name} ${option}`, params: { ...params, [name]: option }, perModel });
      }
    }
  }
  return cases;
}

/** A recipe over checkpoints called base, tune-1, tune-2, … */
export function recipeOf(method: Method, one: MethodCase, models: number, outDtype: string): string {
  const lines = [`merge_method: ${method.name}`];
  if (method.base !== 'none') lines.push('base_model: base');
  lines.push('models:');
  for (let k = 1; k <= models; k++) {
    lines.push(`  - model: tune-${k}`);
    if (Object.keys(one.perModel).length > 0) lines.push(`    parameters: ${JSON.stringify(one.perModel)}`);
  }
  if (Object.keys(one.params).length > 0) lines.push(`parameters: ${JSON.stringify(one.params)}`);
  lines.push(`out_dtype: ${outDtype}`);
  return `${lines.join('\n')}\n`;
}

async function valuesOf(tensor: BlendTensor): Promise<Float64Array[]> {
  return Promise.all(
    tensor.sources.map(async (source, s) =>
      decode(await readTensor(source, 0, source.end - source.start), tensor.dtypes[s] ?? 'F32'),
    ),
  );
}

function exactRows({ elements, rowElements }: BlendTensor, vectors: readonly Float64Array[]): LineSums {
  const count = vectors.length;
  const rows = elements / rowElements;
  const sums = emptyLines('row', rows, rowElements, count);
  for (let at = 0; at < elements; at++) {
    const row = Math.floor(at / rowElements);
    vectors.forEach((a, i) => {
      vectors.forEach((b, j) => {
        const cell = (i * count + j) * rows + row;
        sums.gram[cell] = (sums.gram[cell] ?? 0) + (a[at] ?? 0) * (b[at] ?? 0);
      });
      sums.abs[i * rows + row] = (sums.abs[i * rows + row] ?? 0) + Math.abs(a[at] ?? 0);
    });
  }
  return sums;
}

/** Gram sums of every tensor, in float64, element by element. */
async function exactStatistics(lineup: Lineup): Promise<Statistics> {
  const statistics = new Statistics();
  for (const tensor of lineup.tensors) {
    const sources = await valuesOf(tensor);
    const from = measuredOf(lineup, tensor);
    const base = tensor.hasBase && from === 'deltas' ? sources[0] : null;
    const vectors = (base ? sources.slice(1) : sources).map((x) => x.map((v, i) => v - (base?.[i] ?? 0)));
    const count = vectors.length;
    const sums = emptySums(count);
    const { gram, abs } = sums;
    vectors.forEach((a, i) => {
      vectors.forEach((b, j) => {
        gram[i * count + j] = a.reduce((sum, v, at) => sum + v * (b[at] ?? 0), 0);
      });
      abs[i] = a.reduce((sum, v) => sum + Math.abs(v), 0);
    });
    statistics.keep(tensor.name, { ...sums, elements: tensor.elements }, from, groupOf(tensor));
    if (lineup.method.statistics(tensor.params) === 'row')
      statistics.keepLines(tensor.name, exactRows(tensor, vectors), from);
  }
  return statistics;
}

/** What a method's reference makes of every tensor of a lineup. */
export async function referenceOf(lineup: Lineup): Promise<Map<string, Float64Array>> {
  const statistics = await exactStatistics(lineup);
  const out = new Map<string, Float64Array>();
  for (const tensor of lineup.tensors) {
    const sources = await valuesOf(tensor);
    const base = tensor.hasBase ? (sources[0] ?? null) : null;
    out.set(
      tensor.name,
      lineup.method.reference({
        tensor: tensor.name,
        base,
        models: base ? sources.slice(1) : sources,
        params: tensor.params,
        perModel: tensor.perModel,
        rowElements: tensor.rowElements,
        dimensions: tensor.shape.length,
        coefficient: coefficientOf(lineup, tensor, statistics),
        random: (k, i) => uniform(i, streamKey(tensor.params.seed ?? 0, tensor.name, tensor.modelOf[k] ?? 0)),
      }),
    );
  }
  return out;
}

/** Coefficients for the references that may ask for them: those of methods without passes. */
function coefficientOf(lineup: Lineup, tensor: BlendTensor, statistics: Statistics): (n: number, i: number) => number {
  const unit = lineup.method.statistics(tensor.params);
  if (lineup.method.passes || unit === 'column') {
    return () => {
      throw new Error(`${lineup.method.name}: the reference calculates for itself`);
    };
  }
  const { coefficients } = new NumbersSoFar(lineup, tensor, statistics).weights().numbers;
  const lineOf = (i: number) => (coefficients.over === 'row' ? Math.floor(i / tensor.rowElements) : 0);
  return (n, i) => coefficients.values[n * coefficients.lines + lineOf(i)] ?? Number.NaN;
}

/** The largest absolute value of a tensor's sources: what tolerances are relative to. */
export async function scaleOf(tensor: BlendTensor): Promise<number> {
  const sources = await valuesOf(tensor);
  return sources.reduce((most, x) => x.reduce((m, v) => (Number.isFinite(v) ? Math.max(m, Math.abs(v)) : m), most), 0);
}

/** Shapes that are ragged in every way that matters: scalars, single elements, odd rows, rows of many blocks. */
export const RAGGED: Readonly<Record<string, readonly number[]>> = {
  'model.embed_tokens.weight': [37, 24],
  'model.layers.0.self_attn.q_proj.weight': [33, 129],
  'model.layers.0.mlp.up_proj.weight': [5, 4099],
  'model.layers.0.mlp.one.weight': [1, 1],
  'model.layers.0.mlp.column.weight': [7, 1],
  'model.layers.1.input_layernorm.weight': [7],
  'model.layers.1.mlp.conv.weight': [3, 5, 4],
  'model.layers.1.scale': [],
  'model.norm.weight': [64],
};

/**
 * A base and fine-tunes on a grid that every dtype holds exactly, so that sums, signs and thresholds come out the same
 * in float32 and float64. Some tensors are frozen, some changed by one model only, one is all zeros.
 */
export function gridFamily(models: number, dtype: BlendedDtype, seed = 7): Checkpoint[] {
  const next = random(seed);
  const whole = (most: number) => Math.floor(next() * (2 * most + 1)) - most;
  const base = new Map(
    Object.entries(RAGGED).map(([name, shape]) => {
      const elements = shape.reduce((a, b) => a * b, 1);
      return [name, Float64Array.from({ length: elements }, () => whole(31) / 64)] as const;
    }),
  );
  const frozen = new Set(['model.norm.weight']);
  return Array.from({ length: models + 1 }, (_, m) => {
    const values = new Map(
      [...base].map(([name, start]) => {
        const isChanged = m > 0 && !frozen.has(name) && (name !== 'model.layers.1.mlp.conv.weight' || m === 2);
        // 64ths up to one and a half: seven bits, which BF16 holds.
        return [name, isChanged ? start.map((x) => (next() < 0.3 ? x : x + whole(32) / 64)) : start] as const;
      }),
    );
    return checkpoint({ name: m === 0 ? 'base' : `tune-${m}`, values, shapes: RAGGED, dtype });
  });
}

/** A checkpoint family's names, for `check`. */
export function finderOf(checkpoints: readonly Checkpoint[]): (name: string) => Checkpoint | undefined {
  return (name) => checkpoints.find((own) => own.name === name);
}
