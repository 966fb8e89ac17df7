/**
 * SessionOpen: everything that a session needs, opened: what is known of the device, the graph, onnxruntime's session
 * over it, and the weights as its feeds or as its own copy. Running is `session.ts`.
 */

import type { InferenceSession, Tensor } from 'onnxruntime-web';
import { DeviceFault, sentenceOf } from '../bytes/fault.ts';
import type { LiveForm } from '../formats/block-quantised.ts';
import { type Architecture, parametersOf, requiredTensors } from './architecture.ts';
import { buildGraph, type GraphInput, graphInputs } from './graph.ts';
import type { ExternalData } from './onnx.ts';
import { RopeBuffers } from './rope-buffers.ts';
import { inTurn, loadRuntime, type Runtime } from './runtime.ts';
import { RuntimeBuffers } from './runtime-buffers.ts';
import { type DevicePaths, type OpenSession, pathsOn } from './self-check.ts';
import { KernelWatch } from './step-kernels.ts';
import { productsApart } from './step-matrices.ts';
import { type ChatWeights, checkWeights, type CpuWeights, formsOf, keepsCopy } from './weights.ts';

/** Most tokens of a prompt in one run on the CPU: between two runs a chat can be stopped. */
const CPU_CHUNK_TOKENS = 64;

/** Most tokens of one text where nobody says otherwise. */
export const DEFAULT_CAPACITY_TOKENS = 4096;

/** Logits of all tokens of a run are there at once: never more than this. */
const MAX_ROWS_BYTES = 16 * 2 ** 20;

/** How a session was opened. */
export interface SessionOptions {
  /** Logits of the last token of a run (generation), or of all its tokens (perplexity). */
  readonly logits: 'last' | 'all';
  /** Most tokens of one text; default: what the model was trained for, at most DEFAULT_CAPACITY_TOKENS. */
  readonly capacityTokens?: number;
  /** Overrides how many tokens one run takes; for tests. */
  readonly chunkTokens?: number;
  /** False runs every token without graph capture; default true. */
  readonly captures?: boolean;
  /** What is known of the device already, in place of the self-check. */
  readonly paths?: DevicePaths;
}

/** What a session is made of. */
export interface SessionParts {
  readonly architecture: Architecture;
  readonly runtime: Runtime;
  readonly main: InferenceSession;
  /** Makes `main` anew, where it holds a copy of the weights; else null. */
  readonly remake: (() => Promise<InferenceSession>) | null;
  readonly sessionOptions: InferenceSession.SessionOptions;
  readonly forms: ReadonlyMap<string, LiveForm>;
  /** The weights as feeds, without those that are constants of the graph; on the GPU the tables of positions too. */
  readonly weights: Readonly<Record<string, Tensor>>;
  readonly logits: 'last' | 'all';
  readonly capacityTokens: number;
  readonly chunkTokens: number;
  readonly device: GPUDevice | null;
  /** Null where keys and values grow. */
  readonly buffers: RuntimeBuffers | null;
  /** Null on the CPU. */
  readonly ropes: RopeBuffers | null;
  /** Why no steps are captured; null where they are. */
  readonly obstacle: string | null;
  /** One sentence of the self-check or of the CPU. */
  readonly note: string;
}

/**
 * Opens all of it.
 * @param open opens the sessions of the self-check.
 * @throws as `Session.open` does.
 */
export async function openParts(
  architecture: Architecture,
  weights: ChatWeights,
  options: SessionOptions,
  open: OpenSession,
): Promise<SessionParts> {
  const required = requiredTensors(architecture);
  checkWeights(weights, required);
  const device = weights.kind === 'gpu' ? weights.device : null;
  // Before onnxruntime compiles anything there.
  if (device) KernelWatch.on(device);
  const forms = formsOf(weights);
  const capacityTokens = Math.min(options.capacityTokens ?? DEFAULT_CAPACITY_TOKENS, architecture.contextTokens);
  const paths = options.paths ?? (device ? await pathsOn(device, architecture, forms, open) : cpuPaths());

  const isStatic = device !== null && architecture.cacheKind === 'static';
  const copied = weights.kind === 'cpu' && keepsCopy(weights, required) ? weights.tensors : null;
  const { logits } = options;
  const graph = buildGraph(architecture, {
    logits,
    forms,
    constants: null,
    ...(copied ? { externals: externalsOf(copied) } : {}),
    capacityTokens,
    purpose: 'run',
    cache: isStatic ? 'static' : 'growing',
    tables: device ? 'inputs' : 'constants',
  });
  const sessionOptions = sessionOptionsOf(device, paths.fuses);
  let opened: Pick<SessionParts, 'runtime' | 'main' | 'remake' | 'buffers'>;
  try {
    const runtime = await loadRuntime();
    // onnxruntime reads the copied weights while it opens, as files beside the model.
    const externalData = [...(copied ?? [])].map(([path, { data }]) => ({ path, data: bytesOf(data) }));
    const make = () =>
      runtime.InferenceSession.create(graph.model, { ...sessionOptions, ...(copied ? { externalData } : {}) });
    opened = await inTurn(async () => {
      const main = await make();
      const buffers = isStatic ? await RuntimeBuffers.open(runtime, device) : null;
      return { runtime, main, remake: copied ? make : null, buffers };
    });
  } catch (cause) {
    throw new DeviceFault(`The chat engine could not be started: ${sentenceOf(cause)}`);
  }
  const { runtime } = opened;
  const ropes = device ? new RopeBuffers(runtime, device, architecture, capacityTokens) : null;
  const feeds = copied
    ? []
    : graphInputs(architecture, forms).map((input) => [input.name, weightTensor(runtime, weights, input)] as const);
  return {
    ...opened,
    architecture,
    sessionOptions,
    forms,
    weights: { ...Object.fromEntries(feeds), ...ropes?.feeds(graph.ropes) },
    ropes,
    logits,
    capacityTokens,
    chunkTokens: options.chunkTokens ?? chunkFor(architecture, logits, paths.chunkTokens),
    device,
    obstacle: captureObstacle(architecture, options, paths, isStatic),
    note: paths.reason,
  };
}

/** Tokens times parameters of one run: about a second on a GPU of two teraflops. */
const RUN_PRODUCTS = 1e12;

/** Fewer than this gain nothing. */
const LEAST_CHUNK_TOKENS = 256;

/**
 * Tokens of one run: fewer for large models, where a run takes long; where attention is written out, whose scores are all
 * there at once; and where all logits are wanted and the vocabulary is large. It follows from the model alone, not from
 * how fast it goes: the same text gives the same numbers again.
 */
function chunkFor(architecture: Architecture, logits: 'last' | 'all', most: number): number {
  const { vocabularySize, cacheKind } = architecture;
  const wished =
    cacheKind === 'static' ? RUN_PRODUCTS / parametersOf(requiredTensors(architecture)) : LEAST_CHUNK_TOKENS;
  const tokens = Math.min(most, Math.max(LEAST_CHUNK_TOKENS, Math.floor(wished)));
  if (logits === 'last') return tokens;
  return Math.max(1, Math.min(tokens, Math.floor(MAX_ROWS_BYTES / (vocabularySize * 4))));
}

function captureObstacle(
  architecture: Architecture,
  options: SessionOptions,
  paths: DevicePaths,
  isStatic: boolean,
): string | null {
  if (!isStatic) return `the attention of ${architecture.modelType} cannot be recorded`;
  if (options.logits === 'all') return 'logits of every token are asked for';
  if (options.captures === false) return 'recording is switched off';
  return paths.captureObstacle;
}

function cpuPaths(): DevicePaths {
  return { chunkTokens: CPU_CHUNK_TOKENS, fuses: true, captureObstacle: null, reason: 'Runs on the CPU.' };
}

function sessionOptionsOf(device: GPUDevice | null, fuses: boolean): InferenceSession.SessionOptions {
  if (!device) return { executionProviders: ['wasm'] };
  return {
    executionProviders: [{ name: 'webgpu', device }],
    preferredOutputLocation: 'gpu-buffer',
    graphOptimizationLevel: fuses ? 'all' : 'basic',
    // A node that would run on the CPU would read its weights back in every run; better to be refused.
    // Where kernels of our own stand in for products, each has a dispatch of its own.
    extra: { session: { disable_cpu_ep_fallback: '1' }, ...productsApart(device) },
  };
}

/** Each tensor as a file of its own. */
function externalsOf(tensors: CpuWeights['tensors']): ReadonlyMap<string, ExternalData> {
  return new Map(
    [...tensors].map(([name, { data }]) => [name, { location: name, offset: 0, length: data.byteLength }]),
  );
}

function bytesOf({ buffer, byteOffset, byteLength }: Float32Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

function weightTensor(runtime: Runtime, weights: ChatWeights, { tensor: name, part, type, shape }: GraphInput): Tensor {
  const tensor = weights.tensors.get(name);
  if (!tensor) throw new RangeError(`${name} was checked before and is gone.`);
  if ('data' in tensor) return new runtime.Tensor('float32', tensor.data, shape);
  const buffer = part === 'scales' ? tensor.scales : tensor.buffer;
  if (!buffer) throw new RangeError(`${name} was checked before and has no scales.`);
  // `dispose` of a tensor made this way frees nothing: the buffer has its owner.
  return runtime.Tensor.fromGpuBuffer(buffer, { dataType: type, dims: shape });
}
