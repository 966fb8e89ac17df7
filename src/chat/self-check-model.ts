/**
 * SelfCheckModel: a small relative of a real architecture, with seeded random weights: the same heads, norms, rotations,
 * activations and forms of matrices, so that the same operators and kernels run, in two or three narrow layers over a
 * small vocabulary. For `self-check.ts` only.
 */

import {
  bitsOf,
  type Bits,
  dequantiseRows,
  isTransposed,
  type LiveForm,
  possibleForm,
  quantiseRows,
} from '../formats/block-quantised.ts';
import { BUFFER_USAGE, wholeWords } from '../gpu/buffers.ts';
import {
  type Architecture,
  type Attention,
  type Block,
  type FeedForward,
  type HeadNorm,
  type Linear,
  type Norm,
  requiredTensors,
} from './architecture.ts';
import type { CpuTensor, CpuWeights, GpuTensor, GpuWeights } from './weights.ts';

/** Widths that every kernel takes: whole blocks of 32, whole tiles of 64. */
const HIDDEN_SIZE = 128;
const FEED_FORWARD_SIZE = 128;
const VOCABULARY_SIZE = 96;

/** Most tokens of the texts that are run. */
export const RELATIVE_CONTEXT_TOKENS = 192;

/** What the windows of a relative are at most, so that its texts leave them. */
export const RELATIVE_WINDOW_TOKENS = 24;

/** The small relative of an architecture. */
export function relativeOf(architecture: Architecture): Architecture {
  const share = architecture.heads / architecture.keyValueHeads;
  const [heads, keyValueHeads] = share === 1 ? [2, 2] : [share, 1];
  const { headSize } = architecture;
  const [queries, keys] = [heads * headSize, keyValueHeads * headSize];
  const sized = (linear: Linear, outputs: number, inputs: number): Linear => ({ ...linear, outputs, inputs });
  const norm = (facts: Norm | null, size = HIDDEN_SIZE) => facts && { ...facts, size };
  const window = (tokens: number | null) => tokens && Math.min(tokens, RELATIVE_WINDOW_TOKENS);
  const headNorm = (facts: HeadNorm | null, count: number): HeadNorm | null => {
    if (facts === null) return null;
    if (facts.over === 'each') return { ...facts, weights: facts.weights.slice(0, count) };
    return { ...facts, norm: { ...facts.norm, size: facts.over === 'head' ? headSize : count * headSize } };
  };
  const attention = (facts: Attention): Attention => ({
    ...facts,
    projection:
      facts.projection.kind === 'packed'
        ? { ...facts.projection, linear: sized(facts.projection.linear, queries + 2 * keys, HIDDEN_SIZE) }
        : {
            kind: 'separate',
            query: sized(facts.projection.query, queries, HIDDEN_SIZE),
            key: sized(facts.projection.key, keys, HIDDEN_SIZE),
            value: sized(facts.projection.value, keys, HIDDEN_SIZE),
          },
    queryNorm: headNorm(facts.queryNorm, heads),
    keyNorm: headNorm(facts.keyNorm, keyValueHeads),
    windowTokens: window(facts.windowTokens),
    output: sized(facts.output, HIDDEN_SIZE, queries),
  });
  const feedForward = (facts: FeedForward): FeedForward => {
    const down = sized(facts.down, HIDDEN_SIZE, FEED_FORWARD_SIZE);
    const wide = (linear: Linear, times = 1) => sized(linear, times * FEED_FORWARD_SIZE, HIDDEN_SIZE);
    if (facts.kind === 'packed') return { ...facts, down, gateUp: wide(facts.gateUp, 2) };
    if (facts.kind === 'plain') return { ...facts, down, up: wide(facts.up) };
    return { ...facts, down, gate: wide(facts.gate), up: wide(facts.up) };
  };
  const blocks = someOf(architecture.blocks).map((block) => ({
    ...block,
    attentionNorm: norm(block.attentionNorm),
    feedForwardNorm: norm(block.feedForwardNorm),
    attentionOutputNorm: norm(block.attentionOutputNorm),
    feedForwardOutputNorm: norm(block.feedForwardOutputNorm),
    attentionStreamNorm: norm(block.attentionStreamNorm),
    feedForwardStreamNorm: norm(block.feedForwardStreamNorm),
    attention: attention(block.attention),
    feedForward: feedForward(block.feedForward),
  }));
  const { embedding, head } = architecture;
  return {
    ...architecture,
    vocabularySize: VOCABULARY_SIZE,
    hiddenSize: HIDDEN_SIZE,
    layers: blocks.length,
    heads,
    keyValueHeads,
    contextTokens: RELATIVE_CONTEXT_TOKENS,
    windowTokens: window(architecture.windowTokens),
    embedding: {
      ...embedding,
      positions: embedding.positions && { ...embedding.positions, rows: RELATIVE_CONTEXT_TOKENS },
    },
    blocks,
    finalNorm: norm(architecture.finalNorm),
    head: { ...head, linear: sized(head.linear, VOCABULARY_SIZE, HIDDEN_SIZE) },
  };
}

/** The first block of each kind of attention, and at least two. */
function someOf(blocks: readonly Block[]): Block[] {
  const kinds = new Map<string, Block>();
  for (const block of blocks) {
    const { rope, windowTokens } = block.attention;
    const kind = `${rope} ${windowTokens}`;
    if (!kinds.has(kind)) kinds.set(kind, block);
  }
  const chosen = new Set([...kinds.values()]);
  for (const block of blocks) if (chosen.size < 2) chosen.add(block);
  return blocks.filter((block) => chosen.has(block));
}

/** The forms of a relative's matrices, where those of the real ones are `forms`. */
export function relativeForms(
  relative: Architecture,
  forms: ReadonlyMap<string, LiveForm>,
): ReadonlyMap<string, LiveForm> {
  return new Map(
    requiredTensors(relative).flatMap(({ name, shape }) => {
      const form = possibleForm(forms.get(name) ?? 'f32', shape);
      return form === 'f32' ? [] : [[name, form] as const];
    }),
  );
}

/** The same random weights twice: on the device in their forms, and here in float32 as those forms mean them. */
export function relativeWeights(
  relative: Architecture,
  forms: ReadonlyMap<string, LiveForm>,
  device: GPUDevice,
): { readonly gpu: GpuWeights; readonly cpu: CpuWeights; readonly free: () => void } {
  const random = randomNumbers(20_261_121);
  const gpu = new Map<string, GpuTensor>();
  const cpu = new Map<string, CpuTensor>();
  const buffers: GPUBuffer[] = [];
  const place = (bytes: Uint8Array) => {
    const { STORAGE, COPY_SRC, COPY_DST } = BUFFER_USAGE;
    const usage = STORAGE | COPY_SRC | COPY_DST;
    const size = wholeWords(bytes.byteLength);
    const buffer = device.createBuffer({ size, usage, mappedAtCreation: true });
    new Uint8Array(buffer.getMappedRange()).set(bytes);
    buffer.unmap();
    buffers.push(buffer);
    return buffer;
  };
  for (const { name, shape, role } of requiredTensors(relative)) {
    const elements = shape.reduce((product, size) => product * size, 1);
    const inputs = (role === 'linear-transposed' ? shape[0] : shape[1]) ?? 1;
    // Vectors are factors or biases. Rows of the embedding are as large as a hidden state.
    const draw =
      role === 'vector'
        ? () => 0.5 + 0.5 * random()
        : role === 'embedding'
          ? () => 2 * random()
          : () => (4 * random()) / Math.sqrt(inputs);
    const data = Float32Array.from({ length: elements }, draw);
    const form = forms.get(name) ?? 'f32';
    if (form === 'f32') {
      cpu.set(name, { data, shape });
      gpu.set(name, { buffer: place(new Uint8Array(data.buffer)), shape });
      continue;
    }
    const bits: Bits = bitsOf(form);
    const [rows = 0, columns = 0] = shape;
    const turns = isTransposed(form);
    const held = quantiseRows(turns ? transposed(data, rows, columns) : data, turns ? rows : columns, bits);
    const meant = dequantiseRows(held, bits);
    cpu.set(name, { data: turns ? transposed(meant, columns, rows) : meant, shape });
    const scales = place(new Uint8Array(held.scales.buffer));
    gpu.set(name, { buffer: place(held.values), shape, form, scales });
  }
  const free = () => {
    for (const buffer of buffers) buffer.destroy();
  };
  return { gpu: { kind: 'gpu', device, tensors: gpu }, cpu: { kind: 'cpu', tensors: cpu }, free };
}

/** The transpose of a matrix of rows × columns. */
function transposed(data: Float32Array, rows: number, columns: number): Float32Array<ArrayBuffer> {
  const turned = new Float32Array(data.length);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) turned[column * rows + row] = data[row * columns + column] ?? 0;
  }
  return turned;
}

/** Numbers in [-0.5, 0.5): Marsaglia's xorshift32. */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32 - 0.5;
  };
}
