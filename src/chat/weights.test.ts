import { describe, expect, it } from 'vitest';
import { BudgetFault, MismatchFault } from '../bytes/fault.ts';
import type { WeightInput } from './architecture.ts';
import type { LiveForm } from '../formats/block-quantised.ts';
import { type ChatWeights, checkWeights, type CpuWeights, formsOf, keepsCopy, MAX_CPU_ELEMENTS } from './weights.ts';

const REQUIRED: readonly WeightInput[] = [
  { name: 'a.weight', shape: [2, 3], role: 'linear' },
  { name: 'a.bias', shape: [2], role: 'vector' },
];
const cpu = (a: Float32Array, shape: readonly number[]): ChatWeights => ({
  kind: 'cpu',
  tensors: new Map([
    ['a.weight', { data: a, shape }],
    ['a.bias', { data: new Float32Array(2), shape: [2] }],
  ]),
});
/** Only the size of a buffer is looked at. */
const gpu = (bytes: number): ChatWeights => ({
  kind: 'gpu',
  device: {} as GPUDevice,
  tensors: new Map(
    REQUIRED.map(({ name, shape }) => [name, { buffer: { size: name === 'a.bias' ? 8 : bytes } as GPUBuffer, shape }]),
  ),
});

describe('checkWeights', () => {
  it('accepts exact data, and buffers that are exact or rounded up', () => {
    expect(() => checkWeights(cpu(new Float32Array(6), [2, 3]), REQUIRED)).not.toThrow();
    for (const bytes of [24, 32, 256]) expect(() => checkWeights(gpu(bytes), REQUIRED)).not.toThrow();
  });

  it('names the tensor that is missing, of another shape, or too short', () => {
    expect(() => checkWeights({ kind: 'cpu', tensors: new Map() }, REQUIRED)).toThrow(/^a\.weight is not among/);
    for (const shape of [[3, 2], [6], [2, 3, 1], []]) {
      expect(() => checkWeights(cpu(new Float32Array(6), shape), REQUIRED)).toThrow(/a\.weight has the shape/);
    }
    for (const length of [0, 5, 7]) {
      expect(() => checkWeights(cpu(new Float32Array(length), [2, 3]), REQUIRED)).toThrow(MismatchFault);
    }
    expect(() => checkWeights(gpu(20), REQUIRED)).toThrow(/a\.weight holds 5 numbers where its shape calls for 6/);
  });

  it('bounds what runs on the CPU, and says what to do', () => {
    const elements = MAX_CPU_ELEMENTS + 1;
    const data = { length: elements } as Float32Array;
    const tensors = new Map([['a', { data, shape: [elements] }]]);
    const required: WeightInput[] = [{ name: 'a', shape: [elements], role: 'vector' }];
    expect(() => checkWeights({ kind: 'cpu', tensors }, required)).toThrow(BudgetFault);
    expect(() => checkWeights({ kind: 'cpu', tensors }, required)).toThrow(/0\.6 billion.*up to 0\.5 billion/);
    const buffer = { size: elements * 4 } as GPUBuffer;
    const onGpu = new Map([['a', { buffer, shape: [elements] }]]);
    expect(() => checkWeights({ kind: 'gpu', device: {} as GPUDevice, tensors: onGpu }, required)).not.toThrow();
  });

  it('takes blocks with all their codes and scales, and only of matrices', () => {
    const matrix: WeightInput[] = [{ name: 'a', shape: [2, 64], role: 'linear' }];
    const blocks = (
      form: LiveForm,
      bytes: number,
      scales: number,
      shape: readonly number[] = [2, 64],
    ): ChatWeights => ({
      kind: 'gpu',
      device: {} as GPUDevice,
      tensors: new Map([
        ['a', { buffer: { size: bytes } as GPUBuffer, scales: { size: scales } as GPUBuffer, shape, form }],
      ]),
    });
    expect(() => checkWeights(blocks('q8', 128, 16), matrix)).not.toThrow();
    expect(() => checkWeights(blocks('q4', 64, 16), matrix)).not.toThrow();
    expect(() => checkWeights(blocks('q8', 124, 16), matrix)).toThrow(MismatchFault);
    expect(() => checkWeights(blocks('q8', 128, 12), matrix)).toThrow(/too few scales/);
    expect(() => checkWeights(blocks('q8-transposed', 128, 16), matrix)).toThrow(RangeError);
    const narrow: WeightInput[] = [{ name: 'a', shape: [2, 63], role: 'linear' }];
    expect(() => checkWeights(blocks('q8', 128, 16, [2, 63]), narrow)).toThrow(/cannot be held as q8/);
    const vector: WeightInput[] = [{ name: 'a', shape: [2, 64], role: 'vector' }];
    expect(() => checkWeights(blocks('q8', 128, 16), vector)).toThrow(RangeError);
    expect([...formsOf(blocks('q4', 64, 16))]).toEqual([['a', 'q4']]);
  });
});

describe('keepsCopy', () => {
  const sized = (elements: number): WeightInput[] => [{ name: 'a', shape: [elements], role: 'vector' }];
  const weights = (isFixed?: boolean): CpuWeights => ({
    kind: 'cpu',
    tensors: new Map(),
    ...(isFixed === undefined ? {} : { isFixed }),
  });

  it('copies what is large, unless it is told', () => {
    expect(keepsCopy(weights(), sized(1e6))).toBe(false);
    expect(keepsCopy(weights(), sized(1e7))).toBe(true);
    expect(keepsCopy(weights(true), sized(10))).toBe(true);
    expect(keepsCopy(weights(false), sized(1e7))).toBe(false);
  });
});
