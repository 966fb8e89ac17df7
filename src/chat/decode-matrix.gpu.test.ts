import { afterAll, describe, expect, it } from 'vitest';
import { bitsOf, dequantiseRows, type LiveForm, quantiseRows } from '../formats/block-quantised.ts';
import { DecodeMatrices, matrixKernelOf } from './decode-matrix.ts';
import type { MatrixKernel } from './matrix-kernels.ts';
import { uniform } from './sampling.ts';
import { testDevice } from './test/gpu-weights.ts';

interface Case {
  readonly inputs: number;
  readonly outputs: number;
  readonly form: LiveForm;
  readonly isTransposed: boolean;
  /** Elements by their number; default: evenly between -1 and 1. */
  readonly element?: (draw: number) => number;
  readonly hasBias: boolean;
}

const KERNELS: ReadonlySet<MatrixKernel> = new Set(['rows_f32', 'columns_f32', 'rows_q8', 'rows_q4'] as const);

/** Written where nothing is to be written. */
const UNTOUCHED = -77;

/** Lengths that end within four rows, within a workgroup, and at its end. */
const SIDES: readonly Omit<Case, 'hasBias'>[] = [
  ...[
    [4, 1],
    [8, 64],
    [36, 67],
    [100, 130],
    [1020, 5],
  ].map(([inputs = 0, outputs = 0]) => ({ inputs, outputs, form: 'f32' as const, isTransposed: false })),
  ...[
    [4, 4],
    [36, 68],
    [100, 132],
  ].map(([inputs = 0, outputs = 0]) => ({ inputs, outputs, form: 'f32' as const, isTransposed: true })),
  ...(['q8', 'q4', 'q8-transposed'] as const).flatMap((form) =>
    [
      [32, 1],
      [96, 67],
      [64, 130],
      [1024, 6],
    ].map(([inputs = 0, outputs = 0]) => ({ inputs, outputs, form, isTransposed: form.endsWith('transposed') })),
  ),
];

/** Zeros of both signs, subnormal numbers, and numbers whose products stay within float32. */
const EDGES = [0, -0, 1e-40, -3e-45, 1, -1, 2 ** 60, -(2 ** 61), 1e-20, -1e18, 3, 2 ** -126];
const edge = (draw: number) => EDGES[Math.floor(uniform(5, draw) * EDGES.length)] ?? 0;

describe('a matrix times a vector on the GPU', async () => {
  const device = await testDevice();
  const matrices = await DecodeMatrices.open(device, KERNELS);
  afterAll(() => {
    matrices.dispose();
    device.destroy();
  });

  const { STORAGE, COPY_SRC, COPY_DST, MAP_READ } = GPUBufferUsage;
  /** Longer than it has to be, as onnxruntime's are. */
  const bufferOf = (data: Float32Array | Uint8Array) => {
    const buffer = device.createBuffer({ size: data.byteLength + 64, usage: STORAGE | COPY_SRC | COPY_DST });
    device.queue.writeBuffer(buffer, 0, data.slice());
    return buffer;
  };

  const productOf = async (one: Case) => {
    const { inputs, outputs, form, isTransposed, element = (draw) => 2 * uniform(3, draw) - 1 } = one;
    let draw = 0;
    const drawn = (length: number) => Float32Array.from({ length }, () => element(draw++));
    const x = drawn(inputs);
    const bias = one.hasBias ? drawn(outputs) : null;
    // [outputs, inputs], but for float32 that is transposed.
    let values: Float32Array | Uint8Array = drawn(inputs * outputs);
    let scales: Float32Array | null = null;
    let weights = values;
    if (form !== 'f32') {
      const blocks = quantiseRows(values, inputs, bitsOf(form));
      weights = dequantiseRows(blocks, bitsOf(form));
      ({ values, scales } = blocks);
    }
    const at = (row: number, column: number) =>
      weights[form === 'f32' && isTransposed ? column * outputs + row : row * inputs + column] ?? Number.NaN;

    const kernel = matrixKernelOf({ inputs, outputs, isTransposed }, form);
    if (kernel === null) throw new Error('there is no kernel for it');
    const y = bufferOf(new Float32Array(outputs).fill(UNTOUCHED));
    device.queue.writeBuffer(y, outputs * 4, new Float32Array(16).fill(UNTOUCHED));
    const buffers = {
      x: bufferOf(x),
      values: bufferOf(values),
      scales: scales && bufferOf(scales),
      bias: bias && bufferOf(bias),
      y,
    };
    const { pipeline, groups, size } = matrices.dispatch(kernel, one, buffers);
    const staging = device.createBuffer({ size: y.size, usage: MAP_READ | COPY_DST });
    const encoder = device.createCommandEncoder({ label: 'test' });
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, groups[0]);
    if (typeof size === 'function' || 'buffer' in size) throw new Error('its size is fixed');
    pass.dispatchWorkgroups(...size);
    pass.end();
    encoder.copyBufferToBuffer(y, 0, staging, 0, y.size);
    device.queue.submit([encoder.finish()]);
    await staging.mapAsync(GPUMapMode.READ);
    const got = new Float32Array(staging.getMappedRange()).slice();
    for (const buffer of [...Object.values(buffers), staging]) buffer?.destroy();

    return Array.from({ length: outputs }, (_, row) => {
      let sum = bias?.[row] ?? 0;
      let magnitude = Math.abs(sum);
      for (let column = 0; column < inputs; column++) {
        const product = (x[column] ?? 0) * at(row, column);
        sum += product;
        magnitude += Math.abs(product);
      }
      return { got: got[row] ?? Number.NaN, sum, magnitude };
    }).concat([...got.slice(outputs)].map((value) => ({ got: value, sum: UNTOUCHED, magnitude: 0 })));
  };

  /** Rounded in float32 in any order, and what is subnormal perhaps taken for zero. */
  const expectRight = async (one: Case) => {
    const rows = await productOf(one);
    const [most, least] = [4 * Math.log2(one.inputs + 1) * 2 ** -24, (one.inputs + 1) * 2 ** -126];
    rows.forEach(({ got, sum, magnitude }, row) => {
      expect(Math.abs(got - sum), `row ${row}: ${got} for ${sum}`).toBeLessThanOrEqual(most * magnitude + least);
    });
    expect(rows).toHaveLength(one.outputs + 16);
  };

  for (const sides of SIDES) {
    const { inputs, outputs, form, isTransposed } = sides;
    const title = `${form} ${inputs} × ${outputs}${isTransposed ? ', transposed' : ''}`;
    it(title, () => expectRight({ ...sides, hasBias: false }));
    it(`${title}, with a bias`, () => expectRight({ ...sides, hasBias: true }));
  }

  it.each([
    ['f32', 'f32', false],
    ['f32, transposed', 'f32', true],
    ['q8', 'q8', false],
    ['q4', 'q4', false],
  ] as const)('%s of zeros, subnormal and large numbers', (_, form, isTransposed) =>
    expectRight({ inputs: 96, outputs: 68, form, isTransposed, hasBias: true, element: edge }),
  );

  it('gives exact sums where there is nothing to round', async () => {
    // Whole numbers that blocks hold as they are: the largest, 128 or 8 steps, decides a scale of one.
    for (const [form, half] of [
      ['q8', 128],
      ['q4', 8],
      ['f32', 128],
    ] as const) {
      const whole = (draw: number) => (draw % 32 === 0 ? -half : Math.floor(uniform(9, draw) * 2 * half) - half);
      const rows = await productOf({
        inputs: 64,
        outputs: 70,
        form,
        isTransposed: false,
        hasBias: false,
        element: whole,
      });
      expect(rows.map(({ got }) => got)).toEqual(rows.map(({ sum }) => sum));
    }
  });

  it.each([
    ['inputs that are no multiple of 4', { inputs: 37, outputs: 64, isTransposed: false }, 'f32'],
    ['transposed, outputs that are no multiple of 4', { inputs: 36, outputs: 67, isTransposed: true }, 'f32'],
    ['rows that are no whole blocks', { inputs: 48, outputs: 64, isTransposed: false }, 'q8'],
    ['a form of the other orientation', { inputs: 64, outputs: 64, isTransposed: false }, 'q4-transposed'],
    ['more outputs than can be dispatched', { inputs: 64, outputs: 2 ** 22, isTransposed: false }, 'q4'],
  ] as const)('has no kernel for %s', (_, sides, form) => {
    expect(matrixKernelOf(sides, form)).toBeNull();
  });
});
