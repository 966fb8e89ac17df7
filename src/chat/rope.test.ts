import { describe, expect, it } from 'vitest';
import { UnsupportedFault } from '../bytes/fault.ts';
import { type RopeDefaults, readRope, ropeTables, switchTokens } from './rope.ts';
import { ropeFrequencies } from './test/forward.ts';

const DEFAULTS: RopeDefaults = {
  headSize: 128,
  contextTokens: 8192,
  theta: 10_000,
  thetaKey: 'rope_theta',
  partial: null,
  originalContextTokens: null,
  aliases: {},
  isInterleaved: false,
};
const read = (config: Record<string, unknown>, changes: Partial<RopeDefaults> = {}) =>
  readRope(config, { ...DEFAULTS, ...changes });
const pairs = (count: number, step: number) => Array.from({ length: count }, (_, i) => 1 + i * step);

describe('ropeTables', () => {
  it.each<Record<string, unknown>>([
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
    { rope_scaling: { rope_type: 'yarn', factor: 4, original_max_position_embeddings: 2048 } },
    {
      rope_scaling: { type: 'yarn', factor: 8, original_max_position_embeddings: 512, beta_fast: 16, truncate: false },
    },
    { rope_scaling: { type: 'dynamic', factor: 2 } },
  ])('agrees with the oracle: %j', (config) => {
    const rope = read(config);
    const positions = 300;
    const { cos, sin } = ropeTables(rope, positions);
    expect(cos).toHaveLength(positions * 64);
    ropeFrequencies(config, 128).forEach((frequency, pair) => {
      for (const position of [0, 1, 17, 299]) {
        expect(cos[position * 64 + pair]).toBeCloseTo(Math.cos(position * frequency) * rope.amplitude, 5);
        expect(sin[position * 64 + pair]).toBeCloseTo(Math.sin(position * frequency) * rope.amplitude, 5);
      }
    });
  });

  it('has other frequencies for texts beyond the original context, where a model has such', () => {
    const [short, long] = [pairs(32, 0.1), pairs(32, 0.5)];
    const scaling = { type: 'su', short_factor: short, long_factor: long };
    const config = { rope_scaling: scaling, original_max_position_embeddings: 4096, max_position_embeddings: 131_072 };
    const rope = read(config, {
      contextTokens: 131_072,
      partial: { key: 'partial_rotary_factor', share: 0.5 },
      aliases: { su: 'longrope' },
    });
    expect(switchTokens(rope)).toBe(4096);
    expect(rope.dimensions).toBe(64);
    expect(rope.amplitude).toBeCloseTo(Math.sqrt(1 + Math.log(32) / Math.log(4096)), 12);
    [short, long].forEach((factors, isLong) => {
      const { cos } = ropeTables(rope, 3, isLong === 1);
      factors.forEach((factor, pair) => {
        const angle = 2 / (factor * 10_000 ** (pair / 32));
        expect(cos[2 * 32 + pair]).toBeCloseTo(Math.cos(angle) * rope.amplitude, 5);
      });
    });
  });
});

describe('readRope', () => {
  it('raises amplitudes as YaRN proposes, or as the config says', () => {
    const yarn = { rope_type: 'yarn', factor: 4, original_max_position_embeddings: 2048 };
    expect(read({ rope_scaling: yarn }).amplitude).toBeCloseTo(0.1 * Math.log(4) + 1, 12);
    expect(read({ rope_scaling: { ...yarn, attention_factor: 1.5 } }).amplitude).toBe(1.5);
    const deepseek = { ...yarn, mscale: 1, mscale_all_dim: 0.5 };
    const growth = (scale: number) => 0.1 * scale * Math.log(4) + 1;
    expect(read({ rope_scaling: deepseek }).amplitude).toBeCloseTo(growth(1) / growth(0.5), 12);
  });

  it('prefers an older rope_scaling to rope_parameters, and either’s theta to the config’s', () => {
    expect(read({ rope_theta: 3 }).theta).toBe(3);
    expect(read({ rope_theta: 3, rope_parameters: { rope_theta: 7 } }).theta).toBe(7);
    expect(read({ rope_scaling: { type: 'linear', factor: 2 }, rope_parameters: { factor: 9 } }).scaling).toEqual({
      kind: 'linear',
      factor: 2,
    });
    expect(read({ rope_scaling: {}, rope_parameters: { rope_type: 'linear', factor: 9 } }).scaling).toEqual({
      kind: 'linear',
      factor: 9,
    });
  });

  it.each<[string, Record<string, unknown>, RegExp]>([
    ['an unknown kind', { rope_scaling: { type: 'mrope' } }, /"mrope"/],
    ['a prototype’s name as kind', { rope_scaling: { type: 'constructor' } }, /"constructor"/],
    ['ropes by kind of layer', { rope_parameters: { full_attention: { rope_theta: 1 } } }, /full_attention/],
    ['a theta of zero', { rope_theta: 0 }, /rope_theta/],
    ['a theta beyond any number', { rope_theta: 1e300 }, /rope_theta/],
    ['a factor as text', { rope_scaling: { type: 'linear', factor: '2' } }, /factor/],
    ['llama3 without its factors', { rope_scaling: { rope_type: 'llama3', factor: 8 } }, /low_freq_factor/],
    ['yarn over a base of 1', { rope_theta: 1, rope_scaling: { type: 'yarn', factor: 2 } }, /rope_theta/],
    ['too few longrope factors', { rope_scaling: { type: 'longrope', short_factor: [1], long_factor: [1] } }, /64/],
    ['a part where whole heads are rotated', { partial_rotary_factor: 0.5 }, /partial_rotary_factor/],
  ])('refuses %s', (_, config, reason) => {
    expect(() => read(config)).toThrow(UnsupportedFault);
    expect(() => read(config)).toThrow(reason);
  });

  it('refuses a part of a head that does not form pairs', () => {
    const partial = { key: 'rotary_pct', share: 0.25 };
    expect(read({}, { partial, headSize: 40 }).dimensions).toBe(10);
    expect(() => read({}, { partial, headSize: 12 })).toThrow(/3 elements/);
    expect(() => read({ rotary_pct: 1.5 }, { partial })).toThrow(/rotary|partial/);
  });
});
