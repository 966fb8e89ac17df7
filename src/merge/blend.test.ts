/**
 * The path from checkpoints to results on the CPU: one answer whatever the chunk size, statistics that are read
 * once, live weights that are rewritten only where they change, files that are whole or not there.
 */

import { describe, expect, it } from 'vitest';
import { memoryBytes } from '../bytes/memory-bytes.ts';
import { memoryFolder } from '../bytes/memory-folder.ts';
import type { Checkpoint } from '../formats/checkpoint.ts';
import { decode } from '../formats/codec.ts';
import { readHeader } from '../formats/safetensors.ts';
import { parseRecipe } from '../recipe/yaml.ts';
import { Blend } from './blend.ts';
import { check } from './check.ts';
import { CpuArithmetic } from './cpu-arithmetic.ts';
import type { Lineup } from './lineup.ts';
import { save } from './save.ts';
import { family } from './test/checkpoints.ts';

const BUDGET = 2 ** 28;

function lineUp(text: string, checkpoints: readonly Checkpoint[]): Lineup {
  const { lineup, findings } = check(parseRecipe(text), (name) => checkpoints.find((own) => own.name === name));
  if (!lineup) throw new Error(findings.map((found) => found.message).join('; '));
  return lineup;
}

function varm(more = '', first = ''): string {
  return `merge_method: varm\nbase_model: base\nmodels:\n  - model: tune-1\n${first}  - model: tune-2\n${more}`;
}

const GRANULARITIES = ['model', 'layer', 'module', 'tensor', 'row', 'element'];

async function bytesOf(blend: Blend, lineup: Lineup): Promise<Map<string, number[]>> {
  const out = new Map<string, number[]>();
  for await (const { tensor, bytes } of blend.pieces(lineup, false)) {
    out.set(tensor, [...(out.get(tensor) ?? []), ...bytes]);
  }
  return out;
}

function blendOver(batchBytes?: number, keepsSources = true): Blend {
  return new Blend(new CpuArithmetic([], batchBytes), { budgetBytes: BUDGET, keepsSources });
}

/** A wide tensor of many blocks, so that small batches cut it. */
const WIDE = { 'model.layers.0.mlp.up_proj.weight': [5, 9000], 'model.layers.1.mlp.up_proj.weight': [200, 130] };

/** An arithmetic that stops the work when its second batch comes. */
class Stopping extends CpuArithmetic {
  readonly stop = new AbortController();
  #batches = 0;

  #count(): void {
    this.#batches += 1;
    if (this.#batches === 2) this.stop.abort();
  }

  override measure(...given: Parameters<CpuArithmetic['measure']>): ReturnType<CpuArithmetic['measure']> {
    this.#count();
    return super.measure(...given);
  }

  override mergeInto(...given: Parameters<CpuArithmetic['mergeInto']>): ReturnType<CpuArithmetic['mergeInto']> {
    this.#count();
    return super.mergeInto(...given);
  }
}

describe('a blend', () => {
  it.each(GRANULARITIES)('gives the same bits whatever the chunk size, per %s', async (granularity) => {
    const models = family(2, 'BF16', WIDE);
    const text = varm(`parameters: {granularity: ${granularity}}\nout_dtype: float32\n`);
    const whole = await bytesOf(blendOver(), lineUp(text, models));
    for (const batchBytes of [1, 60_000, 200_000]) {
      expect(await bytesOf(blendOver(batchBytes), lineUp(text, models))).toEqual(whole);
    }
  });

  it('reads each checkpoint once for any change of granularity, statistic, multiplier or temperature', async () => {
    const models = family(2);
    const blend = blendOver();
    await blend.blend(lineUp(varm(), models));
    const read = models.map((model) => model.file.bytesRead);
    expect(read).toEqual(models.map((model) => model.totalBytes));
    for (const change of [
      'parameters: {granularity: model}',
      'parameters: {granularity: layer, statistic: abs}',
      'parameters: {granularity: module, temperature: 0.5}',
      'parameters: {granularity: element}',
      'parameters: {granularity: row}',
    ]) {
      await blend.blend(lineUp(varm(`${change}\n`), models));
    }
    await blend.blend(lineUp(varm('', '    parameters: {weight: 3}\n'), models));
    expect(models.map((model) => model.file.bytesRead)).toEqual(read);
  });

  it('keeps the statistics where the sources do not fit, and reads sources only to merge', async () => {
    const models = family(2);
    const blend = blendOver(undefined, false);
    const lineup = lineUp(varm(), models);
    expect(blend.plan(lineup).mode).toBe('cached');
    await blend.map(lineup);
    const once = models.map((model) => model.totalBytes);
    expect(models.map((model) => model.file.bytesRead)).toEqual(once);
    for (const granularity of ['model', 'layer', 'module']) {
      await blend.map(lineUp(varm(`parameters: {granularity: ${granularity}, temperature: 1}\n`), models));
    }
    expect(models.map((model) => model.file.bytesRead)).toEqual(once);
    await blend.blend(lineup);
    expect(models.map((model) => model.file.bytesRead)).toEqual(once.map((bytes) => 2 * bytes));
  });

  it('rewrites only the tensors that a change touches, in place', async () => {
    const models = family(2);
    const blend = blendOver();
    const first = await blend.blend(lineUp(varm(), models));
    expect(first.rewritten).toBe(first.tensors);
    const live = blend.live;
    expect((await blend.blend(lineUp(varm(), models))).rewritten).toBe(0);
    const byHand = varm('', '    parameters: {share: [{filter: model.layers.1.self_attn., value: 0.9}]}\n');
    expect((await blend.blend(lineUp(byHand, models))).rewritten).toBe(2);
    expect(blend.live).toBe(live);
    // What is live is what a save writes, bit for bit.
    const saved = await bytesOf(blend, lineUp(byHand, models));
    for (const [name, bytes] of saved) {
      const own = live?.tensors.get(name);
      if (own?.kind !== 'cpu') throw new Error('not on the CPU');
      expect([...own.data]).toEqual([...decode(Uint8Array.from(bytes), 'F32')]);
    }
  });

  it('does not take a checkpoint that was closed and opened again for the old one', async () => {
    const blend = blendOver();
    const before = await bytesOf(blend, lineUp(varm(), family(2)));
    const others = family(3);
    const swapped = [others[0], { ...others[3], name: 'tune-1' }, others[2]] as Checkpoint[];
    const after = await bytesOf(blend, lineUp(varm(), swapped));
    expect(after).toEqual(await bytesOf(blendOver(), lineUp(varm(), swapped)));
    expect(after).not.toEqual(before);
  });

  it('measures a tensor from its start again after a stop in the middle of it', async () => {
    const models = family(2, 'F32', WIDE);
    const arithmetic = new Stopping([], 40_000);
    const blend = new Blend(arithmetic, { budgetBytes: BUDGET, keepsSources: true });
    const stopped = blend.blend(lineUp(varm(), models), { signal: arithmetic.stop.signal });
    await expect(stopped).rejects.toMatchObject({ code: 'cancelled' });
    expect(await bytesOf(blend, lineUp(varm(), models))).toEqual(await bytesOf(blendOver(), lineUp(varm(), models)));
  });

  it('is not whole after a stop midway, and whole again after the next blend', async () => {
    const models = family(2, 'F32', WIDE);
    const arithmetic = new Stopping([], 40_000);
    const blend = new Blend(arithmetic, { budgetBytes: BUDGET, keepsSources: true });
    const even = lineUp('merge_method: linear\nmodels:\n  - model: tune-1\n  - model: tune-2\n', models);
    await expect(blend.blend(even, { signal: arithmetic.stop.signal })).rejects.toMatchObject({ code: 'cancelled' });
    expect(blend.live?.isWhole).toBe(false);
    await blend.blend(even);
    expect(blend.live?.isWhole).toBe(true);
  });

  it('says which tensor holds NaN, where change is measured, and counts it where it is not', async () => {
    const models = family(1);
    const broken = models[1];
    const entry = broken?.tensors.get('model.norm.weight');
    if (!broken || !entry) throw new Error('no norm');
    const inner = entry.file;
    const poisoned = {
      ...broken,
      tensors: new Map(broken.tensors).set(entry.name, {
        ...entry,
        file: {
          ...inner,
          name: inner.name,
          size: inner.size,
          slice: async (start: number, end: number) => {
            const bytes = await inner.slice(start, end);
            new DataView(bytes.buffer, bytes.byteOffset).setFloat32(0, Number.NaN, true);
            return bytes;
          },
        },
      }),
    };
    const open = [models[0], poisoned] as Checkpoint[];
    const text = 'merge_method: varm\nbase_model: base\nmodels:\n  - model: tune-1\n';
    await expect(blendOver().blend(lineUp(text, open))).rejects.toThrow(/model\.norm\.weight.*tune-1/);
    const linear = await blendOver().blend(lineUp('merge_method: linear\nmodels:\n  - model: tune-1\n', open));
    expect([...linear.nonFinite]).toEqual([['model.norm.weight', 1]]);
  });

  it('does not fit a budget below the result, and says both numbers', async () => {
    const models = family(2);
    const blend = new Blend(new CpuArithmetic(), { budgetBytes: 20_000, keepsSources: true });
    const lineup = lineUp(varm(), models);
    expect(blend.plan(lineup).mode).toBe('streaming');
    await expect(blend.blend(lineup)).rejects.toMatchObject({ code: 'budget', details: { budgetBytes: 20_000 } });
    expect((await bytesOf(blend, lineup)).size).toBe(lineup.tensors.length);
  });
});

describe('the map', () => {
  it('has a cell for every module of every layer and every tensor outside, weights that add up to one', async () => {
    const models = family(2);
    const map = await blendOver().map(lineUp(varm(), models));
    expect(map.rows.map((row) => row.label)).toEqual([
      'model.embed_tokens',
      'layer 0',
      'layer 1',
      'model.norm',
      'lm_head',
    ]);
    expect(map.columns).toEqual(['mlp', 'self_attn', 'input_layernorm', 'outside layers']);
    expect(map.cells).toHaveLength(9);
    for (const cell of map.cells) {
      const total = cell.weights.reduce((a, b) => a + b, 0);
      // A cell whose tensors are all frozen in both stays with the pivot.
      if (cell.changedShare?.some((share) => share > 0)) expect(total).toBeCloseTo(1, 9);
    }
  });

  it.each(GRANULARITIES)('shows what is merged, per %s', async (granularity) => {
    const models = family(2);
    const map = await blendOver().map(lineUp(varm(`parameters: {granularity: ${granularity}}\n`), models));
    for (const cell of map.cells) {
      cell.weights.forEach((w, k) => {
        const [low, high] = cell.ranges[k] ?? [0, 0];
        expect(w).toBeGreaterThanOrEqual(low - 1e-12);
        expect(w).toBeLessThanOrEqual(high + 1e-12);
      });
    }
    if (granularity === 'model') {
      const [first] = map.cells;
      for (const cell of map.cells) {
        cell.weights.forEach((w, k) => expect(w).toBeCloseTo(first?.weights[k] ?? 0, 12));
      }
    }
    expect(map.note === '').toBe(granularity !== 'element');
  });
});

describe('saving', () => {
  const options = { name: 'merged', recipeText: varm(), maxShardBytes: 5e9, version: '0.0.0' };

  it('writes shards that read back, copied tensors included, and the small files', async () => {
    const models = family(2);
    const [base] = models;
    if (!base) throw new Error('no base');
    const ids = {
      name: 'ids',
      dtype: 'I64' as const,
      shape: [2],
      elements: 2,
      file: memoryBytes(
        'ids',
        Uint8Array.from({ length: 16 }, (_, i) => i),
      ),
      start: 0,
      end: 16,
    };
    const withIds = models.map((own) => ({ ...own, tensors: new Map(own.tensors).set('ids', ids) }));
    const folder = memoryFolder();
    const blend = blendOver();
    const saved = await save(blend, lineUp(varm(), withIds), folder, { ...options, maxShardBytes: 9000 });
    expect(saved.audit).toMatchObject({ verdict: 'passed', findings: [] });
    const files = folder.files ?? new Map<string, Uint8Array<ArrayBuffer>>();
    const names = [...files.keys()];
    const shards = names.filter((name) => name.endsWith('.safetensors'));
    expect(shards.length).toBeGreaterThan(1);
    expect(names).toEqual(expect.arrayContaining(['model.safetensors.index.json', 'fusewright.yml', 'README.md']));
    const merged = await bytesOf(blend, lineUp(varm(), withIds));
    let seen = 0;
    for (const name of shards) {
      const bytes = files.get(name) ?? new Uint8Array();
      for (const tensor of (await readHeader(memoryBytes(name, bytes))).tensors) {
        const own = [...bytes.subarray(tensor.start, tensor.end)];
        expect(own).toEqual(tensor.name === 'ids' ? Array.from({ length: 16 }, (_, i) => i) : merged.get(tensor.name));
        seen++;
      }
    }
    expect(seen).toBe(base.tensors.size + 1);
    expect(new TextDecoder().decode(files.get('fusewright.yml'))).toBe(varm());
  });

  it('leaves nothing when it is stopped', async () => {
    const models = family(2, 'F32', WIDE);
    const folder = memoryFolder();
    const stop = new AbortController();
    const saving = save(blendOver(40_000), lineUp(varm(), models), folder, {
      ...options,
      signal: stop.signal,
      onProgress: ({ phase, bytesDone }) => phase === 'save' && bytesDone > 0 && stop.abort(),
    });
    await expect(saving).rejects.toMatchObject({ code: 'cancelled' });
    expect(folder.files).toBeNull();
  });
});

describe('sources', () => {
  it('are not mixed up where two recipes over the same models put other layers under one name', async () => {
    const models = family(1);
    const sliced = (first: number) =>
      [
        'merge_method: linear',
        'slices:',
        ...[first, 1 - first].map(
          (layer) =>
            `  - sources: [{model: base, layer_range: [${layer}, ${layer + 1}]}, {model: tune-1, layer_range: [${layer}, ${layer + 1}]}]`,
        ),
      ].join('\n');
    const blend = blendOver();
    const straight = await bytesOf(blend, lineUp(sliced(0), models));
    const swapped = await bytesOf(blend, lineUp(sliced(1), models));
    expect(swapped).toEqual(await bytesOf(blendOver(), lineUp(sliced(1), models)));
    const layer = (n: number) => `model.layers.${n}.mlp.up_proj.weight`;
    expect(swapped.get(layer(0))).toEqual(straight.get(layer(1)));
    expect(swapped.get(layer(0))).not.toEqual(straight.get(layer(0)));
  });
});
