/**
 * Graph: an Architecture as an ONNX graph for onnxruntime, with the weights as inputs (or, for a fixed CPU model, as
 * constants) and no weights of its own. Not the session that runs it.
 *
 * Inputs of `run` and `step`: `input_ids` int32 [tokens]; `last_position` int32 [1] = cached + new - 1; `total_tokens`
 * int32 [1] = cached + new; `positions` int32 [tokens] where `Graph.takesPositions`; `past_key_values.N.key|value` f32
 * [1, keyValueHeads, cached or capacityTokens, headSize]; the weights of `graphInputs`.
 * With `tables: 'inputs'` the `RopeInput`s too.
 * Outputs: `logits` f32 [tokens or 1, vocabularySize]; `present.N.key|value` f32 [1, keyValueHeads, total or
 * capacityTokens, headSize].
 *
 * Inputs of `export`: `input_ids` and `attention_mask` int64 [batch, tokens], `position_ids` int64 where positions are
 * read, `num_logits_to_keep` int64 [] (0: all). The batch is 1: more than one text is refused when it is run.
 */

import type { LiveForm } from '../formats/block-quantised.ts';
import type { Architecture, Block } from './architecture.ts';
import { attention } from './graph-attention.ts';
import { type Drawing, feeds, openDrawing, type RopeInput } from './graph-drawing.ts';
import { feedForward } from './graph-feed-forward.ts';
import { normed } from './graph-norm.ts';
import { embedded, linear } from './graph-weights.ts';
import type { ExternalData, FloatType } from './onnx.ts';

export type { RopeInput } from './graph-drawing.ts';
export { type GraphInput, graphInputs } from './graph-weights.ts';

/** What a graph shall be like. */
export interface GraphOptions {
  /** Logits of the last new token only (generation), or of all (perplexity). */
  readonly logits: 'last' | 'all';
  /** How each matrix is held, by tensor name; absent means f32. */
  readonly forms?: ReadonlyMap<string, LiveForm>;
  /** Weights to build in, by the names of `graphInputs`; null makes them inputs, so that an edit shows in the next run. */
  readonly constants: ReadonlyMap<string, Float32Array | Uint8Array> | null;
  /** Weights that lie in another file, by the names of `graphInputs`. */
  readonly externals?: ReadonlyMap<string, ExternalData>;
  /** Most tokens of a text: what rope tables cover and a static cache holds. Default: the architecture's `contextTokens`. */
  readonly capacityTokens?: number;
  /**
   * `run` (default): any number of new tokens. `step`: exactly one, fit for graph capture: every input on the GPU and
   * int32, fixed shapes, `static` cache. `export`: the names and types that transformers.js feeds.
   */
  readonly purpose?: 'run' | 'step' | 'export';
  /**
   * `growing` (default): past and present have as many rows as there are tokens. `static`: both have the same rows (`step`:
   * `capacityTokens`; else any number that holds the text) and shall be one buffer, written in place; only where the
   * architecture's `cacheKind` is `static`.
   */
  readonly cache?: 'growing' | 'static';
  /**
   * Whether cosines and sines are built in (default) or inputs (`Graph.ropes`): onnxruntime keeps what is built in on the
   * GPU for as long as any session is open there. Not for `export`.
   */
  readonly tables?: 'constants' | 'inputs';
  /** Positions that the tables cover, at least `capacityTokens`; default: that. */
  readonly tableTokens?: number;
  /** What the graph computes in. Default: float32. */
  readonly floats?: FloatType;
}

/** A finished graph. */
export interface Graph {
  /** A ModelProto. */
  readonly model: Uint8Array<ArrayBuffer>;
  /**
   * True where `positions` is an input: where each new token stands, from 0. Where the architecture has
   * `ropeSwitchTokens` and the whole text, with all that this call is going to run, is longer than that, each position
   * is given plus `tableTokens`: the second half of the tables holds the other rotation.
   */
  readonly takesPositions: boolean;
  /** The tables that are inputs: exactly those that it reads. */
  readonly ropes: readonly RopeInput[];
}

/**
 * Builds the graph. Pure; tables of positions that are built in make it about `tableTokens` x `headSize` x 4 bytes large.
 * @throws RangeError where a static cache or a step is asked of an architecture that cannot have it.
 */
export function buildGraph(architecture: Architecture, options: GraphOptions): Graph {
  const drawing = openDrawing(architecture, options);
  const { builder, isExport, tokens } = drawing;

  let hidden = embedded(drawing);
  architecture.blocks.forEach((facts, layer) => {
    hidden = block(drawing, hidden, facts, layer);
  });
  if (isExport) {
    // The last n rows: from -n on, and -0 is the first row.
    const start = builder.node('Neg', [drawing.feed('num_logits_to_keep')], 'logits.start');
    const flat = builder.node('Reshape', [start, drawing.integers([1])], 'logits.start.flat');
    const ends = [drawing.integers([2 ** 31 - 1]), drawing.integers([0])];
    hidden = builder.node('Slice', [hidden, flat, ...ends], 'logits.kept');
  } else if (options.logits === 'last' && tokens !== 1) {
    const [start, end, axis] = [-1, 2 ** 31 - 1, 0].map((value) => drawing.integers([value]));
    hidden = builder.node('Slice', [hidden, start ?? '', end ?? '', axis ?? ''], 'logits.last');
  }
  logits(drawing, normed(drawing, hidden, architecture.finalNorm, 'final'));
  const rows = isExport ? ['batch_size', 'kept'] : [options.logits === 'last' ? 1 : tokens];
  builder.output('logits', 'float32', [...rows, architecture.vocabularySize]);
  const takesPositions = feeds(drawing).has('positions');
  return { model: builder.finish(), takesPositions, ropes: drawing.ropes };
}

/** One layer around the residual stream x [tokens, hiddenSize]. */
function block(drawing: Drawing, x: string, facts: Block, layer: number): string {
  const name = `block.${layer}`;
  const { builder } = drawing;
  const scaled = (value: string) =>
    facts.residualScale === 1
      ? value
      : builder.node('Mul', [value, drawing.float(facts.residualScale)], `${value}.scaled`);

  const read = normed(drawing, x, facts.attentionNorm, `${name}.attention.read`);
  const mixed = attention(drawing, read, facts.attention, layer);
  const attended = scaled(normed(drawing, mixed, facts.attentionOutputNorm, `${name}.attention.said`));
  if (facts.isParallel) {
    const other =
      facts.feedForwardNorm === null ? read : normed(drawing, x, facts.feedForwardNorm, `${name}.feed.read`);
    const fed = feedForward(drawing, other, facts.feedForward, `${name}.feed`);
    const said = scaled(normed(drawing, fed, facts.feedForwardOutputNorm, `${name}.feed.said`));
    const both = builder.node('Add', [attended, said], `${name}.both`);
    return builder.node('Add', [x, both], `${name}.stream`);
  }
  const added = builder.node('Add', [x, attended], `${name}.attention.stream`);
  const stream = normed(drawing, added, facts.attentionStreamNorm, `${name}.attention.normed`);
  const next = normed(drawing, stream, facts.feedForwardNorm, `${name}.feed.read`);
  const fed = feedForward(drawing, next, facts.feedForward, `${name}.feed`);
  const said = scaled(normed(drawing, fed, facts.feedForwardOutputNorm, `${name}.feed.said`));
  const sum = builder.node('Add', [stream, said], `${name}.stream`);
  return normed(drawing, sum, facts.feedForwardStreamNorm, `${name}.normed`);
}

/** The output matrix, its factor and its cap; the last node computes, as graph capture needs it. */
function logits(drawing: Drawing, x: string): void {
  const { builder, architecture, isExport } = drawing;
  const { scale, softCap, linear: matrix } = architecture.head;
  const end = isExport ? 'logits.flat' : 'logits';
  const steps: ((value: string, output: string) => string)[] = [
    (value, output) => linear(drawing, value, matrix, output),
  ];
  const times = (factor: number) => (value: string, output: string) =>
    builder.node('Mul', [value, drawing.float(factor)], output);
  if (softCap !== null) {
    steps.push(times(scale / softCap), (value, output) => builder.node('Tanh', [value], output), times(softCap));
  } else if (scale !== 1) steps.push(times(scale));
  const value = steps.reduce(
    (previous, step, index) => step(previous, index === steps.length - 1 ? end : `logits.${index}`),
    x,
  );
  if (isExport) builder.node('Reshape', [value, drawing.integers([1, -1, architecture.vocabularySize])], 'logits');
}
