import { describe, expect, it } from 'vitest';
import type { Checkpoint } from '../formats/checkpoint.ts';
import { readTensor } from '../formats/checkpoint.ts';
import { decode } from '../formats/codec.ts';
import { parseRecipe } from '../recipe/yaml.ts';
import { Blend } from './blend.ts';
import { check } from './check.ts';
import { CpuArithmetic } from './cpu-arithmetic.ts';
import { stagesAt } from './stage-runs.ts';
import type { OpenStage } from './stage.ts';
import { family } from './test/checkpoints.ts';

const INNER = 'name: half\nmerge_method: linear\nmodels: [{model: tune-1}, {model: tune-2}]\n';
const OUTER = 'merge_method: task_arithmetic\nbase_model: base\nmodels: [{model: half, parameters: {weight: 0.5}}]\n';

function checking(text: string, checkpoints: readonly Checkpoint[], open?: OpenStage) {
  return check(parseRecipe(text), (name) => checkpoints.find((own) => own.name === name), open);
}

describe('a stage', () => {
  it('is a model like any other, and nothing is read before its tensors are', () => {
    const models = family(2);
    const opened: string[] = [];
    const { lineup, findings } = checking(`${INNER}---\n${OUTER}`, models, (inner) => {
      opened.push(inner.method.name);
      return { read: async (_, start, end) => new Uint8Array(end - start) };
    });
    expect(findings).toEqual([]);
    expect(lineup?.models.map(({ name }) => name)).toEqual(['half']);
    expect(lineup?.tensors[0]?.sources.map(({ dtype, shape }) => [dtype, shape])).toEqual([
      ['F32', [37, 24]],
      ['F32', [37, 24]],
    ]);
    expect(opened).toEqual([]);
    expect(models.every((model) => model.file.bytesRead === 0)).toBe(true);
  });

  it('is the same checkpoint for the same recipe, so that nothing is measured twice', () => {
    const models = family(2);
    const open: OpenStage = () => ({ read: async () => new Uint8Array() });
    const first = checking(`${INNER}---\n${OUTER}`, models, open).lineup?.models[0];
    expect(checking(`${INNER}---\n${OUTER.replace('0.5', '0.7')}`, models, open).lineup?.models[0]).toBe(first);
    const changed = INNER.replace('model: tune-1', 'model: base');
    expect(checking(`${changed}---\n${OUTER}`, models, open).lineup?.models[0]).not.toBe(first);
  });

  it('says in which recipe something is wrong', () => {
    const { findings, lineup } = checking(`${INNER}---\n${OUTER}`, family(1));
    expect(lineup).toBeNull();
    expect(findings[0]?.message).toMatch(/^In the recipe 'half': .*tune-2/);
  });

  it('merges to what its own merge would have been, whole or in parts', async () => {
    const models = family(2);
    const arithmetic = new CpuArithmetic();
    const open = stagesAt(
      () => arithmetic,
      () => 2 ** 26,
    );
    const { lineup } = checking(`${INNER}---\n${OUTER}`, models, open);
    const alone = checking(INNER, models).lineup;
    if (!lineup || !alone) throw new Error('refused');
    const blend = new Blend(arithmetic, { budgetBytes: 2 ** 26, keepsSources: false });
    const merged = new Map<string, number[]>();
    for await (const { tensor, bytes } of blend.pieces(alone, false)) {
      merged.set(tensor, [...(merged.get(tensor) ?? []), ...bytes]);
    }
    for (const { name, sources } of lineup.tensors) {
      const entry = sources[1];
      if (!entry) throw new Error('no source');
      const middle = Math.floor(entry.elements / 2) * 4;
      const bytes = [...(await readTensor(entry, 0, middle)), ...(await readTensor(entry, middle, entry.end))];
      expect(bytes, name).toEqual(merged.get(name));
    }
    const result: Uint8Array[] = [];
    for await (const { tensor, bytes } of blend.pieces(lineup, false))
      if (tensor === 'model.norm.weight') result.push(bytes);
    const [base, one, two] = models.map((model) => model.tensors.get('model.norm.weight'));
    const values = await Promise.all(
      [base, one, two].map(async (entry) =>
        entry ? decode(await readTensor(entry, 0, entry.end - entry.start), 'F32') : [],
      ),
    );
    const expected = Array.from(
      values[0] ?? [],
      (x, i) => x + 0.5 * (((values[1]?.[i] ?? 0) + (values[2]?.[i] ?? 0)) / 2 - x),
    );
    decode(result[0] ?? new Uint8Array(), 'F32').forEach((x, i) => expect(x).toBeCloseTo(expected[i] ?? Number.NaN, 6));
  });
});
