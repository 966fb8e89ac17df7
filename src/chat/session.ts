/**
 * Session: onnxruntime over one graph and one set of weights, on the GPU device that holds them or on the CPU. It runs
 * new tokens after cached ones and gives logits. On the GPU pieces of text go through one session, single tokens through
 * a captured one (`session-step.ts`), and keys and values lie in place (`cache-slots.ts`). Which token comes next is
 * `sampler.ts`; text is `tokenizer.ts`.
 */

import type { Tensor, InferenceSession } from 'onnxruntime-web';
import { CancelledFault, DeviceFault, sentenceOf, throwIfCancelled } from '../bytes/fault.ts';
import type { Architecture } from './architecture.ts';
import { cacheBytesPerToken, GrowingKeyValues, KeyValueCache, StaticKeyValues } from './cache.ts';
import { CacheSlots, type KeyValueSlot } from './cache-slots.ts';
import { eventLoop } from './event-loop.ts';
import { buildGraph } from './graph.ts';
import { type Outputs, PromptKernels } from './prompt-kernels.ts';
import { inTurn } from './runtime.ts';
import { gpuBufferOf } from './runtime-buffers.ts';
import { agree, type LogitsRows, readRows, type RowsReader } from './session-logits.ts';
import { openParts, type SessionOptions, type SessionParts } from './session-open.ts';
import { CapturedStep } from './session-step.ts';
import type { ChatWeights } from './weights.ts';

export type { LogitsRows, RowsReader } from './session-logits.ts';
export type { SessionOptions } from './session-open.ts';

/** One session. Its runs are served in turn; several caches may be in use at a time. */
export class Session {
  readonly architecture: Architecture;
  readonly provider: 'webgpu' | 'wasm';
  /** Most tokens of one text. */
  readonly capacityTokens: number;
  readonly #parts: SessionParts;
  readonly #slots: CacheSlots | null;
  readonly #growing = new Set<GrowingKeyValues>();
  /** Null on the CPU. */
  readonly #own: PromptKernels | null;
  #main: InferenceSession;
  /** True where `#main` holds a copy of weights that have been edited since. */
  #isStale = false;
  #obstacle: string | null;
  /** True once a step was recorded that is not right beyond a window of attention. */
  #isKeptToWindow = false;
  #isOpen = true;
  #lost: string | null = null;

  private constructor(parts: SessionParts) {
    const { architecture, device, buffers } = parts;
    this.architecture = architecture;
    this.provider = device ? 'webgpu' : 'wasm';
    this.capacityTokens = parts.capacityTokens;
    this.#parts = parts;
    this.#slots = device && buffers ? new CacheSlots(architecture, device, buffers, parts.capacityTokens) : null;
    this.#own = device ? new PromptKernels({ ...parts, device }) : null;
    this.#main = parts.main;
    this.#obstacle = parts.obstacle;
    void device?.lost.then((info) => {
      this.#lost = info.message || info.reason;
    });
  }

  /**
   * Opens a session on the device that holds the weights, or on the CPU where they are in memory. The first session of a
   * kind on a device checks the device first (`self-check.ts`).
   * @throws MismatchFault where the weights are not those of the architecture, DeviceFault where the runtime cannot
   *   be loaded or refuses the graph, or where the device computes wrongly.
   */
  static async open(architecture: Architecture, weights: ChatWeights, options: SessionOptions): Promise<Session> {
    return new Session(await openParts(architecture, weights, options, Session.open));
  }

  /** Which way single tokens run: replayed commands, commands made anew for each token, or the CPU. */
  get path(): 'captured' | 'direct' | 'cpu' {
    if (this.provider === 'wasm') return 'cpu';
    return this.#obstacle === null ? 'captured' : 'direct';
  }

  /** How it runs here and why so, in sentences for the page. */
  get reason(): string {
    if (this.provider === 'wasm') return this.#parts.note;
    const way =
      this.#obstacle !== null
        ? `Commands are made anew for each token: ${this.#obstacle}.`
        : this.#isKeptToWindow
          ? `Each token replays recorded commands, up to the model's window of ${this.architecture.windowTokens} tokens.`
          : 'Each token replays recorded commands.';
    return this.#parts.note === '' ? way : `${way} ${this.#parts.note}`;
  }

  /** Why steps that should have been captured are not, as the end of a sentence; null where nothing failed. */
  get captureFailure(): string | null {
    return this.#parts.obstacle === null ? this.#obstacle : null;
  }

  /** True once the device is gone. */
  get isLost(): boolean {
    return this.#lost !== null;
  }

  /** Bytes that the session and its caches hold beside the weights. */
  get bytes(): number {
    let bytes = this.#slots?.bytes ?? 0;
    for (const storage of this.#growing) bytes += storage.bytes;
    return bytes;
  }

  /** Bytes that each token of a text adds to its cache. */
  get kvBytesPerToken(): number {
    return cacheBytesPerToken(this.architecture);
  }

  /** An empty cache for one text. Give it back with `cache.dispose()`. */
  newCache(): KeyValueCache {
    if (this.#slots) return new KeyValueCache(new StaticKeyValues((slot) => this.#giveBack(slot)));
    const { runtime, device } = this.#parts;
    const storage = new GrowingKeyValues(this.architecture, runtime, device, () => this.#growing.delete(storage));
    this.#growing.add(storage);
    return new KeyValueCache(storage);
  }

  /**
   * Runs new tokens after those in the cache, which then holds them too, and brings the logits here. Like `advance`.
   * @returns logits f32 [vocabularySize] of the last token, or [ids.length, vocabularySize] for a session with
   *   `logits: 'all'`; the array is the caller's.
   */
  async run(ids: readonly number[], cache: KeyValueCache, signal?: AbortSignal): Promise<Float32Array> {
    if (this.#parts.logits === 'last') return (await readRows(await this.advance(ids, cache, signal))).slice();
    const { vocabularySize } = this.architecture;
    const whole = new Float32Array(ids.length * vocabularySize);
    await this.advance(ids, cache, signal, async (rows, start) => {
      whole.set(await readRows(rows), start * vocabularySize);
    });
    return whole;
  }

  /**
   * Runs new tokens after those in the cache, which then holds them too, and leaves the logits where they were made. A
   * prompt goes in pieces.
   * @param ids at least one, all inside the vocabulary; with the cached ones at most `capacityTokens`.
   * @param onRows is given the logits of each piece, which are lost when the next one runs.
   * @returns logits of the last token, or for `logits: 'all'` of all tokens of the last piece.
   * @throws CancelledFault between two pieces where the signal is aborted, or after `dispose`; DeviceFault where a
   *   run fails. The cache then holds the pieces that were run.
   */
  async advance(
    ids: readonly number[],
    cache: KeyValueCache,
    signal?: AbortSignal,
    onRows?: RowsReader,
  ): Promise<LogitsRows> {
    const { vocabularySize, ropeSwitchTokens } = this.architecture;
    const total = cache.tokens + ids.length;
    if (ids.length === 0) throw new RangeError('A run needs at least one token.');
    if (total > this.capacityTokens) throw new RangeError(`A run would exceed ${this.capacityTokens} tokens.`);
    if (!ids.every((id) => Number.isInteger(id) && id >= 0 && id < vocabularySize)) {
      throw new RangeError(`A token is outside the vocabulary of ${vocabularySize}.`);
    }
    const isLong = ropeSwitchTokens !== null && total > ropeSwitchTokens;
    if (cache.isLong !== isLong && cache.tokens > 0) {
      // All its positions would be rotated otherwise: they are read again.
      const held = cache.ids;
      cache.rewind(0);
      cache.isLong = isLong;
      await this.#read(held, cache, signal);
    }
    cache.isLong = isLong;
    return this.#read(ids, cache, signal, onRows);
  }

  /**
   * To be called after weights were edited: where the session holds a copy of them it makes a new one before its next
   * run; otherwise the next run sees the edit anyway. Caches of the old weights are the caller's to throw away.
   */
  weightsChanged(): void {
    this.#isStale = this.#parts.remake !== null;
  }

  /** Releases the session after the run that may be on its way; the weights stay the caller's. */
  async dispose(): Promise<void> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    const { weights, buffers, ropes } = this.#parts;
    await inTurn(async () => {
      await this.#slots?.dispose();
      for (const storage of [...this.#growing]) storage.dispose();
      // Tensors over buffers of others; disposing of them leaves the buffers alone.
      for (const tensor of Object.values(weights)) tensor.dispose();
      await this.#main.release();
      this.#own?.dispose();
      await buffers?.dispose();
      ropes?.dispose();
    });
  }

  async #read(
    ids: readonly number[],
    cache: KeyValueCache,
    signal?: AbortSignal,
    onRows?: RowsReader,
  ): Promise<LogitsRows> {
    const { chunkTokens, device } = this.#parts;
    let rows: LogitsRows | null = null;
    let before: Promise<unknown> = Promise.resolve();
    for (let start = 0; start < ids.length; start += chunkTokens) {
      if (start > 0) {
        // So that a stop can arrive while the CPU computes, and the GPU has no more than two pieces waiting.
        await eventLoop();
        await before;
        before = device?.queue.onSubmittedWorkDone().catch(() => undefined) ?? before;
      }
      throwIfCancelled(signal);
      rows = await inTurn(() => this.#piece(ids.slice(start, start + chunkTokens), cache));
      await onRows?.(rows, start);
    }
    if (rows === null) throw new RangeError('A run needs at least one token.');
    return rows;
  }

  /** One run, in turn. */
  async #piece(ids: readonly number[], cache: KeyValueCache): Promise<LogitsRows> {
    if (!this.#isOpen) throw new CancelledFault('The chat was closed.');
    const { storage } = cache;
    try {
      await this.#refresh();
      if (storage.kind === 'growing') return await this.#grow(ids, cache, storage);
      const total = cache.tokens + ids.length;
      const slot = await this.#slotFor(storage, cache.tokens, total);
      const mayStep = !this.#isBeyondWindow(total) || slot.step === null || slot.step.mayComeToSeeWindows;
      const [only] = ids;
      if (only !== undefined && ids.length === 1 && this.#obstacle === null && mayStep) {
        return await this.#step(only, cache, slot);
      }
      return await this.#direct(ids, cache, slot);
    } catch (cause) {
      throw this.#fault(cause);
    }
  }

  /** Opens the session again where its copy of the weights is old; the old one goes first, for its memory. */
  async #refresh(): Promise<void> {
    const { remake } = this.#parts;
    if (!this.#isStale || remake === null) return;
    await this.#main.release();
    this.#main = await remake();
    this.#isStale = false;
  }

  async #slotFor(storage: StaticKeyValues, heldTokens: number, tokens: number): Promise<KeyValueSlot> {
    const slots = this.#slots;
    if (!slots) throw new Error('a static cache belongs to another session');
    storage.slot ??= await slots.take(tokens);
    if (storage.slot.capacityTokens < tokens) await slots.grow(storage.slot, tokens, heldTokens);
    return storage.slot;
  }

  /** A run that replaces the cache's tensors with longer ones. */
  async #grow(ids: readonly number[], cache: KeyValueCache, storage: GrowingKeyValues): Promise<LogitsRows> {
    const outputs = await this.#outputs(ids, cache, Object.fromEntries(storage.feeds), {});
    storage.take(outputs);
    cache.added(ids);
    return this.#rows(outputs['logits']);
  }

  /** A run that writes into the slot; one that is to prove others has no kernels of our own. */
  async #direct(
    ids: readonly number[],
    cache: KeyValueCache,
    slot: KeyValueSlot,
    isProof = false,
  ): Promise<LogitsRows> {
    const { logits } = this.#parts;
    slot.allLogits?.dispose();
    slot.allLogits = null;
    const fetches = { ...slot.presents, logits: logits === 'last' ? slot.logits : null };
    const outputs = await this.#outputs(ids, cache, slot.pasts, fetches, isProof);
    if (logits === 'all') slot.allLogits = outputs['logits'] ?? null;
    cache.added(ids);
    return this.#rows(slot.allLogits ?? slot.logits);
  }

  /** What onnxruntime gives for tokens after those in the cache; those in `fetches` lie in tensors of ours. */
  #outputs(
    ids: readonly number[],
    cache: KeyValueCache,
    pasts: Readonly<Record<string, Tensor>>,
    fetches: Readonly<Record<string, Tensor | null>>,
    isProof = false,
  ): Promise<Outputs> {
    const run = (some: readonly number[]) => {
      const feeds = { ...this.#parts.weights, ...pasts, ...this.#numbers(some, cache) };
      return Object.keys(fetches).length === 0 ? this.#main.run(feeds) : this.#main.run(feeds, fetches);
    };
    if (this.#own === null || isProof) return run(ids);
    return this.#own.run(ids, { run, position: cache.tokens, pasts, kept: fetches });
  }

  /** Whether some layer does not see all of a text. */
  #isBeyondWindow(tokens: number): boolean {
    return tokens > (this.architecture.windowTokens ?? Number.POSITIVE_INFINITY);
  }

  /** One token by replayed commands; the first ones are compared with ordinary runs. */
  async #step(id: number, cache: KeyValueCache, slot: KeyValueSlot): Promise<LogitsRows> {
    const position = cache.tokens;
    const isBeyond = this.#isBeyondWindow(position + 1);
    let isRight: boolean;
    try {
      slot.step ??= await this.#openStep(slot);
      if (isBeyond) slot.step.leavesWindow();
      // What onnxruntime captures sees no windows; it is recorded for what may stand in for it, and its numbers are not used.
      isRight = !isBeyond || slot.step.seesWindows;
      await slot.step.run({
        input_ids: id,
        positions: cache.isLong ? position + this.capacityTokens : position,
        last_position: position,
        total_tokens: position + 1,
      });
    } catch (cause) {
      if (this.#lost !== null) throw cause;
      return this.#withoutCapture(id, cache, slot, `they could not be recorded here (${sentenceOf(cause, '')})`);
    }
    this.#isKeptToWindow ||= this.architecture.windowTokens !== null && !slot.step.mayComeToSeeWindows;
    if (slot.step.unproven === 0) {
      cache.added([id]);
      return this.#rows(slot.logits);
    }
    const captured = isRight ? (await readRows(this.#rows(slot.logits))).slice() : null;
    // It writes the same keys and values at the same position.
    const rows = await this.#direct([id], cache, slot, true);
    if (captured === null || agree(captured, await readRows(rows))) {
      slot.step.unproven--;
    } else if (!slot.step.retreat()) {
      cache.rewind(position);
      return this.#withoutCapture(id, cache, slot, 'replayed ones gave other numbers here');
    }
    return rows;
  }

  async #openStep(slot: KeyValueSlot): Promise<CapturedStep> {
    const { architecture, forms, weights, runtime, device, sessionOptions } = this.#parts;
    if (!device) throw new Error('steps are captured on a GPU only');
    const { model } = buildGraph(architecture, {
      logits: 'last',
      forms,
      constants: null,
      capacityTokens: slot.capacityTokens,
      purpose: 'step',
      cache: 'static',
      tables: 'inputs',
      tableTokens: this.capacityTokens,
    });
    return CapturedStep.open({ runtime, device, architecture, forms, model, sessionOptions, weights, slot });
  }

  /** Gives capture up for good. What it may have written into the slot is written again. */
  async #withoutCapture(id: number, cache: KeyValueCache, slot: KeyValueSlot, obstacle: string): Promise<LogitsRows> {
    this.#obstacle = obstacle;
    await slot.step?.dispose().catch(() => undefined);
    slot.step = null;
    const held = cache.ids;
    cache.rewind(0);
    const { chunkTokens } = this.#parts;
    for (let start = 0; start < held.length; start += chunkTokens) {
      await this.#direct(held.slice(start, start + chunkTokens), cache, slot);
    }
    return this.#direct([id], cache, slot);
  }

  /** The small inputs of an ordinary run: those that its graph wants. */
  #numbers(ids: readonly number[], cache: KeyValueCache): Record<string, Tensor> {
    const { runtime } = this.#parts;
    const past = cache.tokens;
    const first = cache.isLong ? past + this.capacityTokens : past;
    const int32 = (values: readonly number[]) => new runtime.Tensor('int32', Int32Array.from(values), [values.length]);
    const all: Readonly<Record<string, () => Tensor>> = {
      input_ids: () => int32(ids),
      positions: () => int32(ids.map((_, index) => first + index)),
      last_position: () => int32([past + ids.length - 1]),
      total_tokens: () => int32([past + ids.length]),
    };
    return Object.fromEntries(
      Object.entries(all).flatMap(([name, make]) => (this.#main.inputNames.includes(name) ? [[name, make()]] : [])),
    );
  }

  #rows(logits: Tensor | undefined): LogitsRows {
    const { vocabularySize } = this.architecture;
    if (!logits) throw new Error('the graph gave no logits');
    const rows = logits.dims[0] ?? 0;
    const { device } = this.#parts;
    return device
      ? { kind: 'gpu', device, buffer: gpuBufferOf(logits), rows, vocabularySize }
      : { kind: 'cpu', data: logits.data as Float32Array, rows, vocabularySize };
  }

  #giveBack(slot: KeyValueSlot): void {
    const surplus = this.#slots?.give(slot) ?? null;
    if (surplus) void inTurn(async () => this.#slots?.free(surplus)).catch(() => undefined);
  }

  #fault(cause: unknown): DeviceFault {
    return new DeviceFault(
      this.#lost === null
        ? `The chat engine failed: ${sentenceOf(cause)}`
        : `The graphics device was lost (${this.#lost}); merge again to go on.`,
    );
  }
}
