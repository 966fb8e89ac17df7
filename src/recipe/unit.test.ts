import { describe, expect, it } from 'vitest';
import { placeOf, unitKey } from './unit.ts';

describe('places', () => {
  it('are read from the name', () => {
    expect(placeOf('model.layers.12.self_attn.q_proj.weight')).toEqual({
      layer: 12,
      module: 'self_attn',
      layerPath: 'model.layers.12',
    });
    expect(placeOf('layers.0.mlp.up.weight').layer).toBe(0);
    expect(placeOf('transformer.h.3.ln_1.weight')).toMatchObject({ layer: 3, module: 'ln_1' });
    expect(placeOf('lm_head.weight')).toEqual({ layer: null, module: 'lm_head', layerPath: null });
  });

  it('are no layers where a name only ends like one', () => {
    for (const name of ['model.branch.9.weight', 'patch.0.gate.weight', 'sublayers.1.x', 'path.1.weight']) {
      expect(placeOf(name).layer).toBeNull();
    }
  });

  it('give units their keys', () => {
    const name = 'model.layers.2.mlp.up_proj.weight';
    expect(unitKey(name, 'model')).toBe('*');
    expect(unitKey(name, 'layer')).toBe('model.layers.2');
    expect(unitKey(name, 'module')).toBe('model.layers.2.mlp');
    expect(unitKey(name, 'row')).toBe(name);
    expect(unitKey('model.norm.weight', 'layer')).toBe('model.norm.weight');
  });
});
