/**
 * Safetensors: reads and judges the header of one .safetensors file. Accepts and rejects as the reference
 * implementation does (huggingface/safetensors, `Metadata::validate`), and says why in a sentence. Reads 8 bytes and
 * the header, never the data. Writing is `safetensors-writer.ts`; what lies beside the file is `open.ts`.
 *
 * Layout: 8 bytes header length N (little-endian), N bytes of JSON, then the tensors' bytes without gaps.
 */

import type { Bytes } from '../bytes/bytes.ts';
import { MalformedFault, UnsupportedFault } from '../bytes/fault.ts';
import type { TensorEntry } from './checkpoint.ts';
import { DTYPE_BITS, type Dtype } from './dtype.ts';
import { foreignFault, SNIFF_BYTES } from './foreign.ts';
import { duplicateKey } from './json-keys.ts';

/** Bytes of the header's length field. */
export const LENGTH_BYTES = 8;

/** The reference implementation's own ceiling; the largest known models need less than 1 MB. */
export const MAX_HEADER_BYTES = 100_000_000;

/** PyTorch and NumPy both stop at 64 dimensions, so nothing could hold more. */
export const MAX_RANK = 64;

/** What a header says. */
export interface SafetensorsHeader {
  /** In the order of their bytes. */
  readonly tensors: TensorEntry[];
  /** `__metadata__`, empty where there is none. */
  readonly metadata: Readonly<Record<string, string>>;
}

/**
 * Reads the header of `file`. Throws MalformedFault where the file is broken (truncated, a Git LFS pointer, spans
 * that overlap …) and UnsupportedFault where it is another format or holds a dtype unknown to safetensors.
 */
export async function readHeader(file: Bytes): Promise<SafetensorsHeader> {
  const headerBytes = await readLength(file);
  const raw = await file.slice(LENGTH_BYTES, LENGTH_BYTES + headerBytes);
  // Both look at the raw byte, as the reference does: white space before the brace is not allowed.
  if (raw[0] !== 0x7b) throw await notSafetensors(file, 'its header does not begin with "{"');
  const parsed = parseHeader(file, raw);

  let metadata: Readonly<Record<string, string>> = {};
  const tensors: TensorEntry[] = [];
  const dataStart = LENGTH_BYTES + headerBytes;
  for (const [name, value] of Object.entries(parsed)) {
    if (name === '__metadata__') metadata = readMetadata(file, value);
    else tensors.push(readEntry(file, dataStart, name, value));
  }
  tensors.sort((a, b) => a.start - b.start || a.end - b.end);
  requireGapless(file, dataStart, tensors);
  return { tensors, metadata };
}

async function readLength(file: Bytes): Promise<number> {
  if (file.size === 0) throw malformed(file, 'it is empty');
  if (file.size < LENGTH_BYTES) throw await notSafetensors(file, `it has only ${file.size} bytes`);
  const field = await file.slice(0, LENGTH_BYTES);
  const length = new DataView(field.buffer, field.byteOffset).getBigUint64(0, true);
  if (length > BigInt(MAX_HEADER_BYTES)) {
    throw await notSafetensors(
      file,
      `its header would have ${length} bytes and at most ${MAX_HEADER_BYTES} are allowed`,
    );
  }
  const headerBytes = Number(length);
  if (headerBytes === 0) throw await notSafetensors(file, 'its header has 0 bytes');
  if (LENGTH_BYTES + headerBytes > file.size) {
    throw await notSafetensors(
      file,
      `it is truncated within its header: it has ${file.size} bytes and needs more than ${LENGTH_BYTES + headerBytes}`,
    );
  }
  return headerBytes;
}

function parseHeader(file: Bytes, raw: Uint8Array): Record<string, unknown> {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(raw);
  } catch {
    throw malformed(file, 'its header is not UTF-8');
  }
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (cause) {
    throw malformed(file, `its header is not JSON (${cause instanceof Error ? cause.message : String(cause)})`);
  }
  if (!isObject(parsed)) throw malformed(file, 'its header is not a JSON object');
  const twice = duplicateKey(text, 2);
  if (twice !== null) throw malformed(file, `its header names ${quote(twice)} twice`);
  return parsed;
}

function readMetadata(file: Bytes, value: unknown): Readonly<Record<string, string>> {
  // MLX writes null for none, and the reference reads it so.
  if (value === null) return {};
  if (!isObject(value)) throw malformed(file, 'its __metadata__ is not an object of texts');
  for (const [key, text] of Object.entries(value)) {
    if (typeof text !== 'string') throw malformed(file, `its __metadata__ ${quote(key)} is not a text`);
  }
  return value as Record<string, string>;
}

function readEntry(file: Bytes, dataStart: number, name: string, value: unknown): TensorEntry {
  // Made where something is wrong, and not for each of a hundred thousand.
  const tensor = () => `tensor ${quote(name)}`;
  if (!isObject(value)) throw malformed(file, `${tensor()} is not described by an object`);
  const { dtype, shape, data_offsets: offsets } = value;
  if (typeof dtype !== 'string') throw malformed(file, `${tensor()} has no dtype`);
  if (!isDtype(dtype)) {
    throw new UnsupportedFault(
      `${file.name}: ${tensor()} has the dtype ${quote(dtype)}, which is none of ${Object.keys(DTYPE_BITS).join(', ')}; choose a version of the model in one of these.`,
      { file: file.name, tensor: name, dtype },
    );
  }
  if (!Array.isArray(shape) || !shape.every(isCount)) {
    throw malformed(file, `${tensor()} has a shape that is not a list of whole numbers below 2^53`);
  }
  if (shape.length > MAX_RANK) {
    throw malformed(file, `${tensor()} has ${shape.length} dimensions and at most ${MAX_RANK} are allowed`);
  }
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isCount)) {
    throw malformed(file, `${tensor()} has data_offsets that are not two whole numbers`);
  }
  const [start, end] = offsets as [number, number];
  if (end < start) throw malformed(file, `${tensor()} ends before it starts`);
  if (!Number.isSafeInteger(dataStart + end)) throw malformed(file, `${tensor()} ends beyond 2^53 bytes`);
  let elements = 1;
  for (const dimension of shape as number[]) {
    elements *= dimension;
    if (!Number.isSafeInteger(elements)) throw malformed(file, `${tensor()} has more than 2^53 elements`);
  }
  const bits = elements * DTYPE_BITS[dtype];
  if (!Number.isSafeInteger(bits)) throw malformed(file, `${tensor()} has more than 2^53 bits`);
  if (bits % 8 !== 0) throw malformed(file, `${tensor()} does not fill whole bytes`);
  if (bits / 8 !== end - start) {
    throw malformed(
      file,
      `${tensor()} has ${end - start} bytes, but its shape [${shape.join(', ')}] in ${dtype} takes ${bits / 8}`,
    );
  }
  return { name, dtype, shape: shape as number[], elements, file, start: dataStart + start, end: dataStart + end };
}

/** The reference's rule: sorted by offsets, each tensor begins where the last one ended, and the last ends the file. */
function requireGapless(file: Bytes, dataStart: number, tensors: readonly TensorEntry[]): void {
  let position = dataStart;
  let last: TensorEntry | null = null;
  for (const tensor of tensors) {
    if (tensor.start !== position) {
      const before = last ? `tensor ${quote(last.name)}` : 'the header';
      const how = tensor.start < position ? 'overlaps' : 'leaves a gap after';
      throw malformed(file, `tensor ${quote(tensor.name)} ${how} ${before}`);
    }
    position = tensor.end;
    last = tensor;
  }
  if (position > file.size) {
    throw new MalformedFault(
      `${file.name} is truncated: it has ${file.size} bytes and should have ${position}; fetch it again.`,
      { file: file.name, expectedBytes: position, actualBytes: file.size },
    );
  }
  if (position < file.size) {
    throw new MalformedFault(
      `${file.name} goes on after its last tensor: it has ${file.size} bytes and should have ${position}; fetch it again.`,
      { file: file.name, expectedBytes: position, actualBytes: file.size },
    );
  }
}

/** Names the format that the file really is where its first bytes tell; else the reason it is not safetensors. */
async function notSafetensors(file: Bytes, reason: string): Promise<Error> {
  const head = await file.slice(0, Math.min(SNIFF_BYTES, file.size));
  return foreignFault(file.name, head) ?? malformed(file, reason);
}

function malformed(file: Bytes, reason: string): MalformedFault {
  return new MalformedFault(`${file.name} is not a sound safetensors file: ${reason}; fetch it again.`, {
    file: file.name,
    reason,
  });
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isDtype(name: string): name is Dtype {
  return Object.hasOwn(DTYPE_BITS, name);
}

/** A name from a hostile file as it may stand in a sentence: bounded, control characters escaped. */
function quote(name: string): string {
  return JSON.stringify(name.length > 120 ? `${name.slice(0, 120)}…` : name);
}
