import { describe, expect, it } from 'vitest';
import { encode } from '../formats/codec.ts';
import { OnnxBuilder } from './onnx.ts';
import { inTurn, loadRuntime } from './runtime.ts';

describe('OnnxBuilder', () => {
  it('makes a model that onnxruntime reads: constants, named sizes, every kind of attribute', async () => {
    const builder = new OnnxBuilder('trial');
    builder.input('x', 'float32', ['rows', 3]);
    builder.constant('w', [2, 3], Float32Array.of(1, 2, 3, -1, -2, -3));
    builder.constant('index', [1], Int32Array.of(1));
    const product = builder.node('Gemm', ['x', 'w'], 'product', { transB: 1 });
    const leaky = builder.node('LeakyRelu', [product], 'leaky', { alpha: { float: 0.5 } });
    const turned = builder.node('Transpose', [leaky], 'turned', { perm: [1, 0] });
    builder.node('Gather', [turned, 'index'], 'y', { axis: 0 });
    builder.output('y', 'float32', [1, 'rows']);

    const { InferenceSession, Tensor } = await loadRuntime();
    const session = await inTurn(() => InferenceSession.create(builder.finish(), { executionProviders: ['wasm'] }));
    const x = new Tensor('float32', Float32Array.of(1, 0, 0, 0, -1, 1), [2, 3]);
    const { y } = await inTurn(() => session.run({ x }));
    expect(y?.dims).toEqual([1, 2]);
    expect(y?.data).toEqual(Float32Array.of(-0.5, -0.5));
    await session.release();
  });

  it('makes a model in half precision whose constants lie in another file', async () => {
    const builder = new OnnxBuilder('trial', 'float16');
    builder.input('x', 'float32', [1, 2]);
    builder.external('w', 'float32', [2, 2], { location: 'model.onnx_data', offset: 4096, length: 8 });
    builder.external('rows', 'uint8', [2], { location: 'model.onnx_data', offset: 0, length: 2 });
    builder.constant('most', [1], Float32Array.of(1e30));
    const product = builder.node('MatMul', ['x', 'w'], 'product');
    builder.node('Min', [product, 'most'], 'y');
    builder.output('y', 'float32', [1, 2]);
    builder.node('Identity', ['rows'], 'same');
    builder.output('same', 'uint8', [2]);

    const data = new Uint8Array(4096 + 8);
    data.set([7, 9]);
    data.set(encode(Float32Array.of(1, -2, 0.5, 4), 'F16'), 4096);
    const { InferenceSession, Tensor } = await loadRuntime();
    const session = await inTurn(() =>
      InferenceSession.create(builder.finish(), {
        executionProviders: ['wasm'],
        externalData: [{ path: 'model.onnx_data', data }],
      }),
    );
    const bits = (values: Float32Array) => new Uint16Array(encode(values, 'F16').buffer);
    const x = new Tensor('float16', bits(Float32Array.of(2, 3)), [1, 2]);
    const { y, same } = await inTurn(() => session.run({ x }));
    if (!y) throw new Error('no y');
    expect(y.type).toBe('float16');
    expect(new Uint16Array((y.data as Uint16Array).buffer)).toEqual(bits(Float32Array.of(3.5, 8)));
    expect(same?.data).toEqual(Uint8Array.of(7, 9));
    await session.release();
  });
});

describe('inTurn', () => {
  it('goes on after a failure and never overlaps', async () => {
    const events: string[] = [];
    const work = (name: string, fails: boolean) =>
      inTurn(async () => {
        events.push(`${name} begins`);
        await new Promise((resolve) => setTimeout(resolve, 5));
        events.push(`${name} ends`);
        if (fails) throw new Error(name);
        return name;
      });
    const results = await Promise.allSettled([work('a', false), work('b', true), work('c', false)]);
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(events).toEqual(['a begins', 'a ends', 'b begins', 'b ends', 'c begins', 'c ends']);
  });
});
