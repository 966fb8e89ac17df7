import { describe, expect, it } from 'vitest';
import { BudgetFault, MismatchFault } from '../bytes/fault.ts';
import { type ChatWeights, checkWeights, MAX_FIXED_BYTES } from './weights.ts';

const REQUIRED = [
  { name: 'a.weight', shape: [2, 3] },
  { name: 'a.bias', shape: [2] },
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

  it('bounds what is copied into a graph', () => {
    const elements = MAX_FIXED_BYTES / 4;
    const data = { length: elements + 1 } as Float32Array;
    const tensors = new Map([['a', { data, shape: [elements + 1] }]]);
    const required = [{ name: 'a', shape: [elements + 1] }];
    expect(() => checkWeights({ kind: 'cpu', tensors, isFixed: true }, required)).toThrow(BudgetFault);
    expect(() => checkWeights({ kind: 'cpu', tensors }, required)).not.toThrow();
  });
});
