/** The tensor table at its full size: searched, sorted and moved through as somebody reads it. */

import { describe, expect, it } from 'vitest';
import { surveyOf } from './survey-double.ts';
import { columnsOf, found, movedRow, nameRanks, pairsOf, sorted, sortKeys, valueAt } from './survey-table.ts';

const NAMES = [
  'model.embed_tokens.weight',
  ...[0, 1, 2, 10, 12].flatMap((layer) => [
    `model.layers.${layer}.self_attn.q_proj.weight`,
    `model.layers.${layer}.mlp.up_proj.weight`,
  ]),
  'lm_head.weight',
];
const family = surveyOf(NAMES, ['a', 'b', 'c']);
const found1 = (search: string) => [...found(family, search)].map((t) => NAMES[t]);

describe('found', () => {
  it('finds all without a search, and keeps the result’s order', () => {
    expect(found1('')).toEqual(NAMES);
    expect(found1('  ')).toEqual(NAMES);
  });

  it('finds parts of names in any case, and every word must hold', () => {
    expect(found1('Q_PROJ')).toHaveLength(5);
    expect(found1('q_proj layers.10.')).toEqual(['model.layers.10.self_attn.q_proj.weight']);
    expect(found1('nothing like it')).toEqual([]);
  });

  it('takes layer:1 as a number and not as a beginning', () => {
    expect(found1('layer:1')).toEqual(NAMES.filter((name) => name.includes('.1.')));
    expect(found1('layer:2-11 module:mlp')).toEqual([
      'model.layers.2.mlp.up_proj.weight',
      'model.layers.10.mlp.up_proj.weight',
    ]);
    expect(found1('layer:none')).toEqual(['model.embed_tokens.weight', 'lm_head.weight']);
    expect(found1('module:attn')).toHaveLength(5);
  });
});

describe('dtype and shape', () => {
  const kinds = {
    shapes: Int32Array.from(NAMES, (_, t) => t % 4),
    shapeNames: ['640×64', '64', '512×640', 'scalar'],
    dtypes: Int32Array.from(NAMES, (_, t) => (t === 0 ? 0 : 1)),
    dtypeNames: ['F32, BF16', 'BF16'],
  };
  const own = surveyOf(NAMES, ['a'], undefined, kinds);
  const foundIn = (search: string) => [...found(own, search)];
  const all = NAMES.map((_, t) => t);

  it('are searched by dtype, and by numbers of the shape that follow one another', () => {
    expect(foundIn('dtype:f32')).toEqual([0]);
    expect(foundIn('DTYPE:bf16')).toEqual(all);
    expect(foundIn('shape:64')).toEqual(all.filter((t) => t % 4 < 2));
    expect(foundIn('shape:640x64')).toEqual(all.filter((t) => t % 4 === 0));
    expect(foundIn('shape:512×640 q_proj')).toEqual(all.filter((t) => t % 4 === 2 && NAMES[t]?.includes('q_proj')));
    expect(foundIn('shape:4')).toEqual([]);
    expect(foundIn('shape:scalar')).toEqual(all.filter((t) => t % 4 === 3));
  });

  it('are sorted: shapes by how many numbers they have and by their size, dtypes by their words', () => {
    const by = (kind: 'shape' | 'dtype') => {
      const column = columnsOf(own).find((one) => one.kind === kind);
      if (!column) throw new Error('no column');
      return [...sorted(Int32Array.from(all), sortKeys(own, column, null), 'ascending')];
    };
    const names = by('shape').map((t) => kinds.shapeNames[t % 4]);
    expect([...new Set(names)]).toEqual(['scalar', '64', '512×640', '640×64']);
    expect(by('dtype').at(-1)).toBe(0);
  });
});

/** Deterministic numbers that look like none. */
function noise(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

describe('sorted', () => {
  const rowsOf = (count: number) => Int32Array.from({ length: count }, (_, i) => i);

  /** What the comparison says, with ties in order and NaN last. */
  function expected(keys: Float64Array, rows: Int32Array, sign: number): number[] {
    const known = [...rows].filter((row) => !Number.isNaN(keys[row]));
    const unknown = [...rows].filter((row) => Number.isNaN(keys[row]));
    return [...known.sort((a, b) => sign * ((keys[a] ?? 0) - (keys[b] ?? 0)) || a - b), ...unknown];
  }

  it.each([100, 50_000])('orders %i figures of every kind both ways, with ties as they were and NaN last', (count) => {
    const random = noise(count);
    const special = [0, -0, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 5e-324, -1e308, 0.5];
    const keys = Float64Array.from({ length: count }, () => {
      const kind = random();
      if (kind < 0.1) return special[Math.floor(random() * special.length)] ?? 0;
      if (kind < 0.4) return Math.floor(random() * 20) - 10;
      return (random() - 0.5) * 10 ** Math.floor(random() * 40 - 20);
    });
    const rows = rowsOf(count);
    expect([...sorted(rows, keys, 'ascending')]).toEqual(expected(keys, rows, 1));
    expect([...sorted(rows, keys, 'descending')]).toEqual(expected(keys, rows, -1));
  });

  it('orders only the rows that a search found, and leaves what it was given alone', () => {
    const keys = Float64Array.from({ length: 20_000 }, (_, i) => (i * 7919) % 20_000);
    const rows = rowsOf(20_000).filter((row) => row % 2 === 0);
    const before = [...rows];
    expect([...sorted(rows, keys, 'descending')]).toEqual(expected(keys, rows, -1));
    expect([...rows]).toEqual(before);
  });
});

describe('nameRanks', () => {
  it('orders numbers by their value, and gives others a turn', async () => {
    let turns = 0;
    const ranks = await nameRanks(NAMES, async () => {
      turns++;
    });
    const order = [...ranks.keys()].sort((a, b) => (ranks[a] ?? 0) - (ranks[b] ?? 0)).map((t) => NAMES[t]);
    expect(order[0]).toBe('lm_head.weight');
    expect(order.slice(2).map((name) => /layers\.(\d+)/.exec(name ?? '')?.[1])).toEqual([
      '0',
      '0',
      '1',
      '1',
      '2',
      '2',
      '10',
      '10',
      '12',
      '12',
    ]);
    expect(turns).toBe(0);
    const many = Array.from({ length: 20_000 }, (_, i) => `t.${(i * 7919) % 20_000}`);
    const places = await nameRanks(many, async () => {
      turns++;
    });
    expect(turns).toBeGreaterThan(50);
    expect([...places]).toEqual(many.map((name) => Number(name.slice(2))));
  });
});

describe('columns', () => {
  it('has one of each kind per model and pair, and no pairs of many models', () => {
    expect(columnsOf(family).map(({ id }) => id)).toEqual([
      ...['tensor', 'layer', 'module', 'dtype', 'shape', 'elements'],
      ...['relative 0', 'relative 1', 'relative 2', 'rms 0', 'rms 1', 'rms 2'],
      ...['largest 0', 'largest 1', 'largest 2', 'unchanged 0', 'unchanged 1', 'unchanged 2'],
      ...['cosine 0', 'cosine 1', 'cosine 2', 'conflict'],
    ]);
    expect(columnsOf(surveyOf(NAMES, ['a'])).map(({ kind }) => kind)).not.toContain('conflict');
    expect(columnsOf(surveyOf(NAMES, ['a', 'b', 'c', 'd'])).map(({ kind }) => kind)).not.toContain('cosine');
    expect(pairsOf(4)).toEqual([
      [0, 1],
      [0, 2],
      [1, 2],
      [0, 3],
      [1, 3],
      [2, 3],
    ]);
  });

  it('reads the figure of the model and of the pair', () => {
    const at = (id: string) => valueAt(family, columnsOf(family).find((own) => own.id === id) ?? NO_COLUMN, 4);
    expect(at('relative 2')).toBe(family.relativeChange[4 * 3 + 2]);
    expect(at('cosine 1')).toBe(family.cosines[4 * 3 + 1]);
    expect(at('conflict')).toBe(family.conflictShare[4]);
  });

  it('sorts modules by their names', () => {
    const module = columnsOf(family).find(({ kind }) => kind === 'module') ?? NO_COLUMN;
    const rows = sorted(found(family, 'layer:0-12'), sortKeys(family, module, null), 'ascending');
    expect([...rows].map((t) => NAMES[t]?.includes('mlp'))).toEqual([...Array(5).fill(true), ...Array(5).fill(false)]);
  });
});

const NO_COLUMN = { id: '', kind: 'tensor', at: 0, models: [] } as const;

describe('movedRow', () => {
  it('moves within the rows and stops at their ends', () => {
    expect(movedRow('ArrowDown', 3, 10, 5)).toBe(4);
    expect(movedRow('ArrowUp', 0, 10, 5)).toBe(0);
    expect(movedRow('PageDown', 7, 10, 5)).toBe(9);
    expect(movedRow('PageUp', 7, 10, 5)).toBe(2);
    expect(movedRow('Home', 7, 10, 5)).toBe(0);
    expect(movedRow('End', 7, 10, 5)).toBe(9);
    expect(movedRow('a', 7, 10, 5)).toBeNull();
    expect(movedRow('ArrowDown', 0, 0, 5)).toBeNull();
  });
});
