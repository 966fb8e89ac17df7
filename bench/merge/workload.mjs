/**
 * Workload: the checkpoints that the bench merges: Llama shapes in BF16, a base and three fine-tunes of it, as single
 * safetensors files. Written once by streaming, seeded, so that any machine makes the same bytes. Not the merges
 * (`merges.mjs`).
 */

import { mkdir, open, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * One size of workload.
 * @typedef {object} Size
 * @property {string} name
 * @property {number} hidden
 * @property {number} intermediate
 * @property {number} layers
 * @property {number} vocabulary
 * @property {number} heads
 * @property {number} keyValueHeads
 */

/** The sizes below a quarter of a billion parameters differ in layers and vocabulary only: halves of one another. */
const NARROW = { hidden: 1024, intermediate: 2816, heads: 16, keyValueHeads: 4 };

/** @type {Readonly<Record<string, Size>>} */
export const SIZES = {
  tiny: { ...NARROW, name: 'tiny', layers: 1, vocabulary: 2000 },
  '0.06b': { ...NARROW, name: '0.06b', layers: 4, vocabulary: 8000 },
  '0.12b': { ...NARROW, name: '0.12b', layers: 8, vocabulary: 16_000 },
  '0.25b': { ...NARROW, name: '0.25b', layers: 16, vocabulary: 32_000 },
  '1.1b': {
    name: '1.1b',
    hidden: 2048,
    intermediate: 5632,
    layers: 22,
    vocabulary: 32_000,
    heads: 32,
    keyValueHeads: 4,
  },
};

/** Folder names: the base, then the fine-tunes. */
export const MODELS = ['base', 'tune-1', 'tune-2', 'tune-3'];

/** Standard deviation of the weights, and of what each fine-tune changed: what instruction tuning is seen to do. */
const WEIGHT_SCALE = 0.02;
const DELTA_SCALES = [0, 1e-3, 8e-4, 1.2e-3];

/** Beside the files: says that they are complete, and by which version of this script. */
const STAMP = 'workload.json';
const VERSION = 1;

/** Elements written at a time. */
const CHUNK_ELEMENTS = 2 ** 20;

/**
 * The tensors in the order of the file.
 * @param {Size} size
 * @returns {{ name: string, shape: number[] }[]}
 */
export function tensorsOf({ hidden, intermediate, layers, vocabulary, heads, keyValueHeads }) {
  const keyValue = (hidden / heads) * keyValueHeads;
  const tensors = [{ name: 'model.embed_tokens.weight', shape: [vocabulary, hidden] }];
  for (let layer = 0; layer < layers; layer++) {
    const prefix = `model.layers.${layer}.`;
    tensors.push(
      { name: `${prefix}input_layernorm.weight`, shape: [hidden] },
      { name: `${prefix}mlp.down_proj.weight`, shape: [hidden, intermediate] },
      { name: `${prefix}mlp.gate_proj.weight`, shape: [intermediate, hidden] },
      { name: `${prefix}mlp.up_proj.weight`, shape: [intermediate, hidden] },
      { name: `${prefix}post_attention_layernorm.weight`, shape: [hidden] },
      { name: `${prefix}self_attn.k_proj.weight`, shape: [keyValue, hidden] },
      { name: `${prefix}self_attn.o_proj.weight`, shape: [hidden, hidden] },
      { name: `${prefix}self_attn.q_proj.weight`, shape: [hidden, hidden] },
      { name: `${prefix}self_attn.v_proj.weight`, shape: [keyValue, hidden] },
    );
  }
  tensors.push({ name: 'model.norm.weight', shape: [hidden] }, { name: 'lm_head.weight', shape: [vocabulary, hidden] });
  return tensors;
}

/** @param {readonly number[]} shape */
const elementsOf = (shape) => shape.reduce((product, n) => product * n, 1);

/** @param {Size} size */
export const parametersOf = (size) => tensorsOf(size).reduce((sum, { shape }) => sum + elementsOf(shape), 0);

/** Standard normal quantiles, so that one random word makes two normal numbers without a logarithm. */
function normalTable() {
  const table = new Float32Array(65_536);
  // Box and Muller over a grid would not be sorted, and need not be: only the distribution counts.
  for (let i = 0; i < table.length; i += 2) {
    const radius = Math.sqrt(-2 * Math.log((i / 2 + 0.5) / (table.length / 2)));
    const angle = 2 * Math.PI * ((i * 0.618_033_988_749_895) % 1);
    table[i] = radius * Math.cos(angle);
    table[i + 1] = radius * Math.sin(angle);
  }
  return table;
}

/**
 * A tensor's seed: different per tensor and model, never zero (xorshift would stay there).
 * @param {string} name
 * @param {number} model
 */
function seedOf(name, model) {
  let hash = 0x811c9dc5 ^ model;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  return (hash ^ (hash >>> 15)) | 1;
}

/**
 * Fills `out` with BF16 of `centre + spread × normal`, plus the model's change where it has one. Returns the states of
 * the two generators, to go on from.
 * @param {Uint16Array} out
 * @param {Float32Array} normals
 * @param {{ centre: number, spread: number, change: number, seeds: [number, number] }} how
 * @returns {[number, number]}
 */
function fill(out, normals, { centre, spread, change, seeds: [a, b] }) {
  const value = new Float32Array(1);
  const bits = new Int32Array(value.buffer);
  const half = Math.SQRT1_2;
  // Indexes are 16 bits wide, as the table is.
  const sum = (/** @type {number} */ word) => (normals[word & 0xffff] ?? 0) + (normals[word >>> 16] ?? 0);
  for (let i = 0; i < out.length; i++) {
    a ^= a << 13;
    a ^= a >>> 17;
    a ^= a << 5;
    let x = centre + spread * half * sum(a);
    if (change !== 0) {
      value[0] = x;
      // The fine-tune starts from the base as it was stored.
      const stored = /** @type {number} */ (bits[0]);
      bits[0] = (stored + 0x7fff + ((stored >>> 16) & 1)) & 0xffff0000;
      b ^= b << 13;
      b ^= b >>> 17;
      b ^= b << 5;
      x = value[0] + change * half * sum(b);
    }
    value[0] = x;
    const word = /** @type {number} */ (bits[0]);
    out[i] = (word + 0x7fff + ((word >>> 16) & 1)) >>> 16;
  }
  return [a, b];
}

/**
 * Writes one checkpoint.
 * @param {string} folder
 * @param {Size} size
 * @param {number} model 0 is the base
 */
async function writeModel(folder, size, model) {
  await mkdir(folder, { recursive: true });
  const tensors = tensorsOf(size);
  /** @type {Record<string, unknown>} */
  const header = { __metadata__: { format: 'pt' } };
  let at = 0;
  for (const { name, shape } of tensors) {
    const bytes = 2 * elementsOf(shape);
    header[name] = { dtype: 'BF16', shape, data_offsets: [at, at + bytes] };
    at += bytes;
  }
  let text = JSON.stringify(header);
  text += ' '.repeat((8 - (text.length % 8)) % 8);
  const start = Buffer.alloc(8);
  start.writeBigUInt64LE(BigInt(text.length));
  const normals = normalTable();
  const chunk = new Uint16Array(CHUNK_ELEMENTS);
  const file = await open(join(folder, 'model.safetensors'), 'w');
  try {
    await file.writeFile(Buffer.concat([start, Buffer.from(text)]));
    for (const { name, shape } of tensors) {
      const isNorm = name.endsWith('norm.weight');
      const elements = elementsOf(shape);
      /** @type {[number, number]} */
      let seeds = [seedOf(name, 0), seedOf(name, model)];
      for (let done = 0; done < elements; done += chunk.length) {
        const part = chunk.subarray(0, Math.min(chunk.length, elements - done));
        seeds = fill(part, normals, {
          centre: isNorm ? 1 : 0,
          spread: isNorm ? 0.1 : WEIGHT_SCALE,
          change: DELTA_SCALES[model] ?? 0,
          seeds,
        });
        await file.writeFile(new Uint8Array(part.buffer, 0, part.byteLength));
      }
    }
  } finally {
    await file.close();
  }
  const config = {
    architectures: ['LlamaForCausalLM'],
    model_type: 'llama',
    hidden_size: size.hidden,
    intermediate_size: size.intermediate,
    num_hidden_layers: size.layers,
    num_attention_heads: size.heads,
    num_key_value_heads: size.keyValueHeads,
    vocab_size: size.vocabulary,
    tie_word_embeddings: false,
    torch_dtype: 'bfloat16',
  };
  await writeFile(join(folder, 'config.json'), `${JSON.stringify(config, null, 2)}\n`);
}

/**
 * Where a size's checkpoints lie under `root`, made if they are not there.
 * @param {string} root a folder outside the repository
 * @param {Size} size
 * @param {(line: string) => void} say
 * @returns {Promise<string>} the folder that holds `base`, `tune-1`, …
 */
export async function ensureWorkload(root, size, say) {
  const folder = join(root, size.name);
  const wanted = JSON.stringify({ version: VERSION, size });
  const made = await readFile(join(folder, STAMP), 'utf8').catch(() => null);
  if (made?.trim() === wanted) return folder;
  await rm(folder, { recursive: true, force: true });
  say(`Making ${MODELS.length} checkpoints of ${(parametersOf(size) / 1e9).toFixed(2)} B parameters in ${folder}`);
  for (const [model, name] of MODELS.entries()) await writeModel(join(folder, name), size, model);
  await writeFile(join(folder, STAMP), `${wanted}\n`);
  return folder;
}

/**
 * Bytes of one checkpoint's weights.
 * @param {string} folder a size's folder
 */
export async function checkpointBytes(folder) {
  return (await stat(join(folder, 'base', 'model.safetensors'))).size;
}
