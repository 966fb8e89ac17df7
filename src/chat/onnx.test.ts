import { describe, expect, it } from 'vitest';
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
  }, 60_000);
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
