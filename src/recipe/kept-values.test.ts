/** Kept values: whatever a change does to a recipe, what is held has its old values, and what is free the new ones. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { METHODS } from '../methods/index.ts';
import { setFilteredValue } from './edit.ts';
import { setEntry } from './filter-list.ts';
import { keepValues, type ReadRecipe } from './kept-values.ts';
import { applyPreset } from './preset.ts';
import { layerCountOf, resolveValues } from './resolve.ts';
import { clearFiltered, parseRecipe, setParameter } from './yaml.ts';

const PARTS = ['self_attn.q_proj', 'self_attn.k_proj', 'mlp.up_proj', 'mlp.down_proj', 'input_layernorm'];
const TENSORS = [
  'model.embed_tokens.weight',
  ...[0, 1, 2, 3].flatMap((layer) => PARTS.map((part) => `model.layers.${layer}.${part}.weight`)),
  'model.norm.weight',
];
const MLP = 'model.layers.1.mlp.';

const TIES = `merge_method: ties
base_model: base
models:
  - model: a # the first
    parameters:
      weight: 0.5
  - model: b
    parameters:
      weight: [0.2, 0.8] # rises
  - model: c
`;

const VARM = `merge_method: varm
base_model: base
models:
  - model: a
  - model: b
`;

function read(text: string): ReadRecipe {
  const recipe = parseRecipe(text);
  const method = METHODS.get(recipe.method);
  if (!method) throw new Error('no method');
  return { text, recipe, method };
}

function valueOf(text: string, model: string, tensor: string): number {
  const { recipe, method } = read(text);
  const k = recipe.models.findIndex((own) => own.model === model);
  return resolveValues(recipe, method, tensor, layerCountOf(TENSORS)).perModel[k]?.[method.handle ?? ''] ?? Number.NaN;
}

type Held = Readonly<Record<string, readonly string[]>>;

function kept(
  before: string,
  after: string,
  held: Held,
  shown: (model: string, tensor: string) => number = () => Number.NaN,
) {
  const { method } = read(before);
  return keepValues(read(before), read(after), {
    name: method.handle ?? '',
    held: new Map(Object.entries(held).map(([model, filters]) => [model, new Set(filters)])),
    tensors: TENSORS,
    shown,
  });
}

describe('kept values', () => {
  it('are put back for a part by one filter, and only where something changed', () => {
    const after = setParameter(TIES, { model: 'a', name: 'weight', value: 1 });
    const made = kept(TIES, after, { a: [MLP], b: [MLP] });
    expect(valueOf(made.text, 'a', `${MLP}up_proj.weight`)).toBe(0.5);
    expect(valueOf(made.text, 'a', 'model.norm.weight')).toBe(1);
    expect(made.kept.map(({ tensor }) => tensor)).toEqual([`${MLP}up_proj.weight`, `${MLP}down_proj.weight`]);
    expect(made.text).toContain(`- filter: ${MLP}\n          value: 0.5\n`);
    expect(made.text.match(/filter:/g)).toHaveLength(1);
    expect(made.text).toContain('# the first');
    // The next step of the same drag finds it set on its own.
    const next = setParameter(made.text, { model: 'a', name: 'weight', value: 1.1 });
    expect(kept(made.text, next, { a: [MLP] })).toEqual({ text: next, kept: [], lost: [] });
  });

  it('are put back for a whole model as they were written', () => {
    const after = setParameter(TIES, { model: 'b', name: 'weight', value: 1 });
    expect(kept(TIES, after, { b: [''] }).text).toBe(TIES);
    expect(kept(TIES, clearFiltered(TIES, { model: null, name: 'weight' }), { b: [''] }).text).toBe(TIES);
  });

  it('hold against a value for all models, and against the loss of one', () => {
    const top = `${TIES}parameters:\n  weight: 0.7\n`;
    const removed = setParameter(top, { model: null, name: 'weight', value: null });
    const made = kept(top, removed, { c: [''] });
    for (const tensor of TENSORS) expect(valueOf(made.text, 'c', tensor)).toBe(0.7);
    const added = kept(TIES, top, { c: [MLP] });
    expect(valueOf(added.text, 'c', `${MLP}up_proj.weight`)).toBe(1);
    expect(valueOf(added.text, 'c', 'model.norm.weight')).toBe(0.7);
  });

  it('are told tensor by tensor where a part has several', () => {
    const before = setFilteredValue(TIES, { model: 'a', name: 'weight', filter: `${MLP}up_proj.weight`, value: 0.1 });
    const after = clearFiltered(before, { model: 'a', name: 'weight' });
    const made = kept(before, after, { a: ['model.layers.1.'] });
    expect(valueOf(made.text, 'a', `${MLP}up_proj.weight`)).toBe(0.1);
    expect(valueOf(made.text, 'a', `${MLP}down_proj.weight`)).toBe(0.5);
    expect(made.kept.map(({ tensor }) => tensor)).toEqual([`${MLP}up_proj.weight`]);
  });

  it('are what the method gave where the recipe gave none, and nobody knows them otherwise', () => {
    const shown = (model: string, tensor: string) => (model === 'a' && tensor.includes('mlp') ? 0.61 : Number.NaN);
    const preset = METHODS.get('varm')?.presets?.find(({ name }) => name === 'Whole modules');
    const method = METHODS.get('varm');
    if (!preset || !method) throw new Error('no preset');
    const after = applyPreset(VARM, method, preset);
    const made = kept(VARM, after, { a: [MLP, 'model.norm.'] }, shown);
    expect(valueOf(made.text, 'a', `${MLP}up_proj.weight`)).toBe(0.61);
    expect(made.kept).toHaveLength(2);
    expect(made.lost).toEqual([{ model: 'a', tensor: 'model.norm.weight' }]);
    // Shares divide one: fixing b's moves a's there, and nowhere else.
    const other = setEntry(VARM, { model: 'b', name: 'share', filter: 'mlp', values: [0.9] });
    const divided = kept(VARM, other, { a: [MLP, 'model.norm.'] }, shown);
    expect(valueOf(divided.text, 'a', `${MLP}down_proj.weight`)).toBe(0.61);
    expect(divided.lost).toEqual([]);
  });

  it('property: after any edits what is held is as it was, and what is free as the edits made it', () => {
    const filter = fc.constantFrom('mlp', 'self_attn', 'norm', 'model.layers.1.', MLP, 'up_proj', 'model.');
    const value = fc.constantFrom(0, 0.25, 1.5);
    const model = fc.constantFrom('a', 'b', 'c');
    const change = fc.oneof(
      fc.record({ model, value }).map((own) => (text: string) => setParameter(text, { ...own, name: 'weight' })),
      value.map((own) => (text: string) => setParameter(text, { model: null, name: 'weight', value: own })),
      fc
        .record({ model: fc.option(model), filter, values: fc.option(fc.array(value, { minLength: 1, maxLength: 3 })) })
        .map((own) => (text: string) => setEntry(text, { ...own, name: 'weight' })),
      fc.constant((text: string) => clearFiltered(text, { model: null, name: 'weight' })),
    );
    const held = fc.uniqueArray(fc.constantFrom('', 'model.layers.1.', MLP, `${MLP}up_proj.weight`, 'model.norm.'), {
      minLength: 1,
    });
    fc.assert(
      fc.property(fc.array(change, { maxLength: 3 }), change, model, held, (first, last, own, filters) => {
        const before = first.reduce((text, edit) => edit(text), TIES);
        const after = last(before);
        const made = kept(before, after, { [own]: filters });
        expect(made.lost).toEqual([]);
        for (const name of ['a', 'b', 'c']) {
          for (const tensor of TENSORS) {
            const isHeld = name === own && filters.some((part) => tensor.startsWith(part));
            expect(valueOf(made.text, name, tensor)).toBe(valueOf(isHeld ? before : after, name, tensor));
          }
        }
      }),
      { numRuns: 30 },
    );
  });
});
