/**
 * Forward: the test oracle. Every decoder of chat in plain float64 JavaScript, straight from the papers and config.json,
 * whole texts at once, sharing no code with the graph. Slow, simple, and right for tiny models only. Not shipped.
 */

/** Weights of a model: its tensors row by row, by their names in a checkpoint. */
export type Tensors = ReadonlyMap<string, { readonly data: Float32Array; readonly shape: readonly number[] }>;

type Config = Readonly<Record<string, unknown>>;
type Matrix = Float64Array[];
type Step = (x: Matrix) => Matrix;

/** What the oracle has to know of a model type: names of its modules, and the few things that no name says. */
interface Model {
  readonly prefix: string;
  readonly embed: string;
  readonly layers: string;
  readonly final: string | null;
  readonly head: string;
  readonly qkv: readonly [string, string, string] | string;
  readonly out: string;
  readonly mlp: readonly string[];
  /** Norms: before attention, after it, before the feed-forward layer, after it; null where there is none. */
  readonly norms: readonly [string | null, string | null, string | null, string | null];
}

const LLAMA: Model = {
  prefix: 'model.',
  embed: 'embed_tokens',
  layers: 'layers',
  final: 'norm',
  head: 'lm_head',
  qkv: ['self_attn.q_proj', 'self_attn.k_proj', 'self_attn.v_proj'],
  out: 'self_attn.o_proj',
  mlp: ['mlp.gate_proj', 'mlp.up_proj', 'mlp.down_proj'],
  norms: ['input_layernorm', null, 'post_attention_layernorm', null],
};
const GEMMA: Model = {
  ...LLAMA,
  norms: ['input_layernorm', 'post_attention_layernorm', 'pre_feedforward_layernorm', 'post_feedforward_layernorm'],
};
const GPT: Model = {
  prefix: 'transformer.',
  embed: 'wte',
  layers: 'h',
  final: 'ln_f',
  head: 'lm_head',
  qkv: 'attn.c_attn',
  out: 'attn.c_proj',
  mlp: ['mlp.c_fc', 'mlp.c_proj'],
  norms: ['ln_1', null, 'ln_2', null],
};

const MODELS: Readonly<Record<string, Model>> = {
  llama: LLAMA,
  mistral: LLAMA,
  qwen2: LLAMA,
  qwen3: LLAMA,
  gemma: LLAMA,
  gemma2: GEMMA,
  gemma3_text: GEMMA,
  phi3: { ...LLAMA, qkv: 'self_attn.qkv_proj', mlp: ['mlp.gate_up_proj', 'mlp.down_proj'] },
  phi: {
    ...LLAMA,
    final: 'final_layernorm',
    out: 'self_attn.dense',
    mlp: ['mlp.fc1', 'mlp.fc2'],
    norms: ['input_layernorm', null, null, null],
  },
  gpt2: GPT,
  'openai-gpt': { ...GPT, embed: 'tokens_embed', final: null },
  gpt_neox: {
    ...LLAMA,
    prefix: 'gpt_neox.',
    embed: 'embed_in',
    final: 'final_layer_norm',
    head: 'embed_out',
    qkv: 'attention.query_key_value',
    out: 'attention.dense',
    mlp: ['mlp.dense_h_to_4h', 'mlp.dense_4h_to_h'],
  },
  gpt_neo: {
    ...GPT,
    qkv: ['attn.attention.q_proj', 'attn.attention.k_proj', 'attn.attention.v_proj'],
    out: 'attn.attention.out_proj',
  },
  opt: {
    ...LLAMA,
    prefix: 'model.decoder.',
    final: 'final_layer_norm',
    out: 'self_attn.out_proj',
    mlp: ['fc1', 'fc2'],
    norms: ['self_attn_layer_norm', null, 'final_layer_norm', null],
  },
  smollm3: LLAMA,
  olmo: LLAMA,
  olmo2: { ...LLAMA, norms: [null, 'post_attention_layernorm', null, 'post_feedforward_layernorm'] },
  granite: LLAMA,
  stablelm: LLAMA,
  starcoder2: { ...LLAMA, mlp: ['mlp.c_fc', 'mlp.c_proj'] },
};

/** Logits [tokens][vocabulary] after each of `ids`. */
export function forward(config: Config, tensors: Tensors, ids: readonly number[]): Matrix {
  const type = String(config['model_type']);
  const model = MODELS[type];
  if (!model) throw new Error(`the oracle knows no ${type}`);
  const number = (...keys: readonly string[]) => Number(keys.map((key) => config[key]).find((value) => value != null));
  const width = number('n_embd', 'hidden_size');
  const heads = number('n_head', 'num_heads', 'num_attention_heads');
  const sharedHeads = number('num_key_value_heads', 'n_head', 'num_heads', 'num_attention_heads');
  const headSize = Number(config['head_dim'] ?? width / heads);
  const isGemma = type.startsWith('gemma');
  const isLayerNorm = [
    'phi',
    'gpt2',
    'openai-gpt',
    'gpt_neox',
    'olmo',
    'stablelm',
    'starcoder2',
    'gpt_neo',
    'opt',
  ].includes(type);
  const epsilon = Number(
    config['rms_norm_eps'] ??
      config['layer_norm_eps'] ??
      config['layer_norm_epsilon'] ??
      config['norm_epsilon'] ??
      (isLayerNorm || type === 'phi3' || type === 'olmo2' ? 1e-5 : 1e-6),
  );

  const prefix = tensors.has(`${model.prefix}${model.embed}.weight`) ? model.prefix : '';
  const get = (name: string) => {
    const tensor = tensors.get(name);
    if (!tensor) throw new Error(`no ${name}`);
    return tensor;
  };
  const matrix = (name: string): Step => {
    const { data, shape } = get(`${name}.weight`);
    const [first, second] = shape as [number, number];
    const isConv1d = model.qkv === 'attn.c_attn' && name !== model.head && name !== `${prefix}${model.embed}`;
    const [outputs, inputs] = isConv1d ? [second, first] : [first, second];
    const bias = tensors.get(`${name}.bias`)?.data;
    return (x) =>
      x.map((row) =>
        Float64Array.from({ length: outputs }, (_, output) => {
          let sum = bias?.[output] ?? 0;
          for (let input = 0; input < inputs; input++) {
            sum += at(row, input) * at(data, isConv1d ? input * outputs + output : output * inputs + input);
          }
          return sum;
        }),
      );
  };
  const normRow = (row: Float64Array, weight: Float32Array | undefined, bias: Float32Array | undefined) => {
    const mean = isLayerNorm ? row.reduce((sum, value) => sum + value, 0) / row.length : 0;
    const variance = row.reduce((sum, value) => sum + (value - mean) ** 2, 0) / row.length;
    return row.map((value, i) => {
      const gain = (weight === undefined ? 1 : at(weight, i)) + (isGemma ? 1 : 0);
      return ((value - mean) / Math.sqrt(variance + epsilon)) * gain + (bias?.[i] ?? 0);
    });
  };
  const norm = (name: string | null): Step => {
    if (name === null) return (x) => x;
    const weight = type === 'olmo' ? undefined : get(`${name}.weight`).data;
    const bias = isLayerNorm ? tensors.get(`${name}.bias`)?.data : undefined;
    return (x) => x.map((row) => normRow(row, weight, bias));
  };
  const add = (a: Matrix, b: Matrix, factor = 1): Matrix =>
    a.map((row, index) => row.map((value, i) => value + factor * at(b[index], i)));

  const embedding = get(`${prefix}${model.embed}.weight`);
  const scale = isGemma ? Math.sqrt(width) : Number(config['embedding_multiplier'] ?? 1);
  let hidden: Matrix = ids.map((id) =>
    Float64Array.from(embedding.data.subarray(id * width, (id + 1) * width), (value) => value * scale),
  );
  const offset = type === 'opt' ? 2 : 0;
  const learned =
    type === 'opt'
      ? 'embed_positions'
      : type === 'gpt2' || type === 'gpt_neo'
        ? 'wpe'
        : type === 'openai-gpt'
          ? 'positions_embed'
          : null;
  if (learned !== null) {
    const { data } = get(`${prefix}${learned}.weight`);
    hidden = hidden.map((row, position) => row.map((value, i) => value + at(data, (position + offset) * width + i)));
  }

  const residual = Number(config['residual_multiplier'] ?? 1);
  for (let layer = 0; layer < number('n_layer', 'num_layers', 'num_hidden_layers'); layer++) {
    const own = `${prefix}${model.layers}.${layer}.`;
    const normOf = (which: 0 | 1 | 2 | 3) => norm(model.norms[which] === null ? null : own + model.norms[which]);
    const attention = (x: Matrix): Matrix => {
      const project = (name: string) => matrix(own + name)(x);
      let parts: [Matrix, Matrix, Matrix];
      if (typeof model.qkv !== 'string') parts = model.qkv.map(project) as [Matrix, Matrix, Matrix];
      else {
        const packed = project(model.qkv);
        const [q, k] = [heads * headSize, sharedHeads * headSize];
        const take = (from: number, count: number) => packed.map((row) => row.slice(from, from + count));
        const each = (which: number) =>
          packed.map((row) =>
            Float64Array.from({ length: q }, (_, i) =>
              at(row, Math.floor(i / headSize) * 3 * headSize + which * headSize + (i % headSize)),
            ),
          );
        parts = type === 'gpt_neox' ? [each(0), each(1), each(2)] : [take(0, q), take(q, k), take(q + k, k)];
      }
      const clip = config['clip_qkv'];
      if (typeof clip === 'number') {
        parts = parts.map((part) =>
          part.map((row) => row.map((v) => Math.max(-clip, Math.min(clip, v)))),
        ) as typeof parts;
      }
      const headNorm = (x: Matrix, short: 'q' | 'k', count: number): Matrix => {
        const [plain, layered] = [`${own}self_attn.${short}_norm.weight`, `${own}self_attn.${short}_layernorm`];
        const whole = tensors.get(plain)?.data;
        if (type === 'olmo2') return x.map((row) => normRow(row, whole, undefined));
        const weightOf = (head: number) =>
          whole ?? tensors.get(`${layered}.weight`)?.data ?? tensors.get(`${layered}.norms.${head}.weight`)?.data;
        if (weightOf(0) === undefined) return x;
        const bias = tensors.get(`${layered}.bias`)?.data;
        return x.map((row) =>
          Float64Array.from(
            Array.from({ length: count }, (_, head) => [
              ...normRow(row.slice(head * headSize, (head + 1) * headSize), weightOf(head), bias),
            ]).flat(),
          ),
        );
      };
      const isSliding = slides(config, type, layer);
      const queries = rotate(headNorm(parts[0], 'q', heads), heads, headSize, config, layer);
      const keys = rotate(headNorm(parts[1], 'k', sharedHeads), sharedHeads, headSize, config, layer);
      const mixed = attend(queries, keys, parts[2], {
        heads,
        sharedHeads,
        headSize,
        scale: attentionScale(config, type, headSize, layer),
        window: isSliding
          ? Number(config['sliding_window'] ?? config['window_size'] ?? 4096)
          : Number.POSITIVE_INFINITY,
        cap:
          type === 'gemma2' && config['attn_logit_softcapping'] !== null
            ? Number(config['attn_logit_softcapping'] ?? 50)
            : null,
      });
      return matrix(own + model.out)(mixed);
    };
    const feedForward = (x: Matrix): Matrix => {
      const act = activation(config, type);
      const last = matrix(own + (model.mlp[model.mlp.length - 1] ?? ''));
      if (type === 'phi3') {
        const both = matrix(own + (model.mlp[0] ?? ''))(x);
        return last(
          both.map((row) => row.slice(0, row.length / 2).map((v, i) => act(v) * at(row, row.length / 2 + i))),
        );
      }
      const first = matrix(own + (model.mlp[0] ?? ''))(x).map((row) => row.map(act));
      if (model.mlp.length === 2) return last(first);
      const up = matrix(own + (model.mlp[1] ?? ''))(x);
      return last(first.map((row, token) => row.map((v, i) => v * at(up[token], i))));
    };
    const isParallel =
      type === 'phi' ||
      (type === 'gpt_neox' && config['use_parallel_residual'] !== false) ||
      (type === 'stablelm' && config['use_parallel_residual'] === true);
    if (type === 'openai-gpt') {
      const n = norm(`${own}ln_1`)(add(hidden, attention(hidden)));
      hidden = norm(`${own}ln_2`)(add(n, feedForward(n)));
    } else if (isParallel) {
      const x = normOf(0)(hidden);
      const y = type === 'gpt_neox' ? normOf(2)(hidden) : x;
      hidden = add(hidden, add(attention(x), feedForward(y)));
    } else {
      hidden = add(hidden, normOf(1)(attention(normOf(0)(hidden))), residual);
      hidden = add(hidden, normOf(3)(feedForward(normOf(2)(hidden))), residual);
    }
  }
  const isTied = !tensors.has(`${model.head}.weight`);
  const last = model.final === null ? hidden : norm(prefix + model.final)(hidden);
  // A tied head still has its own bias.
  const bias = isTied ? tensors.get(`${model.head}.bias`)?.data : undefined;
  const logits = matrix(isTied ? `${prefix}${model.embed}` : model.head)(last);
  const divisor = Number(config['logits_scaling'] ?? 1);
  const given = config['final_logit_softcapping'];
  const cap = type === 'gemma2' && given === undefined ? 30 : given;
  return logits.map((row) =>
    row.map((v, i) => {
      const value = (v + (bias?.[i] ?? 0)) / divisor;
      return typeof cap === 'number' ? cap * Math.tanh(value / cap) : value;
    }),
  );
}

function slides(config: Config, type: string, layer: number): boolean {
  const kinds = config['layer_types'];
  if (Array.isArray(kinds)) return kinds[layer] === 'sliding_attention';
  if (type === 'gemma2') return layer % 2 === 0;
  if (type === 'gpt_neo') return layer % 2 === 1;
  if (type === 'gemma3_text') return (layer + 1) % Number(config['sliding_window_pattern'] ?? 6) !== 0;
  if (type === 'qwen2' || type === 'qwen3') {
    return config['use_sliding_window'] === true && layer >= Number(config['max_window_layers'] ?? 28);
  }
  return ['mistral', 'phi3', 'starcoder2'].includes(type) && typeof config['sliding_window'] === 'number';
}

function attentionScale(config: Config, type: string, headSize: number, layer: number): number {
  if (type === 'granite') return Number(config['attention_multiplier'] ?? 1);
  if (type === 'gpt_neo') return 1;
  if (type === 'gemma2' || type === 'gemma3_text') return 1 / Math.sqrt(Number(config['query_pre_attn_scalar'] ?? 256));
  let scale = 1 / Math.sqrt(headSize);
  if (config['scale_attn_weights'] === false) scale = 1;
  return config['scale_attn_by_inverse_layer_idx'] === true ? scale / (layer + 1) : scale;
}

function activation(config: Config, type: string): (x: number) => number {
  const usual = {
    gemma: 'gelu',
    gemma2: 'gelu',
    gemma3_text: 'gelu',
    phi: 'gelu_new',
    gpt2: 'gelu_new',
    starcoder2: 'gelu_new',
    gpt_neo: 'gelu_new',
    opt: 'relu',
  };
  let name = String(
    (type === 'gpt_neo' || type === 'opt'
      ? (config['activation_function'] ?? (usual as Record<string, string>)[type])
      : undefined) ??
      config['hidden_activation'] ??
      (/^gemma[23]/.test(type) ? undefined : config['hidden_act']) ??
      config['activation_function'] ??
      config['afn'] ??
      (usual as Record<string, string>)[type] ??
      (type === 'gpt_neox' || type === 'openai-gpt' ? 'gelu' : 'silu'),
  );
  if (name === 'gelu' && (type.startsWith('gemma') || type === 'openai-gpt')) name = 'gelu_new';
  if (name === 'silu' || name === 'swish') return (x) => x / (1 + Math.exp(-x));
  if (name === 'relu') return (x) => Math.max(0, x);
  if (name === 'relu2') return (x) => Math.max(0, x) ** 2;
  if (name === 'quick_gelu') return (x) => x / (1 + Math.exp(-1.702 * x));
  if (name === 'gelu') return (x) => (x * (1 + erf(x / Math.SQRT2))) / 2;
  return (x) => (x / 2) * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));
}

/** By its series, which converges everywhere; beyond 6 it is 1 in float64. */
function erf(x: number): number {
  if (Math.abs(x) > 6) return Math.sign(x);
  let [term, sum] = [x, x];
  for (let n = 1; Math.abs(term) > 1e-18 * Math.abs(sum); n++) {
    term *= (-x * x) / n;
    sum += term / (2 * n + 1);
    if (n > 300) break;
  }
  return (2 / Math.sqrt(Math.PI)) * sum;
}

interface Heads {
  readonly heads: number;
  readonly sharedHeads: number;
  readonly headSize: number;
  readonly scale: number;
  readonly window: number;
  readonly cap: number | null;
}

function attend(queries: Matrix, keys: Matrix, values: Matrix, facts: Heads): Matrix {
  const { heads, sharedHeads, headSize, scale, window, cap } = facts;
  return queries.map((query, position) => {
    const out = new Float64Array(heads * headSize);
    const first = Math.max(0, position + 1 - window);
    for (let head = 0; head < heads; head++) {
      const shared = Math.floor(head / (heads / sharedHeads));
      const scores = keys.slice(first, position + 1).map((key) => {
        let sum = 0;
        for (let i = 0; i < headSize; i++) sum += at(query, head * headSize + i) * at(key, shared * headSize + i);
        return cap === null ? sum * scale : cap * Math.tanh((sum * scale) / cap);
      });
      const top = Math.max(...scores);
      const weights = scores.map((score) => Math.exp(score - top));
      const sum = weights.reduce((a, b) => a + b, 0);
      for (let i = 0; i < headSize; i++) {
        out[head * headSize + i] =
          weights.reduce((total, weight, past) => total + weight * at(values[first + past], shared * headSize + i), 0) /
          sum;
      }
    }
    return out;
  });
}

/** Rotates pairs (i, i + half) of the rotated part of every head by position times frequency. */
function rotate(x: Matrix, heads: number, headSize: number, config: Config, layer: number): Matrix {
  const { frequencies, amplitude } = rotation(config, headSize, layer, x.length);
  const half = frequencies.length;
  return x.map((row, position) => {
    const out = Float64Array.from(row);
    for (let head = 0; head < heads; head++) {
      frequencies.forEach((frequency, i) => {
        const [first, second] = [head * headSize + i, head * headSize + i + half];
        const [c, s] = [Math.cos(position * frequency) * amplitude, Math.sin(position * frequency) * amplitude];
        out[first] = at(row, first) * c - at(row, second) * s;
        out[second] = at(row, second) * c + at(row, first) * s;
      });
    }
    return out;
  });
}

/** Frequencies of a layer and what the rotated part grows by, for a text of so many tokens; none where it is not rotated. */
function rotation(config: Config, headSize: number, layer: number, tokens: number) {
  const type = String(config['model_type']);
  const none = { frequencies: [], amplitude: 1 };
  if (['gpt2', 'openai-gpt', 'gpt_neo', 'opt'].includes(type)) return none;
  if (type === 'smollm3') {
    const rotated = config['no_rope_layers'] as number[] | undefined;
    const interval = Number(config['no_rope_layer_interval'] ?? 4);
    if (rotated ? rotated[layer] === 0 : (layer + 1) % interval === 0) return none;
  }
  const share =
    config['partial_rotary_factor'] ??
    (config['rope_parameters'] as Config | undefined)?.['partial_rotary_factor'] ??
    config['rotary_pct'] ??
    { phi: 0.5, stablelm: 0.25, gpt_neox: 0.25 }[type] ??
    1;
  const size = Math.floor(headSize * Number(share));
  if (type === 'gemma3_text') {
    const parameters = config['rope_parameters'] as Readonly<Record<string, Config>> | undefined;
    const isLocal = slides(config, type, layer);
    const own = { ...parameters?.[isLocal ? 'sliding_attention' : 'full_attention'] };
    const theta = isLocal ? (config['rope_local_base_freq'] ?? 1e4) : (config['rope_theta'] ?? 1e6);
    const scaling = isLocal ? undefined : (config['rope_scaling'] as Config | undefined);
    return {
      frequencies: ropeFrequencies({ rope_parameters: { rope_theta: theta, ...own, ...scaling } }, size),
      amplitude: 1,
    };
  }
  const scaling = (config['rope_scaling'] ?? config['rope_parameters'] ?? {}) as Config;
  const kind = scaling['rope_type'] ?? scaling['type'] ?? 'default';
  let amplitude = 1;
  const factor = Number(scaling['factor'] ?? 1);
  if (kind === 'yarn') amplitude = Number(scaling['attention_factor'] ?? 0.1 * Math.log(factor) + 1);
  if (kind === 'longrope') {
    const original = Number(config['original_max_position_embeddings'] ?? 4096);
    const growth = Number(scaling['factor'] ?? Number(config['max_position_embeddings']) / original);
    amplitude = Number(
      scaling['attention_factor'] ?? Math.sqrt(1 + Math.log(Math.max(growth, 1)) / Math.log(original)),
    );
  }
  const theta = config['rotary_emb_base'] ?? config['rope_theta'] ?? (type === 'smollm3' ? 2e6 : 1e4);
  return { frequencies: ropeFrequencies({ ...config, rope_theta: theta }, size, tokens), amplitude };
}

/** As transformers' modeling_rope_utils words it: by wavelengths, not by turns. `size` elements are rotated. */
export function ropeFrequencies(config: Config, size: number, tokens = 0): number[] {
  const parameters = (config['rope_scaling'] ?? config['rope_parameters']) as Config | undefined;
  const scaling = parameters ?? {};
  const theta = Number(parameters?.['rope_theta'] ?? config['rope_theta'] ?? 10000);
  const kind = scaling['rope_type'] ?? scaling['type'] ?? 'default';
  const context = Number(
    config['original_max_position_embeddings'] ??
      scaling['original_max_position_embeddings'] ??
      config['max_position_embeddings'],
  );
  const factor = Number(scaling['factor']);
  return Array.from({ length: size / 2 }, (_, i) => {
    const frequency = 1 / theta ** ((2 * i) / size);
    if (kind === 'default' || kind === 'dynamic') return frequency;
    if (kind === 'linear') return frequency / factor;
    if (kind === 'longrope') {
      const factors = scaling[tokens > context ? 'long_factor' : 'short_factor'] as number[];
      return frequency / at(factors, i);
    }
    const wavelength = (2 * Math.PI) / frequency;
    if (kind === 'yarn') {
      const turning = (turns: number) => (size * Math.log(context / (turns * 2 * Math.PI))) / (2 * Math.log(theta));
      const [fast, slow] = [turning(Number(scaling['beta_fast'] ?? 32)), turning(Number(scaling['beta_slow'] ?? 1))];
      const isExact = scaling['truncate'] === false;
      const low = Math.max(0, isExact ? fast : Math.floor(fast));
      const high = Math.min(size - 1, isExact ? slow : Math.ceil(slow));
      const ramp = Math.min(1, Math.max(0, (i - low) / (high === low ? 0.001 : high - low)));
      return (frequency / factor) * ramp + frequency * (1 - ramp);
    }
    const [low, high] = [Number(scaling['low_freq_factor']), Number(scaling['high_freq_factor'])];
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
