/** SurveyParts: what the changed part of a model is called, of names as models have them. */

import { describe, expect, it } from 'vitest';
import { placeOf } from '../recipe/unit.ts';
import { partOf } from './survey-parts.ts';
import type { SurveyFigures } from './surveying.ts';

const EXPERTS = Array.from({ length: 60 }, (_, e) =>
  ['gate_proj', 'up_proj', 'down_proj'].map((leaf) => `mlp.experts.${e}.${leaf}`),
).flat();
const LEAVES = ['self_attn.q_proj', 'self_attn.o_proj', 'input_layernorm', 'mlp.gate', 'mlp.shared_expert.up_proj'];
const TENSORS = [
  'model.embed_tokens.weight',
  ...[0, 1, 2].flatMap((layer) => [...LEAVES, ...EXPERTS].map((leaf) => `model.layers.${layer}.${leaf}.weight`)),
];

/** As much of a survey's figures as names make. */
function namesOnly(tensors: readonly string[]): SurveyFigures {
  const places = tensors.map(placeOf);
  const moduleNames = [...new Set(places.map(({ module }) => module))];
  const none = new Float64Array();
  return {
    base: 'base',
    models: ['a'],
    tensors,
    layers: Int32Array.from(places, ({ layer }) => layer ?? -1),
    modules: Int32Array.from(places, ({ module }) => moduleNames.indexOf(module)),
    moduleNames,
    shapes: new Int32Array(tensors.length),
    shapeNames: ['4'],
    dtypes: new Int32Array(tensors.length),
    dtypeNames: ['F32'],
    elements: none,
    baseRms: none,
    rmsChange: none,
    relativeChange: none,
    maxChange: none,
    unchangedShare: none,
    cosines: none,
    conflicts: none,
    conflictShare: none,
    totals: { rmsChange: [], relativeChange: [], unchangedShare: [], cosines: [], conflicts: [] },
  };
}

function words(pattern: RegExp): string | undefined {
  const changed = TENSORS.flatMap((name, t) => (pattern.test(name) ? [t] : []));
  return partOf(namesOnly(TENSORS), changed)?.words;
}

describe('a part', () => {
  it('is the experts, however many there are, and not all of the MLPs', () => {
    expect(words(/layers\.1\.mlp\.experts/)).toBe('the experts of layer 1');
    expect(words(/mlp\.experts\.\d+\.up_proj/)).toBe('experts.up_proj');
    expect(words(/mlp\./)).toBe('the MLPs');
    expect(words(/shared_expert\./)).toBe('shared_expert.up_proj');
  });

  it('names what of a module takes part beside whole others', () => {
    expect(words(/self_attn|mlp\.gate\./)).toBe('the attention weights and mlp.gate');
    expect(words(/self_attn|mlp\.experts/)).toBe('the attention weights and the experts');
    expect(words(/layers\.2\.|embed/)).toBe('layer 2 and model.embed_tokens');
  });
});
