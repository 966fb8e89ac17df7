/** GraphNorm: root-mean-square and layer normalisation as nodes: of the residual stream, and of queries and keys. */

import type { HeadNorm, Norm } from './architecture.ts';
import type { Drawing } from './graph-drawing.ts';

/** x [..., size] normalised over its last axis; x itself where there is no norm. */
export function normed(drawing: Drawing, x: string, norm: Norm | null, output: string): string {
  if (norm === null) return x;
  const { builder } = drawing;
  const weight = normWeight(drawing, norm);
  if (norm.kind === 'layer') {
    return builder.node('LayerNormalization', [x, weight, ...(norm.bias === null ? [] : [norm.bias])], output, {
      axis: -1,
      epsilon: { float: norm.epsilon },
    });
  }
  return builder.node('SimplifiedLayerNormalization', [x, weight], output, {
    axis: -1,
    epsilon: { float: norm.epsilon },
    stash_type: 1,
  });
}

/** What a norm multiplies with, [size]: its weight, or weight + 1, or ones. */
export function normWeight(drawing: Drawing, norm: Norm): string {
  const { builder } = drawing;
  const { weight } = norm;
  if (weight === null) return ones(drawing, norm.size);
  if (norm.offset === 0) return weight;
  return drawing.once(`${weight} plus one`, () =>
    builder.node('Add', [weight, drawing.float(norm.offset)], `${weight}.plus_one`),
  );
}

/** Queries or keys x [tokens, heads x headSize], normalised as their norm says. */
export function headNormed(drawing: Drawing, x: string, facts: HeadNorm | null, heads: number, output: string): string {
  if (facts === null) return x;
  if (facts.over === 'width') return normed(drawing, x, facts.norm, output);
  const { builder, architecture } = drawing;
  const { headSize } = architecture;
  const apart = builder.node('Reshape', [x, drawing.integers([-1, heads, headSize])], `${output}.apart`);
  let result: string;
  if (facts.over === 'head') result = normed(drawing, apart, facts.norm, `${output}.heads`);
  else {
    const plain = builder.node('LayerNormalization', [apart, ones(drawing, headSize)], `${output}.plain`, {
      axis: -1,
      epsilon: { float: facts.epsilon },
    });
    const weights = builder.node('Concat', facts.weights, `${output}.weights`, { axis: 0 });
    const byHead = builder.node('Reshape', [weights, drawing.integers([heads, headSize])], `${output}.weights.heads`);
    result = builder.node('Mul', [plain, byHead], `${output}.heads`);
  }
  return builder.node('Reshape', [result, drawing.integers([-1, heads * headSize])], output);
}

function ones(drawing: Drawing, size: number): string {
  return drawing.once(`ones.${size}`, () =>
    drawing.builder.constant(`ones.${size}`, [size], new Float32Array(size).fill(1)),
  );
}
