import type { Tensor } from 'onnxruntime-web';
import { describe, expect, it } from 'vitest';
import { describeArchitecture, linearsOf, requiredTensors } from './architecture.ts';
import { PromptProducts } from './prompt-products.ts';
import type { BoundBuffer, BoundKernel } from './step-kernels.ts';
import { randomWeights, TINY_MODELS } from './test/tiny-models.ts';

/** Llama with biases everywhere, tied. */
const MODEL = TINY_MODELS.find(({ title }) => title.includes('all biases'));
if (!MODEL) throw new Error('no model');
const ARCHITECTURE = describeArchitecture(MODEL.config, randomWeights(MODEL, 1).keys());
const LINEARS = linearsOf(ARCHITECTURE);
const TOKENS = 37;

const buffer = (size: number) => ({ size, destroy: () => undefined }) as unknown as GPUBuffer;

/** A device that compiles whatever it is given. */
function deviceOf(description: string): GPUDevice {
  return {
    adapterInfo: { vendor: 'someone', architecture: '', device: '', description },
    createShaderModule: () => ({}),
    createComputePipelineAsync: async ({ compute }: GPUComputePipelineDescriptor) => ({
      label: compute.entryPoint,
      getBindGroupLayout: () => ({}),
    }),
    createBindGroup: (descriptor: unknown) => descriptor,
    createBuffer: ({ size }: { size: number }) => buffer(size),
    queue: { writeBuffer: () => undefined },
  } as unknown as GPUDevice;
}

const bind = (to: GPUBuffer, access: BoundBuffer['access'], type = 'array<vec4<f32>>'): BoundBuffer => ({
  buffer: to,
  offset: 0,
  size: undefined,
  access,
  type,
});

/** The products of a run as onnxruntime dispatches them. */
async function runOf(logits: 'last' | 'all' = 'last', description = 'SwiftShader Device (Subzero)') {
  const buffers = new Map(
    requiredTensors(ARCHITECTURE).map(({ name, shape }) => [
      name,
      buffer(4 * shape.reduce((all, one) => all * one, 1)),
    ]),
  );
  const bufferOf = (name: string | null) => buffers.get(name ?? '') ?? buffer(0);
  const kernels = LINEARS.map(({ weight, bias, inputs, outputs }) => {
    const bindings = new Map([
      ['a', bind(buffer(TOKENS * inputs * 4), 'read')],
      ['b', bind(bufferOf(weight), 'read')],
      ['output', bind(buffer(TOKENS * outputs * 4), 'read_write')],
      ['uniforms', bind(buffer(80), 'uniform', 'Uniforms')],
    ]);
    if (bias !== null) bindings.set('c', bind(bufferOf(bias), 'read'));
    return { name: 'Gemm', code: '', bindings };
  });
  const tensors = [...buffers].map(([name, gpuBuffer]) => [name, { gpuBuffer } as unknown as Tensor]);
  const weights = Object.fromEntries(tensors);
  const facts = { device: deviceOf(description), architecture: ARCHITECTURE, weights, forms: new Map(), logits };
  return { kernels, products: await PromptProducts.open(facts) };
}

describe('products in a run over a piece of text', () => {
  it.each(['last', 'all'] as const)('are exchanged one for one, in software, for the logits of %s', async (logits) => {
    const { kernels, products } = await runOf(logits);
    const during = products?.during(TOKENS);
    const own = kernels.map((kernel) => during?.exchange(kernel));
    expect(own.every((dispatches) => dispatches?.length === 1)).toBe(true);
    expect(during?.isComplete()).toBe(true);
    // The last one is the output matrix; a row of outputs stands for eight tokens, or for one.
    expect(own.at(-1)?.[0]?.size[1]).toBe(logits === 'all' ? Math.ceil(TOKENS / 8) : 1);
    expect(own[0]?.[0]?.size[1]).toBe(Math.ceil(TOKENS / 8));
  });

  it('stay on a GPU, and on a device that does not say what it is', async () => {
    expect((await runOf('last', 'NVIDIA GeForce')).products).toBeNull();
    expect((await runOf('last', '')).products).toBeNull();
  });

  it('leave what gathers from a weight', async () => {
    const { kernels, products } = await runOf();
    const embedding = kernels.at(-1)?.bindings.get('b');
    if (!embedding) throw new Error('no head');
    const gather: BoundKernel = { name: 'Gather', code: '', bindings: new Map([['data', embedding]]) };
    expect(products?.during(TOKENS).exchange(gather)).toBeNull();
  });

  it.each<[string, (bindings: Map<string, BoundBuffer>) => unknown]>([
    ['is missing', (bindings) => bindings.delete('b')],
    ['has another bias', (bindings) => bindings.set('c', bind(buffer(4096), 'read'))],
    ['has no bias', (bindings) => bindings.delete('c')],
    ['binds something more', (bindings) => bindings.set('skip', bind(buffer(4096), 'read'))],
    [
      'adds to its result',
      (bindings) => bindings.set('output', bind(buffer(2 ** 20), 'read_write', 'array<atomic<i32>>')),
    ],
    ['reads a part of a buffer', (bindings) => bindings.set('a', { ...bind(buffer(2 ** 20), 'read'), offset: 256 })],
    [
      'has too few rows',
      (bindings) => bindings.set('a', bind(buffer((TOKENS - 1) * (LINEARS[2]?.inputs ?? 0) * 4), 'read')),
    ],
  ])('make a run of no use where one %s', async (_, spoil) => {
    const { kernels, products } = await runOf();
    spoil(kernels[2]?.bindings ?? new Map());
    const during = products?.during(TOKENS);
    for (const kernel of kernels) during?.exchange(kernel);
    expect(during?.isComplete()).toBe(false);
  });

  it('make a run of no use where one is there twice', async () => {
    const { kernels, products } = await runOf();
    const during = products?.during(TOKENS);
    for (const kernel of [...kernels, ...kernels.slice(0, 1)]) during?.exchange(kernel);
    expect(during?.isComplete()).toBe(false);
  });
});
