/** What a save leaves beside the weights: hashes that hold, and an audit that sees what is wrong with a merge. */

import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { memoryFolder } from '../bytes/memory-folder.ts';
import { nodeDigest } from '../bytes/node-digest.ts';
import { decode, encode } from '../formats/codec.ts';
import type { BlendedDtype } from '../formats/dtype.ts';
import { METHODS } from '../methods/index.ts';
import { defaults, type Method } from '../methods/method.ts';
import { parseRecipe } from '../recipe/yaml.ts';
import type { AuditReport } from './audit.ts';
import type { BlendTensor, Lineup } from './lineup.ts';
import type { OutputPiece } from './run.ts';
import { save, type Saved } from './save.ts';
import { checkpoint, TINY_LLAMA, valuesOf } from './test/checkpoints.ts';

const RECIPE = 'merge_method: linear\nmodels:\n  - model: a\n  - model: b\n';

/** How the elements of a result follow from the means of its two parents. */
type Make = (mean: number, name: string, i: number) => number;

interface Setting {
  readonly make?: Make;
  readonly out?: BlendedDtype;
  readonly maxShardBytes?: number;
  readonly config?: Readonly<Record<string, unknown>>;
  readonly stopAfter?: number;
  readonly params?: Readonly<Record<string, number>>;
  readonly method?: Method;
}

function linear(): Method {
  const method = METHODS.get('linear');
  if (!method) throw new Error('linear is missing');
  return method;
}

/** A lineup of two models, and their values. */
function lineUp({ out = 'F32', config, params, method = linear() }: Setting) {
  const sideFiles = new Map(config ? [['config.json', `${JSON.stringify(config)}\n`]] : []);
  const values = [valuesOf(TINY_LLAMA, 1), valuesOf(TINY_LLAMA, 2)];
  // A tied head.
  for (const own of values) own.set('lm_head.weight', own.get('model.embed_tokens.weight') ?? new Float64Array());
  const models = values.map((own, k) => checkpoint({ name: 'ab'[k] ?? '', values: own, sideFiles }));
  const [donor] = models;
  if (!donor) throw new Error('no donor');
  const tensors = [...donor.tensors.values()].map(
    (entry): BlendTensor => ({
      name: entry.name,
      shape: entry.shape,
      elements: entry.elements,
      rowElements: entry.shape.length > 1 ? entry.elements / (entry.shape[0] ?? 1) : entry.elements,
      hasBase: false,
      sources: models.flatMap((model) => model.tensors.get(entry.name) ?? []),
      dtypes: ['F32', 'F32'],
      modelOf: [0, 1],
      params: { ...defaults(method.params), ...params },
      perModel: [defaults(method.perModel), defaults(method.perModel)],
      out,
    }),
  );
  const lineup: Lineup = {
    recipe: parseRecipe(RECIPE),
    method,
    base: null,
    models,
    donor,
    tensors,
    copied: [],
    order: tensors.map(({ name }) => name),
    layers: 2,
    changes: { restacked: [], vocabularyRows: null, isTied: null, movedTokens: new Map(), files: null },
  };
  return { lineup, values };
}

/** Saves a merge whose pieces are made here, with the squares that an arithmetic would give. */
async function saveIt(setting: Setting = {}) {
  const { make = (mean) => mean, maxShardBytes = 5e9, stopAfter = Number.POSITIVE_INFINITY } = setting;
  const { lineup, values } = lineUp(setting);
  const pieces = async function* (): AsyncGenerator<OutputPiece> {
    let given = 0;
    for (const { name, out, elements } of lineup.tensors) {
      const own = values.map((model) => model.get(name) ?? new Float64Array());
      const mean = own[0]?.map((x, i) => make((x + (own[1]?.[i] ?? 0)) / 2, name, i)) ?? new Float64Array();
      // Two pieces, so that sums have to be added up.
      for (const [from, to] of [
        [0, elements >> 1],
        [elements >> 1, elements],
      ] as const) {
        if (given++ >= stopAfter) return;
        const bytes = encode(mean.slice(from, to), out);
        const rounded = decode(bytes, out);
        const squares = [...own.map((model) => model.slice(from, to)), rounded].map((part) =>
          part.reduce((sum, x) => sum + x * x, 0),
        );
        const faulty = rounded.filter((x) => !Number.isFinite(x)).length;
        yield { tensor: name, bytes, faulty, squares: Float64Array.from(squares) };
      }
    }
  };
  const folder = memoryFolder();
  const saved: Saved = await save({ pieces }, lineup, folder, {
    name: 'merged',
    recipeText: RECIPE,
    maxShardBytes,
    version: '0.1.0',
    startDigest: nodeDigest,
  });
  const files = folder.files ?? new Map<string, Uint8Array>();
  const text = (name: string) => new TextDecoder().decode(files.get(name));
  return { ...saved, contents: files, text, values };
}

function codesOf(audit: AuditReport): string[] {
  return audit.findings.map(({ severity, code }) => `${severity}: ${code}`);
}

describe('what is saved', () => {
  it.each([5e9, 2000])(
    'is named, counted and hashed as it lies there, in shards of %d bytes',
    async (maxShardBytes) => {
      const { audit, files, contents, text } = await saveIt({ maxShardBytes, config: { model_type: 'llama' } });
      expect(files.map(({ name }) => name).sort()).toEqual([...contents.keys()].sort());
      for (const { name, bytes } of files) expect(contents.get(name)?.length, name).toBe(bytes);
      expect(audit.files.map(({ name }) => name)).toEqual(
        files.map(({ name }) => name).filter((name) => name !== 'fusewright-audit.json'),
      );
      for (const { name, bytes, sha256 } of audit.files) {
        const content = contents.get(name) ?? new Uint8Array();
        expect(bytes).toBe(content.length);
        expect(sha256, name).toBe(createHash('sha256').update(content).digest('hex'));
        if (name !== 'README.md') expect(text('README.md')).toContain(`| \`${name}\` | ${bytes} | \`${sha256}\` |`);
      }
      expect(JSON.parse(text('fusewright-audit.json'))).toEqual(JSON.parse(JSON.stringify(audit)));
    },
  );

  it('takes its hashes with WebAssembly where nothing else is given, and they are the same', async () => {
    const { lineup } = lineUp({});
    const folder = memoryFolder();
    const { audit } = await save(
      {
        async *pieces() {
          for (const { name, elements } of lineup.tensors) {
            yield { tensor: name, bytes: new Uint8Array(elements * 4), faulty: 0, squares: null };
          }
        },
      },
      lineup,
      folder,
      { name: 'merged', recipeText: RECIPE, maxShardBytes: 5e9, version: '0.1.0' },
    );
    for (const { name, sha256 } of audit.files) {
      expect(
        createHash('sha256')
          .update(folder.files?.get(name) ?? '')
          .digest('hex'),
      ).toBe(sha256);
    }
    expect(audit.tensors[0]).toMatchObject({ norm: null, parents: null });
    expect(audit.totals).toMatchObject({ norm: null, smallestParents: null });
    expect(audit.verdict).toBe('passed');
  });

  it('leaves nothing where a tensor’s bytes do not come', async () => {
    await expect(saveIt({ stopAfter: 3 })).rejects.toThrow(/did not come in order/);
  });
});

describe('the audit', () => {
  it('passes a sound merge, with the norms of what was written', async () => {
    const { audit, values, text } = await saveIt({ config: { torch_dtype: 'float32' } });
    expect([audit.verdict, audit.findings]).toEqual(['passed', []]);
    const norm = (own: Iterable<number>) => Math.sqrt([...own].reduce((sum, x) => sum + x * x, 0));
    const all = values.map((model) => [...model.values()].flatMap((own) => [...own]));
    expect(audit.totals.parents.map(({ model }) => model)).toEqual(['a', 'b']);
    for (const [k, { norm: found }] of audit.totals.parents.entries()) expect(found).toBeCloseTo(norm(all[k] ?? []), 9);
    for (const { name, norm: found, parents } of audit.tensors) {
      const own = values.map((model) => model.get(name) ?? new Float64Array());
      expect(found).toBeCloseTo(norm((own[0] ?? []).map((x, i) => (x + (own[1]?.[i] ?? 0)) / 2)), 5);
      expect(parents?.[1]).toEqual({ model: 'b', norm: expect.closeTo(norm(own[1] ?? []), 9) });
    }
    expect(text('README.md')).toMatch(/## Audit\n\n\*\*Passed\.\*\*/);
    expect(text('README.md')).toMatch(/\| `a` \| [\d.]+ \|\n\| `b` \| [\d.]+ \|\n\| this merge \| [\d.]+ \|/);
  });

  it('fails where weights overflow the dtype, and names the worst tensor first', async () => {
    const { audit, text } = await saveIt({
      out: 'F16',
      make: (mean, name, i) => (name === 'model.norm.weight' || (name === 'lm_head.weight' && i === 5) ? 1e6 : mean),
    });
    expect(audit.verdict).toBe('failed');
    expect(audit.totals.nonFinite).toBe(25);
    const [first] = audit.findings;
    expect(first).toMatchObject({ severity: 'failure', code: 'non-finite', tensorCount: 2 });
    expect(first?.message).toMatch(
      /^The result holds 25 NaN or infinite values, in model\.norm\.weight \(24\), lm_head/,
    );
    expect(audit.tensors.find(({ name }) => name === 'model.norm.weight')).toMatchObject({ nonFinite: 24, norm: null });
    expect(text('README.md')).toMatch(/\*\*Failed\.\*\*/);
    // Infinity has no place in JSON.
    expect(JSON.parse(text('fusewright-audit.json')).totals).toMatchObject({ norm: null, nonFinite: 25 });
  });

  it('finds a tensor of zeros, one that is far too large, and one that is far too small', async () => {
    const factors: Readonly<Record<string, number>> = {
      'model.norm.weight': 0,
      'model.layers.0.mlp.up_proj.weight': 40,
      'model.layers.1.mlp.up_proj.weight': 1 / 40,
    };
    const { audit } = await saveIt({ make: (mean, name) => mean * (factors[name] ?? 1) });
    expect(codesOf(audit)).toEqual(['warning: zeroed', 'warning: tensor-norm', 'warning: model-norm']);
    expect(audit.verdict).toBe('suspicious');
    expect(audit.findings[0]?.tensors).toEqual(['model.norm.weight']);
    expect([...(audit.findings[1]?.tensors ?? [])].sort()).toEqual([
      'model.layers.0.mlp.up_proj.weight',
      'model.layers.1.mlp.up_proj.weight',
    ]);
  });

  it('finds a model whose weights add up to too much, though no single tensor stands out', async () => {
    const { audit } = await saveIt({ make: (mean) => 4.5 * mean });
    expect(codesOf(audit)).toEqual(['warning: model-norm']);
    expect(audit.findings[0]?.message).toMatch(/3\.\d × the nearest parent’s/);
    expect((await saveIt({ make: (mean) => 0.4 * mean })).audit.findings.map(({ code }) => code)).toEqual([
      'model-norm',
    ]);
  });

  it('says where a tied head differs from the embeddings that are read in its place', async () => {
    const config = { tie_word_embeddings: true };
    expect((await saveIt({ config })).audit.findings).toEqual([]);
    const touch: Make = (mean, name, i) => (name === 'lm_head.weight' && i === 0 ? mean + 1e-3 : mean);
    const { audit } = await saveIt({ config, make: touch });
    expect(codesOf(audit)).toEqual(['warning: tied-rows']);
    expect(audit.findings[0]?.tensors).toEqual(['model.embed_tokens.weight', 'lm_head.weight']);
    expect((await saveIt({ config: { tie_word_embeddings: false }, make: touch })).audit.findings).toEqual([]);
  });

  it('knows the dtype of the config, and the seed of a random method', async () => {
    const { audit, text } = await saveIt({ out: 'BF16', config: { torch_dtype: 'float32' } });
    expect(audit).toMatchObject({ configDtype: 'bfloat16', dtypes: { BF16: 11 }, findings: [], seeds: [] });
    expect(text('config.json')).toContain('bfloat16');
    const random: Method = {
      ...linear(),
      params: { seed: { kind: 'number', default: 0, min: 0, max: 9, step: 1, strict: false, least: 0, help: '' } },
    };
    const seeded = await saveIt({ method: random, params: { seed: 7 } });
    expect(seeded.audit.seeds).toEqual([7]);
    expect(seeded.text('README.md')).toContain('drawn with seed 7');
  });
});
