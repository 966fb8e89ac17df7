import type { Tensor } from 'onnxruntime-web';
import { describe, expect, it } from 'vitest';
import { describeArchitecture, linearsOf, requiredTensors } from './architecture.ts';
import { DECODE_MATRICES } from './step-matrices.ts';
import type { BoundBuffer } from './step-kernels.ts';
import type { RecordedDispatch, StepRecording } from './step-recording.ts';
import type { StepFacts } from './step-replacement.ts';
import { randomWeights, TINY_MODELS } from './test/tiny-models.ts';

/** Llama with biases everywhere, tied. */
const MODEL = TINY_MODELS.find(({ title }) => title.includes('all biases'));
if (!MODEL) throw new Error('no model');
const ARCHITECTURE = describeArchitecture(MODEL.config, randomWeights(MODEL, 1).keys());
const LINEARS = linearsOf(ARCHITECTURE);

const buffer = (size: number) => ({ size, destroy: () => undefined }) as unknown as GPUBuffer;

/** A device that compiles whatever it is given. */
function deviceOf(description: string): GPUDevice {
  return {
    adapterInfo: { vendor: 'someone', architecture: '', device: '', description },
    createShaderModule: () => ({}),
    createComputePipelineAsync: async () => ({ getBindGroupLayout: () => ({}) }),
    createBindGroup: (descriptor: unknown) => descriptor,
    createBuffer: ({ size }: { size: number }) => buffer(size),
    queue: { writeBuffer: () => undefined },
  } as unknown as GPUDevice;
}

const bind = (to: GPUBuffer, access: BoundBuffer['access']): BoundBuffer => ({
  buffer: to,
  offset: 0,
  size: undefined,
  access,
  type: 'array<vec4<f32>>',
});

/** A step as onnxruntime records it: each product after a dispatch that is none. */
function recordedStep(description = 'SwiftShader Device (Subzero)') {
  const buffers = new Map(
    requiredTensors(ARCHITECTURE).map(({ name, shape }) => [
      name,
      buffer(4 * shape.reduce((all, one) => all * one, 1)),
    ]),
  );
  const bufferOf = (name: string | null) => buffers.get(name ?? '') ?? buffer(0);
  const dispatch = (bindings: ReadonlyMap<string, BoundBuffer>): RecordedDispatch => ({
    pipeline: {} as GPUComputePipeline,
    groups: [],
    size: [1, 1, 1],
    kernel: { name: '', code: '', bindings },
  });
  const recorded = LINEARS.flatMap(({ weight, bias, inputs, outputs }) => {
    const product = new Map([
      ['a', bind(buffer(inputs * 4), 'read')],
      ['b', bind(bufferOf(weight), 'read')],
      ['output', bind(buffer(outputs * 4), 'read_write')],
      ['uniforms', bind(buffer(80), 'uniform')],
    ]);
    if (bias !== null) product.set('c', bind(bufferOf(bias), 'read'));
    // Reads a weight, as what gathers from an embedding does, and is no product.
    return [dispatch(new Map([['data', bind(bufferOf(weight), 'read')]])), dispatch(product)];
  });
  const tensors = [...buffers].map(([name, gpuBuffer]) => [name, { gpuBuffer } as unknown as Tensor]);
  const facts: StepFacts = {
    device: deviceOf(description),
    architecture: ARCHITECTURE,
    weights: Object.fromEntries(tensors),
    forms: new Map(),
    slot: {} as StepFacts['slot'],
    numbers: new Map(),
  };
  /** Changes what the n-th product binds by a name; null: nothing any more. */
  const change = (n: number, name: string, to: Partial<BoundBuffer> | null) => {
    const bindings = recorded[2 * n + 1]?.kernel?.bindings as Map<string, BoundBuffer>;
    if (to === null) bindings.delete(name);
    else bindings.set(name, { ...(bindings.get(name) ?? bind(buffer(16), 'read')), ...to });
  };
  const replace = () => DECODE_MATRICES.replace({ recorded } as unknown as StepRecording, facts);
  return { recorded, change, replace };
}

describe('products in a recorded step', () => {
  it('are exchanged one for one, in software', async () => {
    const replaced = await recordedStep().replace();
    expect(replaced?.replacements.map(({ first, count, dispatches }) => [first, count, dispatches.length])).toEqual(
      LINEARS.map((_, n) => [2 * n + 1, 1, 1]),
    );
    expect(LINEARS).toHaveLength(2 * 7 + 1);
  });

  it('stay on a GPU, and on a device that does not say what it is', async () => {
    expect(await recordedStep('NVIDIA GeForce').replace()).toBeNull();
    expect(await recordedStep('').replace()).toBeNull();
  });

  it.each<[string, (step: ReturnType<typeof recordedStep>) => void]>([
    ['is missing', ({ recorded }) => recorded.splice(5, 1)],
    ['is there twice', ({ recorded }) => recorded.push(...recorded.slice(5, 6))],
    ['is not known', ({ recorded }) => recorded.splice(5, 1, { ...recorded[4], kernel: null } as RecordedDispatch)],
    ['has another bias', ({ change }) => change(2, 'c', { buffer: buffer(4096) })],
    ['has no bias', ({ change }) => change(2, 'c', null)],
    ['binds something more', ({ change }) => change(2, 'skip', {})],
    ['writes its weight', ({ change }) => change(2, 'b', { access: 'read_write' })],
    ['reads a part of a buffer', ({ change }) => change(2, 'a', { offset: 256 })],
    ['binds a part of its weight', ({ change }) => change(2, 'b', { size: 64 })],
    ['has too few inputs', ({ change }) => change(2, 'a', { buffer: buffer(16) })],
    ['has too few outputs', ({ change }) => change(2, 'output', { buffer: buffer(16) })],
    ['calls its result otherwise', ({ change }) => change(2, 'output', null)],
  ])('stay, all of them, where one %s', async (_, spoil) => {
    const step = recordedStep();
    spoil(step);
    expect(await step.replace()).toBeNull();
  });
});
