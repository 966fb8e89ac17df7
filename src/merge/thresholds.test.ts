/**
 * Thresholds of tensors that are large enough to be sampled, over pieces and threads' batches: the same as by counting
 * digits, whatever the changes look like: all different, mostly tied, mostly zero.
 */

import { describe, expect, it } from 'vitest';
import type { BlendedDtype } from '../formats/dtype.ts';
import { parseRecipe } from '../recipe/yaml.ts';
import type { Arithmetic } from './arithmetic.ts';
import { Blend } from './blend.ts';
import { check } from './check.ts';
import { CpuArithmetic } from './cpu-arithmetic.ts';
import { checkpoint, random } from './test/checkpoints.ts';
import { finderOf } from './test/method-cases.ts';

const NAME = 'model.layers.0.mlp.up_proj.weight';
const SHAPE = [300, 701];

type Change = (next: () => number) => number;

const CHANGES: Readonly<Record<string, Change>> = {
  'all different': (next) => (next() - 0.5) * 10 ** (-3 * next()),
  'mostly tied': (next) => (Math.floor(next() * 7) - 3) / 1024,
  'mostly zero': (next) => (next() < 0.97 ? 0 : (next() - 0.5) / 64),
  'one large block': (next) => (next() < 0.5 ? 1 / 512 : next() / 256),
};

function models(change: Change, dtype: BlendedDtype) {
  const next = random(9);
  const elements = SHAPE.reduce((a, b) => a * b, 1);
  const base = Float64Array.from({ length: elements }, () => Math.round((next() - 0.5) * 256) / 256);
  return [0, 1, 2].map((m) =>
    checkpoint({
      name: m === 0 ? 'base' : `tune-${m}`,
      values: new Map([[NAME, m === 0 ? base : base.map((x) => x + change(next))]]),
      shapes: { [NAME]: SHAPE },
      dtype,
    }),
  );
}

/** A place that cannot collect, and so counts. */
class Counting extends CpuArithmetic {
  override readonly windows = null;
}

/** A place that says how often it had to count. */
class Watched extends CpuArithmetic {
  counts = 0;

  override histogram(...given: Parameters<CpuArithmetic['histogram']>): ReturnType<CpuArithmetic['histogram']> {
    this.counts += 1;
    return super.histogram(...given);
  }
}

async function merged(arithmetic: Arithmetic, text: string, open: ReturnType<typeof models>): Promise<Buffer> {
  const { lineup, findings } = check(parseRecipe(text), finderOf(open));
  if (!lineup) throw new Error(findings.map(({ message }) => message).join());
  const blend = new Blend(arithmetic, { budgetBytes: 2 ** 28, keepsSources: false });
  const parts: Uint8Array[] = [];
  for await (const { bytes } of blend.pieces(lineup, false)) parts.push(bytes);
  return Buffer.concat(parts);
}

describe.each(Object.entries(CHANGES))('where the changes are %s', (_, change) => {
  it.each([
    ['ties', 'density: 0.3', 'F32'],
    ['ties', 'density: 0.5', 'BF16'],
    ['ties', 'density: 0.999', 'F32'],
    ['breadcrumbs', 'density: 0.6, gamma: 0.05', 'BF16'],
  ] as const)('%s with %s in %s keeps what counting keeps', async (method, parameters, dtype) => {
    const open = models(change, dtype);
    const entry = (name: string) => `  - model: ${name}\n    parameters: {weight: 0.5, ${parameters}}\n`;
    const text = `merge_method: ${method}\nbase_model: base\nmodels:\n${entry('tune-1')}${entry('tune-2')}out_dtype: float32\n`;
    const counted = await merged(new Counting(), text, open);
    for (const batchBytes of [undefined, 100_000]) {
      const guessed = await merged(new CpuArithmetic([], batchBytes), text, open);
      expect(guessed.equals(counted), `batches of ${batchBytes}`).toBe(true);
    }
  });
});

describe('the guess', () => {
  it.each(['all different', 'mostly zero'])('spares the counting where the changes are %s', async (word) => {
    const place = new Watched([], 100_000);
    const entry = (name: string) => `  - model: ${name}\n    parameters: {density: 0.02}\n`;
    const text = `merge_method: ties\nbase_model: base\nmodels:\n${entry('tune-1')}${entry('tune-2')}`;
    await merged(place, text, models(CHANGES[word] ?? (() => 0), 'F32'));
    expect(place.counts).toBe(0);
  });
});
