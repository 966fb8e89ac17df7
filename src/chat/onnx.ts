/**
 * Onnx: a builder for ONNX models: nodes, inputs, outputs and small constants in, the bytes of a ModelProto out.
 * It knows the file format (onnx.proto3, field numbers beside each use) and no operator; what a decoder looks like
 * is in `graph.ts`.
 */

import { encode } from '../formats/codec.ts';
import { ProtobufWriter } from './protobuf.ts';

/** Element types that our graphs use, with ONNX's own numbers (TensorProto.DataType). */
const ELEMENT_TYPES = { float32: 1, uint8: 2, int32: 6, int64: 7, float16: 10 } as const;
export type ElementType = keyof typeof ELEMENT_TYPES;

/** In which type a graph computes. */
export type FloatType = 'float32' | 'float16';

/** Where the bytes of a constant lie outside the model's file. */
export interface ExternalData {
  /** The data file's name beside the model's. */
  readonly location: string;
  /** Position of the first byte in it. */
  readonly offset: number;
  /** Number of bytes. */
  readonly length: number;
}

/** The largest finite float16. */
const LARGEST_HALF = 65_504;

/** A dimension: its size, or the name of a size that is known at run time. */
export type Dimension = number | string;

/** An attribute of a node. A number is written as an integer; a float is spelled `{float: 1}`. */
export type Attribute = number | string | { readonly float: number } | readonly number[];

/** The set of operators for com.microsoft, and the standard opset that our nodes are written against. */
const STANDARD_OPSET = 23;
const MICROSOFT_OPSET = 1;
const IR_VERSION = 10;

/** Collects a graph in the order in which its nodes run. Names of values are the caller's and must be unique. */
export class OnnxBuilder {
  readonly #graph = new ProtobufWriter();
  readonly #floats: FloatType;
  #nodes = 0;

  /** @param floats what `float32` means in this graph: with `float16` every input, output and constant of it is that. */
  constructor(name: string, floats: FloatType = 'float32') {
    this.#graph.string(2, name); // GraphProto.name
    this.#floats = floats;
  }

  #type(type: ElementType): ElementType {
    return type === 'float32' ? this.#floats : type;
  }

  /**
   * Adds a node and returns the name of its first output.
   * @param operator such as `Gemm`, or `com.microsoft.RotaryEmbedding` for an operator of onnxruntime's own.
   * @param inputs value names; an empty string leaves an optional input out.
   * @param outputs value names; where it is a single string the node has one output.
   */
  node(
    operator: string,
    inputs: readonly string[],
    outputs: string | readonly string[],
    attributes: Readonly<Record<string, Attribute>> = {},
  ): string {
    const names = typeof outputs === 'string' ? [outputs] : outputs;
    const dot = operator.lastIndexOf('.');
    this.#graph.message(1, (node) => {
      for (const input of inputs) node.string(1, input);
      for (const output of names) node.string(2, output);
      node.string(3, `${operator.slice(dot + 1)}_${this.#nodes++}`);
      node.string(4, operator.slice(dot + 1));
      for (const [name, value] of Object.entries(attributes)) {
        node.message(5, (attribute) => writeAttribute(attribute, name, value));
      }
      if (dot > 0) node.string(7, operator.slice(0, dot));
    });
    return names[0] ?? '';
  }

  /** Adds a graph input and returns its name. */
  input(name: string, type: ElementType, shape: readonly Dimension[]): string {
    this.#graph.message(11, (info) => writeValueInfo(info, name, this.#type(type), shape));
    return name;
  }

  /** Adds a graph output; a node must produce the value. */
  output(name: string, type: ElementType, shape: readonly Dimension[]): void {
    this.#graph.message(12, (info) => writeValueInfo(info, name, this.#type(type), shape));
  }

  /** Adds a constant and returns its name. The data is little-endian, as on every machine this runs on. */
  constant(
    name: string,
    shape: readonly number[],
    data: Float32Array | Int32Array | BigInt64Array | Uint8Array,
  ): string {
    const type = this.#type(typeOf(data));
    this.#graph.message(5, (tensor) => {
      for (const size of shape) tensor.integer(1, size);
      tensor.integer(2, ELEMENT_TYPES[type]);
      tensor.string(8, name);
      tensor.bytes(9, type === 'float16' ? halves(data as Float32Array) : bytesOf(data));
    });
    return name;
  }

  /**
   * Adds a constant whose bytes lie in another file, and returns its name.
   * TensorProto: external_data 13 {key 1, value 2}, data_location 14 (EXTERNAL 1).
   */
  external(name: string, type: ElementType, shape: readonly number[], data: ExternalData): string {
    this.#graph.message(5, (tensor) => {
      for (const size of shape) tensor.integer(1, size);
      tensor.integer(2, ELEMENT_TYPES[this.#type(type)]);
      tensor.string(8, name);
      for (const [key, value] of Object.entries({
        location: data.location,
        offset: String(data.offset),
        length: String(data.length),
      })) {
        tensor.message(13, (entry) => entry.string(1, key).string(2, value));
      }
      tensor.integer(14, 1);
    });
    return name;
  }

  /** The bytes of the model. */
  finish(): Uint8Array<ArrayBuffer> {
    return new ProtobufWriter()
      .integer(1, IR_VERSION)
      .string(2, 'fusewright')
      .bytes(7, this.#graph.finish())
      .message(8, (opset) => opset.string(1, '').integer(2, STANDARD_OPSET))
      .message(8, (opset) => opset.string(1, 'com.microsoft').integer(2, MICROSOFT_OPSET))
      .finish();
  }
}

function typeOf(data: Float32Array | Int32Array | BigInt64Array | Uint8Array): ElementType {
  if (data instanceof Float32Array) return 'float32';
  if (data instanceof Int32Array) return 'int32';
  return data instanceof Uint8Array ? 'uint8' : 'int64';
}

function bytesOf(data: ArrayBufferView): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/** A graph's own numbers in half precision: finite ones stay finite, such as the bounds that stand for infinity. */
function halves(data: Float32Array): Uint8Array {
  const within = data.map((x) => (Number.isFinite(x) ? Math.max(-LARGEST_HALF, Math.min(LARGEST_HALF, x)) : x));
  return encode(within, 'F16');
}

/** AttributeProto: name 1, f 2, i 3, s 4, ints 8, type 20 (FLOAT 1, INT 2, STRING 3, INTS 7). */
function writeAttribute(out: ProtobufWriter, name: string, value: Attribute): void {
  out.string(1, name);
  if (typeof value === 'number') out.integer(3, value).integer(20, 2);
  else if (typeof value === 'string') out.string(4, value).integer(20, 3);
  else if ('float' in value) out.float(2, value.float).integer(20, 1);
  else {
    for (const item of value) out.integer(8, item);
    out.integer(20, 7);
  }
}

/** ValueInfoProto: name 1, type 2 {tensor_type 1 {elem_type 1, shape 2 {dim 1 {dim_value 1 | dim_param 2}}}}. */
function writeValueInfo(out: ProtobufWriter, name: string, type: ElementType, shape: readonly Dimension[]): void {
  out.string(1, name).message(2, (typeProto) =>
    typeProto.message(1, (tensorType) =>
      tensorType.integer(1, ELEMENT_TYPES[type]).message(2, (shapeProto) => {
        for (const size of shape) {
          shapeProto.message(1, (dimension) => {
            if (typeof size === 'number') dimension.integer(1, size);
            else dimension.string(2, size);
          });
        }
      }),
    ),
  );
}
