/**
 * Session: an onnxruntime session over one graph and one set of weights, on the GPU device that holds them or on the
 * CPU. It runs new tokens after cached ones and gives logits. Which token comes next is `sampling.ts`; text is
 * `tokenizer.ts`.
 */

import type { InferenceSession, Tensor } from 'onnxruntime-web';
import { CancelledFault, DeviceFault, throwIfCancelled } from '../bytes/fault.ts';
import { type Architecture, requiredTensors } from './architecture.ts';
import { KeyValueCache } from './cache.ts';
import { eventLoop } from './event-loop.ts';
import { buildGraph } from './graph.ts';
import { inTurn, loadRuntime, type Runtime } from './runtime.ts';
import { type ChatWeights, checkWeights } from './weights.ts';

/** Most tokens of a prompt in one run: between two runs a chat can be stopped, and a slow GPU stays responsive. */
const CHUNK_TOKENS = 256;

/**
 * onnxruntime's attention over 32 or more new tokens assumes subgroups of at least 8 lanes and is silently wrong
 * with fewer (see `chunkTokens`).
 */
const SAFE_CHUNK_TOKENS = 31;

/** How a session was opened. */
export interface SessionOptions {
  /** Logits of the last token of a run (generation), or of all its tokens (perplexity). */
  readonly logits: 'last' | 'all';
  /** Overrides how many tokens one run takes; for tests. */
  readonly chunkTokens?: number;
}

/** One session. Its runs are served in turn; several caches may be in use at a time. */
export class Session {
  readonly architecture: Architecture;
  readonly provider: 'webgpu' | 'wasm';
  readonly #runtime: Runtime;
  readonly #session: InferenceSession;
  /** The weights as feeds; empty where they are constants of the graph. */
  readonly #weights: ReadonlyMap<string, Tensor>;
  readonly #takesPosition: boolean;
  readonly #logits: 'last' | 'all';
  readonly #chunkTokens: number;
  #isOpen = true;
  #lost: string | null = null;

  private constructor(
    architecture: Architecture,
    runtime: Runtime,
    session: InferenceSession,
    weights: ReadonlyMap<string, Tensor>,
    takesPosition: boolean,
    logits: 'last' | 'all',
    chunk: number,
    device: GPUDevice | null,
  ) {
    this.architecture = architecture;
    this.provider = device ? 'webgpu' : 'wasm';
    this.#runtime = runtime;
    this.#session = session;
    this.#weights = weights;
    this.#takesPosition = takesPosition;
    this.#logits = logits;
    this.#chunkTokens = chunk;
    void device?.lost.then((info) => {
      this.#lost = info.message || info.reason;
    });
  }

  /**
   * Opens a session on the device that holds the weights, or on the CPU where they are in memory.
   * @throws MismatchFault where the weights are not those of the architecture, DeviceFault where the runtime cannot
   *   be loaded or refuses the graph.
   */
  static async open(architecture: Architecture, weights: ChatWeights, options: SessionOptions): Promise<Session> {
    const required = requiredTensors(architecture);
    checkWeights(weights, required);
    const isFixed = weights.kind === 'cpu' && weights.isFixed === true;
    const constants = isFixed ? new Map([...weights.tensors].map(([name, { data }]) => [name, data])) : null;
    const graph = buildGraph(architecture, { logits: options.logits, constants });

    let runtime: Runtime;
    let session: InferenceSession;
    try {
      runtime = await loadRuntime();
      session = await inTurn(() => runtime.InferenceSession.create(graph.model, sessionOptions(architecture, weights)));
    } catch (cause) {
      throw new DeviceFault(`The chat engine could not be started: ${sentence(cause)}`);
    }
    const feeds = new Map(isFixed ? [] : required.map(({ name }) => [name, weightTensor(runtime, weights, name)]));
    const device = weights.kind === 'gpu' ? weights.device : null;
    const chunk = options.chunkTokens ?? (device ? chunkTokens(device) : CHUNK_TOKENS);
    return new Session(architecture, runtime, session, feeds, graph.takesPosition, options.logits, chunk, device);
  }

  /** An empty cache for one text. Give it back with `cache.dispose()`. */
  newCache(): KeyValueCache {
    return new KeyValueCache(this.architecture, this.#runtime);
  }

  /**
   * Runs new tokens after those in the cache, which then holds them too. A prompt goes in pieces.
   * @param ids at least one, all inside the vocabulary; with the cached ones at most `contextTokens`.
   * @returns logits f32 [vocabularySize] of the last token, or [ids.length, vocabularySize] for a session with
   *   `logits: 'all'`; the array is the caller's.
   * @throws CancelledFault between two pieces where the signal is aborted, or after `dispose`; DeviceFault where a
   *   run fails. The cache then holds the pieces that were run.
   */
  async run(ids: readonly number[], cache: KeyValueCache, signal?: AbortSignal): Promise<Float32Array> {
    const { contextTokens, vocabularySize } = this.architecture;
    if (ids.length === 0) throw new RangeError('A run needs at least one token.');
    if (cache.tokens + ids.length > contextTokens) throw new RangeError(`A run would exceed ${contextTokens} tokens.`);
    if (!ids.every((id) => Number.isInteger(id) && id >= 0 && id < vocabularySize)) {
      throw new RangeError(`A token is outside the vocabulary of ${vocabularySize}.`);
    }
    const pieces: Float32Array[] = [];
    for (let start = 0; start < ids.length; start += this.#chunkTokens) {
      // So that a stop can arrive while the CPU computes.
      if (start > 0) await eventLoop();
      throwIfCancelled(signal);
      pieces.push(await inTurn(() => this.#step(ids.slice(start, start + this.#chunkTokens), cache)));
    }
    return this.#logits === 'all' ? joined(pieces) : (pieces[pieces.length - 1] ?? new Float32Array());
  }

  /** Releases the session after the run that may be on its way; the weights stay the caller's. */
  async dispose(): Promise<void> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    await inTurn(async () => {
      // Tensors over the caller's buffers; disposing of them leaves the buffers alone.
      for (const tensor of this.#weights.values()) tensor.dispose();
      await this.#session.release();
    });
  }

  /** One run; the outputs' keys and values go to the cache, the logits to the caller. */
  async #step(ids: readonly number[], cache: KeyValueCache): Promise<Float32Array> {
    if (!this.#isOpen) throw new CancelledFault('The chat was closed.');
    const { Tensor } = this.#runtime;
    const total = cache.tokens + ids.length;
    const feeds: Record<string, Tensor> = {
      ...Object.fromEntries(this.#weights),
      ...Object.fromEntries(cache.feeds),
      input_ids: new Tensor('int32', Int32Array.from(ids), [ids.length]),
      last_position: new Tensor('int32', Int32Array.of(total - 1), [1]),
      total_tokens: new Tensor('int32', Int32Array.of(total), [1]),
    };
    if (this.#takesPosition) feeds['position'] = new Tensor('int64', BigInt64Array.of(BigInt(cache.tokens)), [1]);
    let outputs: InferenceSession.ReturnType;
    try {
      outputs = await this.#session.run(feeds);
    } catch (cause) {
      throw new DeviceFault(
        this.#lost === null
          ? `The chat engine failed: ${sentence(cause)}`
          : `The graphics device was lost (${this.#lost}); merge again to go on.`,
      );
    }
    cache.take(outputs, ids.length);
    return (outputs['logits'] as Tensor).data as Float32Array;
  }
}

/** The most tokens of one run on a device whose attention kernel is right. */
export function chunkTokens(device: GPUDevice): number {
  const hasSmallSubgroups = device.features.has('subgroups') && (device.adapterInfo.subgroupMinSize ?? 0) < 8;
  return hasSmallSubgroups ? SAFE_CHUNK_TOKENS : CHUNK_TOKENS;
}

function sessionOptions(architecture: Architecture, weights: ChatWeights): InferenceSession.SessionOptions {
  if (weights.kind === 'cpu') return { executionProviders: ['wasm'] };
  const locations: Record<string, 'gpu-buffer'> = {};
  for (let layer = 0; layer < architecture.layers; layer++) {
    for (const part of ['key', 'value']) locations[`present.${layer}.${part}`] = 'gpu-buffer';
  }
  return {
    executionProviders: [{ name: 'webgpu', device: weights.device }],
    preferredOutputLocation: locations,
    // A node that would run on the CPU would read its weights back in every run; better to be refused.
    extra: { session: { disable_cpu_ep_fallback: '1' } },
  };
}

function weightTensor(runtime: Runtime, weights: ChatWeights, name: string): Tensor {
  const tensor = weights.tensors.get(name);
  if (!tensor) throw new RangeError(`${name} was checked before and is gone.`);
  if ('data' in tensor) return new runtime.Tensor('float32', tensor.data, tensor.shape);
  // `dispose` of a tensor made this way frees nothing: the buffer has its owner.
  return runtime.Tensor.fromGpuBuffer(tensor.buffer, { dataType: 'float32', dims: tensor.shape });
}

function joined(pieces: readonly Float32Array[]): Float32Array {
  const whole = new Float32Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let offset = 0;
  for (const piece of pieces) {
    whole.set(piece, offset);
    offset += piece.length;
  }
  return whole;
}

/** The first line of whatever was thrown, ended as a sentence. */
function sentence(cause: unknown): string {
  const line = (cause instanceof Error ? cause.message : String(cause)).split('\n')[0] ?? '';
  return /[.!?]$/.test(line) ? line : `${line}.`;
}
