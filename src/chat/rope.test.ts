import { describe, expect, it } from 'vitest';
import { readRope, ropeTables } from './rope.ts';
import { ropeFrequencies } from './test/forward.ts';

describe('ropeTables', () => {
  it.each([
    { rope_theta: 10_000 },
    { rope_parameters: { rope_theta: 1e6, rope_type: 'default' } },
    { rope_scaling: { type: 'linear', factor: 4 } },
    // Llama 3.1's own numbers; its lowest frequencies are scaled, its highest kept, some lie between.
    {
      rope_theta: 500_000,
      rope_scaling: {
        rope_type: 'llama3',
        factor: 8,
        low_freq_factor: 1,
        high_freq_factor: 4,
        original_max_position_embeddings: 8192,
      },
    },
  ])('agrees with the oracle: %j', (config) => {
    const [headSize, positions] = [128, 300];
    const { cos, sin } = ropeTables(readRope(config), headSize, positions);
    expect(cos).toHaveLength(positions * 64);
    ropeFrequencies(config, headSize).forEach((frequency, pair) => {
      for (const position of [0, 1, 17, 299]) {
        expect(cos[position * 64 + pair]).toBeCloseTo(Math.cos(position * frequency), 6);
        expect(sin[position * 64 + pair]).toBeCloseTo(Math.sin(position * frequency), 6);
      }
    });
  });
});
