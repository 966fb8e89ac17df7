import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { describeArchitecture } from './architecture.ts';
import { DecodeAttention } from './decode-attention.ts';
import { Session } from './session.ts';
import { CapturedStep } from './session-step.ts';
import { DECODE_ATTENTION } from './step-attention.ts';
import { type BoundBuffer, KernelWatch } from './step-kernels.ts';
import type { RecordedDispatch, StepRecording } from './step-recording.ts';
import type { StepFacts } from './step-replacement.ts';
import { forward } from './test/forward.ts';
import { placeOnGpu, testDevice } from './test/gpu-weights.ts';
import { randomWeights, TINY_MODELS } from './test/tiny-models.ts';

/** Right ways differ by rounding alone, a millionth or so; a key too many or a head exchanged by a tenth. */
const TOLERANCE = 1e-4;

describe('a captured step', async () => {
  const device = await testDevice();
  const errors: string[] = [];
  device.onuncapturederror = ({ error }) => errors.push(error.message);

  const [model] = TINY_MODELS;
  if (!model) throw new Error('no models');
  /** Its second layer sees 16 tokens, the first all of them. */
  const config = {
    ...model.config,
    model_type: 'qwen2',
    use_sliding_window: true,
    sliding_window: 16,
    max_window_layers: 1,
  };
  const ids = Array.from({ length: 60 }, (_, i) => (i * 17 + (i >> 3)) % 67);

  let runs: readonly unknown[] = [];
  beforeEach(() => {
    runs = vi.spyOn(CapturedStep.prototype, 'run').mock.contexts;
  });
  /** The one that ran last. */
  const step = () => runs.at(-1) as CapturedStep | undefined;
  const closing: (() => Promise<void>)[] = [];
  afterEach(() => {
    vi.restoreAllMocks();
    expect(errors).toEqual([]);
  });
  // Not one after another: as long as any session is open, the next one finds the kernels that they share.
  afterAll(async () => {
    for (const close of closing) await close();
    device.destroy();
  });

  /** Opens the model, and what it should say. */
  const opened = async (own: Readonly<Record<string, unknown>> = config) => {
    const tensors = randomWeights({ title: 'a model', config: own }, 3);
    const architecture = describeArchitecture(own, tensors.keys());
    const placed = placeOnGpu(device, tensors);
    const session = await Session.open(architecture, placed.weights, { logits: 'last' });
    const cache = session.newCache();
    closing.push(async () => {
      cache.dispose();
      await session.dispose();
      placed.free();
    });
    const truth = forward(own, tensors, ids);
    /** Runs tokens one by one up to a length and holds each against the oracle. */
    const expectRightUpTo = async (length: number) => {
      for (let token = cache.tokens; token < length; token++) {
        const row = await session.run(ids.slice(token, token + 1), cache);
        const expected = truth[token] ?? new Float64Array();
        const scale = Math.max(...expected.map(Math.abs));
        const worst = Math.max(...expected.map((value, i) => Math.abs(value - (row[i] ?? Number.NaN))));
        expect(worst, `token ${token}`).toBeLessThan(TOLERANCE * scale);
      }
    };
    return { session, cache, expectRightUpTo };
  };

  it('runs attention of our own, which is right inside a window and beyond it', async () => {
    const { session, cache, expectRightUpTo } = await opened();
    await session.run(ids.slice(0, 8), cache);
    await expectRightUpTo(10);
    expect(step()?.replaced).toContain('attention');
    await expectRightUpTo(12);
    expect(step()?.unproven).toBe(0);
    await expectRightUpTo(16);
    expect(step()?.unproven).toBe(0);
    // The first two tokens beyond the window are compared again.
    await expectRightUpTo(17);
    expect(step()?.unproven).toBe(1);
    await expectRightUpTo(18);
    const made = vi.spyOn(device, 'createBindGroup');
    await expectRightUpTo(60);
    // An ordinary run would bind its buffers anew.
    expect(made).not.toHaveBeenCalled();
    expect(step()?.replaced).toContain('attention');
    expect(session.path).toBe('captured');
    expect(session.reason).toBe('Each token replays recorded commands.');
  });

  it('is recorded for a text that is beyond the window from the start', async () => {
    const { session, cache, expectRightUpTo } = await opened();
    await session.run(ids.slice(0, 40), cache);
    await expectRightUpTo(44);
    const made = vi.spyOn(device, 'createBindGroup');
    await expectRightUpTo(48);
    expect(made).not.toHaveBeenCalled();
    expect(step()?.replaced).toContain('attention');
    // A shorter text in the same place.
    cache.rewind(3);
    await expectRightUpTo(20);
    expect(made).not.toHaveBeenCalled();
    expect(session.path).toBe('captured');
  });

  it('goes back to what onnxruntime recorded where our own gives other numbers, and to ordinary runs beyond a window', async () => {
    const dispatches = DecodeAttention.prototype.dispatches;
    vi.spyOn(DecodeAttention.prototype, 'dispatches').mockImplementation(function (
      this: DecodeAttention,
      buffers,
      scale,
      window,
    ) {
      return dispatches.call(this, buffers, scale * 1.5, window);
    });
    const { session, cache, expectRightUpTo } = await opened();
    await session.run(ids.slice(0, 4), cache);
    await expectRightUpTo(6);
    expect(step()?.replaced).toContain('attention');
    await expectRightUpTo(10);
    expect(step()?.replaced).toEqual([]);
    await expectRightUpTo(12);
    expect(step()?.unproven).toBe(0);
    expect(session.path).toBe('captured');
    await expectRightUpTo(30);
    expect(session.path).toBe('captured');
    expect(session.reason).toMatch(/up to the model's window of 16 tokens/);
  });

  it('leaves attention alone where it does not know what was recorded', async () => {
    const { kernelOf } = KernelWatch.prototype;
    vi.spyOn(KernelWatch.prototype, 'kernelOf').mockImplementation(function (this: KernelWatch, ...given) {
      const kernel = kernelOf.apply(this, given);
      return kernel?.bindings.has('metadata') && kernel.bindings.has('output') ? null : kernel;
    });
    const { session, cache, expectRightUpTo } = await opened(model.config);
    await session.run(ids.slice(0, 4), cache);
    await expectRightUpTo(14);
    expect(step()?.replaced).not.toContain('attention');
    expect(session.path).toBe('captured');
  });

  it('exchanges all layers or none, and nothing that is not in every respect as it is known', async () => {
    const replace = vi.spyOn(DECODE_ATTENTION, 'replace');
    const { session, cache, expectRightUpTo } = await opened(model.config);
    await session.run(ids.slice(0, 4), cache);
    await expectRightUpTo(7);
    const [recording, facts] = replace.mock.calls[0] as [StepRecording, StepFacts];
    replace.mockRestore();
    const { recorded } = recording;
    const exchange = async (changed: readonly RecordedDispatch[]) => {
      const replaced = await DECODE_ATTENTION.replace({ recorded: changed } as StepRecording, facts);
      replaced?.dispose();
      return replaced?.replacements.length ?? null;
    };
    expect(await exchange(recorded)).toBe(2);

    const reading = recorded.findLastIndex(({ kernel }) => kernel?.bindings.has('out_split_vx'));
    /** With one binding of one dispatch changed, or left out. */
    const changed = (index: number, name: string, change: Partial<BoundBuffer> | null) =>
      recorded.map((dispatch, place) => {
        const { kernel } = dispatch;
        if (place !== index || !kernel) return dispatch;
        const bindings = new Map(kernel.bindings);
        const known = bindings.get(name);
        if (!known) throw new Error(`there is no ${name}`);
        if (change === null) bindings.delete(name);
        else bindings.set(name, { ...known, ...change });
        return { ...dispatch, kernel: { ...kernel, bindings } };
      });
    const other = device.createBuffer({ size: 4096, usage: GPUBufferUsage.STORAGE });
    const small = device.createBuffer({ size: 16, usage: GPUBufferUsage.STORAGE });
    const first = recorded[reading]?.kernel?.bindings;
    const [query, split] = [first?.get('q')?.buffer, first?.get('out_split_vx')?.buffer];
    if (!query || !split) throw new Error('no attention');
    const strange: readonly (readonly [string, readonly RecordedDispatch[]])[] = [
      ['one layer only', recorded.slice(reading - 1)],
      ['a reader without its reducer', recorded.toSpliced(reading + 1, 1)],
      ['something between the two', recorded.toSpliced(reading + 1, 0, recorded[0] as RecordedDispatch)],
      ['a second reader', [...recorded, recorded[reading] as RecordedDispatch]],
      ['a kernel that nobody knows', [...recorded, { ...(recorded[0] as RecordedDispatch), kernel: null }]],
      ['other keys', changed(reading, 'present_key', { buffer: other })],
      ['other values', changed(reading, 'present_value', { buffer: other })],
      ['another number of tokens', changed(reading, 'total_sequence_length_input', { buffer: other })],
      ['another position', changed(reading, 'seqlens_k', { buffer: other })],
      ['another reducer', changed(reading + 1, 'input', { buffer: other })],
      ['other notes', changed(reading + 1, 'metadata', { buffer: other })],
      ['a query that is too short', changed(reading, 'q', { buffer: small })],
      ['an output that is too short', changed(reading + 1, 'output', { buffer: small })],
      ['a query that is the output', changed(reading + 1, 'output', { buffer: query })],
      ['a query that begins elsewhere', changed(reading, 'q', { offset: 256 })],
      ['an input that is written', changed(reading, 'q', { access: 'read_write' })],
      ['a variable less', changed(reading, 'indirect_buffer', null)],
      ['keys that are not written before', changed(reading - 1, 'present_key', { access: 'read' })],
      ['parts that are read later', changed(reading + 2, 'a', { buffer: split })],
    ];
    for (const [what, dispatches] of strange) expect(await exchange(dispatches), what).toBeNull();
    const capped = {
      ...facts,
      architecture: {
        ...facts.architecture,
        blocks: facts.architecture.blocks.map((block) => ({
          ...block,
          attention: { ...block.attention, softCap: 30 },
        })),
      },
    };
    expect(await DECODE_ATTENTION.replace(recording, capped)).toBeNull();
    other.destroy();
    small.destroy();
  });
});
