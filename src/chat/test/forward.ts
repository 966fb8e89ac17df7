/**
 * Forward: the test oracle. A decoder of the Llama family in plain float64 JavaScript, straight from the papers and
 * config.json, sharing no code with the graph. Slow, simple, and right for tiny models only. Not shipped.
 */

/** Weights of a model: its tensors row by row, by their names in a checkpoint. */
export type Tensors = ReadonlyMap<string, { readonly data: Float32Array; readonly shape: readonly number[] }>;

type Config = Readonly<Record<string, unknown>>;
type Matrix = Float64Array[];

/** Logits [tokens][vocabulary] after each of `ids`. */
export function forward(config: Config, tensors: Tensors, ids: readonly number[]): Matrix {
  const heads = Number(config['num_attention_heads']);
  const sharedHeads = Number(config['num_key_value_heads'] ?? heads);
  const headSize = Number(config['head_dim'] ?? Number(config['hidden_size']) / heads);
  const epsilon = Number(config['rms_norm_eps'] ?? 1e-6);

  const get = (name: string) => {
    const tensor = tensors.get(name);
    if (!tensor) throw new Error(`no ${name}`);
    return tensor;
  };
  const linear = (x: Matrix, name: string): Matrix => {
    const { data, shape } = get(`${name}.weight`);
    const [outputs, inputs] = shape as [number, number];
    const bias = tensors.get(`${name}.bias`)?.data;
    return x.map((row) =>
      Float64Array.from({ length: outputs }, (_, output) => {
        let sum = bias?.[output] ?? 0;
        for (let input = 0; input < inputs; input++) sum += at(row, input) * at(data, output * inputs + input);
        return sum;
      }),
    );
  };
  const norm = (x: Matrix, name: string): Matrix => {
    const { data } = get(`${name}.weight`);
    return x.map((row) => {
      const meanSquare = row.reduce((sum, value) => sum + value * value, 0) / row.length;
      return row.map((value, index) => (value / Math.sqrt(meanSquare + epsilon)) * at(data, index));
    });
  };
  const add = (a: Matrix, b: Matrix): Matrix => a.map((row, index) => row.map((value, i) => value + at(b[index], i)));

  const embedding = get('model.embed_tokens.weight');
  const width = at(embedding.shape, 1);
  let hidden: Matrix = ids.map((id) => Float64Array.from(embedding.data.subarray(id * width, (id + 1) * width)));
  for (let layer = 0; layer < Number(config['num_hidden_layers']); layer++) {
    const prefix = `model.layers.${layer}`;
    const x = norm(hidden, `${prefix}.input_layernorm`);
    const queries = rotate(linear(x, `${prefix}.self_attn.q_proj`), heads, headSize, config);
    const keys = rotate(linear(x, `${prefix}.self_attn.k_proj`), sharedHeads, headSize, config);
    const values = linear(x, `${prefix}.self_attn.v_proj`);
    const mixed = attend(queries, keys, values, heads, sharedHeads, headSize);
    hidden = add(hidden, linear(mixed, `${prefix}.self_attn.o_proj`));
    const y = norm(hidden, `${prefix}.post_attention_layernorm`);
    const gate = linear(y, `${prefix}.mlp.gate_proj`);
    const up = linear(y, `${prefix}.mlp.up_proj`);
    const gated = gate.map((row, token) => row.map((value, i) => (value / (1 + Math.exp(-value))) * at(up[token], i)));
    hidden = add(hidden, linear(gated, `${prefix}.mlp.down_proj`));
  }
  const isTied = config['tie_word_embeddings'] === true || !tensors.has('lm_head.weight');
  return linear(norm(hidden, 'model.norm'), isTied ? 'model.embed_tokens' : 'lm_head');
}

function attend(
  queries: Matrix,
  keys: Matrix,
  values: Matrix,
  heads: number,
  sharedHeads: number,
  headSize: number,
): Matrix {
  return queries.map((query, position) => {
    const out = new Float64Array(heads * headSize);
    for (let head = 0; head < heads; head++) {
      const shared = Math.floor(head / (heads / sharedHeads));
      const scores = keys.slice(0, position + 1).map((key) => {
        let sum = 0;
        for (let i = 0; i < headSize; i++) sum += at(query, head * headSize + i) * at(key, shared * headSize + i);
        return sum / Math.sqrt(headSize);
      });
      const top = Math.max(...scores);
      const weights = scores.map((score) => Math.exp(score - top));
      const sum = weights.reduce((a, b) => a + b, 0);
      for (let i = 0; i < headSize; i++) {
        out[head * headSize + i] =
          weights.reduce((total, weight, past) => total + weight * at(values[past], shared * headSize + i), 0) / sum;
      }
    }
    return out;
  });
}

/** Rotates pairs (i, i + headSize / 2) of every head by position times frequency. */
function rotate(x: Matrix, heads: number, headSize: number, config: Config): Matrix {
  const frequencies = ropeFrequencies(config, headSize);
  return x.map((row, position) => {
    const out = Float64Array.from(row);
    for (let head = 0; head < heads; head++) {
      frequencies.forEach((frequency, i) => {
        const [first, second] = [head * headSize + i, head * headSize + i + headSize / 2];
        const [c, s] = [Math.cos(position * frequency), Math.sin(position * frequency)];
        out[first] = at(row, first) * c - at(row, second) * s;
        out[second] = at(row, second) * c + at(row, first) * s;
      });
    }
    return out;
  });
}

/** As transformers' modeling_rope_utils words it: by wavelengths, not by turns. */
export function ropeFrequencies(config: Config, headSize: number): number[] {
  const parameters = config['rope_parameters'] as Config | undefined;
  const scaling = (parameters ?? config['rope_scaling'] ?? {}) as Config;
  const theta = Number(parameters?.['rope_theta'] ?? config['rope_theta'] ?? 10000);
  const kind = scaling['rope_type'] ?? scaling['type'] ?? 'default';
  return Array.from({ length: headSize / 2 }, (_, i) => {
    const frequency = 1 / theta ** ((2 * i) / headSize);
    if (kind === 'default') return frequency;
    const factor = Number(scaling['factor']);
    if (kind === 'linear') return frequency / factor;
    const context = Number(scaling['original_max_position_embeddings']);
    const [low, high] = [Number(scaling['low_freq_factor']), Number(scaling['high_freq_factor'])];
    const wavelength = (2 * Math.PI) / frequency;
    if (wavelength < context / high) return frequency;
    if (wavelength > context / low) return frequency / factor;
    const smooth = (context / wavelength - low) / (high - low);
    return ((1 - smooth) * frequency) / factor + smooth * frequency;
  });
}

function at(values: ArrayLike<number> | undefined, index: number): number {
  const value = values?.[index];
  if (value === undefined) throw new Error(`the oracle reads outside of its data (${index})`);
  return value;
}
