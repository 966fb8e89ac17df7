/**
 * Family: what an entry of the table in `families.ts` can say about a `model_type`, and how such an entry, a
 * config.json and the names in a checkpoint become an Architecture.
 */

import { UnsupportedFault } from '../bytes/fault.ts';
import type { ModelConfig } from '../formats/checkpoint.ts';
import type {
  Activation,
  Architecture,
  Attention,
  Block,
  FeedForward,
  HeadNorm,
  Linear,
  Norm,
} from './architecture.ts';
import {
  epsilonOf,
  integerOf,
  MAX_HEADS,
  MAX_HEAD_SIZE,
  MAX_LAYERS,
  MAX_SIZE,
  recordOf,
  shown,
  valueOf,
} from './config-values.ts';
import { type Rope, type RopeDefaults, readRope, switchTokens } from './rope.ts';
import { headIn, prefixIn, type TensorNames } from './tensor-names.ts';

type Key = string | readonly string[];

/** Which linear layers have a bias. */
interface Biases {
  readonly qkv: boolean;
  readonly attentionOutput: boolean;
  readonly feedForward: boolean;
  readonly head: boolean;
}

/** What differs from layer to layer. */
export interface LayerFacts {
  readonly window: number | null;
  /** Index into the ropes; null where positions are not rotated. */
  readonly rope: number | null;
}

/** An entry. Where a member is left out, the comment says what holds. Norms are where `names` has a name for one. */
export interface Family {
  readonly names: TensorNames;
  /** Keys of config.json where they are not Llama's. */
  readonly keys?: {
    readonly hidden?: Key;
    readonly feedForward?: Key;
    readonly layers?: Key;
    readonly heads?: Key;
    readonly context?: Key;
  };
  /** Where config.json does not say them. */
  readonly sizes: {
    readonly vocabulary: number;
    readonly hidden: number;
    readonly feedForward: number | 'fourfold';
    readonly layers: number;
    readonly heads: number;
  };
  readonly contextTokens: number;
  /** Where config.json does not say it; `heads`: each head always has its own. Left out: as many as heads. */
  readonly keyValueHeads?: number | 'heads';
  /** Where config.json does not say it; `share`: always the head's share of the model. Left out: that share. */
  readonly headSize?: number | 'share';
  /** How queries, keys and values lie in one matrix, where they do. Left out: `parts`. */
  readonly packedOrder?: 'parts' | 'heads';
  /** The row of the first position in a table of learned positions. Left out: 0. */
  readonly positionOffset?: number;
  /** Linear layers of blocks are stored [in, out]. */
  readonly isTransposed?: boolean;
  readonly norm: {
    readonly kind: 'rms' | 'layer';
    /** Null where the epsilon is fixed. */
    readonly key: string | null;
    readonly epsilon: number;
    readonly hasWeight: boolean;
    readonly bias: 'none' | 'always' | 'where-there';
    readonly offset: 0 | 1;
  };
  readonly headNorm?: { readonly over: HeadNorm['over']; readonly isThere?: (config: ModelConfig) => boolean };
  readonly activation: {
    readonly key: string;
    readonly usual: string;
    readonly aliases?: Readonly<Record<string, string>>;
  };
  readonly bias: (config: ModelConfig) => Biases;
  /** Left out: false. */
  readonly isTied?: boolean;
  /** Left out: sequential. */
  readonly isParallel?: (config: ModelConfig) => boolean;
  /** In parallel blocks there is no norm for the feed-forward layer, though `names` has one. */
  readonly sharesNormWhereParallel?: boolean;
  /** Factors. Left out: 1, and 1 / √headSize for attention. */
  readonly embeddingScale?: (config: ModelConfig, hiddenSize: number) => number;
  readonly residualScale?: (config: ModelConfig) => number;
  readonly headScale?: (config: ModelConfig) => number;
  readonly attentionScale?: (config: ModelConfig, headSize: number, layer: number) => number;
  /** Caps and clips. Left out: none. */
  readonly softCap?: (config: ModelConfig) => number | null;
  readonly headSoftCap?: (config: ModelConfig) => number | null;
  readonly clip?: (config: ModelConfig) => number | null;
  readonly layers: (config: ModelConfig, layers: number) => readonly LayerFacts[];
  /** Null where positions are not rotated. */
  readonly ropes: ((config: ModelConfig, sizes: { headSize: number; contextTokens: number }) => readonly Rope[]) | null;
  /** Throws where a config says something that no fact can say. */
  readonly refuse?: (config: ModelConfig) => void;
  /** The key of config.json under which the decoder's own config stands. */
  readonly part?: string;
}

/** The same for every layer. Other kinds in `layer_types` are refused: the family knows none. */
export function everyLayer(window: (config: ModelConfig) => number | null): Family['layers'] {
  return (config, layers) => {
    const size = wholeWindow(window(config));
    const kinds = config['layer_types'];
    const other = Array.isArray(kinds) ? kinds.find((kind) => kind !== 'full_attention') : undefined;
    if (other !== undefined && !(other === 'sliding_attention' && size !== null)) {
      throw new UnsupportedFault(`some of its layers are of the kind ${shown(other)} (layer_types)`);
    }
    return Array.from({ length: layers }, () => ({ window: size, rope: 0 }));
  };
}

/** A window in those layers that `layer_types` calls sliding, or without that list in those that `slides` says. */
export function layersByType(
  config: ModelConfig,
  layers: number,
  window: number | null,
  slides: (layer: number) => boolean,
): LayerFacts[] {
  const kinds = valueOf(config, 'layer_types');
  if (kinds !== undefined && (!Array.isArray(kinds) || kinds.length < layers)) {
    throw new UnsupportedFault(`layer_types in config.json is not a list of ${layers} kinds`);
  }
  return Array.from({ length: layers }, (_, layer) => {
    const given: unknown = Array.isArray(kinds) ? kinds[layer] : undefined;
    const kind = given ?? (slides(layer) ? 'sliding_attention' : 'full_attention');
    if (kind === 'full_attention') return { window: null, rope: 0 };
    if (kind !== 'sliding_attention') {
      throw new UnsupportedFault(`some of its layers are of the kind ${shown(kind)} (layer_types)`);
    }
    if (window === null)
      throw new UnsupportedFault('its layers slide over a window whose size config.json does not say');
    return { window: wholeWindow(window), rope: 0 };
  });
}

/** One rope for all layers. */
export function flatRope(facts: Partial<RopeDefaults>): NonNullable<Family['ropes']> {
  return (config, sizes) => [
    readRope(config, {
      theta: 10_000,
      thetaKey: 'rope_theta',
      partial: null,
      originalContextTokens: null,
      aliases: {},
      isInterleaved: false,
      ...facts,
      ...sizes,
    }),
  ];
}

/** Activations by the names that config.json has for them. */
const ACTIVATIONS: ReadonlyMap<unknown, Activation> = new Map<string, Activation>([
  ['silu', 'silu'],
  ['swish', 'silu'],
  ['gelu', 'gelu'],
  ['gelu_python', 'gelu'],
  ['gelu_new', 'gelu-tanh'],
  ['gelu_pytorch_tanh', 'gelu-tanh'],
  ['gelu_python_tanh', 'gelu-tanh'],
  ['gelu_fast', 'gelu-tanh'],
  ['gelu_accurate', 'gelu-tanh'],
  ['quick_gelu', 'gelu-sigmoid'],
  ['relu', 'relu'],
  ['relu2', 'relu-squared'],
]);

/** onnxruntime's GroupQueryAttention takes heads of a multiple of this. */
const GROUPED_HEAD_MULTIPLE = 8;

/** Reads the facts of a model of a family; faults carry only the reason, without a full stop. */
export function readArchitecture(
  family: Family,
  modelType: string,
  whole: ModelConfig,
  checkpoint: ReadonlySet<string>,
): Architecture {
  const config = family.part === undefined ? whole : recordOf(whole[family.part]);
  if (config === null) throw new UnsupportedFault(`config.json has no ${family.part}`);
  family.refuse?.(config);

  const { keys = {}, sizes, names } = family;
  const hiddenSize = integerOf(config, keys.hidden ?? 'hidden_size', MAX_SIZE, sizes.hidden);
  const heads = integerOf(config, keys.heads ?? 'num_attention_heads', MAX_HEADS, sizes.heads);
  const layers = integerOf(config, keys.layers ?? 'num_hidden_layers', MAX_LAYERS, sizes.layers);
  const inner = sizes.feedForward === 'fourfold' ? 4 * hiddenSize : sizes.feedForward;
  const feedForwardSize = integerOf(config, keys.feedForward ?? 'intermediate_size', MAX_SIZE, inner);
  const vocabularySize = integerOf(config, 'vocab_size', MAX_SIZE, sizes.vocabulary);
  const contextTokens = integerOf(config, keys.context ?? 'max_position_embeddings', 2 ** 31, family.contextTokens);
  const keyValueHeads = readKeyValueHeads(config, family, heads);
  const share = hiddenSize / heads;
  const headSize = integerOf(
    family.headSize === 'share' ? {} : config,
    'head_dim',
    MAX_HEAD_SIZE,
    typeof family.headSize === 'number' ? family.headSize : share,
  );
  const ropes = family.ropes?.(config, { headSize, contextTokens }) ?? [];
  // A window as wide as the context never hides anything.
  const layerFacts = family
    .layers(config, layers)
    .map(({ window, rope }) => ({ window: window !== null && window < contextTokens ? window : null, rope }));
  const saysTied = config['tie_word_embeddings'] ?? family.isTied ?? false;
  const storedHead = headIn(checkpoint, names);
  // As transformers 5: a stored matrix that differs is the head, whatever the config says, and one that does not differ
  // gives the same numbers. Only where the config does not forbid it may a missing one mean that the embedding is it.
  const isTied = storedHead === null && config['tie_word_embeddings'] !== false;
  const softCap = family.softCap?.(config) ?? null;
  const windows = layerFacts.flatMap(({ window }) => (window === null ? [] : [window]));
  const switches = ropes.flatMap((rope) => switchTokens(rope) ?? []);

  const prefix = prefixIn(checkpoint, names);
  const norms = new Norms(family, config, checkpoint);
  const bias = family.bias(config);
  const isParallel = family.isParallel?.(config) ?? false;
  const residualScale = family.residualScale?.(config) ?? 1;
  const clip = family.clip?.(config) ?? null;
  const activation = readActivation(config, family);
  const [queries, shared] = [heads * headSize, keyValueHeads * headSize];

  const blockOf = (facts: LayerFacts, layer: number): Block => {
    const own = `${prefix}${names.layers}.${layer}.`;
    const linear = (name: string | undefined, outputs: number, inputs: number, hasBias: boolean): Linear => ({
      weight: `${own}${name}.weight`,
      bias: hasBias ? `${own}${name}.bias` : null,
      inputs,
      outputs,
      isTransposed: family.isTransposed ?? false,
    });
    const norm = (name: string | undefined) => (name === undefined ? null : norms.of(own + name, hiddenSize));
    const attention: Attention = {
      projection:
        names.packed === undefined
          ? {
              kind: 'separate',
              query: linear(names.query, queries, hiddenSize, bias.qkv),
              key: linear(names.key, shared, hiddenSize, bias.qkv),
              value: linear(names.value, shared, hiddenSize, bias.qkv),
            }
          : {
              kind: 'packed',
              linear: linear(names.packed, queries + 2 * shared, hiddenSize, bias.qkv),
              order: family.packedOrder ?? 'parts',
            },
      clip,
      queryNorm: norms.ofHeads(names.queryNorm && own + names.queryNorm, heads, headSize),
      keyNorm: norms.ofHeads(names.keyNorm && own + names.keyNorm, keyValueHeads, headSize),
      rope: family.ropes === null ? null : facts.rope,
      windowTokens: facts.window,
      scale: family.attentionScale?.(config, headSize, layer) ?? headSize ** -0.5,
      softCap,
      output: linear(names.attentionOutput, hiddenSize, queries, bias.attentionOutput),
    };
    const wide = (name: string | undefined, times = 1) =>
      linear(name, times * feedForwardSize, hiddenSize, bias.feedForward);
    const common = { activation, down: linear(names.down, hiddenSize, feedForwardSize, bias.feedForward) };
    let feedForward: FeedForward;
    if (names.gateUp !== undefined) feedForward = { ...common, kind: 'packed', gateUp: wide(names.gateUp, 2) };
    else if (names.gate === undefined) feedForward = { ...common, kind: 'plain', up: wide(names.up) };
    else feedForward = { ...common, kind: 'gated', gate: wide(names.gate), up: wide(names.up) };
    return {
      isParallel,
      attentionNorm: norm(names.attentionNorm),
      feedForwardNorm: isParallel && family.sharesNormWhereParallel ? null : norm(names.feedForwardNorm),
      attentionOutputNorm: norm(names.attentionOutputNorm),
      feedForwardOutputNorm: norm(names.feedForwardOutputNorm),
      attentionStreamNorm: norm(names.attentionStreamNorm),
      feedForwardStreamNorm: norm(names.feedForwardStreamNorm),
      residualScale,
      attention,
      feedForward,
    };
  };

  const embedding = `${prefix}${names.embedding}.weight`;
  const offset = family.positionOffset ?? 0;
  const head = storedHead ?? names.heads[0] ?? 'lm_head';
  return {
    modelType,
    vocabularySize,
    hiddenSize,
    layers,
    heads,
    keyValueHeads,
    headSize,
    contextTokens,
    windowTokens: windows.length > 0 ? windows.reduce((least, window) => Math.min(least, window)) : null,
    cacheKind: softCap === null && headSize % GROUPED_HEAD_MULTIPLE === 0 ? 'static' : 'growing',
    // Where the step lies beyond the context it never comes.
    ropeSwitchTokens: switches.find((tokens) => tokens < contextTokens) ?? null,
    isTied,
    headOverConfig: storedHead !== null && saysTied === true ? `${storedHead}.weight` : null,
    embedding: {
      weight: embedding,
      scale: family.embeddingScale?.(config, hiddenSize) ?? 1,
      positions:
        names.positions === undefined
          ? null
          : { weight: `${prefix}${names.positions}.weight`, rows: contextTokens + offset, offset },
    },
    ropes,
    blocks: layerFacts.map(blockOf),
    finalNorm: names.finalNorm === undefined ? null : norms.of(prefix + names.finalNorm, hiddenSize),
    head: {
      linear: {
        weight: isTied ? embedding : `${head}.weight`,
        bias: bias.head ? `${head}.bias` : null,
        inputs: hiddenSize,
        outputs: vocabularySize,
        isTransposed: false,
      },
      scale: family.headScale?.(config) ?? 1,
      softCap: family.headSoftCap?.(config) ?? null,
    },
  };
}

/** The norms of one model. */
class Norms {
  readonly #family: Family;
  readonly #checkpoint: ReadonlySet<string>;
  readonly #epsilon: number;
  readonly #hasHeadNorm: boolean;

  constructor(family: Family, config: ModelConfig, checkpoint: ReadonlySet<string>) {
    const { key, epsilon } = family.norm;
    this.#family = family;
    this.#checkpoint = checkpoint;
    this.#epsilon = key === null ? epsilon : epsilonOf(config, key, epsilon);
    this.#hasHeadNorm = family.headNorm !== undefined && (family.headNorm.isThere?.(config) ?? true);
  }

  of(name: string, size: number): Norm {
    const { kind, hasWeight, bias, offset } = this.#family.norm;
    const hasBias = bias === 'always' || (bias === 'where-there' && this.#checkpoint.has(`${name}.bias`));
    return {
      kind,
      weight: hasWeight ? `${name}.weight` : null,
      bias: hasBias ? `${name}.bias` : null,
      size,
      epsilon: this.#epsilon,
      offset,
    };
  }

  ofHeads(name: string | undefined, heads: number, headSize: number): HeadNorm | null {
    const { headNorm } = this.#family;
    if (!name || !headNorm || !this.#hasHeadNorm) return null;
    if (headNorm.over === 'each') {
      const weights: string[] = [];
      for (let head = 0; head < heads; head++) {
        const weight = `${name}.norms.${head}.weight`;
        // Checked one by one, so that no config can call for more names than there are.
        if (!this.#checkpoint.has(weight)) {
          throw new UnsupportedFault(`the tensor ${weight} that its config.json calls for is not there`);
        }
        weights.push(weight);
      }
      return { over: 'each', weights, epsilon: this.#epsilon };
    }
    return { over: headNorm.over, norm: this.of(name, headNorm.over === 'head' ? headSize : heads * headSize) };
  }
}

function readKeyValueHeads(config: ModelConfig, family: Family, heads: number): number {
  if (family.keyValueHeads === 'heads') return heads;
  // An explicit null means as many as heads, whatever the default.
  const usual = config['num_key_value_heads'] === null ? heads : (family.keyValueHeads ?? heads);
  const keyValueHeads = integerOf(config, 'num_key_value_heads', heads, usual);
  if (heads % keyValueHeads !== 0) {
    throw new UnsupportedFault(`its ${heads} attention heads do not share ${keyValueHeads} key-value heads evenly`);
  }
  return keyValueHeads;
}

function readActivation(config: ModelConfig, family: Family): Activation {
  const { key, usual, aliases = {} } = family.activation;
  const given = valueOf(config, key) ?? usual;
  const name = typeof given === 'string' && Object.hasOwn(aliases, given) ? aliases[given] : given;
  const activation = ACTIVATIONS.get(name);
  if (activation === undefined) {
    throw new UnsupportedFault(`its activation ${shown(given)} (${key}) is not known here`);
  }
  return activation;
}

function wholeWindow(window: number | null): number | null {
  if (window !== null && (!Number.isInteger(window) || window > 2 ** 31)) {
    throw new UnsupportedFault(`sliding_window in config.json is ${window}, not a whole number`);
  }
  return window;
}
