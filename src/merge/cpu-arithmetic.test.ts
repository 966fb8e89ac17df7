/**
 * The contract of `Arithmetic` on the CPU: every operation against the plain computation that it stands for, in place
 * and in real threads; and what a place owes beside numbers: memory that goes over and comes back, deaths that are told.
 */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import { wrap } from 'comlink';
import nodeEndpoint from 'comlink/dist/esm/node-adapter.mjs';
import { build } from 'vite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decode, encode } from '../formats/codec.ts';
import { type BlendedDtype, elementBytes } from '../formats/dtype.ts';
import {
  BLOCK_ELEMENTS,
  blocksOf,
  type KernelNumbers,
  type Lines,
  type LoadedPiece,
  rowsOf,
} from '../methods/kernel.ts';
import { METHODS } from '../methods/index.ts';
import { defaults, type Method, type SelectPass, type SumPass } from '../methods/method.ts';
import { streamKey } from '../methods/random.ts';
import { CpuArithmetic, type KernelThread } from './cpu-arithmetic.ts';
import { buffersOf } from './cpu-worker.ts';
import { type KernelEndpoint, kernelThread } from './kernel-thread.ts';
import { DIGITS } from './selection.ts';
import { random } from './test/checkpoints.ts';

/** A tensor's sources, the base first, on a grid that all dtypes hold exactly, with ties, zeros and equal elements. */
interface Tensor {
  readonly name: string;
  readonly rowElements: number;
  readonly dtypes: readonly BlendedDtype[];
  readonly values: readonly Float64Array[];
}

function tensorOf(rows: number, rowElements: number, dtypes: readonly BlendedDtype[], seed = 1): Tensor {
  const next = random(seed);
  const whole = (most: number) => Math.floor(next() * (2 * most + 1)) - most;
  const base = Float64Array.from({ length: rows * rowElements }, () => whole(31) / 64);
  const values = dtypes.map((_, s) => (s === 0 ? base : base.map((x) => (next() < 0.3 ? x : x + whole(32) / 64))));
  return { name: `t${rows}x${rowElements}`, rowElements, dtypes, values };
}

function pieceOf(tensor: Tensor, start: number, end: number): LoadedPiece {
  return {
    tensor: tensor.name,
    start,
    elements: end - start,
    tensorElements: tensor.values[0]?.length ?? 0,
    rowElements: tensor.rowElements,
    hasBase: true,
    dtypes: tensor.dtypes,
    bytes: tensor.values.map((values, s) => encode(values.slice(start, end), tensor.dtypes[s] ?? 'F32')),
  };
}

/** The tensor in pieces that end at `cuts`. */
function piecesOf(tensor: Tensor, cuts: readonly number[]): LoadedPiece[] {
  const ends = [...cuts, tensor.values[0]?.length ?? 0];
  return ends.map((end, p) => pieceOf(tensor, ends[p - 1] ?? 0, end));
}

function deltasOf({ values: [base = new Float64Array(), ...models] }: Tensor): Float64Array[] {
  return models.map((model) => model.map((x, i) => x - (base[i] ?? 0)));
}

function methodOf(name: string): Method {
  const method = METHODS.get(name);
  if (!method) throw new Error(`no method ${name}`);
  return method;
}

function passOf<Kind extends 'sums' | 'select'>(method: Method, name: string, kind: Kind) {
  const pass = method.passes?.find((own) => own.name === name);
  if (pass?.kind !== kind) throw new Error(`no pass ${name}`);
  return pass as Kind extends 'sums' ? SumPass : SelectPass;
}

function numbersOf(method: Method, models: number, coefficients?: Lines): KernelNumbers {
  return {
    params: defaults(method.params),
    perModel: Array.from({ length: models }, () => defaults(method.perModel)),
    coefficients: coefficients ?? {
      over: 'tensor',
      width: models,
      lines: 1,
      values: Float64Array.from({ length: models }, (_, k) => 2 ** -k),
    },
    found: new Map(),
    slots: new Map(),
    streams: Array.from({ length: models }, (_, k) => streamKey(0, 't', k)),
  };
}

let folder: string;
let script: URL;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fusewright-threads-'));
  const root = fileURLToPath(new URL('../..', import.meta.url));
  await build({
    root,
    logLevel: 'error',
    ssr: { noExternal: true },
    build: {
      ssr: true,
      outDir: folder,
      emptyOutDir: true,
      minify: false,
      rolldownOptions: { input: { 'kernel-worker': join(root, 'src/cli/kernel-worker.ts') } },
    },
  });
  script = pathToFileURL(join(folder, 'kernel-worker.js'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** As the command line starts them. */
function startThreads(file: URL, count: number): KernelThread[] {
  return Array.from({ length: count }, () => {
    const worker = new Worker(file);
    const died = new Promise<never>((_, reject) => {
      worker.once('exit', () => reject(new Error('the thread ended before its work did')));
    });
    return kernelThread(wrap<KernelEndpoint>(nodeEndpoint(worker)), died, () => void worker.terminate());
  });
}

const PLACES: readonly { readonly where: string; readonly threads: () => KernelThread[] }[] = [
  { where: 'in place', threads: () => [] },
  { where: 'in threads', threads: () => startThreads(script, 2) },
];

/** Shapes that are ragged, a vector, and rows of more than one block; with cuts at rows and at blocks. */
const TENSORS: readonly {
  readonly tensor: Tensor;
  readonly rowCuts: readonly number[];
  readonly cuts: readonly number[];
}[] = [
  { tensor: tensorOf(33, 129, ['F32', 'F32', 'F32']), rowCuts: [129 * 16], cuts: [BLOCK_ELEMENTS] },
  { tensor: tensorOf(5, 4099, ['BF16', 'BF16', 'F16'], 2), rowCuts: [4099, 4099 * 3], cuts: [2 * BLOCK_ELEMENTS] },
  { tensor: tensorOf(1, 7, ['F16', 'F16', 'BF16'], 3), rowCuts: [], cuts: [] },
  { tensor: tensorOf(1, 80_001, ['BF16', 'BF16', 'BF16'], 4), rowCuts: [], cuts: [BLOCK_ELEMENTS * 17] },
];

describe.each(PLACES)('$where', ({ threads }) => {
  let arithmetic: CpuArithmetic;
  beforeAll(() => {
    arithmetic = new CpuArithmetic(threads());
  });
  afterAll(() => arithmetic.dispose());

  it.each(TENSORS)('measures deltas and sources of $tensor.name', async ({ tensor, cuts }) => {
    for (const from of ['deltas', 'sources'] as const) {
      const vectors = from === 'deltas' ? deltasOf(tensor) : tensor.values;
      const count = vectors.length;
      const pieces = piecesOf(tensor, cuts);
      const batch = await arithmetic.load(pieces);
      const measured = await arithmetic.measure(
        batch,
        pieces.map((_, p) => p),
        { plain: true, axis: null, from },
      );
      batch.release();
      const wanted = pieces.flatMap((piece) =>
        [...blocksOf(piece, piece.tensorElements, BLOCK_ELEMENTS)].flatMap(([start, end]) => {
          const parts = vectors.map((v) => v.subarray(piece.start + start, piece.start + end));
          return [
            ...parts.flatMap((b, k) => parts.slice(0, k + 1).map((a) => dot(a, b))),
            ...parts.map((a) => sum(a.map(Math.abs))),
            ...parts.map((a) => a.reduce((most, x) => Math.max(most, Math.abs(x)), 0)),
            ...parts.map((a) => a.filter((x) => x !== 0).length),
          ];
        }),
      );
      const got = measured.flatMap(({ plain }) => [...(plain ?? [])]);
      expect(got.length % ((count * (count + 1)) / 2 + 3 * count)).toBe(0);
      expectClose(got, wanted);
    }
  });

  it.each(TENSORS)('measures rows and columns of $tensor.name', async ({ tensor, rowCuts }) => {
    const vectors = deltasOf(tensor);
    const { rowElements } = tensor;
    for (const axis of ['row', 'column'] as const) {
      const pieces = piecesOf(tensor, rowCuts);
      const batch = await arithmetic.load(pieces);
      const indices = pieces.map((_, p) => p);
      const measured = await arithmetic.measure(batch, indices, { plain: false, axis, from: 'deltas' });
      batch.release();
      pieces.forEach((piece, p) => {
        expect(measured[p]?.plain).toBeNull();
        const lines = axis === 'row' ? rowsOf(piece).count : rowElements;
        const lineOf = (i: number) =>
          axis === 'row' ? Math.floor(i / rowElements) - rowsOf(piece).first : i % rowElements;
        const products = vectors.flatMap((b, k) =>
          vectors.slice(0, k + 1).map((a) => a.map((x, i) => x * (b[i] ?? 0))),
        );
        const wanted = [...products, ...vectors.map((a) => a.map(Math.abs))].map((quantity) => {
          const totals = new Float64Array(lines);
          for (let i = piece.start; i < piece.start + piece.elements; i++) {
            totals[lineOf(i)] = (totals[lineOf(i)] ?? 0) + (quantity[i] ?? 0);
          }
          return totals;
        });
        const got = measured[p]?.lines ?? new Float64Array();
        expectClose(
          got,
          wanted.flatMap((totals) => [...totals]),
        );
      });
    }
  });

  it.each(TENSORS)('sums a pass over the blocks of $tensor.name', async ({ tensor, cuts }) => {
    const method = methodOf('sce');
    const pieces = piecesOf(tensor, cuts);
    const batch = await arithmetic.load(pieces);
    const numbers = numbersOf(method, 2);
    const whole = { ...numbers, params: { ...numbers.params, select_topk: 1 } };
    const work = pieces.map((_, piece) => ({ piece, numbers: whole }));
    const sums = await arithmetic.sums(batch, method, passOf(method, 'energy', 'sums'), work);
    batch.release();
    const wanted = pieces.flatMap((piece) =>
      [...blocksOf(piece, piece.tensorElements, BLOCK_ELEMENTS)].flatMap(([start, end]) =>
        deltasOf(tensor).map((d) => {
          const part = d.subarray(piece.start + start, piece.start + end);
          return dot(part, part);
        }),
      ),
    );
    const got = sums.flatMap((own) => [...own]);
    expectClose(got, wanted);
  });

  it.each(TENSORS)('sums a pass over the columns and rows of $tensor.name', async ({ tensor, rowCuts }) => {
    const method = methodOf('widen');
    const { rowElements } = tensor;
    const [base = new Float64Array()] = tensor.values;
    const quantities = [
      base.map((x) => x * x),
      ...deltasOf(tensor).flatMap((d) => [d.map((x, i) => x * (base[i] ?? 0)), d.map((x) => x * x)]),
    ];
    for (const name of ['columns', 'tokens']) {
      const pieces = piecesOf(tensor, rowCuts);
      const batch = await arithmetic.load(pieces);
      const work = pieces.map((_, piece) => ({ piece, numbers: numbersOf(method, 2) }));
      const pass = passOf(method, name, 'sums');
      const sums = await arithmetic.sums(batch, method, pass, work);
      batch.release();
      pieces.forEach((piece, p) => {
        const lines = pass.over === 'row' ? rowsOf(piece).count : rowElements;
        const wanted = new Float64Array(quantities.length * lines);
        quantities.forEach((quantity, q) => {
          for (let i = piece.start; i < piece.start + piece.elements; i++) {
            const line = pass.over === 'row' ? Math.floor(i / rowElements) - rowsOf(piece).first : i % rowElements;
            wanted[q * lines + line] = (wanted[q * lines + line] ?? 0) + (quantity[i] ?? 0);
          }
        });
        expectClose(sums[p] ?? [], wanted);
      });
    }
  });

  it.each(TENSORS)('counts and gives the keys of $tensor.name', async ({ tensor, cuts }) => {
    const method = methodOf('ties');
    const pass = passOf(method, 'magnitude', 'select');
    const numbers = numbersOf(method, 2);
    const keys = deltasOf(tensor).map((d) => new Uint32Array(Float32Array.from(d, Math.abs).buffer));
    const pieces = piecesOf(tensor, cuts);
    const batch = await arithmetic.load(pieces);
    const part = (key: number, piece: LoadedPiece) =>
      keys[key]?.slice(piece.start, piece.start + piece.elements) ?? new Uint32Array();

    for (const digit of DIGITS) {
      // Prefixes that are there, in the first model, the second and the first again; and one that is not.
      const above = 2 ** (digit.shift + digit.width);
      const queries = [0, 1, 0, 1].map((key, n) => ({
        key,
        prefix: n === 3 ? 0x7fffffff : Math.floor((keys[key]?.[n] ?? 0) / above),
      }));
      const counted = await arithmetic.histogram(
        batch,
        method,
        pass,
        pieces.map((_, piece) => ({ piece, numbers, queries })),
        digit,
      );
      pieces.forEach((piece, p) => {
        const wanted = queries.flatMap(({ key, prefix }) => {
          const bins = new Array<number>(2 ** digit.width).fill(0);
          for (const bits of part(key, piece)) {
            const bin = Math.floor(bits / 2 ** digit.shift) % 2 ** digit.width;
            if (Math.floor(bits / above) === prefix) bins[bin] = (bins[bin] ?? 0) + 1;
          }
          return bins;
        });
        expect([...(counted[p] ?? [])]).toEqual(wanted);
      });
    }

    const ties = [
      { key: 0, bits: 0 },
      { key: 1, bits: keys[1]?.[1] ?? 0 },
      { key: 0, bits: keys[0]?.[2] ?? 0 },
    ];
    const equal = await arithmetic.countEqual(
      batch,
      method,
      pass,
      pieces.map((_, piece) => ({ piece, numbers, queries: ties })),
    );
    pieces.forEach((piece, p) => {
      const blocks = [...blocksOf(piece, piece.tensorElements, BLOCK_ELEMENTS)];
      const wanted = ties.flatMap(({ key, bits }) =>
        blocks.map(
          ([from, to]) =>
            part(key, piece)
              .subarray(from, to)
              .filter((own) => own === bits).length,
        ),
      );
      expect([...(equal[p] ?? [])]).toEqual(wanted);
    });

    for (const [p, piece] of pieces.entries()) {
      const from = Math.floor(piece.elements / 3);
      const to = Math.min(piece.elements, from + BLOCK_ELEMENTS);
      const got = await arithmetic.keys(batch, method, pass, { piece: p, numbers, key: 1, from, to });
      expect(got).toEqual(part(1, piece).slice(from, to));
    }
    batch.release();
  });

  it.each(TENSORS)(
    'merges $tensor.name by numbers that lie over tensor, rows and columns',
    async ({ tensor, cuts }) => {
      const method = methodOf('task_arithmetic');
      const [base = new Float64Array()] = tensor.values;
      const rows = base.length / tensor.rowElements;
      const deltas = deltasOf(tensor);
      for (const over of ['tensor', 'row', 'column'] as const) {
        const lines = { tensor: 1, row: rows, column: tensor.rowElements }[over];
        const values = Float64Array.from({ length: 2 * lines }, (_, n) => (n % 8) / 8);
        const lineOf = (i: number) =>
          ({ tensor: 0, row: Math.floor(i / tensor.rowElements), column: i % tensor.rowElements })[over];
        const wanted = base.map((x, i) =>
          deltas.reduce((sum, d, k) => sum + (values[k * lines + lineOf(i)] ?? 0) * (d[i] ?? 0), x),
        );
        const numbers = numbersOf(method, 2, { over, width: 2, lines, values });
        const pieces = piecesOf(tensor, cuts);
        const batch = await arithmetic.load(pieces);
        for (const out of ['F32', 'BF16', 'F16'] as const) {
          const work = pieces.map((_, piece) => ({ piece, numbers, out }));
          const merged = await arithmetic.merge(batch, method, work);
          expect(Buffer.concat(merged.map(({ bytes }) => bytes)).equals(encode(wanted, out))).toBe(true);
          expect(merged.map(({ faulty, squares }) => [faulty, squares])).toEqual(pieces.map(() => [0, null]));

          const live = await arithmetic.allocate([
            { name: tensor.name, shape: [base.length], elements: base.length, form: 'f32' },
          ]);
          expect(await arithmetic.mergeInto(batch, method, work, live)).toEqual(pieces.map(() => 0));
          const target = live.tensors.get(tensor.name);
          if (target?.kind !== 'cpu') throw new Error('not on the CPU');
          expect(bytesOf(target.data).equals(bytesOf(Float32Array.from(decode(encode(wanted, out), out))))).toBe(true);
        }
        batch.release();
      }
    },
  );

  it('audits what it merges, and counts NaN and infinity', async () => {
    const tensor = tensorOf(3, 50, ['F32', 'F32', 'F32'], 9);
    const [base = new Float64Array(), first = new Float64Array()] = tensor.values;
    first[7] = Number.POSITIVE_INFINITY;
    first[40] = Number.NaN;
    const method = methodOf('task_arithmetic');
    const batch = await arithmetic.load(piecesOf(tensor, []));
    const work = [{ piece: 0, numbers: numbersOf(method, 2), out: 'F32' as const }];
    const [faulty] = await arithmetic.merge(batch, method, work);
    expect(faulty?.faulty).toBe(2);
    batch.release();

    first[7] = 1;
    first[40] = 1;
    const sound = await arithmetic.load(piecesOf(tensor, []));
    const [merged] = await arithmetic.merge(sound, method, work, { isAudited: true });
    sound.release();
    const result = decode(merged?.bytes ?? new Uint8Array(), 'F32');
    const wanted = [base, ...tensor.values.slice(1), result].map((x) => dot(x, x));
    expectClose(merged?.squares ?? [], wanted);
  });

  it('works on several batches at once, each with its own bytes', async () => {
    const method = methodOf('task_arithmetic');
    const tensors = Array.from({ length: 12 }, (_, n) => tensorOf(4, 100 + n, ['BF16', 'BF16', 'BF16'], 20 + n));
    const merged = await Promise.all(
      tensors.map(async (tensor) => {
        const batch = await arithmetic.load(piecesOf(tensor, []));
        const work = [{ piece: 0, numbers: numbersOf(method, 2), out: 'F32' as const }];
        const [result] = await arithmetic.merge(batch, method, work);
        batch.release();
        batch.release();
        return result?.bytes;
      }),
    );
    tensors.forEach((tensor, n) => {
      const [base = new Float64Array()] = tensor.values;
      const deltas = deltasOf(tensor);
      const wanted = base.map((x, i) => deltas.reduce((sum, d, k) => sum + 2 ** -k * (d[i] ?? 0), x));
      expect(merged[n]).toEqual(encode(wanted, 'F32'));
    });
  });

  it('refuses a batch that was released, and one of another place', async () => {
    const tensor = tensorOf(2, 10, ['F32', 'F32']);
    const batch = await arithmetic.load(piecesOf(tensor, []));
    expect(batch.bytes).toBe(2 * 20 * elementBytes('F32'));
    batch.release();
    await expect(arithmetic.measure(batch, [0], { plain: true, axis: null, from: 'deltas' })).rejects.toThrow(
      'no piece 0',
    );
    const strange = { pieces: [], bytes: 0, release: () => undefined };
    expect(() => arithmetic.measure(strange, [], { plain: true, axis: null, from: 'deltas' })).toThrow('another place');
  });

  it('gives memory back and goes on', async () => {
    arithmetic.trim();
    const tensor = tensorOf(2, 10, ['F32', 'F32']);
    const batch = await arithmetic.load(piecesOf(tensor, []));
    const [measured] = await arithmetic.measure(batch, [0], { plain: true, axis: null, from: 'deltas' });
    batch.release();
    expect(measured?.plain?.length).toBe(4);
  });
});

describe('threads', () => {
  it('take a batch’s memory over and give it back', async () => {
    const [thread] = startThreads(script, 1);
    if (!thread) throw new Error('no thread');
    const piece = pieceOf(tensorOf(2, 10, ['F32', 'F32']), 0, 20);
    await thread.call('load', [1, [piece]], buffersOf(piece.bytes));
    expect(piece.bytes.map(({ byteLength }) => byteLength)).toEqual([0, 0]);
    const back = await thread.call('release', [1], []);
    expect(back.map(({ byteLength }) => byteLength)).toEqual([80, 80]);
    expect(await thread.call('release', [1], [])).toEqual([]);
    thread.terminate();
  });

  it('share batches out evenly', async () => {
    const threads = [0, 1, 2].map(() => {
      const held: number[] = [];
      const thread: KernelThread = {
        async call(call, args) {
          if (call === 'load') held.push(args[0] as number);
          return [] as never;
        },
        terminate: () => undefined,
      };
      return { held, thread };
    });
    const arithmetic = new CpuArithmetic(threads.map(({ thread }) => thread));
    const load = () => arithmetic.load([pieceOf(tensorOf(2, 10, ['F32', 'F32']), 0, 20)]);
    const [first] = [await load(), await load(), await load(), await load()];
    expect(threads.map(({ held }) => held)).toEqual([[1, 4], [2], [3]]);
    first?.release();
    await load();
    await load();
    expect(threads.map(({ held }) => held)).toEqual([[1, 4, 5], [2, 6], [3]]);
  });

  it('tell everybody who waits for one that died, and whoever comes later', async () => {
    const dying = startThreads(new URL('data:text/javascript,setTimeout(() => process.exit(0), 50)'), 1);
    const arithmetic = new CpuArithmetic(dying);
    const piece = () => pieceOf(tensorOf(2, 10, ['F32', 'F32']), 0, 20);
    const kind = { plain: true, axis: null, from: 'deltas' } as const;
    const batch = await arithmetic.load([piece()]);
    const waiting = [arithmetic.measure(batch, [0], kind), arithmetic.measure(batch, [0], kind)];
    for (const one of waiting) await expect(one).rejects.toThrow('ended before its work did');
    batch.release();
    const later = await arithmetic.load([piece()]);
    await expect(arithmetic.measure(later, [0], kind)).rejects.toThrow('ended before its work did');
    arithmetic.dispose();
  });
});

/** Equal to the last digits: one assertion, because there are hundreds of thousands of numbers. */
function expectClose(got: ArrayLike<number>, wanted: ArrayLike<number>): void {
  expect(got.length).toBe(wanted.length);
  for (let n = 0; n < wanted.length; n++) {
    const [g, w] = [got[n] ?? Number.NaN, wanted[n] ?? 0];
    if (!(Math.abs(g - w) <= 1e-5 * Math.max(1, Math.abs(w)))) expect.fail(`number ${n} is ${g} instead of ${w}`);
  }
}

function sum(values: Float64Array): number {
  return values.reduce((total, x) => total + x, 0);
}

function dot(a: Float64Array, b: Float64Array): number {
  return a.reduce((total, x, i) => total + x * (b[i] ?? 0), 0);
}

/** Bytes in a form that compares fast. */
function bytesOf(data: ArrayBufferView): Buffer {
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
}
