/**
 * GraphWeights: the weights of a graph, as inputs, as constants or in another file, and the operators that read them in
 * the form in which each is held: gathering rows and multiplying. Layouts are those of `formats/block-quantised.ts`.
 */

import { type BlockForm, BLOCK, bitsOf, heldMatrix, isTransposed, type LiveForm } from '../formats/block-quantised.ts';
import { type Architecture, type Linear, requiredTensors } from './architecture.ts';
import type { Drawing } from './graph-drawing.ts';

/** A weight of a graph: which part of which tensor to bind under which name and shape. */
export interface GraphInput {
  /** The input's name. */
  readonly name: string;
  /** The checkpoint's tensor. Several inputs may share it: a tied embedding in blocks is read in two shapes. */
  readonly tensor: string;
  /** `values`: the tensor's buffer (f32, or the codes of blocks); `scales`: the f32 scales beside it. */
  readonly part: 'values' | 'scales';
  readonly type: 'float32' | 'uint8';
  readonly shape: readonly number[];
}

/**
 * What to bind for the weights, for matrices held as `forms` says: exactly what the graph reads.
 * @param isExport whether the graph is drawn for `export`, which reads an embedding in blocks in one shape only.
 */
export function graphInputs(
  architecture: Architecture,
  forms: ReadonlyMap<string, LiveForm>,
  isExport = false,
): GraphInput[] {
  return requiredTensors(architecture).flatMap(({ name, shape, role }): GraphInput[] => {
    const form = forms.get(name) ?? 'f32';
    if (form === 'f32' || role === 'vector') return [{ name, tensor: name, part: 'values', type: 'float32', shape }];
    if (role !== 'embedding') return blocks(name, name, form, shape);
    const [rows = 0, columns = 0] = shape;
    if (isExport) {
      const [values, scales] = blocks(name, name, form, shape) as [GraphInput, GraphInput];
      return [values, { ...scales, shape: [rows, columns / BLOCK] }];
    }
    const gathered: GraphInput[] = [
      { name, tensor: name, part: 'values', type: 'uint8', shape: [rows, (columns * bitsOf(form)) / 8] },
      { name: `${name}.scales`, tensor: name, part: 'scales', type: 'float32', shape: [rows, columns / BLOCK] },
    ];
    return architecture.isTied ? [...gathered, ...blocks(headName(name), name, form, shape)] : gathered;
  });
}

/** Declares all weights of a drawing, each as the options say. */
export function declareWeights({ architecture, options, builder }: Drawing): void {
  const isExport = options.purpose === 'export';
  const forms = options.forms ?? new Map<string, LiveForm>();
  requireForms(architecture, forms);
  for (const { name, type, shape } of graphInputs(architecture, forms, isExport)) {
    const data = options.constants?.get(name);
    const external = options.externals?.get(name);
    if (data) builder.constant(name, shape, data);
    else if (external) builder.external(name, type, shape, external);
    else builder.input(name, type, shape);
  }
}

/** The hidden state [tokens, hiddenSize] before the first block. */
export function embedded(drawing: Drawing): string {
  const { builder, architecture } = drawing;
  const { weight, scale, positions } = architecture.embedding;
  const ids = drawing.feed('input_ids');
  const form = formOf(drawing, weight);
  let hidden =
    form === 'f32'
      ? builder.node('Gather', [weight, ids], 'embedding', { axis: 0 })
      : drawing.isExport
        ? gatheredBlocks(drawing, weight, form, ids)
        : builder.node('com.microsoft.GatherBlockQuantized', [weight, ids, `${weight}.scales`], 'embedding', {
            bits: bitsOf(form),
            block_size: BLOCK,
            gather_axis: 0,
            quantize_axis: 1,
          });
  if (scale !== 1) hidden = builder.node('Mul', [hidden, drawing.float(scale)], 'embedding.scaled');
  if (positions !== null) {
    let index = drawing.feed('positions');
    if (positions.offset !== 0) {
      const data = drawing.isExport ? BigInt64Array.of(BigInt(positions.offset)) : Int32Array.of(positions.offset);
      index = builder.node('Add', [index, builder.constant('positions.offset', [1], data)], 'positions.rows');
    }
    const rows = builder.node('Gather', [positions.weight, index], 'embedding.positions', { axis: 0 });
    hidden = builder.node('Add', [hidden, rows], 'embedding.sum');
  }
  return hidden;
}

/**
 * Rows of an embedding in blocks, by operators that every build of onnxruntime has: the one for WebGPU, which
 * transformers.js loads, has GatherBlockQuantized on the GPU and not on the CPU.
 */
function gatheredBlocks(drawing: Drawing, weight: string, form: BlockForm, ids: string): string {
  const { builder, architecture } = drawing;
  const perRow = architecture.hiddenSize / BLOCK;
  const rows = builder.node('Gather', [weight, ids], 'embedding.rows', { axis: 0 });
  let codes = builder.node('Cast', [rows], 'embedding.bytes', { to: 1 });
  if (bitsOf(form) === 4) {
    // The low half of a byte comes first.
    const sixteenths = builder.node('Mul', [codes, drawing.float(1 / 16)], 'embedding.sixteenths');
    const high = builder.node('Floor', [sixteenths], 'embedding.high');
    const weighed = builder.node('Mul', [high, drawing.float(16)], 'embedding.high.weighed');
    const low = builder.node('Sub', [codes, weighed], 'embedding.low');
    const halves = [low, high].map((half) =>
      builder.node('Unsqueeze', [half, drawing.integers([-1])], `${half}.column`),
    );
    const pairs = builder.node('Concat', halves, 'embedding.pairs', { axis: -1 });
    codes = builder.node('Reshape', [pairs, drawing.integers([-1, perRow, BLOCK])], 'embedding.codes');
  }
  const centred = builder.node('Sub', [codes, drawing.float(bitsOf(form) === 8 ? 128 : 8)], 'embedding.centred');
  const scales = builder.node('Gather', [`${weight}.scales`, ids], 'embedding.scales', { axis: 0 });
  const column = builder.node('Unsqueeze', [scales, drawing.integers([-1])], 'embedding.scales.column');
  const values = builder.node('Mul', [centred, column], 'embedding.blocks');
  return builder.node('Reshape', [values, drawing.integers([-1, architecture.hiddenSize])], 'embedding');
}

/** x [tokens, inputs] times a matrix, plus its bias: `output` [tokens, outputs]. */
export function linear(drawing: Drawing, x: string, facts: Linear, output: string): string {
  const { builder, architecture } = drawing;
  const form = formOf(drawing, facts.weight);
  const bias = facts.bias === null ? [] : [facts.bias];
  if (form === 'f32') {
    return builder.node('Gemm', [x, facts.weight, ...bias], output, { transB: facts.isTransposed ? 0 : 1 });
  }
  const isShared = facts.weight === architecture.embedding.weight && !drawing.isExport;
  const name = isShared ? headName(facts.weight) : facts.weight;
  return builder.node(
    'com.microsoft.MatMulNBits',
    [x, name, `${name}.scales`, ...(facts.bias === null ? [] : ['', '', facts.bias])],
    output,
    { K: facts.inputs, N: facts.outputs, bits: bitsOf(form), block_size: BLOCK, accuracy_level: 0 },
  );
}

function formOf({ options }: Drawing, tensor: string): LiveForm {
  return options.forms?.get(tensor) ?? 'f32';
}

/** The second reading of a tied embedding, as a matrix. */
function headName(embedding: string): string {
  return `${embedding}.head`;
}

/** As MatMulNBits reads a matrix. */
function blocks(name: string, tensor: string, form: BlockForm, shape: readonly number[]): GraphInput[] {
  const { rows, columns } = heldMatrix(form, shape);
  const perRow = columns / BLOCK;
  const values = [rows, perRow, (BLOCK * bitsOf(form)) / 8];
  return [
    { name, tensor, part: 'values', type: 'uint8', shape: values },
    { name: `${name}.scales`, tensor, part: 'scales', type: 'float32', shape: [rows * perRow] },
  ];
}

/** @throws RangeError for a form that does not fit how a matrix is stored. */
function requireForms(architecture: Architecture, forms: ReadonlyMap<string, LiveForm>): void {
  for (const { name, role } of requiredTensors(architecture)) {
    const form = forms.get(name) ?? 'f32';
    if (form !== 'f32' && (role === 'vector' || isTransposed(form) !== (role === 'linear-transposed'))) {
      throw new RangeError(`${name} cannot be held as ${form}.`);
    }
  }
}
