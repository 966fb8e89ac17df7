/**
 * Safetensors writer: plans the files of a model before any byte of it exists: which tensor lies where in which
 * shard, every header's bytes and every file's exact size, and the index. Pure; the bytes themselves are streamed by
 * whoever makes them: for each shard its `header`, then its tensors' bytes in order, without gaps.
 */

import { UnsupportedFault } from '../bytes/fault.ts';
import { DTYPE_BITS, type Dtype } from './dtype.ts';
import { LENGTH_BYTES, MAX_HEADER_BYTES } from './safetensors.ts';

/** The Hub's habit: shards of 5 GB (10^9). */
export const DEFAULT_SHARD_BYTES = 5e9;

/** The data begins at a multiple of this, so that every reader may map it. */
const HEADER_ALIGNMENT = 8;

/** A tensor to be written. */
export interface TensorSpec {
  readonly name: string;
  readonly dtype: Dtype;
  /** Dimensions, outermost first; empty for a scalar. */
  readonly shape: readonly number[];
}

/** A tensor with its place: `start` (inclusive) and `end` (exclusive) are absolute positions in the shard's file. */
export interface PlannedTensor extends TensorSpec {
  readonly elements: number;
  readonly start: number;
  readonly end: number;
}

/** One weight file. */
export interface Shard {
  readonly fileName: string;
  /** The file's first bytes: length field, JSON, padding. */
  readonly header: Uint8Array<ArrayBuffer>;
  /** Exact size of the whole file. */
  readonly sizeBytes: number;
  /** In the order of their bytes, which is the order given. */
  readonly tensors: readonly PlannedTensor[];
}

/** All weight files of a model. */
export interface ShardPlan {
  readonly shards: readonly Shard[];
  /** `model.safetensors.index.json`, or null where one file holds everything. */
  readonly index: { readonly fileName: string; readonly text: string } | null;
  /** Sum of all tensors' bytes. */
  readonly totalBytes: number;
}

/** How to cut. */
export interface ShardOptions {
  /** Most tensor bytes in one file, headers not counted; a larger tensor gets a file of its own. */
  readonly maxShardBytes?: number;
  /** Goes into `__metadata__` beside `format: pt`, which some readers insist on. */
  readonly metadata?: Readonly<Record<string, string>>;
}

/**
 * Plans the files for `tensors`, in the order given. Throws UnsupportedFault where the format cannot hold them (a
 * header that is too large, a tensor of broken bytes, a name that is reserved or given twice).
 */
export function planShards(tensors: readonly TensorSpec[], options: ShardOptions = {}): ShardPlan {
  const { maxShardBytes = DEFAULT_SHARD_BYTES, metadata = {} } = options;
  if (!(maxShardBytes > 0)) throw new RangeError(`a shard of ${maxShardBytes} bytes cannot hold a tensor`);
  requireUniqueNames(tensors);

  const groups: { specs: TensorSpec[]; bytes: number }[] = [{ specs: [], bytes: 0 }];
  let totalBytes = 0;
  for (const spec of tensors) {
    const bytes = tensorBytes(spec);
    totalBytes += bytes;
    let group = groups.at(-1);
    if (!group || (group.specs.length > 0 && group.bytes + bytes > maxShardBytes)) {
      group = { specs: [], bytes: 0 };
      groups.push(group);
    }
    group.specs.push(spec);
    group.bytes += bytes;
  }

  const shards = groups.map((group, i) => planShard(shardName(i, groups.length), group.specs, metadata));
  if (shards.length === 1) return { shards, index: null, totalBytes };
  const places = shards.flatMap((shard) => shard.tensors.map(({ name }) => [name, shard.fileName] as const));
  // fromEntries makes own properties of any name, `__proto__` too.
  const index = { metadata: { total_size: totalBytes }, weight_map: Object.fromEntries(places) };
  return {
    shards,
    index: { fileName: 'model.safetensors.index.json', text: `${JSON.stringify(index, null, 2)}\n` },
    totalBytes,
  };
}

/** Bytes that a tensor takes. Throws UnsupportedFault where they are not whole, or too many to count. */
export function tensorBytes({ name, dtype, shape }: TensorSpec): number {
  const bits = shape.reduce((product, dimension) => product * dimension, 1) * DTYPE_BITS[dtype];
  if (!Number.isSafeInteger(bits) || bits < 0 || bits % 8 !== 0) {
    throw new UnsupportedFault(
      `Tensor "${name}" of shape [${shape.join(', ')}] in ${dtype} does not fill a countable number of whole bytes, so safetensors cannot hold it; leave it out.`,
      { tensor: name },
    );
  }
  return bits / 8;
}

function shardName(index: number, count: number): string {
  if (count === 1) return 'model.safetensors';
  const digits = (number: number) => String(number).padStart(5, '0');
  return `model-${digits(index + 1)}-of-${digits(count)}.safetensors`;
}

function planShard(fileName: string, specs: readonly TensorSpec[], metadata: Readonly<Record<string, string>>): Shard {
  const entries: (readonly [string, unknown])[] = [['__metadata__', { format: 'pt', ...metadata }]];
  const offsets: number[] = [];
  let position = 0;
  for (const spec of specs) {
    const start = position;
    position += tensorBytes(spec);
    offsets.push(start);
    entries.push([spec.name, { dtype: spec.dtype, shape: spec.shape, data_offsets: [start, position] }]);
  }
  const header = encodeHeader(fileName, Object.fromEntries(entries));
  const dataStart = header.byteLength;
  const tensors = specs.map((spec, i) => {
    const start = dataStart + (offsets[i] ?? 0);
    const bytes = tensorBytes(spec);
    return {
      name: spec.name,
      dtype: spec.dtype,
      shape: spec.shape,
      elements: (bytes * 8) / DTYPE_BITS[spec.dtype],
      start,
      end: start + bytes,
    };
  });
  return { fileName, header, sizeBytes: dataStart + position, tensors };
}

function encodeHeader(fileName: string, content: Record<string, unknown>): Uint8Array<ArrayBuffer> {
  const json = new TextEncoder().encode(JSON.stringify(content));
  const length = Math.ceil(json.byteLength / HEADER_ALIGNMENT) * HEADER_ALIGNMENT;
  if (length > MAX_HEADER_BYTES) {
    throw new UnsupportedFault(
      `The header of ${fileName} would have ${length} bytes and readers take at most ${MAX_HEADER_BYTES}; use smaller shards.`,
      { file: fileName },
    );
  }
  const header = new Uint8Array(LENGTH_BYTES + length).fill(0x20);
  new DataView(header.buffer).setBigUint64(0, BigInt(length), true);
  header.set(json, LENGTH_BYTES);
  return header;
}

function requireUniqueNames(tensors: readonly TensorSpec[]): void {
  const seen = new Set<string>(['__metadata__']);
  for (const { name } of tensors) {
    if (seen.has(name)) {
      throw new UnsupportedFault(
        name === '__metadata__'
          ? 'A tensor cannot be called "__metadata__" in safetensors; rename it.'
          : `Two tensors are called "${name}"; leave one out.`,
        { tensor: name },
      );
    }
    seen.add(name);
  }
}
