/**
 * GraphDrawing: a graph while it is drawn: the builder, what it is drawn for, and the inputs and constants that several
 * parts of it share, each made once and only where something reads it. (An input that no node reads would be read back
 * from the GPU in every run.)
 */

import type { Architecture } from './architecture.ts';
import type { GraphOptions } from './graph.ts';
import { declareWeights } from './graph-weights.ts';
import { type Dimension, OnnxBuilder } from './onnx.ts';

/** A table of cosines or sines that is an input: `tablesOfPositions` (`rope.ts`) gives its content. */
export interface RopeInput {
  readonly name: string;
  /** Which of the architecture's ropes. */
  readonly rope: number;
  readonly part: 'cos' | 'sin';
  readonly shape: readonly number[];
}

/** What the parts of a graph are drawn with. */
export interface Drawing {
  readonly architecture: Architecture;
  readonly options: GraphOptions;
  readonly builder: OnnxBuilder;
  readonly isExport: boolean;
  readonly capacityTokens: number;
  /** Positions that tables cover. */
  readonly tableTokens: number;
  /** The tables that became inputs so far. */
  readonly ropes: RopeInput[];
  /** How many new tokens: 1, or the name of a size. */
  readonly tokens: Dimension;
  /** Declares one of the graph's small inputs, or what stands for it, and returns its name. */
  feed(name: Feed): string;
  /** An int64 constant [values.length]. */
  integers(values: readonly number[]): string;
  /** A float constant []. */
  float(value: number): string;
  /** Runs `make` the first time that `key` is asked for; afterwards gives what it gave. */
  once(key: string, make: () => string): string;
}

/**
 * `input_ids` [tokens]; `positions` int32 (export: int64) [tokens]; `last_position` and `total_tokens` int32 [1];
 * `num_logits_to_keep` int64 [], of `export` only.
 */
export type Feed = 'input_ids' | 'positions' | 'last_position' | 'total_tokens' | 'num_logits_to_keep';

const FEEDS = new WeakMap<Drawing, Set<Feed>>();

/** Which inputs were asked for so far. */
export function feeds(drawing: Drawing): ReadonlySet<Feed> {
  return FEEDS.get(drawing) ?? new Set();
}

/** Opens a drawing and declares its weights. */
export function openDrawing(architecture: Architecture, options: GraphOptions): Drawing {
  const { purpose = 'run', cache = 'growing', capacityTokens = architecture.contextTokens } = options;
  if (cache === 'static' && architecture.cacheKind !== 'static') {
    throw new RangeError(`${architecture.modelType} has attention that cannot write a static cache.`);
  }
  if (purpose === 'step' && cache !== 'static') throw new RangeError('A step needs a static cache.');
  const builder = new OnnxBuilder(architecture.modelType, options.floats);
  const made = new Map<string, string>();
  const asked = new Set<Feed>();
  const drawing: Drawing = {
    architecture,
    options,
    builder,
    isExport: purpose === 'export',
    capacityTokens,
    tableTokens: options.tableTokens ?? capacityTokens,
    ropes: [],
    tokens: purpose === 'step' ? 1 : 'tokens',
    once(key, make) {
      const name = made.get(key) ?? make();
      made.set(key, name);
      return name;
    },
    feed(name) {
      asked.add(name);
      return drawing.once(`feed ${name}`, () => declareFeed(drawing, name));
    },
    integers(values) {
      const key = `integers.${values.join('_')}`;
      return drawing.once(key, () => builder.constant(key, [values.length], BigInt64Array.from(values, BigInt)));
    },
    float(value) {
      const key = `float.${value}`;
      return drawing.once(key, () => builder.constant(key, [], Float32Array.of(value)));
    },
  };
  FEEDS.set(drawing, asked);
  declareWeights(drawing);
  return drawing;
}

function declareFeed(drawing: Drawing, name: Feed): string {
  const { builder, tokens } = drawing;
  if (!drawing.isExport) {
    return builder.input(name, 'int32', name === 'input_ids' || name === 'positions' ? [tokens] : [1]);
  }
  // transformers.js gives int64, and no lengths: these are counted from its mask of ones.
  const mask = () =>
    drawing.once('feed attention_mask', () =>
      builder.input('attention_mask', 'int64', ['batch_size', 'total_sequence_length']),
    );
  const flat = (input: string) => {
    builder.input(input, 'int64', ['batch_size', 'sequence_length']);
    return builder.node('Reshape', [input, drawing.integers([-1])], `${input}.flat`);
  };
  switch (name) {
    case 'input_ids':
      return flat('input_ids');
    case 'positions':
      return flat('position_ids');
    case 'num_logits_to_keep':
      return builder.input('num_logits_to_keep', 'int64', []);
    case 'last_position': {
      const ones = builder.node('Cast', [mask()], 'mask.int32', { to: 6 });
      const sum = builder.node('ReduceSum', [ones, drawing.integers([1])], 'mask.sum', { keepdims: 0 });
      const one = builder.constant('int32.one', [1], Int32Array.of(1));
      return builder.node('Sub', [sum, one], 'last_position');
    }
    case 'total_tokens': {
      const shape = builder.node('Shape', [mask()], 'mask.shape');
      const total = builder.node('Gather', [shape, drawing.integers([1])], 'mask.total', { axis: 0 });
      return builder.node('Cast', [total], 'total_tokens', { to: 6 });
    }
  }
}
