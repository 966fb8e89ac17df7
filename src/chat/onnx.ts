/**
 * Onnx: a builder for ONNX models: nodes, inputs, outputs and small constants in, the bytes of a ModelProto out.
 * It knows the file format (onnx.proto3, field numbers beside each use) and no operator; what a decoder looks like
 * is in `graph.ts`.
 */

import { ProtobufWriter } from './protobuf.ts';

/** Element types that our graphs use, with ONNX's own numbers (TensorProto.DataType). */
const ELEMENT_TYPES = { float32: 1, int32: 6, int64: 7 } as const;
export type ElementType = keyof typeof ELEMENT_TYPES;

/** A dimension: its size, or the name of a size that is known at run time. */
export type Dimension = number | string;

/** An attribute of a node. A number is written as an integer; a float is spelled `{float: 1}`. */
export type Attribute = number | string | { readonly float: number } | readonly number[];

/** The set of operators for com.microsoft, and the standard opset that our nodes are written against. */
const STANDARD_OPSET = 21;
const MICROSOFT_OPSET = 1;
const IR_VERSION = 10;

/** Collects a graph in the order in which its nodes run. Names of values are the caller's and must be unique. */
export class OnnxBuilder {
  readonly #graph = new ProtobufWriter();
  #nodes = 0;

  constructor(name: string) {
    this.#graph.string(2, name); // GraphProto.name
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
    this.#graph.message(11, (info) => writeValueInfo(info, name, type, shape));
    return name;
  }

  /** Adds a graph output; a node must produce the value. */
  output(name: string, type: ElementType, shape: readonly Dimension[]): void {
    this.#graph.message(12, (info) => writeValueInfo(info, name, type, shape));
  }

  /** Adds a constant and returns its name. The data is little-endian, as on every machine this runs on. */
  constant(name: string, shape: readonly number[], data: Float32Array | Int32Array | BigInt64Array): string {
    const type: ElementType = data instanceof Float32Array ? 'float32' : data instanceof Int32Array ? 'int32' : 'int64';
    this.#graph.message(5, (tensor) => {
      for (const size of shape) tensor.integer(1, size);
      tensor.integer(2, ELEMENT_TYPES[type]);
      tensor.string(8, name);
      tensor.bytes(9, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
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
