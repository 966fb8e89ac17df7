/** Where tensors stand on the map at each detail, for architectures of every kind, and that filters mean exactly their cells. */

import { describe, expect, it } from 'vitest';
import { type MapDetail, type MapPlaces, OUTSIDE, type PlacedTensor, placesOf } from './map-places.ts';

const DETAILS: readonly MapDetail[] = ['groups', 'modules', 'tensors'];

function tensors(names: readonly string[]): PlacedTensor[] {
  return names.map((name) => ({ name, elements: name.includes('norm') || name.includes('ln_') ? 8 : 64 }));
}

function layers(count: number, path: string, parts: readonly string[]): string[] {
  return Array.from({ length: count }, (_, layer) => parts.map((part) => `${path}.${layer}.${part}`)).flat();
}

const LLAMA_PARTS = [
  'self_attn.q_proj.weight',
  'self_attn.k_proj.weight',
  'self_attn.o_proj.weight',
  'mlp.gate_proj.weight',
  'mlp.up_proj.weight',
  'mlp.down_proj.weight',
  'input_layernorm.weight',
  'post_attention_layernorm.weight',
];
const llama = (count: number) => [
  'model.embed_tokens.weight',
  ...layers(count, 'model.layers', LLAMA_PARTS),
  'model.norm.weight',
  'lm_head.weight',
];
const GPT2 = [
  'transformer.wte.weight',
  'transformer.wpe.weight',
  ...layers(2, 'transformer.h', [
    'ln_1.weight',
    'ln_1.bias',
    'attn.c_attn.weight',
    'attn.c_attn.bias',
    'attn.c_proj.weight',
    'ln_2.weight',
    'mlp.c_fc.weight',
    'mlp.c_proj.weight',
  ]),
  'transformer.ln_f.weight',
  'transformer.ln_f.bias',
];
const moe = (experts: number, count = 2) => [
  'model.embed_tokens.weight',
  ...layers(count, 'model.layers', [
    ...LLAMA_PARTS.filter((part) => !part.startsWith('mlp')),
    'mlp.gate.weight',
    ...Array.from({ length: experts }, (_, e) =>
      ['gate_proj', 'up_proj', 'down_proj'].map((name) => `mlp.experts.${e}.${name}.weight`),
    ).flat(),
    'mlp.shared_expert.up_proj.weight',
  ]),
  'model.norm.weight',
];
const TWO_STACKS = [
  'shared.weight',
  ...layers(2, 'encoder.block', ['layer.0.SelfAttention.q.weight', 'layer.1.DenseReluDense.wi.weight']),
  ...layers(3, 'decoder.block', ['layer.0.SelfAttention.q.weight', 'layer.1.EncDecAttention.k.weight']),
  'lm_head.weight',
];
/** As some are saved: without `model.` in front, so that a norm's name is part of other names. */
const BARE = ['embed_tokens.weight', ...layers(2, 'layers', LLAMA_PARTS), 'norm.weight'];
const STATE_SPACE = layers(2, 'backbone.layers', ['mixer.A_log', 'mixer.D', 'mixer.Dense.weight', 'norm.weight']);

const ALL: readonly (readonly [string, readonly string[]])[] = [
  ['llama', llama(3)],
  ['a deep llama', llama(80)],
  ['gpt2', GPT2],
  ['a few experts', moe(2)],
  ['many experts', moe(64)],
  ['two stacks', TWO_STACKS],
  ['bare names', BARE],
  ['a state space model', STATE_SPACE],
  ['no layers', ['encoder.weight', 'encoder.bias', 'decoder.weight']],
  ['many tensors in no layer', Array.from({ length: 90 }, (_, i) => `${'abcdef'[i % 6]}.part${i}.weight`)],
];

/** A map by labels: `row column` to its filters. */
function table({ rows, columns, parts }: MapPlaces<PlacedTensor>): Record<string, readonly string[]> {
  return Object.fromEntries(parts.map((p) => [`${rows[p.row]?.label} ${columns[p.column]}`, p.filters]));
}

describe.each(DETAILS)('at the detail of %s', (detail) => {
  it.each(ALL)('every tensor of %s stands in one cell, and filters mean exactly their cells and rows', (_, names) => {
    const places = placesOf(tensors(names), detail);
    const placed = places.parts.flatMap((part) => part.tensors.map(({ name }) => name));
    expect(placed.toSorted()).toEqual(names.toSorted());
    const spots = places.parts.map(({ row, column }) => `${row} ${column}`);
    expect(new Set(spots).size).toBe(spots.length);
    for (const { row, column, filters, tensors: own } of places.parts) {
      expect(places.rows[row], `${row}`).toBeDefined();
      expect(places.columns[column], `${column}`).toBeDefined();
      if (filters.length === 0) continue;
      const meant = names.filter((name) => filters.some((filter) => name.includes(filter)));
      expect(meant.toSorted()).toEqual(own.map(({ name }) => name).toSorted());
    }
    places.rows.forEach(({ filters }, row) => {
      if (filters.length === 0) return;
      const own = places.parts.filter((part) => part.row === row).flatMap((part) => part.tensors);
      const meant = names.filter((name) => filters.some((filter) => name.includes(filter)));
      expect(meant.toSorted()).toEqual(own.map(({ name }) => name).toSorted());
    });
    expect(new Set(places.rows.map(({ label }) => label)).size).toBe(places.rows.length);
    expect(new Set(places.columns).size).toBe(places.columns.length);
  });
});

describe('the columns', () => {
  const columns = (names: readonly string[], detail: MapDetail) => placesOf(tensors(names), detail).columns;

  it('are few groups, modules by size, and a tensor each', () => {
    expect(columns(llama(2), 'groups')).toEqual(['attention', 'MLP', 'norms', OUTSIDE]);
    expect(columns(llama(2), 'modules').toSorted()).toEqual(
      ['self_attn', 'mlp', 'input_layernorm', 'post_attention_layernorm', OUTSIDE].toSorted(),
    );
    expect(columns(llama(2), 'tensors')).toHaveLength(LLAMA_PARTS.length + 1);
    expect(columns(llama(2), 'tensors')).toContain('q_proj');
    expect(columns(GPT2, 'groups')).toEqual(['attention', 'MLP', 'norms', OUTSIDE]);
    expect(columns(GPT2, 'tensors')).toEqual(expect.arrayContaining(['c_attn', 'attn.c_proj', 'mlp.c_proj', 'c_fc']));
  });

  it('show few experts one by one and many together, with one exact filter', () => {
    expect(columns(moe(2), 'tensors')).toContain('mlp.experts.1.gate_proj');
    const many = placesOf(tensors(moe(64)), 'tensors');
    expect(many.columns.length).toBeLessThan(12);
    expect(table(many)['layer 1 experts']).toEqual(['model.layers.1.mlp.experts.']);
  });
});

describe('the rows', () => {
  const labels = (names: readonly string[], detail: MapDetail) =>
    placesOf(tensors(names), detail).rows.map(({ label }) => label);

  it('are layers, and blocks of them where a deep model is shown in groups', () => {
    expect(labels(llama(3), 'groups')).toEqual([
      'model.embed_tokens',
      'layer 0',
      'layer 1',
      'layer 2',
      'model.norm',
      'lm_head',
    ]);
    const deep = placesOf(tensors(llama(80)), 'groups');
    expect(deep.rows.map(({ label }) => label)).toContain('layers 8–15');
    expect(deep.rows).toHaveLength(13);
    const norms = table(deep)['layers 0–7 norms'] ?? [];
    expect(norms).toHaveLength(16);
    expect(norms[0]).toBe('model.layers.0.input_layernorm.');
  });

  it('keep the layers of two stacks apart', () => {
    expect(labels(TWO_STACKS, 'modules')).toEqual([
      'encoder layer 0',
      'encoder layer 1',
      'decoder layer 0',
      'decoder layer 1',
      'decoder layer 2',
      'shared',
      'lm_head',
    ]);
  });

  it('join weight and bias outside the layers, and hundreds of names by their beginnings', () => {
    expect(table(placesOf(tensors(GPT2), 'modules'))[`transformer.ln_f ${OUTSIDE}`]).toEqual(['transformer.ln_f.']);
    const [, many] = ALL.at(-1) ?? [];
    expect(labels(many ?? [], 'groups')).toEqual(['a', 'b', 'c', 'd', 'e', 'f']);
    expect(labels(many ?? [], 'modules')).toHaveLength(90);
  });
});

describe('what no filter addresses alone', () => {
  it('has none: a name that is part of others', () => {
    const bare = table(placesOf(tensors(BARE), 'modules'));
    expect(bare[`norm ${OUTSIDE}`]).toEqual([]);
    expect(bare['layer 0 mlp']).toEqual(['layers.0.mlp.']);
    const mixer = table(placesOf(tensors(STATE_SPACE), 'tensors'));
    expect(mixer['layer 0 D']).toEqual([]);
    expect(mixer['layer 0 A_log']).toEqual(['backbone.layers.0.mixer.A_log']);
  });
});

it('joins tensors in no layer where they are too many for rows', () => {
  const names = Array.from({ length: 30_000 }, (_, i) => `part${i % 50}.unit${i}.weight`);
  const places = placesOf(tensors(names), 'tensors');
  expect(places.rows).toHaveLength(50);
  expect(table(places)[`part7 ${OUTSIDE}`]).toEqual(['part7.']);
  const apart = placesOf(tensors(Array.from({ length: 3000 }, (_, i) => `unit${i}.weight`)), 'groups');
  expect(apart.rows.map(({ label }) => label)).toEqual(['all tensors']);
});

it('places a hundred thousand tensors of a mixture of experts in few cells', () => {
  const names = moe(700, 48);
  expect(names.length).toBeGreaterThan(1e5);
  for (const detail of DETAILS) {
    const { parts, columns } = placesOf(tensors(names), detail);
    expect(columns.length).toBeLessThan(16);
    expect(parts.length).toBeLessThan(48 * 16);
  }
});
