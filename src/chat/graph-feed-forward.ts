/** GraphFeedForward: the feed-forward layer of a block as nodes: plain, or gated by a second matrix (GLU, arXiv 2002.05202). */

import type { Activation, FeedForward } from './architecture.ts';
import type { Drawing } from './graph-drawing.ts';
import { linear } from './graph-weights.ts';

/** x [tokens, hiddenSize] to the same shape. */
export function feedForward(drawing: Drawing, x: string, facts: FeedForward, name: string): string {
  const { builder } = drawing;
  if (facts.kind === 'plain') {
    const up = linear(drawing, x, facts.up, `${name}.up`);
    return linear(drawing, activated(drawing, up, facts.activation), facts.down, `${name}.down`);
  }
  let [gate, up] = [`${name}.gate`, `${name}.up`];
  if (facts.kind === 'packed') {
    const both = linear(drawing, x, facts.gateUp, `${name}.gate_up`);
    const half = facts.gateUp.outputs / 2;
    builder.node('Split', [both, drawing.integers([half, half])], [gate, up], { axis: 1 });
  } else {
    gate = linear(drawing, x, facts.gate, gate);
    up = linear(drawing, x, facts.up, up);
  }
  const gated = builder.node('Mul', [activated(drawing, gate, facts.activation), up], `${name}.gated`);
  return linear(drawing, gated, facts.down, `${name}.down`);
}

function activated(drawing: Drawing, x: string, activation: Activation): string {
  const { builder } = drawing;
  const output = `${x}.activated`;
  switch (activation) {
    case 'silu':
      return builder.node('Mul', [x, builder.node('Sigmoid', [x], `${x}.sigmoid`)], output);
    case 'gelu':
      return builder.node('Gelu', [x], output, { approximate: 'none' });
    case 'gelu-tanh':
      return builder.node('Gelu', [x], output, { approximate: 'tanh' });
    case 'gelu-sigmoid':
      return builder.node('com.microsoft.QuickGelu', [x], output, { alpha: { float: 1.702 } });
    case 'relu':
      return builder.node('Relu', [x], output);
    case 'relu-squared': {
      const positive = builder.node('Relu', [x], `${x}.positive`);
      return builder.node('Mul', [positive, positive], output);
    }
  }
}
