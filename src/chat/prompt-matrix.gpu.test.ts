import { afterAll, describe, expect, it } from 'vitest';
import { bitsOf, dequantiseRows, type LiveForm, quantiseRows } from '../formats/block-quantised.ts';
import { matrixKernelOf } from './decode-matrix.ts';
import type { MatrixKernel } from './matrix-kernels.ts';
import { PromptMatrices } from './prompt-matrix.ts';
import { uniform } from './sampling.ts';
import { testDevice } from './test/gpu-weights.ts';

interface Case {
  readonly rows: number;
  readonly inputs: number;
  readonly outputs: number;
  readonly form: LiveForm;
  readonly isTransposed: boolean;
  readonly hasBias: boolean;
  /** Elements by their number; default: evenly between -1 and 1. */
  readonly element?: (draw: number) => number;
}

const KERNELS: ReadonlySet<MatrixKernel> = new Set(['rows_f32', 'columns_f32', 'rows_q8', 'rows_q4'] as const);

/** Written where nothing is to be written. */
const UNTOUCHED = -77;

/** Rows and outputs that end within a tile, at its end, and within a workgroup; rows, inputs, outputs. */
const SIZES = {
  f32: [
    [1, 4, 1],
    [2, 36, 8],
    [7, 8, 130],
    [8, 100, 64],
    [9, 20, 67],
    [33, 260, 129],
  ],
  'f32 transposed': [
    [3, 4, 4],
    [8, 36, 68],
    [9, 100, 132],
  ],
  blocks: [
    [2, 32, 1],
    [8, 96, 64],
    [9, 64, 67],
    [33, 160, 130],
  ],
} as const;

const CASES: readonly Omit<Case, 'hasBias'>[] = [
  ...SIZES.f32.map(([rows, inputs, outputs]) => ({ rows, inputs, outputs, form: 'f32' as const, isTransposed: false })),
  ...SIZES['f32 transposed'].map(([rows, inputs, outputs]) => ({
    rows,
    inputs,
    outputs,
    form: 'f32' as const,
    isTransposed: true,
  })),
  ...(['q8', 'q4', 'q8-transposed', 'q4-transposed'] as const).flatMap((form) =>
    SIZES.blocks.map(([rows, inputs, outputs]) => ({
      rows,
      inputs,
      outputs,
      form,
      isTransposed: form.endsWith('transposed'),
    })),
  ),
];

/** Zeros of both signs, subnormal numbers, and numbers whose products stay within float32. */
const EDGES = [0, -0, 1e-40, -3e-45, 1, -1, 2 ** 60, -(2 ** 61), 1e-20, -1e18, 3, 2 ** -126];
const edge = (draw: number) => EDGES[Math.floor(uniform(5, draw) * EDGES.length)] ?? 0;

describe('a matrix times many vectors on the GPU', async () => {
  const device = await testDevice();
  const errors: string[] = [];
  device.onuncapturederror = ({ error }) => errors.push(error.message);
  const matrices = await PromptMatrices.open(device, KERNELS);
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

  /** What it makes, and what it should, both [rows, outputs]; and how large the terms of each sum are together. */
  const productsOf = async (one: Case) => {
    const { rows, inputs, outputs, form, isTransposed, element = (draw) => 2 * uniform(3, draw) - 1 } = one;
    let draw = 0;
    const drawn = (length: number) => Float32Array.from({ length }, () => element(draw++));
    const x = drawn(rows * inputs);
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
    const kernel = matrixKernelOf({ inputs, outputs, isTransposed }, form);
    if (kernel === null) throw new Error('there is no kernel for it');
    const count = rows * outputs;
    const buffers = {
      x: bufferOf(x),
      values: bufferOf(values),
      scales: scales && bufferOf(scales),
      bias: bias && bufferOf(bias),
      y: bufferOf(new Float32Array(count).fill(UNTOUCHED)),
    };
    device.queue.writeBuffer(buffers.y, count * 4, new Float32Array(16).fill(UNTOUCHED));
    const { pipeline, groups, size } = matrices.dispatch(kernel, one, buffers, rows);
    const staging = device.createBuffer({ size: buffers.y.size, usage: MAP_READ | COPY_DST });
    const encoder = device.createCommandEncoder({ label: 'test' });
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, groups[0]);
    pass.dispatchWorkgroups(...size);
    pass.end();
    encoder.copyBufferToBuffer(buffers.y, 0, staging, 0, staging.size);
    device.queue.submit([encoder.finish()]);
    await staging.mapAsync(GPUMapMode.READ);
    const got = new Float32Array(staging.getMappedRange()).slice();
    for (const buffer of [...Object.values(buffers), staging]) buffer?.destroy();
    expect([...got.slice(count)]).toEqual(new Array(16).fill(UNTOUCHED));

    const sums = new Float64Array(count);
    const magnitudes = new Float64Array(count);
    for (let at = 0; at < count; at++) {
      const [row, output] = [Math.floor(at / outputs), at % outputs];
      let sum = bias?.[output] ?? 0;
      let magnitude = Math.abs(sum);
      for (let input = 0; input < inputs; input++) {
        const place = form === 'f32' && isTransposed ? input * outputs + output : output * inputs + input;
        const product = (x[row * inputs + input] ?? 0) * (weights[place] ?? Number.NaN);
        sum += product;
        magnitude += Math.abs(product);
      }
      sums[at] = sum;
      magnitudes[at] = magnitude;
    }
    return { got: got.subarray(0, count), sums, magnitudes };
  };

  /** Rounded in float32 in any order, and what is subnormal perhaps taken for zero. */
  const expectRight = async (one: Case) => {
    const { got, sums, magnitudes } = await productsOf(one);
    // A code times its scale is rounded before it is multiplied.
    const [most, least] = [(4 * Math.log2(one.inputs + 1) + 1) * 2 ** -24, (one.inputs + 1) * 2 ** -126];
    const wrong = [...got].flatMap((value, at) => {
      const error = Math.abs(value - (sums[at] ?? Number.NaN));
      return error <= most * (magnitudes[at] ?? 0) + least ? [] : [`${at}: ${value} for ${sums[at]}`];
    });
    expect(wrong).toEqual([]);
    expect(errors).toEqual([]);
  };

  for (const sides of CASES) {
    const { rows, inputs, outputs, form, isTransposed } = sides;
    const title = `${rows} of ${form} ${inputs} × ${outputs}${isTransposed ? ', transposed' : ''}`;
    it(title, () => expectRight({ ...sides, hasBias: false }));
    it(`${title}, with a bias`, () => expectRight({ ...sides, hasBias: true }));
  }

  it.each([
    ['f32', 'f32', false],
    ['f32, transposed', 'f32', true],
    ['q8', 'q8', false],
    ['q4', 'q4', false],
  ] as const)('%s of zeros, subnormal and large numbers', (_, form, isTransposed) =>
    expectRight({ rows: 5, inputs: 96, outputs: 68, form, isTransposed, hasBias: true, element: edge }),
  );

  it('gives exact sums where there is nothing to round', async () => {
    // Whole numbers that blocks hold as they are: the largest, 128 or 8 steps, decides a scale of one.
    for (const [form, half] of [
      ['q8', 128],
      ['q4', 8],
      ['f32', 128],
    ] as const) {
      const whole = (draw: number) => (draw % 32 === 0 ? -half : Math.floor(uniform(9, draw) * 2 * half) - half);
      const sides = { rows: 11, inputs: 64, outputs: 70, isTransposed: false, hasBias: false };
      const { got, sums } = await productsOf({ ...sides, form, element: whole });
      expect([...got]).toEqual([...sums]);
    }
  });

  it('makes the same of a row whatever stands beside it', async () => {
    const sides = { inputs: 96, outputs: 70, form: 'f32' as const, isTransposed: false, hasBias: false };
    // The same row again and again; the same matrix behind it.
    const rowsOf = async (rows: number) => {
      const element = (draw: number) => 2 * uniform(3, draw < rows * 96 ? draw % 96 : 96 + draw - rows * 96) - 1;
      return (await productsOf({ ...sides, rows, element })).got;
    };
    const [one, many] = [await rowsOf(1), await rowsOf(13)];
    for (let row = 0; row < 13; row++) expect(many.subarray(row * 70, row * 70 + 70)).toEqual(one);
  });
});
