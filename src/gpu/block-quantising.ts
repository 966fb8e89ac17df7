/**
 * BlockQuantising: float32 values on a device turned into blocks there (`formats/block-quantised.ts`, quantise.wgsl),
 * cut to what the device binds at once. Any run of whole blocks can be quantised by itself, so that a matrix never has
 * to lie there whole in float32. Not which tensors are held so, and not the buffers' life.
 */

import { BudgetFault, DeviceFault } from '../bytes/fault.ts';
import { BLOCK, type BlockForm, bitsOf, heldMatrix, isTransposed, possibleForm } from '../formats/block-quantised.ts';
import { shaderText } from '../methods/index.ts';
import { BUFFER_USAGE, type Buffers } from './buffers.ts';
import { type BufferRange, MOST_GROUPS, OFFSET_BYTES } from './submission.ts';

/** Invocations per workgroup of quantise.wgsl. */
const GROUP_INVOCATIONS = 64;

/** Elements that it reads at once, and blocks that one invocation makes across rows. */
const LANES = 4;

/** Bytes of a block in float32. */
const SOURCE_BYTES = BLOCK * 4;

/** Words of the uniform `Job` of quantise.wgsl. */
const JOB_WORDS = 10;

/** What is written is bound from a multiple of so many blocks on: then codes and scales begin at multiples of OFFSET_BYTES. */
const BOUND_BLOCKS = 64;

/** Most bytes that are bound before what is meant. */
const SLACK_BYTES = BOUND_BLOCKS * BLOCK;

/** A run of a matrix's elements to be quantised into its place. */
export interface QuantiseWork {
  /** The tensor, for messages. */
  readonly tensor: string;
  readonly form: BlockForm;
  /** As in the checkpoint. */
  readonly shape: readonly number[];
  /** The elements [start, start + elements) in the checkpoint's order: whole blocks, or whole bands of 32 rows. */
  readonly start: number;
  readonly elements: number;
  /** Their values in float32; its offset is a multiple of OFFSET_BYTES. */
  readonly source: BufferRange;
  /** Codes and scales of the whole matrix. */
  readonly values: GPUBuffer;
  readonly scales: GPUBuffer;
}

/**
 * A strided walk: invocation n is (n mod inner, n / inner). Along rows each makes a block, across rows LANES of them, of as
 * many neighbouring columns. Sources are counted in words from where the work's begin, results in blocks of the matrix.
 */
interface Walk {
  readonly invocations: number;
  readonly inner: number;
  readonly source: number;
  readonly sourceStrides: { readonly inner: number; readonly outer: number; readonly row: number };
  readonly result: number;
  readonly resultStrides: { readonly inner: number; readonly outer: number; readonly block: number };
}

/** One past the last word that a walk reads, and the last block that it writes. */
function endsOf({ invocations, inner, source, sourceStrides, result, resultStrides }: Walk) {
  const outer = invocations / inner - 1;
  const last = inner - 1;
  // Along rows the words lie side by side, and there is one block.
  const words = sourceStrides.row === 0 ? BLOCK : (BLOCK - 1) * sourceStrides.row + LANES;
  const blocks = resultStrides.block * (LANES - 1) + 1;
  return {
    source: source + last * sourceStrides.inner + outer * sourceStrides.outer + words,
    result: result + last * resultStrides.inner + outer * resultStrides.outer + blocks,
  };
}

/**
 * The walks of a piece of work, each within what can be bound at once.
 * @throws RangeError where the elements are not whole blocks; BudgetFault where 32 rows of a transposed matrix are too much.
 */
function walksOf(work: QuantiseWork, limitBytes: number): Walk[] {
  const { form, shape, start, elements } = work;
  const unit = isTransposed(form) ? BLOCK * (shape[1] ?? 0) : BLOCK;
  if (possibleForm(form, shape) !== form || start % unit !== 0 || elements % unit !== 0 || elements === 0) {
    throw new RangeError(`elements ${start} to ${start + elements} of ${work.tensor} are not whole blocks`);
  }
  const room = limitBytes - SLACK_BYTES;
  return isTransposed(form) ? transposedWalks(work, room) : plainWalks(work, room);
}

function plainWalks({ start, elements }: QuantiseWork, room: number): Walk[] {
  const most = Math.max(1, Math.floor(room / SOURCE_BYTES));
  return steps(elements / BLOCK, most).map(([first, blocks]) => ({
    invocations: blocks,
    inner: blocks,
    source: first * BLOCK,
    sourceStrides: { inner: BLOCK, outer: 0, row: 0 },
    result: start / BLOCK + first,
    resultStrides: { inner: 1, outer: 0, block: 0 },
  }));
}

/** Bands of 32 of the checkpoint's rows: neighbours in a row belong to neighbouring rows of what is held. */
function transposedWalks({ tensor, form, shape, start, elements }: QuantiseWork, room: number): Walk[] {
  const { rows, columns } = heldMatrix(form, shape);
  const bandWords = BLOCK * rows;
  const rowBlocks = columns / BLOCK;
  const mostBands = Math.floor(room / (bandWords * 4));
  if (mostBands < 1) {
    throw new BudgetFault(
      `${BLOCK} rows of ${tensor} take ${bandWords * 4} bytes and cannot be cut further, but this graphics device allows ${room} at once; choose float32 weights for chat.`,
      { tensors: [tensor] },
    );
  }
  const mostLanes = Math.max(1, Math.floor(room / (rowBlocks * 4 * bitsOf(form) * LANES)));
  return steps(elements / bandWords, mostBands).flatMap(([band, bands]) =>
    steps(rows / LANES, mostLanes).map(([lane, lanes]) => ({
      invocations: bands * lanes,
      inner: lanes,
      source: band * bandWords + lane * LANES,
      sourceStrides: { inner: LANES, outer: bandWords, row: rows },
      result: lane * LANES * rowBlocks + start / bandWords + band,
      resultStrides: { inner: LANES * rowBlocks, outer: 1, block: rowBlocks },
    })),
  );
}

/** [0, total) in steps of at most `most`: where each begins and how long it is. */
function steps(total: number, most: number): [first: number, count: number][] {
  const out: [number, number][] = [];
  for (let first = 0; first < total; first += most) out.push([first, Math.min(most, total - first)]);
  return out;
}

/** What a device has compiled for quantising. */
interface Compiled {
  readonly layout: GPUBindGroupLayout;
  readonly pipelines: Map<BlockForm, Promise<GPUComputePipeline>>;
}

const compiled = new WeakMap<GPUDevice, Compiled>();

function compiledFor(device: GPUDevice): Compiled {
  const known = compiled.get(device);
  if (known) return known;
  const types = ['read-only-storage', 'storage', 'storage', 'uniform'] as const;
  const layout = device.createBindGroupLayout({
    entries: types.map((type, binding) => ({ binding, visibility: 4 /* GPUShaderStage.COMPUTE */, buffer: { type } })),
  });
  const fresh: Compiled = { layout, pipelines: new Map() };
  compiled.set(device, fresh);
  return fresh;
}

async function compile(device: GPUDevice, layout: GPUBindGroupLayout, form: BlockForm): Promise<GPUComputePipeline> {
  try {
    return await device.createComputePipelineAsync({
      label: `quantise ${form}`,
      layout: device.createPipelineLayout({ bindGroupLayouts: [layout] }),
      compute: {
        module: device.createShaderModule({ label: 'quantise', code: shaderText('quantise') }),
        entryPoint: isTransposed(form) ? 'across_rows' : 'along_rows',
        constants: { BITS: bitsOf(form) },
      },
    });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new DeviceFault(`The graphics driver refuses the kernel quantise: ${reason}`, { kernel: 'quantise' });
  }
}

/** Work that waits for the submission which it is to be part of. */
export interface ReadyToQuantise {
  /** Encodes it, behind whatever writes its sources. */
  readonly encode: (encoder: GPUCommandEncoder) => void;
  /** Gives back what it took; to be called once, after the submission or instead of it. */
  readonly end: () => void;
}

/** Quantises on one device. */
export class BlockQuantiser {
  readonly #device: GPUDevice;
  readonly #buffers: Buffers;
  readonly #limitBytes: number;
  readonly #compiled: Compiled;

  /** @param limitBytes most bytes that one binding may have; tests make it small. */
  constructor(device: GPUDevice, buffers: Buffers, limitBytes = device.limits.maxStorageBufferBindingSize) {
    this.#device = device;
    this.#buffers = buffers;
    this.#limitBytes = Math.min(limitBytes, device.limits.maxStorageBufferBindingSize);
    this.#compiled = compiledFor(device);
  }

  /**
   * Makes work ready. Throws DeviceFault where the driver refuses the kernel, BudgetFault where 32 rows of a transposed
   * matrix are more than the device binds.
   */
  async prepare(work: readonly QuantiseWork[]): Promise<ReadyToQuantise> {
    const walks = work.flatMap((own) => walksOf(own, this.#limitBytes).map((walk) => ({ own, walk })));
    const pipelines = new Map<BlockForm, GPUComputePipeline>();
    for (const form of new Set(work.map((own) => own.form))) pipelines.set(form, await this.#pipeline(form));
    const jobBytes = Math.max(1, walks.length) * OFFSET_BYTES;
    const jobs = this.#buffers.take(jobBytes, BUFFER_USAGE.UNIFORM | BUFFER_USAGE.COPY_DST);
    return {
      encode: (encoder) => {
        if (walks.length === 0) return;
        const words = new Uint32Array(jobBytes / 4);
        walks.forEach(({ walk }, n) => words.set(jobOf(walk), (n * OFFSET_BYTES) / 4));
        this.#device.queue.writeBuffer(jobs, 0, words);
        const pass = encoder.beginComputePass({ label: 'quantise' });
        walks.forEach(({ own, walk }, n) => {
          const pipeline = pipelines.get(own.form);
          if (!pipeline) throw new Error('a form without a pipeline');
          pass.setPipeline(pipeline);
          pass.setBindGroup(0, this.#bind(own, walk, { buffer: jobs, offset: n * OFFSET_BYTES, size: JOB_WORDS * 4 }));
          const groups = Math.ceil(walk.invocations / GROUP_INVOCATIONS);
          const x = Math.min(groups, MOST_GROUPS);
          pass.dispatchWorkgroups(x, Math.ceil(groups / x));
        });
        pass.end();
      },
      end: () => this.#buffers.give(jobs),
    };
  }

  /** Quantises what lies on the device already. Throws as `prepare`, and DeviceFault where the device refuses the work. */
  async run(work: readonly QuantiseWork[]): Promise<void> {
    const { encode, end } = await this.prepare(work);
    this.#device.pushErrorScope('validation');
    const encoder = this.#device.createCommandEncoder({ label: 'quantise' });
    encode(encoder);
    this.#device.queue.submit([encoder.finish()]);
    const refused = await this.#device.popErrorScope();
    end();
    if (refused) throw new DeviceFault(`The graphics device refused the work: ${refused.message}`);
  }

  #bind({ form, source, values, scales }: QuantiseWork, walk: Walk, job: BufferRange): GPUBindGroup {
    const ends = endsOf(walk);
    const blob = (BLOCK * bitsOf(form)) / 8;
    const firstBlock = boundBlock(walk);
    const firstByte = boundByte(walk);
    const blocks = ends.result - firstBlock;
    return this.#device.createBindGroup({
      layout: this.#compiled.layout,
      entries: [
        {
          binding: 0,
          resource: { buffer: source.buffer, offset: source.offset + firstByte, size: ends.source * 4 - firstByte },
        },
        { binding: 1, resource: { buffer: values, offset: firstBlock * blob, size: blocks * blob } },
        { binding: 2, resource: { buffer: scales, offset: firstBlock * 4, size: blocks * 4 } },
        { binding: 3, resource: job },
      ],
    });
  }

  #pipeline(form: BlockForm): Promise<GPUComputePipeline> {
    const { pipelines, layout } = this.#compiled;
    const known = pipelines.get(form);
    if (known) return known;
    const fresh = compile(this.#device, layout, form).catch((error: unknown) => {
      pipelines.delete(form);
      throw error;
    });
    pipelines.set(form, fresh);
    return fresh;
  }
}

/** The first block of the result that is bound. */
function boundBlock({ result }: Walk): number {
  return result - (result % BOUND_BLOCKS);
}

/** The first byte of the source that is bound. */
function boundByte({ source }: Walk): number {
  return source * 4 - ((source * 4) % OFFSET_BYTES);
}

/** The uniform of a walk, counted from where its buffers are bound. */
function jobOf(walk: Walk): number[] {
  const { invocations, inner, sourceStrides, resultStrides } = walk;
  const source = walk.source - boundByte(walk) / 4;
  return [
    invocations,
    inner,
    source / LANES,
    sourceStrides.inner / LANES,
    sourceStrides.outer / LANES,
    sourceStrides.row / LANES,
    walk.result - boundBlock(walk),
    resultStrides.inner,
    resultStrides.outer,
    resultStrides.block,
  ];
}
