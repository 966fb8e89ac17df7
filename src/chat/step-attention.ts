/**
 * StepAttention: finds onnxruntime's attention in a recorded step and puts our own (`decode-attention.ts`) in its place:
 * the two dispatches that read keys and values and add up what they found. The ones before, which rotate and write the
 * new token's key and value, stay. All layers are exchanged, or none.
 */

import { type AttentionBuffers, DecodeAttention } from './decode-attention.ts';
import { gpuBufferOf } from './runtime-buffers.ts';
import type { BoundBuffer } from './step-kernels.ts';
import type { RecordedDispatch } from './step-recording.ts';
import type { StepFacts, StepReplacer } from './step-replacement.ts';

/** What the two dispatches bind, by the names in onnxruntime's shaders. */
const READING = {
  q: 'read',
  present_key: 'read',
  present_value: 'read',
  seqlens_k: 'read',
  total_sequence_length_input: 'read',
  indirect_buffer: 'read',
  out_split_vx: 'read_write',
  metadata: 'read_write',
  uniforms: 'uniform',
} as const;
const REDUCING = {
  input: 'read',
  metadata: 'read',
  seqlens_k: 'read',
  output: 'read_write',
  uniforms: 'uniform',
} as const;

/** One layer's attention in a recording. */
interface Found {
  /** Index of the reading dispatch; the reducing one is next. */
  readonly first: number;
  readonly buffers: AttentionBuffers;
}

/** Our attention in the place of onnxruntime's. */
export const DECODE_ATTENTION: StepReplacer = {
  kind: 'attention',
  seesWindows: true,
  async replace({ recorded }, facts) {
    const { device, architecture, slot } = facts;
    const found = attentionsOf(recorded, facts);
    if (found === null) return null;
    const own = await DecodeAttention.open(device, architecture, slot.capacityTokens);
    return {
      replacements: found.map(({ first, buffers }, layer) => {
        const attention = architecture.blocks[layer]?.attention;
        if (!attention) throw new Error(`there is no layer ${layer}`);
        return { first, count: 2, dispatches: own.dispatches(buffers, attention.scale, attention.windowTokens) };
      }),
      dispose: () => own.dispose(),
    };
  },
};

/** The attention of each layer in order; null where one is not there exactly as it is known. */
function attentionsOf(recorded: readonly RecordedDispatch[], facts: StepFacts): readonly Found[] | null {
  const { blocks } = facts.architecture;
  const found: Found[] = [];
  for (let layer = 0; layer < blocks.length; layer++) {
    const one = attentionOf(recorded, layer, facts);
    if (one === null || blocks[layer]?.attention.softCap !== null) return null;
    found.push(one);
  }
  return found;
}

function attentionOf(recorded: readonly RecordedDispatch[], layer: number, facts: StepFacts): Found | null {
  const { architecture, slot, numbers } = facts;
  const [key, value] = ['key', 'value'].map((part) => slot.pasts[`past_key_values.${layer}.${part}`]);
  const [lastPosition, totalTokens] = [numbers.get('last_position'), numbers.get('total_tokens')];
  if (!key || !value || !lastPosition || !totalTokens) return null;
  const [keys, values] = [gpuBufferOf(key), gpuBufferOf(value)];
  // Something that is not known may touch anything.
  const touching = recorded.flatMap(({ kernel }, index) =>
    kernel === null || [...kernel.bindings.values()].some(({ buffer }) => buffer === keys || buffer === values)
      ? [index]
      : [],
  );
  // The one that writes the new token's, then the one that reads them all.
  const [writing, first] = touching;
  if (touching.length !== 2 || writing === undefined || first === undefined) return null;
  const written = recorded[writing]?.kernel?.bindings;
  const reading = bound(recorded[first], READING);
  const reducing = bound(recorded[first + 1], REDUCING);
  if (!written || reading === null || reducing === null) return null;
  const isWritten = (buffer: GPUBuffer) =>
    [...written.values()].some((one) => one.buffer === buffer && one.access === 'read_write');
  const bytes = architecture.heads * architecture.headSize * 4;
  const cacheBytes = architecture.keyValueHeads * slot.capacityTokens * architecture.headSize * 4;
  const isAsKnown =
    isWritten(keys) &&
    isWritten(values) &&
    reading.present_key.buffer === keys &&
    reading.present_value.buffer === values &&
    reading.seqlens_k.buffer === lastPosition &&
    reading.total_sequence_length_input.buffer === totalTokens &&
    reducing.input.buffer === reading.out_split_vx.buffer &&
    reducing.metadata.buffer === reading.metadata.buffer &&
    reducing.seqlens_k.buffer === lastPosition &&
    keys.size >= cacheBytes &&
    values.size >= cacheBytes &&
    reading.q.buffer.size >= bytes &&
    reducing.output.buffer.size >= bytes &&
    [reading.out_split_vx, reading.metadata].every(({ buffer }) => isForgotten(recorded, first + 2, buffer));
  if (!isAsKnown) return null;
  const buffers = { queries: reading.q.buffer, keys, values, totalTokens, mixed: reducing.output.buffer };
  return new Set(Object.values(buffers)).size === 5 ? { first, buffers } : null;
}

/** What a dispatch binds, where these and no others are its variables, each a whole buffer; else null. */
function bound<Names extends string>(
  dispatch: RecordedDispatch | undefined,
  variables: Readonly<Record<Names, BoundBuffer['access']>>,
): Readonly<Record<Names, BoundBuffer>> | null {
  const bindings = dispatch?.kernel?.bindings;
  const names = Object.keys(variables) as Names[];
  if (!bindings || bindings.size !== names.length) return null;
  for (const name of names) {
    const one = bindings.get(name);
    if (one?.access !== variables[name]) return null;
    const isWhole = one.offset === 0 && (one.size === undefined || one.size === one.buffer.size);
    if (!isWhole && one.access !== 'uniform') return null;
  }
  return Object.fromEntries(bindings) as Record<Names, BoundBuffer>;
}

/** Whether nobody reads from here on what lies in a buffer now: the next to use it writes it, or nobody does. */
function isForgotten(recorded: readonly RecordedDispatch[], from: number, buffer: GPUBuffer): boolean {
  for (const { kernel } of recorded.slice(from)) {
    const uses = [...(kernel?.bindings.values() ?? [])].filter((one) => one.buffer === buffer);
    if (uses.length > 0) return uses.every(({ access }) => access === 'read_write');
  }
  return true;
}
