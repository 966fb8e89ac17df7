/**
 * Export: a model as ONNX files in the layout that transformers.js loads with `from_pretrained`: for each dtype a
 * graph under `onnx/`, and its weights as external data beside it. Pure: it says which files there are, where every
 * tensor lies in them and, given the tensors one after another, what their bytes are. Not the folder that they are
 * written to, nor config and tokenizer (`export-config.ts`).
 */

import { MismatchFault, UnsupportedFault } from '../bytes/fault.ts';
import { formBytes, type LiveForm } from '../formats/block-quantised.ts';
import { type BlendedDtype, elementBytes } from '../formats/dtype.ts';
import { type Architecture, requiredTensors } from './architecture.ts';
import { storedBytes } from './export-bytes.ts';
import { buildGraph, graphInputs } from './graph.ts';
import type { ExternalData } from './onnx.ts';
import { formOf, type Precision } from './weight-forms.ts';

/**
 * How the weights of an exported model are stored, by the names that transformers.js and optimum give them. `fp16` is
 * computed in half precision too; with `q8` and `q4` matrices are in blocks of 32 and everything else is float32.
 */
export type OnnxDtype = 'fp32' | 'fp16' | 'q8' | 'q4';

/** All of them, the most exact first. */
export const ONNX_DTYPES: readonly OnnxDtype[] = ['fp32', 'fp16', 'q8', 'q4'];

/** The folder that transformers.js looks into. */
export const ONNX_FOLDER = 'onnx';

/** Names of the graph files: what transformers.js appends to `model` for a dtype. */
const FILE_NAMES: Readonly<Record<OnnxDtype, string>> = {
  fp32: 'model.onnx',
  fp16: 'model_fp16.onnx',
  q8: 'model_quantized.onnx',
  q4: 'model_q4.onnx',
};

const PRECISIONS: Readonly<Record<OnnxDtype, Precision>> = { fp32: 'f32', fp16: 'f32', q8: 'q8', q4: 'q4' };

/** A browser reads a data file into one ArrayBuffer; beyond this not every one can. */
export const MAX_DATA_BYTES = 2e9;

/** More data files than this transformers.js refuses. */
const MAX_DATA_FILES = 100;

/** Every tensor begins at a multiple of this, so that a reader can map it. */
const ALIGNMENT_BYTES = 4096;

/** Rope tables cover at most so many positions; 131,072 at a head of 128 make the graph 67 MB larger. */
export const MAX_EXPORTED_TOKENS = 131_072;

/** Model types that can be talked to here, and for which transformers.js 4 has no class. */
const UNKNOWN_TO_TRANSFORMERS_JS = ['openai-gpt'];

/** A tensor as it comes. */
export interface ExportTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: BlendedDtype;
}

/** A stretch of a data file. */
export interface Span {
  readonly offset: number;
  readonly bytes: number;
}

/** A tensor with its place in a data file. */
export interface PlacedTensor extends ExportTensor {
  /** `f16` for every tensor of an fp16 model. */
  readonly form: LiveForm | 'f16';
  readonly values: Span;
  /** Where the form is in blocks. */
  readonly scales: Span | null;
}

/** One file of external data. */
export interface DataFile {
  /** Such as `model_q4.onnx_data_1`, which is its `location` in the graph. */
  readonly location: string;
  readonly sizeBytes: number;
  /** In the order in which they come. */
  readonly tensors: readonly PlacedTensor[];
}

/** The files of one dtype. */
export interface OnnxPlan {
  readonly dtype: OnnxDtype;
  /** Such as `model_q4.onnx`. */
  readonly fileName: string;
  /** The graph, whole. */
  readonly model: Uint8Array<ArrayBuffer>;
  readonly dataFiles: readonly DataFile[];
}

/** How data files are cut; for tests. */
export interface OnnxPlanOptions {
  readonly maxDataBytes?: number;
}

/**
 * Plans the files of one dtype. Pure.
 * @param tensors those that there are, in the order in which they will come; those that no node reads are left out.
 * @throws UnsupportedFault where transformers.js does not know the model, a tensor is too large for a file, or the model
 *   for the number of files; MismatchFault where a tensor has another shape than config.json says.
 */
export function planOnnx(
  architecture: Architecture,
  tensors: readonly ExportTensor[],
  dtype: OnnxDtype,
  options: OnnxPlanOptions = {},
): OnnxPlan {
  if (UNKNOWN_TO_TRANSFORMERS_JS.includes(architecture.modelType)) {
    throw new UnsupportedFault(
      `transformers.js cannot load models of the type "${architecture.modelType}"; save it as safetensors instead.`,
    );
  }
  const forms = formOf(requiredTensors(architecture), PRECISIONS[dtype]);
  const inputs = graphInputs(architecture, forms, true);
  const needed = new Set(inputs.map(({ tensor }) => tensor));
  const present = tensors.filter(({ name }) => needed.has(name));
  requireShapes(architecture, present);
  const fileName = FILE_NAMES[dtype];
  const formed = present.map((tensor) => ({
    ...tensor,
    form: dtype === 'fp16' ? ('f16' as const) : (forms.get(tensor.name) ?? 'f32'),
  }));
  const dataFiles = layOut(formed, fileName, options.maxDataBytes ?? MAX_DATA_BYTES);
  const places = new Map(
    dataFiles.flatMap(({ location, tensors: placed }) =>
      placed.map((own) => [own.name, { location, ...own }] as const),
    ),
  );
  const externals = new Map(
    inputs.map(({ name, tensor, part }): [string, ExternalData] => {
      const place = places.get(tensor);
      const span = part === 'scales' ? place?.scales : place?.values;
      if (!place || !span) throw new MismatchFault(`The tensor ${tensor} is not there; add the file that holds it.`);
      return [name, { location: place.location, offset: span.offset, length: span.bytes }];
    }),
  );
  const { model } = buildGraph(architecture, {
    purpose: 'export',
    logits: 'all',
    cache: 'growing',
    constants: null,
    forms,
    externals,
    floats: dtype === 'fp16' ? 'float16' : 'float32',
    capacityTokens: Math.min(architecture.contextTokens, MAX_EXPORTED_TOKENS),
  });
  return { dtype, fileName, model, dataFiles };
}

/**
 * The bytes of a data file.
 * @param read a tensor's bytes in its own dtype, in whole elements; called once for each, in their order.
 * @param onOverflow told of finite elements that became infinite in float16.
 */
export async function* dataFileBytes(
  file: DataFile,
  read: (tensor: PlacedTensor) => AsyncIterable<Uint8Array<ArrayBuffer>>,
  onOverflow: (tensor: PlacedTensor, count: number) => void = () => undefined,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  let position = 0;
  const gap = (to: number) => new Uint8Array(to - position);
  for (const tensor of file.tensors) {
    const { values, scales } = tensor;
    yield gap(values.offset);
    const stored = yield* storedBytes(tensor, read(tensor));
    position = values.offset + values.bytes;
    if (stored.overflowed > 0) onOverflow(tensor, stored.overflowed);
    if (!scales || !stored.scales) continue;
    yield gap(scales.offset);
    yield new Uint8Array(stored.scales.buffer);
    position = scales.offset + scales.bytes;
  }
}

/** Cuts tensors into files; codes and scales of a tensor lie in the same. */
function layOut(
  tensors: readonly (ExportTensor & { form: PlacedTensor['form'] })[],
  fileName: string,
  maxBytes: number,
): DataFile[] {
  const files: { tensors: PlacedTensor[]; sizeBytes: number }[] = [];
  for (const tensor of tensors) {
    const size = sizeOf(tensor);
    const alone = placed(tensor, size, 0);
    if (endOf(alone) > maxBytes) {
      throw new UnsupportedFault(
        `The tensor ${tensor.name} takes ${endOf(alone)} bytes in ${fileName}, and browsers load at most ${maxBytes} at once; choose fewer bits.`,
        { tensor: tensor.name, bytes: endOf(alone) },
      );
    }
    let file = files.at(-1);
    let own = placed(tensor, size, file?.sizeBytes ?? 0);
    if (!file || endOf(own) > maxBytes) {
      file = { tensors: [], sizeBytes: 0 };
      files.push(file);
      own = alone;
    }
    file.tensors.push(own);
    file.sizeBytes = endOf(own);
  }
  if (files.length > MAX_DATA_FILES) {
    throw new UnsupportedFault(
      `${fileName} would have ${files.length} data files, and transformers.js loads at most ${MAX_DATA_FILES}; choose fewer bits.`,
    );
  }
  return files.map((file, n) => ({ ...file, location: `${fileName}_data${n === 0 ? '' : `_${n}`}` }));
}

function sizeOf({ shape, form }: { shape: readonly number[]; form: PlacedTensor['form'] }) {
  const elements = shape.reduce((product, size) => product * size, 1);
  return form === 'f16' ? { values: elements * elementBytes('F16'), scales: 0 } : formBytes(form, elements);
}

function placed(
  tensor: ExportTensor & { form: PlacedTensor['form'] },
  { values, scales }: { values: number; scales: number },
  after: number,
): PlacedTensor {
  const own = { offset: aligned(after), bytes: values };
  const beside = scales === 0 ? null : { offset: aligned(own.offset + own.bytes), bytes: scales };
  return { ...tensor, values: own, scales: beside };
}

function endOf({ values, scales }: PlacedTensor): number {
  const last = scales ?? values;
  return last.offset + last.bytes;
}

function aligned(position: number): number {
  return Math.ceil(position / ALIGNMENT_BYTES) * ALIGNMENT_BYTES;
}

function requireShapes(architecture: Architecture, tensors: readonly ExportTensor[]): void {
  const wanted = new Map(requiredTensors(architecture).map(({ name, shape }) => [name, shape]));
  for (const { name, shape } of tensors) {
    const own = wanted.get(name);
    if (own && own.join() !== shape.join()) {
      throw new MismatchFault(
        `The tensor ${name} has the shape [${shape.join(', ')}], and config.json calls for [${own.join(', ')}]; take the config.json that belongs to the weights.`,
        { tensors: [name] },
      );
    }
  }
}
