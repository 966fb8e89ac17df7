/**
 * GraphAttention: the attention of a block as nodes: projections, norms of queries and keys, rotation, and attention
 * over the cache and the new tokens: onnxruntime's GroupQueryAttention where it is right, else the formula written out
 * (soft caps, heads of odd sizes).
 */

import type { Attention, HeadNorm, Norm } from './architecture.ts';
import type { Drawing } from './graph-drawing.ts';
import { headNormed, normWeight } from './graph-norm.ts';
import { linear } from './graph-weights.ts';
import { requireTableSize, type Rope, tablesOfPositions } from './rope.ts';

/** GroupQueryAttention can rotate heads itself only in multiples of this. */
const FUSED_ROTATION_MULTIPLE = 16;

/** Stands for minus infinity where a token is not seen; its exponential is 0 beside any score. */
const UNSEEN = -1e30;

/** What attention gives for x [tokens, hiddenSize], in the same shape; adds the layer's cache inputs and outputs. */
export function attention(drawing: Drawing, x: string, facts: Attention, layer: number): string {
  const name = `block.${layer}.attention`;
  const { heads, keyValueHeads, cacheKind, ropes } = drawing.architecture;
  const parts = projected(drawing, x, facts, name);
  const rope = facts.rope === null ? null : (ropes[facts.rope] ?? null);
  const isGrouped = cacheKind === 'static';
  const rotatesInside = isGrouped && rope !== null && canRotateInside(drawing, rope);

  // Not on the CPU, which has no such norms and never has a static cache.
  const normsInside =
    drawing.options.cache === 'static' && (rope === null || rotatesInside) && insideNorms(facts) !== null;
  const normedBy = (norm: HeadNorm | null) => (normsInside ? null : norm);
  const query = headNormed(drawing, parts.query, normedBy(facts.queryNorm), heads, `${name}.query.normed`);
  const key = headNormed(drawing, parts.key, normedBy(facts.keyNorm), keyValueHeads, `${name}.key.normed`);
  const ready = {
    query: placed(drawing, query, heads, rotatesInside ? null : rope, facts.rope),
    key: placed(drawing, key, keyValueHeads, rotatesInside ? null : rope, facts.rope),
    value: placed(drawing, parts.value, keyValueHeads, null, null),
  };
  const mixed = isGrouped
    ? grouped(drawing, ready, facts, layer, rotatesInside, normsInside)
    : writtenOut(drawing, ready, facts, layer);
  return linear(drawing, mixed, facts.output, `${name}.output`);
}

interface Parts {
  readonly query: string;
  readonly key: string;
  readonly value: string;
}

/** Queries [tokens, heads x headSize], keys and values [tokens, keyValueHeads x headSize]. */
function projected(drawing: Drawing, x: string, facts: Attention, name: string): Parts {
  const { builder, architecture } = drawing;
  const { heads, keyValueHeads, headSize } = architecture;
  const { projection, clip } = facts;
  const parts = { query: `${name}.query`, key: `${name}.key`, value: `${name}.value` };
  const names = Object.values(parts);
  if (projection.kind === 'separate') {
    for (const part of ['query', 'key', 'value'] as const) linear(drawing, x, projection[part], parts[part]);
  } else {
    const packed = linear(drawing, x, projection.linear, `${name}.packed`);
    if (projection.order === 'parts') {
      const sizes = [heads, keyValueHeads, keyValueHeads].map((count) => count * headSize);
      builder.node('Split', [packed, drawing.integers(sizes)], names, { axis: 1 });
    } else {
      const byHead = builder.node('Reshape', [packed, drawing.integers([-1, heads, 3 * headSize])], `${packed}.heads`);
      const apart = names.map((part) => `${part}.heads`);
      builder.node('Split', [byHead, drawing.integers([headSize, headSize, headSize])], apart, { axis: 2 });
      names.forEach((part, index) => {
        builder.node('Reshape', [apart[index] ?? '', drawing.integers([-1, heads * headSize])], part);
      });
    }
  }
  if (clip === null) return parts;
  const clipped = (part: string) =>
    builder.node('Clip', [part, drawing.float(-clip), drawing.float(clip)], `${part}.clipped`);
  return { query: clipped(parts.query), key: clipped(parts.key), value: clipped(parts.value) };
}

/** x [tokens, count x headSize] as [1, tokens, count x headSize], rotated where there is a rope. */
function placed(drawing: Drawing, x: string, count: number, rope: Rope | null, index: number | null): string {
  const { builder, architecture } = drawing;
  const { headSize } = architecture;
  const whole = builder.node('Reshape', [x, drawing.integers([1, -1, count * headSize])], `${x}.whole`);
  if (rope === null || index === null) return whole;
  const [cos, sin] = tables(drawing, rope, index);
  const rows = (table: string) =>
    drawing.once(`${table} rows`, () =>
      builder.node('Gather', [table, drawing.feed('positions')], `${table}.rows`, { axis: 1 }),
    );
  return builder.node('RotaryEmbedding', [whole, rows(cos), rows(sin)], `${x}.rotated`, {
    interleaved: rope.isInterleaved ? 1 : 0,
    num_heads: count,
    ...(rope.dimensions < headSize ? { rotary_embedding_dim: rope.dimensions } : {}),
  });
}

/** Whether GroupQueryAttention can do a rotation: whole multiples, and one table for texts of any length. */
function canRotateInside(drawing: Drawing, rope: Rope): boolean {
  return (
    rope.dimensions % FUSED_ROTATION_MULTIPLE === 0 &&
    drawing.architecture.headSize % FUSED_ROTATION_MULTIPLE === 0 &&
    drawing.architecture.ropeSwitchTokens === null
  );
}

/**
 * Names of the tables of cosines and sines: [tableTokens, dimensions / 2] for GroupQueryAttention, [1, rows,
 * dimensions / 2] to be gathered from, with twice the rows where the rotation of longer texts is another one.
 */
function tables(drawing: Drawing, rope: Rope, index: number): readonly [string, string] {
  const { builder, architecture, tableTokens, options } = drawing;
  const isInside = canRotateInside(drawing, rope) && architecture.cacheKind === 'static';
  const names = ['cos', 'sin'].map((part) => `rope.${index}.${part}`) as [string, string];
  drawing.once(`rope ${index}`, () => {
    const hasTwo = architecture.ropeSwitchTokens !== null;
    requireTableSize(rope, tableTokens, hasTwo);
    const flat = [(hasTwo ? 2 : 1) * tableTokens, rope.dimensions / 2];
    const shape = isInside ? flat : [1, ...flat];
    const made = options.tables === 'inputs' ? null : tablesOfPositions(rope, tableTokens, hasTwo);
    (['cos', 'sin'] as const).forEach((part, which) => {
      const name = names[which] ?? '';
      if (made) builder.constant(name, shape, made[part]);
      else drawing.ropes.push({ name: builder.input(name, 'float32', shape), rope: index, part, shape });
    });
    return names[0];
  });
  return names;
}

/** Declares a layer's cache and returns the names of its inputs and outputs. */
function cacheOf(drawing: Drawing, layer: number): { pasts: [string, string]; presents: [string, string] } {
  const { builder, architecture, capacityTokens, options, isExport } = drawing;
  const { keyValueHeads, headSize } = architecture;
  const isStatic = options.cache === 'static';
  // A place may be smaller than what the tables cover, and grow; only what is captured has one size.
  const room = options.purpose === 'step' ? capacityTokens : 'capacity';
  const batch = isExport ? 'batch_size' : 1;
  const declare = (part: string): [string, string] => {
    const [past, present] = [`past_key_values.${layer}.${part}`, `present.${layer}.${part}`];
    builder.input(past, 'float32', [
      batch,
      keyValueHeads,
      isStatic ? room : isExport ? 'past_sequence_length' : 'cached',
      headSize,
    ]);
    builder.output(present, 'float32', [
      batch,
      keyValueHeads,
      isStatic ? room : isExport ? 'total_sequence_length' : 'total',
      headSize,
    ]);
    return [past, present];
  };
  const [key, value] = [declare('key'), declare('value')];
  return { pasts: [key[0], value[0]], presents: [key[1], value[1]] };
}

/** Norms of queries and keys that GroupQueryAttention can do itself: root-mean-square over each head. */
function insideNorms({ queryNorm, keyNorm }: Attention): { query: Norm; key: Norm } | null {
  if (queryNorm?.over !== 'head' || keyNorm?.over !== 'head') return null;
  const [query, key] = [queryNorm.norm, keyNorm.norm];
  return query.kind === 'rms' && key.kind === 'rms' && query.epsilon === key.epsilon ? { query, key } : null;
}

/** onnxruntime's own operator; gives [tokens, heads x headSize]. */
function grouped(
  drawing: Drawing,
  { query, key, value }: Parts,
  facts: Attention,
  layer: number,
  rotates: boolean,
  norms: boolean,
): string {
  const { builder, architecture } = drawing;
  const { heads, keyValueHeads, headSize, ropes } = architecture;
  const rope = rotates && facts.rope !== null ? ropes[facts.rope] : undefined;
  const { pasts, presents } = cacheOf(drawing, layer);
  const mixed = `block.${layer}.attention.mixed`;
  const inside = norms ? insideNorms(facts) : null;
  const isUsualScale = Math.abs(facts.scale * Math.sqrt(headSize) - 1) < 1e-12;
  builder.node(
    'com.microsoft.GroupQueryAttention',
    [
      query,
      key,
      value,
      ...pasts,
      drawing.feed('last_position'),
      drawing.feed('total_tokens'),
      ...(rope && facts.rope !== null ? tables(drawing, rope, facts.rope) : norms ? ['', ''] : []),
      ...(inside ? ['', '', '', '', '', normWeight(drawing, inside.query), normWeight(drawing, inside.key)] : []),
    ],
    [mixed, ...presents],
    {
      num_heads: heads,
      kv_num_heads: keyValueHeads,
      do_rotary: rope ? 1 : 0,
      ...(rope?.isInterleaved ? { rotary_interleaved: 1 } : {}),
      ...(isUsualScale ? {} : { scale: { float: facts.scale } }),
      ...(inside ? { qk_norm_epsilon: { float: inside.query.epsilon } } : {}),
      ...(facts.windowTokens === null ? {} : { local_window_size: facts.windowTokens }),
    },
  );
  return builder.node('Reshape', [mixed, drawing.integers([-1, heads * headSize])], `${mixed}.flat`);
}

/**
 * softmax(cap tanh(q k' scale / cap) + mask) v with a growing cache; gives [tokens, heads x headSize]. Heads that share
 * keys stand below one another as more queries of the same head, so that nothing is repeated.
 */
function writtenOut(drawing: Drawing, { query, key, value }: Parts, facts: Attention, layer: number): string {
  const { builder, architecture } = drawing;
  const { heads, keyValueHeads, headSize } = architecture;
  const name = `block.${layer}.attention`;
  const shares = heads / keyValueHeads;
  const { pasts, presents } = cacheOf(drawing, layer);
  const reshaped = (x: string, shape: readonly number[], output: string) =>
    builder.node('Reshape', [x, drawing.integers(shape)], output);
  /** [1, tokens, count x headSize] as [1, count, tokens, headSize]. */
  const byHead = (x: string, count: number) =>
    builder.node('Transpose', [reshaped(x, [1, -1, count, headSize], `${x}.apart`)], `${x}.heads`, {
      perm: [0, 2, 1, 3],
    });
  const [newKey, newValue] = [byHead(key, keyValueHeads), byHead(value, keyValueHeads)];
  const keys = builder.node('Concat', [pasts[0], newKey], presents[0], { axis: 2 });
  const values = builder.node('Concat', [pasts[1], newValue], presents[1], { axis: 2 });

  const queries = reshaped(byHead(query, heads), [1, keyValueHeads, -1, headSize], `${name}.queries`);
  const turned = builder.node('Transpose', [keys], `${name}.keys.turned`, { perm: [0, 1, 3, 2] });
  const products = builder.node('MatMul', [queries, turned], `${name}.products`);
  const { softCap, scale } = facts;
  let scores = builder.node('Mul', [products, drawing.float(scale / (softCap ?? 1))], `${name}.scaled`);
  if (softCap !== null) {
    const bent = builder.node('Tanh', [scores], `${name}.bent`);
    scores = builder.node('Mul', [bent, drawing.float(softCap)], `${name}.capped`);
  }
  // 0 keeps the size of the same axis: [1, heads', shares x tokens, total] as [heads', shares, tokens, total] and back.
  const apart = reshaped(scores, [keyValueHeads, shares, -1, 0], `${name}.scores`);
  const seen = builder.node('Add', [apart, unseen(drawing, facts.windowTokens)], `${name}.seen`);
  const weights = builder.node('Softmax', [seen], `${name}.weights`, { axis: -1 });
  const together = reshaped(weights, [1, keyValueHeads, -1, 0], `${name}.weights.together`);
  const mixed = reshaped(
    builder.node('MatMul', [together, values], `${name}.values`),
    [1, heads, -1, headSize],
    `${name}.mixed.heads`,
  );
  const back = builder.node('Transpose', [mixed], `${name}.mixed`, { perm: [0, 2, 1, 3] });
  return reshaped(back, [-1, heads * headSize], `${name}.mixed.flat`);
}

/** [tokens, total]: 0 where a token sees another, UNSEEN where that one comes later or lies before the window. */
function unseen(drawing: Drawing, windowTokens: number | null): string {
  const { builder, architecture, tableTokens } = drawing;
  const distance = drawing.once('distance', () => {
    const int32 = (value: number) => builder.constant(`mask.int32.${value}`, [], Int32Array.of(value));
    const keys = builder.node('Range', [int32(0), drawing.feed('total_tokens'), int32(1)], 'mask.keys');
    const column = builder.node('Reshape', [drawing.feed('positions'), drawing.integers([-1, 1])], 'mask.column');
    let queries = drawing.isExport ? builder.node('Cast', [column], 'mask.column.int32', { to: 6 }) : column;
    if (architecture.ropeSwitchTokens !== null && !drawing.isExport) {
      // Positions of longer texts come shifted to the second half of the tables.
      const rows = int32(tableTokens);
      const shifted = builder.node('GreaterOrEqual', [queries, rows], 'mask.is_shifted');
      const back = builder.node('Sub', [queries, rows], 'mask.shifted_back');
      queries = builder.node('Where', [shifted, back, queries], 'mask.queries');
    }
    return builder.node('Sub', [queries, keys], 'mask.distance');
  });
  return drawing.once(`unseen ${windowTokens}`, () => {
    const name = `mask.${windowTokens ?? 'all'}`;
    const int32 = (value: number) => builder.constant(`${name}.${value}`, [1], Int32Array.of(value));
    const past = builder.node('GreaterOrEqual', [distance, int32(0)], `${name}.past`);
    const within =
      windowTokens === null
        ? past
        : builder.node(
            'And',
            [past, builder.node('Less', [distance, int32(windowTokens)], `${name}.near`)],
            `${name}.seen`,
          );
    return builder.node('Where', [within, drawing.float(0), drawing.float(UNSEEN)], `${name}.unseen`);
  });
}
